"""One boundary: what it allows in each version, what waits and how that widens, who may say yes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from remit.console.desk import Look
from remit.console.pages.model import Act, Filled, Page, number
from remit.console.rules import differences, limits
from remit.console.tables import Column, Table
from remit.kernel.errors import RemitError

_ALLOWS: Final = (
    Column(name="action", title="Action", kind="code"),
    Column(name="limits", title="Within", kind="tags"),
)
_CHANGES: Final = (
    Column(name="action", title="Action", kind="code"),
    Column(name="what", title="What"),
    Column(name="was", title="In force"),
    Column(name="now", title="Would be"),
    Column(name="how", title="How", kind="state"),
)
_VERSIONS: Final = (
    Column(name="version", title="Version", kind="number", link="?version={version}"),
    Column(name="state", title="State", kind="state"),
    Column(name="purpose", title="Purpose"),
    Column(name="actions", title="Actions", kind="number"),
    Column(name="approved_by", title="Approved by"),
    Column(name="approved_at", title="Approved", kind="time"),
    Column(name="not_after", title="Ends", kind="time"),
)


def fill(look: Look) -> Filled:
    """The version in force, or the one that the URL names, and what waits beside it."""
    found = look.get(f"/v1/boundaries/{look.path['name']}")
    versions = list(found["versions"])
    active = next((each for each in versions if each["state"] == "active"), None)
    asked = look.query.get("version", "")
    shown = next((each for each in versions if str(each["version"]) == asked), active or versions[0])
    beside, waits = _beside(shown, active, found["waits"])
    rows = differences([] if beside is None else beside["rules"], (waits or shown)["rules"]) if beside or waits else []
    tables = (
        Table(
            name="allows", title=f"What version {shown['version']} allows", columns=_ALLOWS, sort="action",
            rows=[_allowed(each) for each in shown["rules"]],
            empty="Nothing: its patterns match no tool that is known.", command="remit server refresh NAME",
        ),
        Table(
            name="changes", title=_title(shown, beside, waits), columns=_CHANGES, rows=rows,
            empty="They allow the same actions, within the same limits.", command="remit policy diff DIR",
        ),
        Table(
            name="versions", title="Versions", columns=_VERSIONS, rows=[_counted(each) for each in versions],
            sort="-version", empty="None.", command="remit apply DIR",
        ),
    )  # fmt: skip
    agent = str(shown["agent"])
    values = {
        "boundary": found, "shown": shown, "waits": waits, "active": active, "agent": agent,
        "may": _may(look, agent), "person": look.session.operator.person,
    }  # fmt: skip
    return Filled(title=look.path["name"], tables=tables, values=values)


def _beside(
    shown: Mapping[str, Any], active: Mapping[str, Any] | None, waits: Mapping[str, Any] | None
) -> tuple[Mapping[str, Any] | None, Mapping[str, Any] | None]:
    """What is compared: what waits with what is in force; else the version that is shown with what is in force."""
    if waits is not None:
        return active, waits
    return (active, None) if active is not None and active["version"] != shown["version"] else (None, None)


def _title(shown: Mapping[str, Any], beside: Mapping[str, Any] | None, waits: Mapping[str, Any] | None) -> str:
    now = f"Version {(waits or shown)['version']}" + (", which waits," if waits else "")
    return f"{now} beside version {beside['version']}" if beside else f"{now} beside nothing in force"


def _allowed(rule: Mapping[str, Any]) -> dict[str, Any]:
    return {"action": rule["action"], "limits": limits(rule) or ["no limit of its own"]}


def _counted(each: Mapping[str, Any]) -> dict[str, Any]:
    return {**each, "actions": len(each["rules"])}


def _may(look: Look, agent: str) -> list[str]:
    """Who may say yes: the agent's owner, or backup."""
    try:
        owner = str((look.maybe(f"/v1/agents/{agent}") or {}).get("owner", ""))
        owners = {each["owner"]: each["backup"] for each in look.get("/v1/owners")["owners"]}
    except RemitError:
        return []
    return [owner, *owners.get(owner, ())] if owner else []


def approve(look: Look, form: Mapping[str, str]) -> str:
    """Say yes to the version that was shown, and to no other."""
    name, version = look.path["name"], number(form, "version")
    said = look.act("POST", f"/v1/boundaries/{name}/approve", {"version": version})
    return f"Version {said['version']} of {name} is approved: it allows {len(said['rules'])} actions."


def decline(look: Look, form: Mapping[str, str]) -> str:
    """Say no to it."""
    name, version = look.path["name"], number(form, "version")
    look.act("POST", f"/v1/boundaries/{name}/decline", {"version": version})
    return f"Version {version} of {name} is declined. What is in force stays."


BOUNDARY: Final = Page(
    path="/policies/{name}", slug="policies", template="boundary.html", fill=fill,
    acts=(Act(name="approve", carry=approve, grave=True), Act(name="decline", carry=decline)),
)  # fmt: skip
