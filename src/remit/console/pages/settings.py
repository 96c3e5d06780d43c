"""How the server is, who may use it, and what stands before what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from remit.console.desk import Look
from remit.console.pages import signed_in
from remit.console.pages.model import Act, Filled, Page
from remit.console.tables import Column, Table
from remit.kernel.errors import Malformed

_CHECKS = (
    Column(name="check", title="Check"),
    Column(name="status", title="Status", kind="state"),
    Column(name="detail", title="What was found"),
    Column(name="try", title="Try", kind="code"),
)
_TOKENS = (
    Column(name="token", title="Token", kind="code"),
    Column(name="person", title="Person"),
    Column(name="role", title="Role"),
    Column(name="expires", title="Expires", kind="time"),
)
_PEPS = (Column(name="pep", title="Enforcement point", kind="code"), Column(name="created", title="Since", kind="time"))

_KEYS = (
    Column(name="kid", title="Key", kind="code"),
    Column(name="use", title="Signs"),
    Column(name="algorithm", title="Algorithm"),
    Column(name="state", title="State", kind="state"),
    Column(name="since", title="Since", kind="time"),
    Column(name="moves", title="Moves on", kind="time", hint="by itself"),
)
_ROTATED: Final = {"token": "tokens", "set": "security events"}


def fill(look: Look) -> Filled:
    """What `remit doctor` says, the keys, and who has a token."""
    found = look.get("/v1/doctor", within="60")["checks"]
    checks = [{column.name: row.get(column.name) for column in _CHECKS} for row in found]
    tables = [
        signed_in.sessions(look),
        Table(
            name="checks",
            title="Is it well",
            columns=_CHECKS,
            rows=checks,
            empty="Nothing was checked.",
            command="remit doctor",
        ),
        signed_in.ways(look),
        Table(name="keys", title="Signing keys", columns=_KEYS, rows=_picked(look.get("/v1/keys")["keys"], _KEYS),
              empty="There is none yet.", command="remit key list"),
    ]  # fmt: skip
    # What this person may not see is left out: their own sessions are theirs to see in any case.
    if (found := look.maybe("/v1/operators/tokens")) is not None:
        tables.append(
            Table(name="tokens", title="Personal tokens", columns=_TOKENS, rows=_picked(found["tokens"], _TOKENS),
                  empty="Nobody has a token.", command="remit operator token PERSON --role ROLE")
        )  # fmt: skip
    if (found := look.maybe("/v1/peps")) is not None:
        tables.append(
            Table(name="peps", title="Enforcement points", columns=_PEPS, rows=_picked(found["peps"], _PEPS),
                  empty="The gateway is the only one.", command="remit pep add NAME")
        )  # fmt: skip
    return Filled(title="Settings", tables=tables)


def _picked(rows: Sequence[Mapping[str, Any]], columns: tuple[Column, ...]) -> list[dict[str, Any]]:
    return [{column.name: row.get(column.name) for column in columns} for row in rows]


def rotate(look: Look, form: Mapping[str, str]) -> str:
    """Begin to sign with another key, as the first or the second of two people."""
    use = form.get("use", "")
    if use not in _ROTATED:
        raise Malformed("keys of this use are not rotated", try_="remit key list")
    said = look.act("POST", f"/v1/keys/{use}/rotate", {})
    if said["waits"]:
        return f"Nothing changed yet: another person says so too within an hour. {said['first']} was the first."
    return f"A new key for {_ROTATED[use]} is published, and signs after a while: {said['keys'][0]['kid']}."


PAGE = Page(
    path="/settings", slug="settings", template="settings.html", fill=fill,
    acts=(*signed_in.ACTS, Act(name="rotate-key", carry=rotate, grave=True)),
)  # fmt: skip
