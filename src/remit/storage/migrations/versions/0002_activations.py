"""Activations, notices to owners, and risk."""

from __future__ import annotations

from alembic import op

from remit.storage.migrations.columns import column

revision = "0002"
down_revision = "0001"

_TABLES = {
    "activations": "agent* text, purpose* text, action* text, scope* text, serial bigint, body text, due bigint,"
    " last bigint, covered bigint, days int, gaps text",
    "notices": "notice* text, agent text, body text, seen bigint?",
    "risks": "agent* text, risk int, since bigint",
}


def upgrade() -> None:
    """Create the tables."""
    for table, columns in _TABLES.items():
        op.create_table(table, *[column(text) for text in columns.split(",")])
    op.create_index("activations_due", "activations", ["due"])
    op.create_index("notices_agent", "notices", ["agent"])
