"""How long sources of usage usually let Remit wait, and whether their silence was told."""

from __future__ import annotations

from alembic import op

from remit.storage.migrations.columns import column

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Create the table."""
    op.create_table("usage_habits", *[column(text) for text in ("source* text", "waits text", "silent bigint")])
