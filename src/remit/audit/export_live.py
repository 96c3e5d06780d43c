"""An export of a running server's log, written page by page. The transport is the caller's.

All pages stand under the checkpoint that was the newest when the first was read, however much the log grows meanwhile.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from remit.audit.checkpoint import CheckpointInvalid, parse
from remit.audit.export import Export, Proven, entries_as_json, entries_from_json, read_export
from remit.audit.source_live import Get
from remit.kernel.canonical import parse as parse_json
from remit.kernel.errors import IntegrityFailed, Malformed

_PAGE = 1000


@dataclass(frozen=True, slots=True)
class Download:
    """An export that was begun: its first page is there."""

    get: Get
    page: Export
    count: int  # entries it will have
    size: int  # entries under its checkpoint

    @property
    def end(self) -> int:
        """The position behind its last entry."""
        return self.page.first + self.count

    def text(self) -> Iterator[str]:
        """The file's text, in pieces of one page.

        Raises:
            IntegrityFailed: The server sends something else; what was written so far is no whole file.
        """
        head = Export(self.page.key, self.page.checkpoint, self.page.first, self.count, ()).as_json()
        yield json.dumps(head).removesuffix("]}")
        gap = "\n"
        for page in self._pages():
            yield gap + ",\n".join(json.dumps(each) for each in entries_as_json(page))
            gap = ",\n"
        yield "\n]}\n"

    def _pages(self) -> Iterator[Sequence[Proven]]:
        page, at = self.page.entries, self.page.first
        while True:
            yield page
            at += len(page)
            if at >= self.end:
                return
            asked = min(_PAGE, self.end - at)
            body = self.get(f"/v1/audit/export?first={at}&count={asked}&size={self.size}")
            page = _checked(_entries(body), asked)


def begin(get: Get, *, first: int = 0, count: int | None = None) -> Download:
    """Ask for `count` entries from position `first` on; None: for all there are.

    Raises:
        NotFound: No checkpoint covers `first`.
        IntegrityFailed: The server sends something else.
    """
    asked = _PAGE if count is None else min(_PAGE, count)
    try:
        page = read_export(get(f"/v1/audit/export?first={first}&count={asked}"))
        size = parse(page.checkpoint).size
    except (Malformed, CheckpointInvalid) as error:
        raise IntegrityFailed("the server's answer is no part of its log", detail=error.public) from error
    _checked(page.entries, asked)
    return Download(get, page, size - first if count is None else min(count, size - first), size)


def _entries(body: bytes) -> list[Proven]:
    try:
        page = parse_json(body)
        return entries_from_json(page)
    except Malformed as error:
        raise IntegrityFailed("the server's answer is no part of its log", detail=error.public) from error


def _checked(entries: Sequence[Proven], asked: int) -> Sequence[Proven]:
    if not 0 < len(entries) <= asked:
        raise IntegrityFailed(
            "the server's answer is no part of its log", detail=f"{len(entries)} entries, not {asked}"
        )
    return entries
