"""Names of arguments that a server may take for one (pure).

Where an operation takes any name, a boundary bounds one of them. Attack: `{"amount": 5, "Amount": 5000}`, of which Go
and ASP.NET read the last; `to=alice&to[]=mallory`, of which PHP and Rack do; `account.id` for `account_id`, as PHP
has it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable
from typing import Final

_UNREAD: Final = re.compile(r"[^\w\[\]]|_")


def alike(names: Iterable[str], known: Collection[str]) -> tuple[str, str] | None:
    """Two of `names` that a server may read as one, unless both are `known` to be two; None if there are none."""
    names = list(names)
    if all(name in known for name in names):
        return None
    bare = {_folded(name): name for name in names if "[" not in name}
    seen: dict[str, str] = {}
    for name in sorted(names):
        whole = _folded(name)
        # Of `filter[a]` and `filter[b]` nobody makes one; of either and `filter` many do.
        for other in (seen.setdefault(whole, name), bare.get(_folded(name.partition("[")[0]), name)):
            if whole and other != name and not (other in known and name in known):
                return other, name
    return None


def _folded(name: str) -> str:
    return _UNREAD.sub("", unicodedata.normalize("NFKC", name).casefold())
