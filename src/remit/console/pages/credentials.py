"""Sealed upstream credentials and the keys that sign: their age, where they go, how they are changed; never a value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from remit.console.desk import Look
from remit.console.pages.credential import LEASES, ROTATIONS, end_lease
from remit.console.pages.model import Act, Filled, Page
from remit.console.paths import PATH
from remit.console.tables import Column, Table

_SECRETS = (
    Column(name="secret", title="Secret", kind="code", link=f"{PATH}/credentials/{{secret}}"),
    Column(name="owner", title="Owner"),
    Column(name="kind", title="Kind"),
    Column(name="age_days", title="Age, days", kind="number", hint="of the version in use"),
    Column(name="version", title="Version", kind="number"),
    Column(name="calls", title="Calls", kind="number"),
    Column(name="agents", title="Used by", kind="tags"),
    Column(name="last_used", title="Last use", kind="time"),
    Column(name="next_rotation", title="Rotates", kind="time"),
    Column(name="rotating", title="Under way", kind="state"),
    Column(name="exposed", title="Exposed", kind="time"),
    Column(name="findings", title="Against it", kind="tags"),
    Column(name="people", title="Lent by", kind="tags"),
)
_KEYS = (
    Column(name="kid", title="Key", kind="code"),
    Column(name="use", title="For"),
    Column(name="algorithm", title="Algorithm"),
    Column(name="state", title="State", kind="state"),
    Column(name="since", title="Since", kind="time"),
    Column(name="moves", title="Moves on", kind="time"),
)
_DAY = 86400


def fill(look: Look) -> Filled:
    """Secrets, the longest-lived first; what is lent, how they are changed, and the keys that sign."""
    posture = look.maybe("/v1/secrets/posture")
    kept = {each["secret"]: each for each in (posture or {"secrets": ()})["secrets"]}
    secrets = [_row(row, kept.get(row["secret"])) for row in look.get("/v1/secrets")["secrets"]]
    rotations = (look.maybe("/v1/rotations") or {"rotations": ()})["rotations"]
    leases = (look.maybe("/v1/leases") or {"leases": ()})["leases"]
    keys = [{column.name: row.get(column.name) for column in _KEYS} for row in look.get("/v1/keys")["keys"]]
    tables = (
        Table(
            name="secrets", title="Upstream secrets", columns=_SECRETS, rows=secrets, sort="-age_days",
            empty="No secret is kept.", command="printf %s VALUE | remit secret set NAME",
        ),
        Table(
            name="leases", title="Lent for a while", columns=LEASES, rows=[dict(each) for each in leases], sort="until",
            empty="Nothing is lent.", command="remit secret leases --all",
        ),
        Table(
            name="rotations", title="Rotations", columns=ROTATIONS, rows=[dict(each) for each in rotations],
            sort="-started", empty="None has been rotated yet.", command="remit secret rotate NAME",
        ),
        Table(name="keys", title="Signing keys", columns=_KEYS, rows=keys, sort="-since", empty="There is none.",
              command="remit key list"),
    )  # fmt: skip
    findings = {} if posture is None else {name: count for name, count in posture["findings"].items() if count}
    share = None if posture is None else posture["static_millionths"] / 10_000
    return Filled(title="Credentials", tables=tables, values={"findings": findings, "static": share})


def _row(row: Mapping[str, Any], kept: Mapping[str, Any] | None) -> dict[str, Any]:
    said = {column.name: row.get(column.name) for column in _SECRETS}
    under_way = row.get("rotating")
    age = None if kept is None else kept["age_seconds"]
    return {
        **said,
        "age_days": None if age is None else age // _DAY,
        "calls": None if kept is None else kept["calls"],
        "agents": [] if kept is None else kept["agents"],
        "findings": [] if kept is None else kept["findings"],
        "rotating": None if under_way is None else under_way["step"],
        "people": [each["person"] for each in row.get("people", ())],
    }


PAGE = Page(
    path="/credentials", slug="credentials", template="credentials.html", fill=fill,
    acts=(Act(name="end", carry=end_lease),),
)  # fmt: skip
