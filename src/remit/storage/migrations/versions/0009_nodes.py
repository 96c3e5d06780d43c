"""What each change touched, and which nodes there are: several nodes share one PostgreSQL."""

from __future__ import annotations

from alembic import op

from remit.storage.migrations.columns import column

revision = "0009"
down_revision = "0008"

_TABLES = {
    "feed": "epoch* bigint, topics text, at bigint",
    "nodes": (
        "node* text, started bigint, beat bigint, alive bigint, applied bigint, held bigint, mark bigint, "
        "covered bigint, admin text?, ended bigint?, settler text?"
    ),
}


def upgrade() -> None:
    """Create the tables."""
    for name, columns in _TABLES.items():
        op.create_table(name, *[column(text.strip()) for text in columns.split(",")])
