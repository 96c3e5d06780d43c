"""How the server is, who may use it, and what stands before what."""

from __future__ import annotations

from remit.console.desk import Look
from remit.console.pages.model import Filled, Page
from remit.console.tables import Column, Table

_CHECKS = (
    Column(name="check", title="Check"),
    Column(name="status", title="Status", kind="state"),
    Column(name="detail", title="What was found"),
    Column(name="try", title="Try", kind="code"),
)
_TOKENS = (
    Column(name="id", title="Token", kind="code"),
    Column(name="person", title="Person"),
    Column(name="role", title="Role"),
    Column(name="expires", title="Expires", kind="time"),
)
_PEPS = (Column(name="pep", title="Enforcement point", kind="code"), Column(name="created", title="Since", kind="time"))


def fill(look: Look) -> Filled:
    """What `remit doctor` says, and who has a token."""
    checks = [
        {column.name: row.get(column.name) for column in _CHECKS}
        for row in look.get("/v1/doctor", within="60")["checks"]
    ]
    tokens = [
        {column.name: row.get(column.name) for column in _TOKENS} for row in look.get("/v1/operators/tokens")["tokens"]
    ]
    peps = [{column.name: row.get(column.name) for column in _PEPS} for row in look.get("/v1/peps")["peps"]]
    return Filled(
        title="Settings",
        tables=(
            Table(name="checks", title="Is it well", columns=_CHECKS, rows=checks, empty="Nothing was checked."),
            Table(name="tokens", title="Personal tokens", columns=_TOKENS, rows=tokens, empty="Nobody has a token.",
                  command="remit operator token PERSON --role ROLE"),
            Table(name="peps", title="Enforcement points", columns=_PEPS, rows=peps,
                  empty="The gateway is the only one.", command="remit pep add NAME"),
        ),
    )  # fmt: skip


PAGE = Page(path="/settings", slug="settings", template="plain.html", fill=fill)
