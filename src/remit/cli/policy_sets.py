"""`remit policy` against a server: what is in force, what is observed, and what comes next."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from remit.cli import checkpoints
from remit.cli.exits import Exit
from remit.cli.options import As, Json
from remit.cli.output import data_json, data_text, facts, nothing, table, talk
from remit.cli.pages import see
from remit.cli.wire import Api, connect, segment
from remit.kernel.errors import ConfigInvalid, Malformed

_SETS = "/v1/policy-sets"
_SIGNS = {"added": "+", "changed": "~", "removed": "-"}
Version = Annotated[str, typer.Argument(metavar="VERSION", help="A number of: remit policy history.")]
MaybeVersion = Annotated[str | None, typer.Argument(metavar="[VERSION]", help="A number of: remit policy history.")]


def list_(json: Json = False, as_: As = None) -> int:
    """List the policies in force, with the file and line where each stands."""
    answer = connect(as_).get("/v1/policies")
    if json:
        data_json(answer)
    elif not answer["policies"]:
        nothing("policies", next_="remit apply DIR, with policies/*.cedar in it")
    else:
        rows = [[row["id"], row["effect"], row["title"], f"{row['file']}:{row['line']}"] for row in answer["policies"]]
        table(("policy", "effect", "title", "where"), rows)
    if answer["fault"]:
        talk(f"the policies in force cannot be read, so nothing is allowed: {answer['fault']}", style="red")
    return Exit.OK


def show(
    policy: Annotated[str, typer.Argument(metavar="POLICY", help="Its @id, or file:number.")],
    json: Json = False,
    as_: As = None,
) -> int:
    """Show one policy in force."""
    answer = connect(as_).get(f"/v1/policies/{segment(policy)}")
    if json:
        data_json(answer)
        return Exit.OK
    facts({"policy": answer["id"], "title": answer["title"], "where": f"{answer['file']}:{answer['line']}"})
    for line in answer["text"].splitlines():
        data_text(line)
    return Exit.OK


def observe(
    directory: Annotated[
        Path | None, typer.Argument(metavar="[DIR]", help="The directory whose policies/ are observed.")
    ] = None,
    stop: Annotated[bool, typer.Option("--stop", help="Observe nothing any more.")] = False,
    json: Json = False,
    as_: As = None,
) -> int:
    """Decide live calls against the policies of DIR too, beside those in force. They forbid nothing."""
    if stop == (directory is not None):
        raise Malformed("name the directory of the policies, or --stop", try_="remit policy observe DIR")
    api = connect(as_)
    if directory is None:
        answer = api.post(f"{_SETS}/aside", {})
        said = f"version {answer['version']} is observed no more"
    else:
        answer = api.post(_SETS, {"files": _files(directory)})
        said = f"version {answer['version']} is observed"
    if json:
        data_json(answer)
        return Exit.OK
    data_text(said)
    _differs(answer)
    talk("  try      remit policy flips" if directory else "  try      remit policy history")
    see("policies", "versions", answer["version"])
    return Exit.OK


def flips(version: MaybeVersion = None, json: Json = False, as_: As = None) -> int:
    """Show which live decisions the observed policies would turn, by policy, with examples."""
    answer = connect(as_).get(f"{_SETS}/flips" + (f"?version={segment(version)}" if version else ""))
    if json:
        data_json(answer)
        return Exit.OK
    compared, turned = answer["compared"], answer["flips"]
    data_text(f"version {answer['version']} ({answer['state']}): {compared} decisions compared, {turned} would flip")
    if answer["dropped"]:
        talk(f"  because  {answer['dropped']} more came faster than they could be compared", style="yellow")
    if answer["policies"]:
        columns = ("policy", "allow to deny", "deny to allow")
        table(columns, [[row["policy"], row["allow_to_deny"], row["deny_to_allow"]] for row in answer["policies"]])
    for row in answer["policies"]:
        for example in row["examples"]:
            data_text(f"  {row['policy']}: {_example(example)}")
    if answer["broken"]:
        data_text(f"{answer['broken']} calls would be refused because a policy errs", style="red")
        for example in answer["broken_examples"]:
            data_text(f"  {_example(example)}")
    if not compared:
        talk("  because  nothing was decided beside it yet, or other policies are in force since")
    elif turned or answer["broken"]:
        talk("  try      remit why DECISION")
    else:
        talk(f"  try      remit policy enforce {answer['version']}")
    see("policies", "versions", answer["version"])
    return Exit.OK


def enforce(version: Version, json: Json = False, as_: As = None) -> int:
    """Bring a version into force at once. If it lets more through it takes two people: exit 11 until then."""
    api = connect(as_)
    return _came(api, api.post(f"{_SETS}/{segment(version)}/enforce", {}), f"enforce {version}", json=json)


def rollback(version: MaybeVersion = None, json: Json = False, as_: As = None) -> int:
    """Bring what was in force before, or VERSION, into force again. The same rule: what widens takes two people."""
    api = connect(as_)
    path = f"{_SETS}/{segment(version)}/enforce" if version else f"{_SETS}/rollback"
    return _came(api, api.post(path, {}), f"rollback {version or ''}".strip(), json=json)


def history(json: Json = False, as_: As = None) -> int:
    """List the versions of the policies, newest first: which is in force, observed, retired or put aside."""
    answer = connect(as_).get(_SETS)
    if json:
        data_json(answer)
    elif not answer["sets"]:
        nothing("versions", next_="remit apply DIR, with policies/*.cedar in it")
    else:
        columns = ("version", "state", "since", "by", "files", "digest")
        rows = [
            [row["version"], row["state"], row["since"], row["by"], row["files"], row["digest"][:12]]
            for row in answer["sets"]
        ]
        table(columns, rows)
    return Exit.OK


def _came(api: Api, answer: dict[str, Any], again: str, *, json: bool) -> int:
    checkpoints.keep_from(api)
    if json:
        data_json(answer)
    elif answer["waits"]:
        data_text(f"version {answer['version']} waits for a second person; nothing changed yet", style="yellow")
        for reason in answer["widens"]:
            talk(f"  because  {reason}")
        talk(f"  try      remit policy {again}, within an hour, with another person's token")
    else:
        verb = "was in force already" if answer["change"] == "unchanged" else "is in force"
        data_text(f"version {answer['version']} {verb}")
        _differs(answer)
    if not json:
        see("policies", "versions", answer["version"])
    return Exit.APPROVAL if answer["waits"] else Exit.OK


def _differs(answer: dict[str, Any]) -> None:
    for file, how in (answer.get("differs") or {}).items():
        data_text(f"{_SIGNS[how]} {file}  {how}")


def _example(example: dict[str, Any]) -> str:
    how = str(example.get("flip", "refused")).replace("_", " ")
    return f"{how}  {example['decision']}  {example['agent']}  {example['action']}  {example['at']}"


def _files(directory: Path) -> dict[str, str]:
    from remit.cli import tree  # noqa: PLC0415 - YAML is read by few commands

    documents = tree.read(directory).documents
    files = {each["file"]: each["text"] for each in documents if each["kind"] == "policy"}
    if not files:
        raise ConfigInvalid(f"{directory} holds no policies", try_="add policies/*.cedar")
    return files
