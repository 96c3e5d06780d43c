"""Several questions in one request: each is a decision of its own, in the order in which they stand."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from remit.enforcement.authzen import Question
from remit.enforcement.authzen_batch import Batch, Semantic, not_a_question
from remit.enforcement.model import EnforcementUnavailable, Point
from remit.enforcement.points import Evaluated, Points
from remit.kernel.errors import Malformed

_NONE: Final = "-"  # in the place of a decision where there is none


class Batches:
    """Answers them."""

    def __init__(self, points: Points) -> None:
        self._points = points

    async def evaluate(self, batch: Batch, point: Point) -> tuple[Mapping[str, Any], str]:
        """The answer's body, and the ids of its decisions as a list.

        Raises:
            EnforcementUnavailable: One of them could not be decided or recorded. No answer is given then, so what the
                others let through is not sent.
        """
        found: list[Evaluated] = []
        try:
            if batch.semantic is Semantic.EXECUTE_ALL:
                await self._together(batch, point, found)
            else:
                await self._in_turn(batch, point, found)
        except EnforcementUnavailable:
            self._points.not_sent(each.decision for each in found)
            raise
        return {"evaluations": [each.body for each in found]}, ", ".join(each.decision for each in found)

    async def _together(self, batch: Batch, point: Point, found: list[Evaluated]) -> None:
        """All at once: what is recorded of them waits for the disk once."""
        asked = [self._evaluate(item, point) for item in batch.items]
        answers = await asyncio.gather(*asked, return_exceptions=True)
        found += [each for each in answers if isinstance(each, Evaluated)]
        for each in answers:
            if isinstance(each, BaseException):
                raise each

    async def _in_turn(self, batch: Batch, point: Point, found: list[Evaluated]) -> None:
        for item in batch.items:
            found.append(await self._evaluate(item, point))
            if batch.semantic.ends(allowed=found[-1].body["decision"]):
                return

    async def _evaluate(self, item: Question | Malformed, point: Point) -> Evaluated:
        if isinstance(item, Malformed):
            return Evaluated(_NONE, not_a_question(item))
        try:
            return await self._points.evaluate(item, point)
        except Malformed as error:
            return Evaluated(_NONE, not_a_question(error))
