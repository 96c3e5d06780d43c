"""Registered enforcement points, and tokens that were revoked."""

from __future__ import annotations

from alembic import op

from remit.storage.migrations.columns import column

revision = "0003"
down_revision = "0002"

_TABLES = {
    "peps": "pep* text, token_hash text, created bigint",
    "revoked_tokens": "key* text, agent text, expires bigint",
}


def upgrade() -> None:
    """Create the tables."""
    for table, columns in _TABLES.items():
        op.create_table(table, *[column(text) for text in columns.split(",")])
