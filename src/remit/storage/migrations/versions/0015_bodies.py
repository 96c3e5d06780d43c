"""The rows that the digests of the state stand for, so that a decision can be made again on the state as it was."""

from __future__ import annotations

from alembic import op

from remit.storage.migrations.columns import column

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    """Create the table. What stands now is put there by the first start (`audit/states.py: backfill`)."""
    op.create_table("bodies", column("digest* text"), column("body bytes"))
