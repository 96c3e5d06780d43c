"""What the organisation declares of its own types."""

from __future__ import annotations

from alembic import op

from remit.storage.migrations.columns import column

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Create the table."""
    op.create_table("declarations", *map(column, ("file* text", "part text", "text text")))
