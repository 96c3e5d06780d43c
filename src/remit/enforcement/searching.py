"""Who may, on what, and what: the search APIs over the organisation's own types and over Remit's.

A result is what an evaluation of the same question would allow at this moment, with nothing spent and nothing
started. An agent finds, and is found by, what its boundaries name and nothing else. That somebody searched is
recorded before the answer is given.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final

from remit.enforcement import authzen
from remit.enforcement.answers import Answers
from remit.enforcement.authzen_search import Search
from remit.enforcement.candidates import Candidates
from remit.enforcement.model import EnforcementUnavailable, Point
from remit.enforcement.own_types import OwnTypes
from remit.enforcement.ports import View
from remit.enforcement.search_tokens import Tokens

_EXAMINED: Final = 2_000  # candidates for one page
_SLICE: Final = 25  # between two of which the event loop serves others


class Searching:
    """Answers searches. Belongs to the pipeline's event loop."""

    def __init__(self, *, answers: Answers, own_types: OwnTypes, candidates: Candidates, tokens: Tokens) -> None:
        self._answers = answers
        self._own_types = own_types
        self._candidates = candidates
        self._tokens = tokens

    async def search(self, asked: Search, point: Point) -> Mapping[str, Any]:
        """One page of results, recorded.

        Raises:
            Malformed: The page's token is not of this search.
            EnforcementUnavailable: Nothing can be decided or recorded.
        """
        after = self._tokens.after(asked, pep=point.name)
        view = self._answers.view()
        # In a thread: which agents name something is asked of each of them.
        names = await asyncio.to_thread(self._candidates.names, asked, view)
        found, last = await self._page(asked, point, names if after is None else _from(names, after), view)
        token = "" if last is None else self._tokens.token(asked, last, pep=point.name)
        page: dict[str, Any] = {"next_token": token, "count": len(found)}
        if after is None and last is None:
            page["total"] = len(found)
        await self._record(asked, point, len(found))
        return {"results": [asked.result(name) for name in found], "page": page}

    async def _page(
        self, asked: Search, point: Point, names: Sequence[str], view: View
    ) -> tuple[list[str], str | None]:
        """What of the candidates is allowed, and the last name that was looked at if there are more."""
        found: list[str] = []
        trouble: EnforcementUnavailable | None = None
        for start in range(0, min(len(names), _EXAMINED), _SLICE):
            part = names[start : start + _SLICE]
            answers = await self._asked(asked, point, part, view)
            for at, (name, may) in enumerate(zip(part, answers, strict=True), start):
                if isinstance(may, EnforcementUnavailable):
                    trouble = may
                elif may:
                    found.append(name)
                if len(found) == asked.limit:
                    return found, name if at + 1 < len(names) else None
        if trouble is not None and not found:
            raise trouble  # one candidate that cannot be decided is no result; if it is all there is, nothing is known
        return found, names[_EXAMINED - 1] if len(names) > _EXAMINED else None

    async def _asked(
        self, asked: Search, point: Point, names: Sequence[str], view: View
    ) -> list[bool | EnforcementUnavailable]:
        if authzen.own(asked.question):
            return await asyncio.to_thread(lambda: [self._candidates.may(asked.filled(name), point) for name in names])
        found = [self._declared(asked.filled(name), point, view) for name in names]
        await asyncio.sleep(0)
        return found

    def _declared(self, question: authzen.Question, point: Point, view: View) -> bool | EnforcementUnavailable:
        try:
            return self._own_types.judge(question, point, view).denial is None
        except EnforcementUnavailable as error:
            return error

    async def _record(self, asked: Search, point: Point, count: int) -> None:
        said = authzen.recorded(asked.question, point) | {"search": asked.gap.value, "found": count}
        await self._answers.noted("search", said)


def _from(names: Sequence[str], after: str) -> Sequence[str]:
    return [name for name in names if name > after]
