"""A boundary is found by its name, and those of an agent, without reading all that are active.

SQLite takes the index that more of a query's columns are in: of one by the state alone and the primary key (boundary,
version) it took the first, and read a hundred thousand rows for one.
"""

from __future__ import annotations

from alembic import op

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    """Put both indexes anew."""
    op.drop_index("boundaries_state", "boundaries")
    op.drop_index("boundaries_agent", "boundaries")
    op.create_index("boundaries_agent", "boundaries", ["agent", "state"])
    op.create_index("boundaries_state", "boundaries", ["state", "boundary"])
