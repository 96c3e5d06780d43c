"""Trusted issuers, consents, authorization codes, refresh tokens, delegations."""

from __future__ import annotations

from alembic import op

from remit.storage.migrations.columns import column

revision = "0011"
down_revision = "0010"

_TABLES = {
    "trusts": "trust* text, body text, created bigint",
    "consents": (
        "consent* text, person text, agent text, client text, purpose text, body text, state text, until bigint"
    ),
    "authorization_codes": "code* text, consent text, body text, used text, expires bigint",
    "refresh_tokens": "token* text, family text, consent text, body text, state text, expires bigint",
    "delegations": (
        "delegation* text, parent text, child text, above text, purpose text, depth int, body text, state text, "
        "ends bigint"
    ),
}
_INDICES = {
    "consents_of": ("consents", ["agent", "person"]),
    "refresh_tokens_family": ("refresh_tokens", ["family"]),
    "refresh_tokens_consent": ("refresh_tokens", ["consent"]),
    "delegations_parent": ("delegations", ["parent"]),
    "delegations_child": ("delegations", ["child"]),
}


def upgrade() -> None:
    """Create the tables."""
    for name, said in _TABLES.items():
        op.create_table(name, *[column(text.strip()) for text in said.split(",")])
    op.add_column("runs", column("above text?"))
    for name, (table, columns) in _INDICES.items():
        op.create_index(name, table, columns)
