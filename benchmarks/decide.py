"""One whole decision in process, in units of one bare cedarpy call on the same slice.

The decision: every step, with the arguments already parsed and everything compiled. The bare
call: `cedarpy.is_authorized` with the same parsed policies, entities and schema, and the same
request. They take turns call by call, so that each finds the caches as the other left them.

Then the same decision among 10,000 policies of the organisation, 20 of which are scoped to nobody and nothing, in units
of the one among 10, 8 of which are unscoped.
"""

from __future__ import annotations

import gc
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import cedarpy
from sqlalchemy import Connection

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.decisions import AGENT, KEY, PAY, PAYMENTS, Estate
from benchmarks.report import finish, options, row

from remit.attestation.model import Caller
from remit.kernel.canonical import parse
from remit.kernel.clock import HOUR, Instant, SystemClock
from remit.kernel.names import ActionName, DecisionId, InstanceId, RunId, ToolName
from remit.keys.jwk import thumbprint
from remit.policy.cedar import CedarEngine
from remit.policy.compiled import CompiledEngine
from remit.policy.decide import decide
from remit.policy.facts import Facts
from remit.policy.model import Call
from remit.policy.ports import Slice, Verdict
from remit.policy.view import View
from remit.storage.model import ConsumeProof

FLOOR, AIM = 2.0, 1.3
FEW, MANY = (10, 8), (10_000, 20)  # policies, and how many of them are unscoped
GROWTH_FLOOR, GROWTH_AIM = 2.0, 1.2
_UNSCOPED = """
@id("unscoped-{0}")
forbid (principal, action, resource) when {{ context.run == "run_{0}" }};
"""
_ELSEWHERE = """
@id("elsewhere-{0}")
forbid (principal == Remit::Agent::"bot-{0}", action, resource) when {{ context.run == "run_{0}" }};
"""


class Overheard(CedarEngine):
    """The engine, keeping the last question."""

    question: Slice
    context: str

    def ask(self, question: Slice, context: str) -> Verdict:
        """The engine's answer."""
        self.question, self.context = question, context
        return super().ask(question, context)


def subject(now: Instant, estate: Estate | None = None) -> tuple[Call, View, Slice, str]:
    """A transfer inside its bounds, rate and budget, and what Cedar is asked about it."""
    engine, estate = Overheard(), estate or Estate()
    facts = Facts(source=estate, engine=engine, contact=lambda: now, reader=estate)
    facts.load(cast("Connection", None), epoch=1)
    facts.prepare(AGENT)
    caller = Caller(
        agent=AGENT, instance=InstanceId("NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"), credential=thumbprint(KEY),
        purpose=PAY, run=RunId("run_01abc"), token="jti",  # noqa: S106 - a token's id
        expires=Instant(now + HOUR), bound=True, run_ends=Instant(now + HOUR),
    )  # fmt: skip
    call = Call(
        id=DecisionId("dec_01abc"), caller=caller, server=PAYMENTS, action=ActionName("payments/transfer"),
        tool=ToolName("transfer"),
        arguments={"to": "DE89370400440532013000", "amount": Decimal("125.50"), "currency": "EUR"},
        proof=ConsumeProof("dpop:1", Instant(now + HOUR)),
    )  # fmt: skip
    assert decide(call, facts.view(), now=now).answer.allowed
    view = facts.view()
    quiet = Facts(source=estate, engine=CompiledEngine(CedarEngine()), contact=lambda: now, reader=estate)
    quiet.load(cast("Connection", None), epoch=1)
    quiet.prepare(AGENT)
    assert view.organisation.digest == quiet.view().organisation.digest
    return call, quiet.view(), engine.question, engine.context


class Policed(Estate):
    """The estate with so many policies of its organisation, its own two among them."""

    def __init__(self, count: int, unscoped: int) -> None:
        super().__init__()
        self._more = "".join(_UNSCOPED.format(n) for n in range(unscoped)) + "".join(
            _ELSEWHERE.format(n) for n in range(count - unscoped - len(super().policies(cast("Any", None))) - 1)
        )

    def policies(self, connection: Connection) -> Mapping[str, str]:
        return {**super().policies(connection), "more.cedar": self._more}


def grown(*, rounds: int, count: int) -> list[dict[str, Any]]:
    """Rounds of decisions among many policies and among few, in turns."""
    now = SystemClock().now()
    call, few, *_ = subject(now, Policed(*FEW))
    many = subject(now, Policed(*MANY))[1]
    assert (len(few.organisation.titles), len(many.organisation.titles)) == (FEW[0], MANY[0])
    ratio, large = [], []
    for _ in range(rounds + 1):
        gc.collect()
        one, other = turns(lambda: decide(call, many, now=now), lambda: decide(call, few, now=now), count=count)
        ratio.append(one / other)
        large.append(one)
    said = "decide among 10,000 policies (20 unscoped), of among 10"
    return [
        row(said, ratio[1:], "x", floor=GROWTH_FLOOR, aim=GROWTH_AIM, less_is_better=True),
        row("  decide among 10,000 policies", large[1:], "us", less_is_better=True),
    ]


def turns(first: Callable[[], Any], second: Callable[[], Any], *, count: int) -> tuple[float, float]:
    """Median microseconds of two things done in turns."""
    times: tuple[list[int], list[int]] = ([], [])
    clock = time.perf_counter_ns
    for _ in range(count):
        start = clock()
        first()
        middle = clock()
        second()
        times[0].append(middle - start)
        times[1].append(clock() - middle)
    return statistics.median(times[0]) / 1000, statistics.median(times[1]) / 1000


def measure(*, rounds: int, count: int) -> list[dict[str, Any]]:
    """Rounds of decisions and bare calls in turns."""
    now = SystemClock().now()
    call, view, question, context = subject(now)
    handles = (question.policies, question.entities, question.schema)
    as_dict = {**question.request, "context": parse(context)}
    as_text = {**question.request, "context": context}
    whole, bare, ratio, text_ratio = [], [], [], []
    for _ in range(rounds + 1):
        gc.collect()
        mine, theirs = turns(
            lambda: decide(call, view, now=now), lambda: cedarpy.is_authorized(as_dict, *handles), count=count
        )
        whole.append(mine)
        bare.append(theirs)
        ratio.append(mine / theirs)
        mine, theirs = turns(
            lambda: decide(call, view, now=now), lambda: cedarpy.is_authorized(as_text, *handles), count=count // 4
        )
        text_ratio.append(mine / theirs)
    return [  # the first round warms up
        row("decide, in bare cedarpy calls", ratio[1:], "x", floor=FLOOR, aim=AIM, less_is_better=True),
        row("  in calls given their context as JSON text", text_ratio[1:], "x", less_is_better=True),
        row("  decide", whole[1:], "us", less_is_better=True),
        row("  bare cedarpy call", bare[1:], "us", less_is_better=True),
    ]


def main() -> int:
    parser = options(__doc__, rounds=5)
    parser.add_argument("--count", type=int, default=4000, help="decisions per round")
    chosen = parser.parse_args()
    rows = measure(rounds=chosen.rounds, count=chosen.count)
    rows += grown(rounds=chosen.rounds, count=chosen.count)
    return finish("decide", rows, as_json=chosen.json)


if __name__ == "__main__":
    sys.exit(main())
