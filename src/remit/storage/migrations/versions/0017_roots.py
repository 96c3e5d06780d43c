"""Root keys in generations, and which of them seals each key."""

from __future__ import annotations

import base64

import sqlalchemy as sa
from alembic import op

from remit.kernel.errors import IntegrityFailed
from remit.storage.migrations.columns import column

revision = "0017"
down_revision = "0016"
_META = sa.table("meta", sa.column("key"), sa.column("value"))
_CREATED = sa.text("SELECT min(created) FROM signing_keys")


def upgrade() -> None:
    """Create the table, and move the root key that is there into it: it is the first generation."""
    roots = op.create_table(
        "roots", *map(column, ("generation* int", "wrapped bytes?", "created bigint", "retired bigint?"))
    )
    for table in ("data_keys", "signing_keys"):
        op.add_column(table, column("generation int?"))
    op.create_index("data_keys_generation", "data_keys", ["generation"], sqlite_where=sa.text("wrapped IS NOT NULL"))
    bind, named = op.get_bind(), _META.c.key == "root_key"
    wrapped = bind.execute(sa.select(_META.c.value).where(named)).scalar_one_or_none()
    if wrapped is None:
        return  # a database that has no keys yet
    try:
        sealed_root = base64.b64decode(wrapped, validate=True)
    except ValueError as error:
        raise IntegrityFailed("the database's root key is damaged") from error
    created = bind.execute(_CREATED).scalar_one() or 0
    bind.execute(sa.insert(roots).values(generation=1, wrapped=sealed_root, created=created))
    # Zeros first: SQLite writes what is as long over what was there, and only forgets what is deleted.
    bind.execute(sa.update(_META).where(named).values(value="0" * len(wrapped)))
    bind.execute(sa.delete(_META).where(named))
