"""One upstream credential: its age, where it may go, who used it, how it is changed. Its value is nowhere here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from remit.console.desk import Look
from remit.console.pages.model import Act, Filled, Page
from remit.console.paths import PATH
from remit.console.tables import Column, Table
from remit.kernel.clock import DAY, SECOND
from remit.kernel.errors import NotFound

STEPS: Final = ("create", "verify", "promote", "drain", "revoke", "confirm", "done")
_USED: Final = "1000"
_VERSIONS = (
    Column(name="version", title="Version", kind="number"),
    Column(name="state", title="State", kind="state"),
    Column(name="made", title="Made", kind="time"),
    Column(name="since", title="In this state", kind="time"),
    Column(name="last_used", title="Last use", kind="time"),
    Column(name="exposed", title="Exposed", kind="time"),
    Column(name="exposure", title="Because"),
)
_USES = (
    Column(name="agent", title="Agent", kind="code", link=f"{PATH}/agents/{{agent}}"),
    Column(name="action", title="Action", kind="code"),
    Column(name="calls", title="Calls", kind="number"),
    Column(name="last", title="Last", kind="time"),
)
_CALLS = (
    Column(name="at", title="Time", kind="time"),
    Column(name="agent", title="Agent", kind="code", link=f"{PATH}/agents/{{agent}}"),
    Column(name="action", title="Action", kind="code"),
    Column(name="outcome", title="Outcome"),
    Column(name="used", title="Used it", kind="state"),
    Column(name="decision", title="Decision", kind="code", link=f"{PATH}/log/{{decision}}"),
)
LEASES = (
    Column(name="lease", title="Lease", kind="code"),
    Column(name="secret", title="Made by", kind="code", link=f"{PATH}/credentials/{{secret}}"),
    Column(name="agent", title="Agent", kind="code", link=f"{PATH}/agents/{{agent}}"),
    Column(name="instance", title="Instance", kind="code"),
    Column(name="action", title="For", kind="code"),
    Column(name="state", title="State", kind="state"),
    Column(name="until", title="Until", kind="time"),
    Column(name="told", title="Provider said"),
)
ROTATIONS = (
    Column(name="rotation", title="Rotation", kind="code"),
    Column(name="secret", title="Secret", kind="code", link=f"{PATH}/credentials/{{secret}}"),
    Column(name="cause", title="Because of"),
    Column(name="step", title="Step", kind="state"),
    Column(name="old", title="Old", kind="number"),
    Column(name="new", title="New", kind="number"),
    Column(name="started", title="Started", kind="time"),
    Column(name="ended", title="Ended", kind="time"),
    Column(name="told", title="Said last"),
)
_PEOPLE = (
    Column(name="person", title="Person"),
    Column(name="state", title="State", kind="state"),
    Column(name="scope", title="Lent for"),
    Column(name="connected", title="Since", kind="time"),
)


def fill(look: Look) -> Filled:
    """Everything about it but its value."""
    name = look.path["name"]
    it = look.get(f"/v1/secrets/{name}")
    rotations = _rows(look.maybe("/v1/rotations", secret=name), "rotations")
    leases = _rows(look.maybe("/v1/leases", secret=name), "leases")
    uses, more = _used(look, name)
    tables = [
        Table(name="versions", title="Versions", columns=_VERSIONS, rows=list(it.get("versions", ())), sort="-version",
              empty="It has no value yet.", command=f"printf %s VALUE | remit secret set {name}"),
        Table(name="uses", title="Used in the last 30 days" + (", the newest thousand calls" if more else ""),
              columns=_USES, rows=uses, sort="-calls", empty="No call used it.",
              command=f"remit audit find --kind outcome --secret {name}"),
        Table(name="rotations", title="Rotations", columns=ROTATIONS, rows=rotations, sort="-started",
              empty="It was never rotated.", command=f"remit secret rotate {name}"),
        Table(name="leases", title="Leases", columns=LEASES, rows=leases, sort="until",
              empty="Nothing is lent for a while.", command=f"remit secret leases {name}"),
        Table(name="people", title="People's own accounts", columns=_PEOPLE, rows=list(it.get("people", ())),
              empty="Nobody lends an account of their own.", command=f"remit secret connect {name}"),
        *_exposed(look, it, name),
    ]  # fmt: skip
    values = {
        "it": it, "frozen": ("credential", name) in look.view.freezes, "kept": _kept(look, name),
        "going": next((each for each in rotations if not each.get("ended")), None), "steps": STEPS, "since": _ago(look),
    }  # fmt: skip
    return Filled(title=name, tables=tables, values=values)


def _used(look: Look, name: str) -> tuple[list[dict[str, Any]], bool]:
    """Calls of thirty days by agent and action, as their outcomes say; and whether there are more than were read."""
    found = look.maybe("/v1/decisions", kind="outcome", secret=name, limit=_USED, **{"from": _ago(look)})
    if found is None:
        return [], False
    calls: Counter[tuple[str, str]] = Counter()
    last: dict[tuple[str, str], str] = {}
    for each in found["entries"]:
        key = (str(each.get("agent", "")), str(each.get("action", "")))
        calls[key] += 1
        last.setdefault(key, each["time"])  # the newest come first
    rows = [
        {"agent": agent, "action": action, "calls": count, "last": last[agent, action]}
        for (agent, action), count in calls.items()
    ]
    return rows, found["next"] is not None


def _exposed(look: Look, it: Mapping[str, Any], name: str) -> list[Table]:
    """The calls that used what is known elsewhere, if something is."""
    if not any(each.get("exposed") for each in it.get("versions", ())):
        return []
    try:
        found = look.maybe(f"/v1/secrets/{name}/exposure")
    except NotFound:
        return []
    if found is None:
        return []
    title = f"Calls that used version {found['version']}, which is known elsewhere"
    return [
        Table(name="exposure", title=title, columns=_CALLS, rows=list(found["calls"]), sort="-at",
              empty="No call used it.", command=f"remit secret exposure {name}")
    ]  # fmt: skip


def _kept(look: Look, name: str) -> Mapping[str, Any] | None:
    """How it is kept: its age, and what is to be said against it."""
    found = look.maybe("/v1/secrets/posture")
    return None if found is None else next((each for each in found["secrets"] if each["secret"] == name), None)


def _ago(look: Look) -> str:
    return datetime.fromtimestamp((look.now - 30 * DAY) / SECOND, UTC).strftime("%Y-%m-%d")


def _rows(said: Mapping[str, Any] | None, name: str) -> list[dict[str, Any]]:
    rows: Sequence[Mapping[str, Any]] = () if said is None else said[name]
    return [dict(each) for each in rows]


def rotate(look: Look, _form: Mapping[str, str]) -> str:
    """Change it at its provider."""
    said = look.act("POST", f"/v1/secrets/{look.path['name']}/rotate", {})
    return f"It is being rotated: {said['rotation']}."


def expose(look: Look, form: Mapping[str, str]) -> str:
    """Say that it is known elsewhere."""
    reason = form.get("reason", "") or "from the console"
    said = look.act("POST", f"/v1/secrets/{look.path['name']}/exposed", {"reason": reason})
    then = "no call uses it any more" if said["refused"] else "the version was out of use already"
    return f"Version {said['version']} is marked: {then}{', and it is being rotated' if said['rotates'] else ''}."


def end_lease(look: Look, form: Mapping[str, str]) -> str:
    """Take a lent credential away."""
    said = look.act("POST", f"/v1/leases/{form.get('lease', '')}/end", {})
    return f"{said['lease']} is taken away from {said['agent']}."


def withdraw(look: Look, form: Mapping[str, str]) -> str:
    """Take a person's own account back."""
    person = form.get("person", "")
    look.act("DELETE", f"/v1/secrets/{look.path['name']}/connections/{person}")
    return f"The account of {person} is not used any more."


SECRET = Page(
    path="/credentials/{name}", slug="credentials", template="secret.html", fill=fill,
    acts=(
        Act(name="rotate", carry=rotate), Act(name="expose", carry=expose, grave=True),
        Act(name="end", carry=end_lease), Act(name="withdraw", carry=withdraw),
    ),
)  # fmt: skip
