"""The few boundaries that wait are found among a hundred thousand without reading all of them."""

from __future__ import annotations

from alembic import op

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    """Create the index."""
    op.create_index("boundaries_state", "boundaries", ["state"])
