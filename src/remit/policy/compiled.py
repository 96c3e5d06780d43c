"""The engine that calls are decided with: a compiled evaluator for what boundaries say, cedarpy for all else.

Cedar has the last word in three ways. Only where a slice holds nothing but the boundary's own permit can the
evaluator speak, and only to say that it allows. What it reads is that permit as Cedar wrote and read it
back. And Cedar answers the first questions to each slice, and one in so many after that; if the two ever
differ, that call is refused, and the evaluator is never asked again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Protocol

import msgspec

from remit.logs import logger
from remit.policy.evaluate import Test, Unsure
from remit.policy.ports import Engine, Handle, Ruling, Slice, Verdict

_FIRST: Final = 2  # questions to a slice that Cedar answers before anything is compiled
_EACH: Final = 256  # and each so many after that
_decode = msgspec.json.Decoder().decode
_log = logger("remit.policy")


class Judge(Engine, Protocol):
    """An engine that can also write policies as text."""

    def text(self, policies: Mapping[str, Any]) -> str:
        """Policies as Cedar text. Raises ValueError."""
        ...


class _Schema:
    """A schema as the judge has it, and its text."""

    __slots__ = ("handle", "text")

    def __init__(self, handle: Handle, text: Mapping[str, Any]) -> None:
        self.handle = handle
        self.text = text


class _Policies:
    """Policies as the judge has them, and what was made of them here."""

    __slots__ = ("asked", "handle", "only", "test")

    def __init__(self, handle: Handle, policies: Mapping[str, Any]) -> None:
        self.handle = handle
        self.only = next(iter(policies.items())) if len(policies) == 1 else None
        self.test: Test | None = None
        self.asked = 0


class CompiledEngine:
    """Implements remit.policy.ports.Engine over another one, which judges it."""

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        self.trusted = True
        """Whether the evaluator is asked: until it once differed from its judge."""

    def schema(self, schema: Mapping[str, Any]) -> Handle:
        """Parse a schema."""
        return _Schema(self._judge.schema(schema), schema)

    def spelling(self, schema: str | Mapping[str, Any]) -> str:
        """A schema in the judge's spelling."""
        return self._judge.spelling(schema)

    def entities(self, entities: list[dict[str, Any]], schema: Handle) -> Handle:
        """Parse entities."""
        return self._judge.entities(entities, schema.handle)

    def policies(self, policies: Mapping[str, Any]) -> Handle:
        """Parse policies."""
        return _Policies(self._judge.policies(policies), policies)

    def read(self, text: str) -> Mapping[str, Any]:
        """Cedar text as Cedar's JSON."""
        return self._judge.read(text)

    def count(self, text: str) -> int:
        """How many policies Cedar text holds."""
        return self._judge.count(text)

    def faults(self, text: str, schema: Handle) -> list[str]:
        """Strict validation."""
        return self._judge.faults(text, schema.handle)

    def ask(self, question: Slice, context: str) -> Verdict:
        """Decide."""
        policies: _Policies = question.policies
        if policies.only is None or policies.only[0] != question.permit or not self.trusted:
            return self._judged(question, context)
        policies.asked += 1
        if policies.asked <= _FIRST:
            if policies.asked == _FIRST:
                self._compile(question)
            return self._judged(question, context)
        test = policies.test
        if test is None or not test.allows(question.request, _decode(context)):
            return self._judged(question, context)
        verdict = Verdict(Ruling.ALLOW, (policies.only[0],), ())
        return verdict if policies.asked % _EACH else self._compared(verdict, question, context)

    def _judged(self, question: Slice, context: str) -> Verdict:
        return self._judge.ask(
            Slice(question.policies.handle, question.entities, question.schema.handle, question.request), context
        )

    def _compared(self, verdict: Verdict, question: Slice, context: str) -> Verdict:
        judged = self._judged(question, context)
        if judged == verdict:
            return verdict
        self.trusted = False
        name = question.policies.only[0]
        _log.error("the compiled evaluator and Cedar disagree; Cedar alone is asked from here on", policy=name)
        return Verdict(Ruling.NONE, (), ("the compiled evaluator and Cedar disagree",))

    def _compile(self, question: Slice) -> None:
        """Make what is asked from here on: of the permit as the judge itself reads it back from its own text."""
        _, policy = question.policies.only
        try:
            back = self._judge.read(self._judge.text({"permit": policy}))["staticPolicies"]
            (own,) = back.values()
            question.policies.test = Test(own, question.schema.text)
        except (Unsure, ValueError, KeyError, TypeError, AttributeError) as error:
            _log.info("a permit is left to Cedar alone", policy=question.policies.only[0], why=repr(error)[:200])
