"""Sealed upstream credentials and the keys that sign: their age, where they go, how they are changed; never a value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from remit.console.desk import Look
from remit.console.pages.model import Act, Filled, Page
from remit.console.paths import PATH
from remit.console.tables import Column, Table

_SECRETS = (
    Column(name="secret", title="Secret", kind="code", link=f"{PATH}/credentials/{{secret}}"),
    Column(name="owner", title="Owner"),
    Column(name="kind", title="Kind"),
    Column(name="version", title="Version", kind="number"),
    Column(name="changed", title="Changed", kind="time"),
    Column(name="last_used", title="Last use", kind="time"),
    Column(name="exposed", title="Exposed", kind="time"),
    Column(name="next_rotation", title="Rotates", kind="time"),
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
_ROTATIONS = (
    Column(name="rotation", title="Rotation", kind="code"),
    Column(name="secret", title="Secret", kind="code", link=f"{PATH}/credentials/{{secret}}"),
    Column(name="cause", title="Because of"),
    Column(name="step", title="Step", kind="state"),
    Column(name="old", title="Old", kind="number"),
    Column(name="new", title="New", kind="number"),
    Column(name="started", title="Started", kind="time"),
    Column(name="ended", title="Ended", kind="time"),
)
_VERSIONS = (
    Column(name="version", title="Version", kind="number"),
    Column(name="state", title="State", kind="state"),
    Column(name="made", title="Made", kind="time"),
    Column(name="since", title="In this state", kind="time"),
    Column(name="exposed", title="Exposed", kind="time"),
)


def fill(look: Look) -> Filled:
    """Secrets, how they are changed, and the keys that sign."""
    secrets = [_row(row) for row in look.get("/v1/secrets")["secrets"]]
    rotations = (look.maybe("/v1/rotations") or {"rotations": ()})["rotations"]
    keys = [{column.name: row.get(column.name) for column in _KEYS} for row in look.get("/v1/keys")["keys"]]
    return Filled(
        title="Credentials",
        tables=(
            Table(
                name="secrets", title="Upstream secrets", columns=_SECRETS, rows=secrets, sort="changed",
                empty="No secret is kept.", command="printf %s VALUE | remit secret set NAME",
            ),
            Table(
                name="rotations", title="Rotations", columns=_ROTATIONS, rows=_picked(rotations, _ROTATIONS),
                sort="-started", empty="None has been rotated yet.", command="remit secret rotate NAME",
            ),
            Table(name="keys", title="Signing keys", columns=_KEYS, rows=keys, sort="-since", empty="There is none."),
        ),
    )  # fmt: skip


def secret(look: Look) -> Filled:
    """One secret: its versions, where it goes, who answers for it."""
    name = look.path["name"]
    found = look.get(f"/v1/secrets/{name}")
    table = Table(
        name="versions", title="Versions", columns=_VERSIONS, rows=_picked(found.get("versions", ()), _VERSIONS),
        sort="-version", empty="It has no value yet.", command=f"printf %s VALUE | remit secret set {name}",
    )  # fmt: skip
    return Filled(
        title=name, tables=(table,), values={"it": found, "frozen": ("credential", name) in look.view.freezes}
    )


def rotate(look: Look, _form: Mapping[str, str]) -> str:
    """Change it at its provider."""
    look.act("POST", f"/v1/secrets/{look.path['name']}/rotate", {})
    return "It is being rotated."


def _row(row: Mapping[str, Any]) -> dict[str, Any]:
    said = {column.name: row.get(column.name) for column in _SECRETS}
    return {**said, "people": [each["person"] for each in row.get("people", ())]}


def _picked(rows: Any, columns: tuple[Column, ...]) -> list[dict[str, Any]]:  # noqa: ANN401 - JSON
    return [{column.name: row.get(column.name) for column in columns} for row in rows]


PAGE = Page(path="/credentials", slug="credentials", template="plain.html", fill=fill)
SECRET = Page(
    path="/credentials/{name}", slug="credentials", template="secret.html", fill=secret,
    acts=(Act(name="rotate", carry=rotate),),
)  # fmt: skip
