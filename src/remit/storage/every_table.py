"""All tables: `metadata` knows them once all modules that describe them are loaded."""

from __future__ import annotations

from remit.storage import (
    credential_schema,
    governance_schema,
    identity_schema,
    node_schema,
    policy_schema,
    request_schema,
    schema,
)
from remit.storage.tables import metadata

__all__ = [
    "credential_schema",
    "governance_schema",
    "identity_schema",
    "metadata",
    "node_schema",
    "policy_schema",
    "request_schema",
    "schema",
]
