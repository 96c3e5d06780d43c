"""Access requests, what used an approval, and what is still to be told outside."""

from __future__ import annotations

from alembic import op

from remit.storage.migrations.columns import column

revision = "0012"
down_revision = "0011"

_TABLES = {
    "access_requests": (
        "request* text, agent text, state text, binding text, asker text, idem text, approval text, until bigint, "
        "due bigint, gone bigint, body text, sealed bytes"
    ),
    "approval_uses": "request* text, decision text, at bigint",
    "deliveries": "delivery* text, way text, target text, tries int, due bigint, body text",
}
_INDICES = {
    "access_requests_agent": ("access_requests", ["agent", "state"]),
    "access_requests_asker": ("access_requests", ["asker", "idem"]),
    "access_requests_binding": ("access_requests", ["binding"]),
    "access_requests_due": ("access_requests", ["due"]),
    "access_requests_gone": ("access_requests", ["gone"]),
    "deliveries_due": ("deliveries", ["due"]),
}


def upgrade() -> None:
    """Create the tables."""
    for name, said in _TABLES.items():
        op.create_table(name, *[column(text.strip()) for text in said.split(",")])
    for name, (table, columns) in _INDICES.items():
        op.create_index(name, table, columns)
