"""Versions of the organisation's policies, and what one beside those in force would change."""

from __future__ import annotations

from alembic import op

from remit.storage.migrations.columns import column

revision = "0014"
down_revision = "0013"

_TABLES = {
    "policy_sets": (
        "version* text, number int, digest text, files int, body text, state text, by text, created bigint, "
        "since bigint"
    ),
    "policy_flips": ("version* text, base* text, node* text, kind* text, policy* text, times bigint, examples text"),
}


def upgrade() -> None:
    """Create the tables."""
    for name, said in _TABLES.items():
        op.create_table(name, *[column(text.strip()) for text in said.split(",")])
