"""How migrations write a column: `name type`, `*` after the name for the primary key, `?` after the type for NULL."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

_TYPES: dict[str, tuple[sa.types.TypeEngine[Any], bool]] = {  # type, numbers itself
    "text": (sa.Text(), False),
    "int": (sa.Integer(), False),
    "bigint": (sa.BigInteger(), False),
    "serial": (sa.Integer(), True),
    "bigserial": (sa.BigInteger().with_variant(sa.Integer(), "sqlite"), True),
    "bytes": (sa.LargeBinary(), False),
    "bool": (sa.Boolean(), False),
}


def column(text: str) -> sa.Column[Any]:
    """One column."""
    name, kind = text.split()
    type_, numbers_itself = _TYPES[kind.rstrip("?")]
    return sa.Column(
        name.rstrip("*"),
        type_,
        primary_key=name.endswith("*"),
        nullable=kind.endswith("?"),
        autoincrement=numbers_itself,
    )
