"""What a small commit writes besides its bundle stands in the bundle's own row until it is filed (SQLite)."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from remit.storage.migrations.columns import column

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Add the columns; on SQLite, leave what waits for a place out of the index of places."""
    for text in ("sealed bytes?", "unfiled text?"):
        op.add_column("bundles", column(text))
    if op.get_bind().dialect.name == "sqlite":
        op.drop_index("bundles_first", "bundles")
        op.create_index("bundles_first", "bundles", ["first"], unique=True, sqlite_where=sa.text("first IS NOT NULL"))
