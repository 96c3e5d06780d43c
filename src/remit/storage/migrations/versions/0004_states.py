"""What every object's rows hashed to when its last entry was recorded."""

from __future__ import annotations

from alembic import op

from remit.storage.migrations.columns import column

revision = "0004"
down_revision = "0003"

_COLUMNS = "what* text, name* text, digest text, entry text, seal bytes"


def upgrade() -> None:
    """Create the table. It is empty: the first start after this refuses until `remit up --accept-state` fills it."""
    op.create_table("states", *[column(text) for text in _COLUMNS.split(",")])
