"""One row of the posture: the sums of an agent on a day, who answered for it, and how it is stored (pure)."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final

from remit.certification.posture.growth import Tally
from remit.kernel.canonical import canonical, parse

_SUMS: Final = tuple(each.name for each in fields(Tally) if each.name != "withdrawn")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Sums, not ratios: what is shown is made of them when it is asked for."""

    sums: Tally
    table: str  # sha256 of the table of further use that it was made with
    owner: str = ""
    stand_ins: tuple[str, ...] = ()  # the owner's active backups
    max_children: int = 0


def row_text(row: Row) -> str:
    """As it is stored."""
    said = {
        "sums": {name: getattr(row.sums, name) for name in _SUMS},
        "withdrawn": [[hours, count] for hours, count in sorted(row.sums.withdrawn.items())],
        "table": row.table,
        "owner": row.owner,
        "stand_ins": list(row.stand_ins),
        "max_children": row.max_children,
    }
    return canonical(said).decode("utf-8")


def row_from(text: str) -> Row:
    """What `row_text` wrote."""
    said = parse(text)
    withdrawn = dict(said["withdrawn"])
    return Row(
        sums=Tally(**said["sums"], withdrawn=withdrawn),
        table=said["table"],
        owner=said["owner"],
        stand_ins=tuple(said["stand_ins"]),
        max_children=said["max_children"],
    )
