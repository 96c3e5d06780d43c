"""`remit agent`: the registered software principals."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from remit.cli.exits import Exit
from remit.cli.options import As, Json, Name, examples, group
from remit.cli.output import data_json, data_text, facts, nothing, table, talk
from remit.cli.wire import connect, segment
from remit.kernel.canonical import encode
from remit.kernel.errors import Conflict, Malformed
from remit.kernel.names import check_name

app = group("Agents: registered software principals.")


@app.command("list", epilog=examples("remit agent list", "remit agent list --json"))
def list_(json: Json = False, as_: As = None) -> int:
    """List agents."""
    answer = connect(as_).get("/v1/agents")
    if json:
        data_json(answer)
    elif not answer["agents"]:
        nothing("agents", next_="remit agent keygen NAME --out FILE, then remit apply DIR with agents/NAME.yaml in it")
    else:
        columns = ("agent", "state", "owner", "version", "purposes", "sender_constraint", "not_after")
        table(columns, [[row.get(column) for column in columns] for row in answer["agents"]])
    return Exit.OK


@app.command("show", epilog=examples("remit agent show invoice-bot", "remit agent show invoice-bot --json"))
def show(name: Name, json: Json = False, as_: As = None) -> int:
    """Show one agent: its owner, purposes, keys and boundaries."""
    answer = connect(as_).get(f"/v1/agents/{segment(name)}")
    if json:
        data_json(answer)
        return Exit.OK
    facts({key: value for key, value in answer.items() if key != "boundaries"})
    if answer["boundaries"]:
        columns = ("boundary", "version", "purpose", "state", "not_after")
        table(columns, [[row.get(column) for column in columns] for row in answer["boundaries"]])
    else:
        nothing("boundaries", next_="remit apply DIR, with a boundary for this agent in it")
    return Exit.OK


@app.command("keygen", epilog=examples("remit agent keygen NAME --out FILE", "remit agent keygen bot --out keys/bot"))
def keygen(
    name: Name,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="Where the private key goes, mode 0600.")],
    json: Json = False,
    as_: As = None,  # noqa: ARG001 - every command takes it; no server is asked here
) -> int:
    """Make a key pair; needs no server.

    FILE holds the private JWK, FILE.pub.jwk the public one.
    """
    from remit.keys import jose  # noqa: PLC0415 - cryptography is loaded for this command only

    check_name(name, what="an agent")
    private = jose.generate()
    public = {member: value for member, value in private.items() if member != "d"}
    beside = out.with_name(out.name + ".pub.jwk")
    for path in (out, beside):
        if path.exists() or path.is_symlink():
            raise Conflict(f"{path} exists already", try_="name another FILE, or move that one away")
    _write(out, encode(private), mode=0o600)
    _write(beside, encode(public), mode=0o644)
    if json:
        data_json({"agent": name, "private": str(out), "public": str(beside), "kid": public.get("kid")})
    else:
        data_text(str(out))
        data_text(str(beside))
        talk(f"  keep     {out} with the agent and out of git; only {beside.name} goes beside agents/{name}.yaml")
        talk(f"  try      attest: [{{private_key_jwt: {{jwk_file: {beside.name}}}}}] in agents/{name}.yaml")
    return Exit.OK


@app.command("secret", epilog=examples("remit agent secret old-bot", "remit agent secret old-bot --json"))
def secret(name: Name, json: Json = False, as_: As = None) -> int:  # noqa: ARG001 - as `keygen`
    """Make a client secret; needs no server. It is shown once, and only its hash goes into the agent's file.

    Servers take secrets only if started with --client-secrets. A key is better: remit agent keygen.
    """
    import secrets  # noqa: PLC0415 - for this command only

    from remit.agents.bindings import client_secret  # noqa: PLC0415 - likewise

    check_name(name, what="an agent")
    made = secrets.token_urlsafe(32)
    hashed = client_secret.hashed(made, salt=secrets.token_bytes(client_secret.SALT_BYTES))
    if json:
        data_json({"agent": name, "secret": made, "attest": {client_secret.METHOD: {client_secret.HASH: hashed}}})
    else:
        data_text(made)
        talk("  keep     this is shown once; whoever has it is the agent")
        talk(f'  try      attest: [{{client_secret: {{scrypt: "{hashed}"}}}}] in agents/{name}.yaml')
        talk("  note     remit doctor lists agents that have one; a key cannot be copied from a log or a request")
    return Exit.OK


def _write(path: Path, body: bytes, *, mode: int) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags, mode)
    except OSError as error:
        raise Malformed(f"{path} cannot be written", detail=str(error)) from error
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, mode)
        file.write(body + b"\n")


def _state(name: str, verb: str, *, json: bool, as_: str | None) -> int:
    answer = connect(as_).post(f"/v1/agents/{segment(name)}/{verb}", {})
    if json:
        data_json(answer)
    else:
        data_text(f"{answer['agent']}: {answer['state']}")
    return Exit.OK


@app.command(
    "delegations",
    epilog=examples("remit agent delegations invoice-bot", "remit agent delegations invoice-bot --json"),
)
def delegations(name: Name, json: Json = False, as_: As = None) -> int:
    """Show who acts for an agent now, and for whom it acts."""
    answer = connect(as_).get(f"/v1/agents/{segment(name)}/delegations")
    if json:
        data_json(answer)
    elif not answer["delegations"]:
        nothing("delegations", next_="name who may act for it: delegates: [NAME] in agents/*.yaml")
    else:
        rows = [
            (row["acts"], row["for"], row["purpose"], row["depth"], _handed(row["allow"]), row["ends"])
            for row in answer["delegations"]
        ]
        table(("acts", "for", "purpose", "depth", "within", "ends"), rows)
    return Exit.OK


def _handed(allow: list[dict[str, object]] | None) -> str:
    return "all that it has" if allow is None else ", ".join(str(each["action"]) for each in allow)


@app.command("limits", epilog=examples("remit agent limits invoice-bot", "remit agent limits invoice-bot --json"))
def limits(name: Name, json: Json = False, as_: As = None) -> int:
    """Show the rates, budgets, volumes and hours of an agent, and how much of them is used."""
    answer = connect(as_).get(f"/v1/agents/{segment(name)}/limits")
    if json:
        data_json(answer)
    elif not answer["limits"]:
        nothing("limits", next_="limits: {rate: 30/min} at an action in boundaries/*.yaml, then remit apply DIR")
    else:
        columns = ("boundary", "action", "limit", "used", "most", "share", "anew")
        table(columns, [(row["boundary"], row["action"], row["what"], *_used(row)) for row in answer["limits"]])
    return Exit.OK


def _used(row: dict[str, Any]) -> tuple[object, ...]:
    if row["kind"] == "hours":
        return "open" if row["open"] else "shut", None, None, None if row["open"] else row["opens"]
    return row["used"], row["max"], f"{row['used_millionths'] / 10_000:.1f} %", row["resets"]


@app.command("suspend", epilog=examples("remit agent suspend invoice-bot", "remit agent suspend invoice-bot --json"))
def suspend(name: Name, json: Json = False, as_: As = None) -> int:
    """Suspend an agent until it is resumed."""
    return _state(name, "suspend", json=json, as_=as_)


@app.command("resume", epilog=examples("remit agent resume invoice-bot", "remit agent resume invoice-bot --json"))
def resume(name: Name, json: Json = False, as_: As = None) -> int:
    """Resume a suspended agent."""
    return _state(name, "resume", json=json, as_=as_)


@app.command("retire", epilog=examples("remit agent retire invoice-bot", "remit agent retire invoice-bot --json"))
def retire(name: Name, json: Json = False, as_: As = None) -> int:
    """Retire an agent for ever."""
    return _state(name, "retire", json=json, as_=as_)


@app.command("erase", epilog=examples("remit agent erase invoice-bot", "remit agent erase invoice-bot --json"))
def erase(name: Name, json: Json = False, as_: As = None) -> int:
    """Make what was recorded about a retired agent unreadable for ever. Takes two people; the log still verifies."""
    answer = connect(as_).post(f"/v1/agents/{segment(name)}/erase", {})
    if json:
        data_json(answer)
    elif answer["waits"]:
        data_text(f"{name}: nothing is erased yet: a second person says so too, within an hour")
        talk(f"  because  {answer['first']} was the first to say so, and nobody gets it back")
        talk(f"  try      as somebody else: remit agent erase {name}")
    else:
        data_text(f"{name}: erased")
        talk("  because  the key of its payloads is gone; copies of the database from before still have it")
        talk("  try      remit audit verify")
    return Exit.APPROVAL if answer["waits"] else Exit.OK
