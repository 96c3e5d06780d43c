"""An agent's refusals are found by a term of their own: what the log is found by is made anew."""

from __future__ import annotations

from alembic import op

revision = "0022"
down_revision = "0021"


def upgrade() -> None:
    """Forget it. It is derived: the server fills it from the log that is there."""
    op.execute("DELETE FROM log_terms")
    op.execute("DELETE FROM log_stretches")
