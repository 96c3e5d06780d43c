"""A running server's log, over its HTTP API. The transport is the caller's."""

from __future__ import annotations

import base64
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from remit.audit.contents import Contents
from remit.audit.seal import Kept
from remit.audit.source import State, Stretch
from remit.audit.standing import Standing
from remit.audit.tiles import path
from remit.kernel.canonical import parse
from remit.kernel.errors import IntegrityFailed, NotFound

_PAGE = 1000

Get = Callable[[str], bytes]
"""GET of a path under the server's URL: the body of a 200. Raises NotFound for a 404, RemitError otherwise."""


class LiveSource:
    """Implements remit.audit.source.Source over `GET /v1/audit/...`."""

    def __init__(self, get: Get) -> None:
        self._get = get

    def key(self) -> str:
        """The key the server shows."""
        return self._get("/v1/audit/key").decode("utf-8", "replace")

    def checkpoint(self) -> str | None:
        """The newest checkpoint."""
        try:
            return self._get("/v1/audit/checkpoint").decode("utf-8", "replace")
        except NotFound:
            return None

    def earlier(self) -> tuple[str, ...]:
        """A server shows its newest checkpoint only."""
        return ()

    def stretches(self, until: int | None) -> Iterator[Stretch]:
        """Pages of entries, up to `until`."""
        position = 0
        while until is None or position < until:
            count = _PAGE if until is None else min(_PAGE, until - position)
            page = self._page(position, count)
            headers, damaged = _entries(page, count)
            lost, problem = damaged
            if not headers and not lost:
                return
            yield Stretch(position, len(headers) + lost, headers, problem)
            position += len(headers) + lost

    def tile(self, level: int, index: int) -> bytes | None:
        """A tile as the server serves it."""
        try:
            return self._get(f"/v1/audit/{path(level, index)}")
        except NotFound:
            return None

    def waiting(self) -> int:
        """How many entries the server says have no position yet."""
        waiting = self._page(0, 1).get("waiting")
        return waiting if type(waiting) is int else 0

    def places(self, ids: Collection[str]) -> Mapping[str, tuple[int, int]] | None:  # noqa: ARG002 - the port's shape
        """A server does not show its index."""
        return None

    def contents(self, stretch: Stretch) -> Contents | None:
        """What the server finds when it opens these payloads. None with a server that does not."""
        found = self._json(f"/v1/audit/payloads?first={stretch.first}&count={stretch.count}")
        if found is None:
            return None
        try:
            wrong = [(int(index), str(what)) for index, what in found["wrong"]]
            return Contents(int(found["opened"]), int(found["erased"]), wrong)
        except (KeyError, TypeError, ValueError) as error:
            raise IntegrityFailed("the server's answer says nothing of payloads") from error

    def state(self) -> State | None:
        """What the server finds in its own database. None with a server that does not look."""
        found = self._json("/v1/audit/state")
        if found is None:
            return None
        try:
            objects = [_standing(*each) for each in found["objects"]]
            return State(objects, str(found["seal"]), settled=False)
        except (KeyError, TypeError, ValueError) as error:
            raise IntegrityFailed("the server's answer says nothing of its state") from error

    def index_rows(self) -> int | None:
        """A server does not show its index."""
        return None

    def _json(self, path: str) -> dict[str, Any] | None:
        try:
            found = parse(self._get(path))
        except NotFound:
            return None
        if not isinstance(found, dict):
            raise IntegrityFailed("the server's answer is no object", detail=path)
        return found

    def _page(self, first: int, count: int) -> dict[str, Any]:
        try:
            page = parse(self._get(f"/v1/audit/entries?first={first}&count={count}"))
        except NotFound:
            return {}
        if not isinstance(page, dict):
            raise IntegrityFailed("the server's answer is no page of entries")
        return page


def _standing(what: str, name: str, digest: str, kept: str | None, entry: str | None) -> Standing:
    return Standing(what, name, digest, None if kept is None or entry is None else Kept(kept, entry, b""))


def _entries(page: dict[str, Any], count: int) -> tuple[list[bytes], tuple[int, str]]:
    """The page's headers, and how many behind them the server cannot read, and why."""
    try:
        headers = [base64.b64decode(entry, validate=True) for entry in page.get("entries", [])]
        damaged = page.get("damaged") or {"count": 0, "problem": ""}
        lost, problem = damaged["count"], str(damaged["problem"])
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise IntegrityFailed("the server's answer is no page of entries") from error
    if type(lost) is not int or lost < 0 or len(headers) + lost > count:
        raise IntegrityFailed("the server's answer is no page of entries")
    return headers, (lost, problem or ("" if not lost else "it cannot be read"))
