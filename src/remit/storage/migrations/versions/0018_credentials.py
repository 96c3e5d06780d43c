"""Secrets have versions, each with a state of its own; what rotates them, who used them, what is lent for a while."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from remit.storage.migrations.columns import column

revision = "0018"
down_revision = "0016"

_VERSIONS = (
    "secret* text, version* int, state text, sealed bytes?, key text, attributes text, made bigint, since bigint"
)
_TABLES = {
    "secret_versions": f"{_VERSIONS}, exposed bigint?, exposure text?",
    "secret_uses": "secret* text, version* int, agent* text, first bigint, last bigint, calls bigint",
    "rotations": "rotation* text, secret text, body text, started bigint, ended bigint?, open text?",
    "leases": "lease* text, secret text, agent text, instance text, state text, body text, ended bigint?",
    "due": "kind* text, name* text, at bigint, fence bigint, node text, until bigint",
}
_INDEXES = {
    "rotations_secret": ("rotations", ["secret", "started"]),
    "leases_open": ("leases", ["ended"]),
    "due_at": ("due", ["at"]),
}


def upgrade() -> None:
    """Create the tables. What is sealed stays where it is until it is replaced: the log says what stands there."""
    for name, said in _TABLES.items():
        op.create_table(name, *map(column, said.split(", ")))
    for name, (table, columns) in _INDEXES.items():
        op.create_index(name, table, columns)
    op.create_index("rotations_open", "rotations", ["open"], unique=True)
    op.add_column("secrets", column("body text?"))
    op.add_column("secrets", column("setter text?"))
    with op.batch_alter_table("secrets") as secrets:
        secrets.alter_column("sealed", existing_type=sa.LargeBinary(), nullable=True)
