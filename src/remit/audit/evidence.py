"""Chosen entries of a running server's log, with their proofs, as one file. The transport is the caller's.

The file is made page by page, all under the checkpoint that was the newest when the first was asked for.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from remit.audit.export import EVIDENCE
from remit.kernel.errors import IntegrityFailed, NotFound

MOST: Final = 10_000  # entries of one file
Ask = Callable[[Mapping[str, str]], Mapping[str, Any]]
"""GET /v1/evidence with a query: its JSON. Raises RemitError."""


def file_of(ask: Ask, query: Mapping[str, str], *, most: int = MOST) -> Iterator[str]:
    """The file's text, in pieces; the first page is asked for before anything is returned.

    Args:
        ask: Asks the server.
        query: `entry`, or filters.
        most: How many entries, at most; the newest of them.

    Raises:
        NotFound: No entry that a checkpoint covers answers.
        IntegrityFailed: The server sends something else; what was given out so far is no whole file.
        RemitError: Whatever the server says.
    """
    page = ask(query)
    if not _entries(page) and page.get("next") is None:
        raise NotFound("no entry that a checkpoint covers answers", try_="remit audit find")
    return _pieces(ask, query, page, most)


def _pieces(ask: Ask, query: Mapping[str, str], page: Mapping[str, Any], most: int) -> Iterator[str]:
    note, size, gap, left = page["checkpoint"], page["size"], "\n", most
    head = {"format": EVIDENCE, "key": page["key"], "checkpoint": note, "entries": []}
    yield json.dumps(head).removesuffix("]}")
    while True:
        rows = _entries(page)[:left]
        if rows:
            yield gap + ",\n".join(json.dumps(each) for each in rows)
            gap = ",\n"
        left -= len(rows)
        if left <= 0 or page.get("next") is None:
            yield "\n]}\n"
            return
        page = ask({**query, "before": str(page["next"]), "size": str(size)})
        if page.get("checkpoint") != note:
            raise IntegrityFailed("the server changed the checkpoint within one file")


def _entries(page: Mapping[str, Any]) -> list[dict[str, Any]]:
    rows = page.get("entries")
    if not isinstance(rows, list) or not all(
        isinstance(each, dict) and set(each) == {"index", "header", "proof"} for each in rows
    ):
        raise IntegrityFailed("the server's answer is no part of its log")
    return rows
