"""Who suspended an agent."""

from __future__ import annotations

from alembic import op

from remit.storage.migrations.columns import column

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Create the table."""
    op.create_table("suspensions", *[column(text) for text in ("agent* text", "by text", "since bigint")])
