"""`remit trust`: issuers whose word is taken for what a running copy of an agent is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from remit.cli.exits import Exit
from remit.cli.options import As, Json, Name, examples, group
from remit.cli.output import data_json, data_text, nothing, table, talk
from remit.cli.wire import connect, segment
from remit.kernel.canonical import parse
from remit.kernel.errors import ConfigInvalid, Malformed

app = group("Issuers whose word is taken for what a running copy is.")

_COLUMNS = ("trust", "preset", "issuer", "audience", "source", "keys", "failure")


@app.command(
    "add",
    epilog=examples(
        "remit trust add github --preset github_actions --audience https://remit.example",
        "remit trust add prod.example --preset spiffe --jwks-url https://spire.example/bundle --json",
    ),
)
def add(  # noqa: PLR0917 - typer declares options as parameters
    name: Name,
    preset: Annotated[
        str,
        typer.Option("--preset", metavar="PLATFORM",
                     help="github_actions, kubernetes, gcp, azure, aws, spiffe or oidc (any other issuer)."),
    ] = "oidc",
    issuer: Annotated[
        str | None,
        typer.Option("--issuer", metavar="URL", help="Exactly as it stands in `iss`; some platforms have one only."),
    ] = None,
    audience: Annotated[
        str | None, typer.Option("--audience", metavar="TEXT", help="What a token must be for: this deployment's own.")
    ] = None,
    jwks: Annotated[
        Path | None, typer.Option("--jwks", metavar="FILE", help="Its key set or bundle; then nothing is fetched.")
    ] = None,
    jwks_url: Annotated[
        str | None, typer.Option("--jwks-url", metavar="URL", help="Where its keys are, if discovery does not say it.")
    ] = None,
    algorithms: Annotated[
        str | None, typer.Option("--algorithms", metavar="A,B", help="What it signs with; default: the platform's.")
    ] = None,
    max_age: Annotated[
        str | None, typer.Option("--max-age", metavar="DURATION", help="How old a token may be, such as 15m.")
    ] = None,
    private: Annotated[
        bool, typer.Option("--private", help="Its host, as written, may be a private address or this machine.")
    ] = False,
    reuse: Annotated[
        bool, typer.Option("--reuse", help="A token may be shown more than once; who copies one may use it, too.")
    ] = False,
    json: Json = False,
    as_: As = None,
) -> int:  # fmt: skip
    """Take an issuer's word for what a running copy is.

    Which tokens let which agent in is in the agents' documents. SPIFFE: NAME is the trust domain.
    """
    said: dict[str, Any] = {"trust": name, "preset": preset, "issuer": issuer, "audience": audience,
                            "jwks_url": jwks_url, "max_age": max_age}  # fmt: skip
    if algorithms is not None:
        said["algorithms"] = [each.strip() for each in algorithms.split(",") if each.strip()]
    if jwks is not None:
        said["jwks"] = _key_set(jwks)
    said |= {"private": private, "reuse": reuse}
    answer = connect(as_).post("/v1/trusts", {key: value for key, value in said.items() if value is not None})
    if json:
        data_json(answer)
    else:
        data_text(f"{answer['trust']} is trusted: {answer['issuer']} for {answer['audience']}")
        if reuse:
            talk("its tokens may be shown again until they are too old: keep them as you would keep a password")
    return Exit.OK


@app.command("list", epilog=examples("remit trust list", "remit trust list --json"))
def list_(json: Json = False, as_: As = None) -> int:
    """List the issuers whose word is taken, and what is known of their keys."""
    answer = connect(as_).get("/v1/trusts")
    if json:
        data_json(answer)
    elif not answer["trusts"]:
        nothing("trusts", next_="remit trust add NAME --preset PLATFORM --audience TEXT")
    else:
        table(_COLUMNS, [[row[column] for column in _COLUMNS] for row in answer["trusts"]])
    return Exit.OK


@app.command("show", epilog=examples("remit trust show github", "remit trust show github --json"))
def show(name: Name, json: Json = False, as_: As = None) -> int:
    """Show one issuer."""
    answer = connect(as_).get(f"/v1/trusts/{segment(name)}")
    if json:
        data_json(answer)
    else:
        table(("field", "value"), [[key, value] for key, value in answer.items() if key != "jwks"])
    return Exit.OK


@app.command("remove", epilog=examples("remit trust remove github", "remit trust remove github --json"))
def remove(name: Name, json: Json = False, as_: As = None) -> int:
    """Take an issuer's word for nothing any more. Tokens had with it end within five minutes."""
    answer = connect(as_).delete(f"/v1/trusts/{segment(name)}")
    if json:
        data_json(answer)
    else:
        talk(f"the word of {answer['trust']} is taken for nothing any more")
    return Exit.OK


def _key_set(path: Path) -> Any:  # noqa: ANN401 - the server reads it
    try:
        return parse(path.read_bytes())
    except OSError as error:
        raise ConfigInvalid(f"{path} cannot be read", detail=str(error)) from error
    except Malformed as error:
        raise ConfigInvalid(f"{path} is no JSON", detail=error.detail) from error
