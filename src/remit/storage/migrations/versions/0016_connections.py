"""What people lent of their own accounts at other systems."""

from __future__ import annotations

from alembic import op

from remit.storage.migrations.columns import column

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    """Create the tables."""
    texts = [f"{name} text" for name in ("secret", "person", "state", "client", "scope")]
    columns = ["connection* text", *texts, "version int", "sealed bytes", "connected bigint", "changed bigint"]
    op.create_table("connections", *map(column, columns))
    op.create_table("connection_claims", column("connection* text"), column("until bigint"))
