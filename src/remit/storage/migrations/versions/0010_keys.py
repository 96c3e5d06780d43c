"""Since when a signing key is in its state, and whether it was retired before its time: keys are rotated."""

from __future__ import annotations

from alembic import op

from remit.storage.migrations.columns import column

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Add the columns. Keys that are there have been in their state since they were made."""
    for text in ("since bigint?", "distrusted bool?"):
        op.add_column("signing_keys", column(text))
