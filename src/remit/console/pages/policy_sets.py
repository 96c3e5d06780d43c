"""A version of the organisation's policies: its files, how it differs, what it would turn, and its way into force."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

from remit.console.desk import Look
from remit.console.editing import Draft
from remit.console.lines import changed
from remit.console.pages.led import Led
from remit.console.pages.model import Act, Filled, Page
from remit.console.paths import PATH
from remit.console.tables import Column, Table
from remit.kernel.errors import ConfigInvalid, Forbidden, NotFound, RemitError

_SETS: Final = "/v1/policy-sets"
_VERSIONS: Final = f"{PATH}/policies/versions"
_FLIPS: Final = (
    Column(name="policy", title="Policy", kind="code"),
    Column(name="allow_to_deny", title="Allowed, would be refused", kind="number"),
    Column(name="deny_to_allow", title="Refused, would be allowed", kind="number"),
)
_EXAMPLES: Final = (
    Column(name="decision", title="Decision", kind="code", link=f"{PATH}/log/{{decision}}"),
    Column(name="at", title="When", kind="time"),
    Column(name="agent", title="Agent", kind="code", link=f"{PATH}/agents/{{agent}}"),
    Column(name="action", title="Action", kind="code"),
    Column(name="policy", title="Policy", kind="code"),
    Column(name="flip", title="Would turn"),
)
_SEMANTIC: Final = (
    Column(name="name", title="What", kind="code"),
    Column(name="change", title="Change"),
    Column(name="verdict", title="So it", kind="state", hint="widens: lets through what is stopped now"),
    Column(name="because", title="Because"),
    Column(name="example", title="A call that shows it", kind="code"),
)
_SECONDED: Final = (
    "Nothing changed yet: what lets more through takes two people. Another person with the role operator or admin "
    "presses the same button within an hour."
)


def fill(look: Look) -> Filled:
    """One version, whole."""
    found = look.get(f"{_SETS}/{look.path['version']}")
    flips = _flips(look, found)
    tables = () if flips is None else (
        Table(
            name="flips", title="What it would turn, by policy", columns=_FLIPS, rows=flips["policies"],
            empty="No decision would have been another.", command="remit policy flips",
        ),
        Table(
            name="examples", title="Decisions that it would turn", columns=_EXAMPLES, rows=_examples(flips),
            empty="None is known, or you may not read them.", command="remit policy flips",
        ),
    )  # fmt: skip
    values = {
        "set": found, "flips": flips, "standing": standing(look)[0], "file": look.query.get("file", ""),
        "files": sorted(found["texts"].items()), "first": first_word(look),
        "before": look.get(_SETS)["before"],
    }  # fmt: skip
    return Filled(title=f"Policies, version {found['version']}", tables=tables, values=values)


def first_word(look: Look) -> Mapping[str, Any] | None:
    """Who was the first to let more through, if that waits for a second person."""
    return next((each for each in look.get("/v1/first-words")["words"] if each["kind"] == "policies"), None)


def standing(look: Look) -> tuple[str, Mapping[str, str]]:
    """The version in force and its files; `new` and none where no policies ever were."""
    for each in look.get(_SETS)["sets"]:
        if each["state"] == "enforced":
            return each["version"], look.get(f"{_SETS}/{each['version']}")["texts"]
    return "new", {}


def difference(look: Look) -> Filled:
    """One version beside another: what that does, and line by line."""
    found = look.get(f"{_SETS}/{look.path['version']}")
    in_force, files = standing(look)
    other = look.query.get("with", "") or in_force
    beside = files if other == in_force else look.get(f"{_SETS}/{other}")["texts"]
    tables: tuple[Table, ...] = ()
    verdict = ""
    if other == in_force:
        # Who may not plan, or a version that does not fit the catalog any more, leaves the lines.
        with suppress(Forbidden, ConfigInvalid):
            said = semantic(look, Draft(found["texts"]), files)
            tables, verdict = (semantic_table(said),), str(said["verdict"])
    values = {
        "set": found, "other": other, "in_force": in_force, "verdict": verdict,
        "changes": changed(beside, found["texts"]), "versions": [each["version"] for each in look.get(_SETS)["sets"]],
    }  # fmt: skip
    return Filled(title=f"Version {found['version']} beside version {other}", tables=tables, values=values)


def semantic(look: Look, draft: Draft, files: Mapping[str, str]) -> Mapping[str, Any]:
    """What files let through that is stopped now. Raises RemitError."""
    body = {"documents": draft.documents(files)}
    return look.desk.ask(look.session.operator, "POST", "/v1/policy/diff", body=body, aside=True)


def semantic_table(said: Mapping[str, Any]) -> Table:
    """That, policy by policy."""
    return Table(
        name="changes", title="What that does", columns=_SEMANTIC, rows=[_told(each) for each in said["changes"]],
        empty="It does not change what may be done.", command="remit policy diff DIR",
    )  # fmt: skip


def _told(row: Mapping[str, Any]) -> dict[str, Any]:
    example = row["example"]
    shown = "" if example is None else f"{example['agent']} {example['action']}"
    return {**row, "because": "; ".join(row["because"]), "example": shown}


def _flips(look: Look, found: Mapping[str, Any]) -> Mapping[str, Any] | None:
    if found["state"] != "observe":
        return None
    try:
        return look.maybe(f"{_SETS}/flips", version=found["version"])
    except NotFound:  # it was put aside a moment ago
        return None


def _examples(flips: Mapping[str, Any]) -> list[dict[str, Any]]:
    rows = [{**each, "policy": row["policy"]} for row in flips["policies"] for each in row["examples"]]
    rows += [{**each, "policy": "", "flip": "refused, because a policy errs"} for each in flips["broken_examples"]]
    return [{**each, "flip": str(each["flip"]).replace("_", " ")} for each in rows]


def enforce(look: Look, _form: object) -> str:
    """Bring it into force."""
    return came(look.act("POST", f"{_SETS}/{look.path['version']}/enforce", {}))


def rollback(look: Look, _form: object) -> str | Led:
    """Bring what was in force before it into force again."""
    said = look.act("POST", f"{_SETS}/rollback", {})
    return Led(to=f"{_VERSIONS}/{said['version']}", said=came(said))


def observe(look: Look, _form: object) -> str | Led:
    """Decide live calls against it too."""
    said = look.act("POST", _SETS, {"files": look.get(f"{_SETS}/{look.path['version']}")["texts"]})
    return Led(to=f"{_VERSIONS}/{said['version']}", said=f"Version {said['version']} is observed. It forbids nothing.")


def put_aside(look: Look, _form: object) -> str:
    """Observe it no more."""
    return f"Version {look.act('POST', f'{_SETS}/aside', {})['version']} is observed no more."


def came(said: Mapping[str, Any]) -> str:
    """What came of an attempt to bring a version into force, in words."""
    if said["waits"]:
        return f"Version {said['version']} waits for a second person. {_SECONDED} Because {'; '.join(said['widens'])}."
    if said["change"] == "unchanged":
        return f"Version {said['version']} was in force already."
    files = ", ".join(f"{file} {how}" for file, how in said["differs"].items())
    return f"Version {said['version']} is in force: {files}."


def policy(look: Look) -> Filled:
    """One policy in force, with its text."""
    found = look.get(f"/v1/policies/{look.path['id']}")
    recent = look.maybe("/v1/decisions", kind="decision", limit="1000")
    entries = [] if recent is None else recent["entries"]
    table = Table(
        name="decided", title="What it decided, of the newest decisions", columns=_DECIDED,
        rows=[each for each in entries if each.get("policy") == found["id"]],
        empty="It refused none of the newest 1,000 decisions.", command=f"remit policy show {found['id']}",
    )  # fmt: skip
    try:
        version = standing(look)[0]
    except RemitError:
        version = ""
    sets = {each["version"]: each for each in look.get(_SETS)["sets"]}
    values = {
        "policy": found, "set": sets.get(version), "looked": len(entries), "may": recent is not None,
        "since": entries[-1]["time"] if entries else "",
    }  # fmt: skip
    return Filled(title=found["id"], tables=(table,), values=values)


_DECIDED: Final = (
    Column(name="id", title="Decision", kind="code", link=f"{PATH}/log/{{id}}"),
    Column(name="time", title="When", kind="time"),
    Column(name="agent", title="Agent", kind="code", link=f"{PATH}/agents/{{agent}}"),
    Column(name="action", title="Action", kind="code"),
    Column(name="answer", title="Answer", kind="state"),
)

SET: Final = Page(
    path="/policies/versions/{version}", slug="policies", template="policy_set.html", fill=fill,
    acts=(
        Act(name="enforce", carry=enforce, grave=True),
        Act(name="rollback", carry=rollback, grave=True),
        Act(name="observe", carry=observe, grave=True),
        Act(name="aside", carry=put_aside, grave=True),
    ),
)  # fmt: skip
DIFFERENCE: Final = Page(
    path="/policies/versions/{version}/diff", slug="policies", template="policy_diff.html", fill=difference
)
POLICY: Final = Page(path="/policies/in-force/{id:path}", slug="policies", template="policy.html", fill=policy)
