"""Sealed upstream credentials: never their values."""

from __future__ import annotations

from remit.console.desk import Look
from remit.console.pages.model import Filled, Page
from remit.console.tables import Column, Table

_SECRETS = (
    Column(name="secret", title="Secret", kind="code"),
    Column(name="version", title="Version", kind="number"),
    Column(name="changed", title="Changed", kind="time"),
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


def fill(look: Look) -> Filled:
    """Secrets, and the keys that sign."""
    secrets = [
        {**{name: row.get(name) for name in ("secret", "version", "changed")},
         "people": [each["person"] for each in row["people"]]}
        for row in look.get("/v1/secrets")["secrets"]
    ]  # fmt: skip
    keys = [{column.name: row.get(column.name) for column in _KEYS} for row in look.get("/v1/keys")["keys"]]
    return Filled(
        title="Credentials",
        tables=(
            Table(name="secrets", title="Upstream secrets", columns=_SECRETS, rows=secrets, sort="secret",
                  empty="No secret is kept.", command="printf %s VALUE | remit secret set NAME"),
            Table(name="keys", title="Signing keys", columns=_KEYS, rows=keys, sort="-since", empty="There is none."),
        ),
    )  # fmt: skip


PAGE = Page(path="/credentials", slug="credentials", template="plain.html", fill=fill)
