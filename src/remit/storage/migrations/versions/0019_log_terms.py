"""The log can be asked for an agent, an action, a person: what its entries are found by, stretch by stretch."""

from __future__ import annotations

from alembic import op

from remit.storage.migrations.columns import column

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    """Create the tables. They are derived: the server fills them from the log that is there."""
    op.create_table(
        "log_terms", *map(column, ("stretch* int", "term* bigint", "places bytes")), sqlite_with_rowid=False
    )
    op.create_table("log_stretches", *map(column, ("stretch* int", "earliest bigint", "latest bigint")))
