"""`remit whoami`: who a token speaks for, who answers for it, how it was let in, and for whom it acts."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

import typer

from remit.cli.exits import Exit
from remit.cli.locate import Target, find
from remit.cli.options import As, Json, examples
from remit.cli.output import data_json, data_text, facts
from remit.cli.wire import Api, connect
from remit.kernel.errors import ConfigInvalid, Malformed

ME: Final = "/v1/me"
_WHOAMI: Final = "/v1/whoami"
_DOTS: Final = 2  # in a signed token (RFC 7515 section 3.1)
_STDIN: Final = "-"
_LONGEST: Final = 65_536
_RUN: Final = "REMIT_MCP_"


def add(app: typer.Typer) -> None:
    """Add the command."""
    epilog = examples("remit run --agent invoice-bot -- remit whoami", "remit whoami tok_01abc --json")
    app.command("whoami", epilog=epilog)(whoami)


def whoami(
    token: Annotated[
        str | None,
        typer.Argument(metavar="TOKEN", help="An agent's token's id (tok_...), or - for the token on stdin."),
    ] = None,
    key: Annotated[
        Path | None,
        typer.Option("--key", metavar="FILE", help="The key that the token is bound to: asks as the agent."),
    ] = None,
    json: Json = False,
    as_: As = None,
) -> int:
    """Show who a token speaks for.

    Within remit run it is the run. An agent's token in REMIT_TOKEN, or on stdin with --key, asks as that agent; else
    an operator asks about TOKEN. Without any of them: who the operator is.
    """
    found = _found(token, key, as_)
    if json:
        data_json(found)
    elif "person" in found:
        facts(found)
    else:
        _show(found)
    return Exit.OK


def _found(token: str | None, key: Path | None, as_: str | None) -> Any:  # noqa: ANN401 - any JSON value
    shown, own = _shown(token), os.environ.get("REMIT_TOKEN", "").strip()
    if shown is None and (base := _of_run(os.environ)) is not None:
        return Api(Target(url=base, token=None)).get(ME)
    if shown is None and own.count(".") == _DOTS:
        shown = own
        return _as_agent(shown, key)
    if key is not None:
        if shown is None or shown.count(".") != _DOTS:
            raise Malformed("--key goes with a token", try_="the token on stdin and - for it, or in REMIT_TOKEN")
        return _as_agent(shown, key)
    if shown is None:
        return connect(as_).get(_WHOAMI)
    return connect(as_).post(_WHOAMI, {"token": shown})


def _shown(token: str | None) -> str | None:
    if token != _STDIN:
        return token
    found = sys.stdin.read(_LONGEST).strip()
    if not found:
        raise Malformed("there is no token on stdin")
    return found


def _of_run(environ: Mapping[str, str]) -> str | None:
    """The loopback URL of the run that this process belongs to: every server's URL begins with it."""
    urls = (value for name, value in sorted(environ.items()) if name.startswith(_RUN) and "/mcp/" in value)
    return next((url.partition("/mcp/")[0] for url in urls if urlsplit(url).hostname == "127.0.0.1"), None)


def _as_agent(token: str, key: Path | None) -> Any:  # noqa: ANN401 - any JSON value
    """Ask as the agent itself, with a proof where there is a key."""
    url = find({name: value for name, value in os.environ.items() if name != "REMIT_TOKEN_FILE"}).url
    if key is None:
        return Api(Target(url=url, token=token)).get(ME)
    from remit.sdk import keyfile  # noqa: PLC0415 - cryptography is loaded for this alone
    from remit.sdk.grant import proof  # noqa: PLC0415 - likewise

    try:
        loaded = keyfile.load(key)
    except (OSError, ValueError) as error:
        raise ConfigInvalid(
            "the key cannot be used", detail=f"{key}: {error}", try_="the file that remit agent keygen wrote, mode 600"
        ) from error
    made = proof(loaded, "GET", url + ME, token)
    return Api(Target(url=url, token=token), proof=made).get(ME)


def _show(found: Mapping[str, Any]) -> None:
    owner, proved = found["owner"], found["attested"]
    version = f" version {found['version']}, {found['state']}" if "version" in found else ", not registered any more"
    lines = {
        "agent": f"{found['agent']}{version}",
        "owner": "none" if owner is None else f"{owner['name']} ({owner['owner']})",
        "purpose": f"{found['purpose']}: {found.get('statement', 'not registered any more')}",
        "instance": found["instance"],
        "run": f"{found['run']}, until {found['run_ends']}",
        "token": f"{found['token']}, {'until' if found['live'] else 'over; it ended by'} {found['expires']}",
        "stopped": ", ".join(f"frozen {each}" for each in found.get("frozen", ())),
        "attested": _attested(proved),
        "txn": found.get("txn", ""),
    }
    facts({name: value for name, value in lines.items() if value})
    if "obo" in found:
        data_text(f"for {found['obo']}, by consent {found.get('consent', '-')}")
    for depth, each in enumerate(found["chain"][1:], 1):
        where = f"  run {each['run']}, token {each['token']}" if "run" in each else "  no longer in the log"
        data_text(f"{'  ' * depth}acts for {each['agent']}{where}")


def _attested(proved: Mapping[str, Any]) -> str:
    method = proved["method"] or "a credential that it has no longer"
    platform, process = proved.get("platform"), proved.get("process")
    if platform is not None:
        subject = platform.get("sub", "a subject that is sealed in the log")
        return f"{method}: {platform['issuer']} says {subject}"
    if process is not None:
        return f"{method}: {proved['credential']}, pid {process['pid']}"
    return f"{method}: {proved['credential']}"
