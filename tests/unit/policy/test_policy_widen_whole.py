"""Of a small world the whole: what is said to let nothing through is compared with every request there is.

`test_policy_diff_laws` draws requests, and may miss the one that matters. Here every value is asked about at which
the tests that policies are made of differ.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.thorough import examples
from tests.unit.policy.small_world import FAMILIES, pairs, requests, singles

from remit.policy import organisation
from remit.policy.cedar import CedarEngine
from remit.policy.comparing import Known
from remit.policy.ports import Ruling
from remit.policy.shape import read
from remit.policy.slices import Slices, Subject, context
from remit.policy.stage import stage
from remit.policy.view import ServerRecord, server_record
from remit.policy.widen import changes

if TYPE_CHECKING:
    from tests.unit.policy.conftest import Build

    from remit.policy.organisation import Organisation
    from remit.policy.trial import Trial

LAW = settings(
    max_examples=examples(400),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
ENGINE, SERIALS = CedarEngine(), itertools.count(1)
SLICES = Slices(ENGINE)


def stopped_and_permitted(trial: Trial, server: ServerRecord, rules: Organisation) -> tuple[bool, bool]:
    """Whether no agent could get it, and whether the policies alone say Allow."""
    world, call = stage(trial, server, rules, SLICES), trial.call()
    tool = next(each for name, each in server.tools.items() if name == call.tool)
    subject = Subject(world.agents[call.caller.agent], world.purposes[call.caller.purpose], server, tool, trial.action)
    verdict, _ = SLICES.ask(subject, rules, None, context(call, read(tool.shape, trial.arguments), now=trial.now))
    allowed = verdict.ruling is Ruling.ALLOW
    return bool(verdict.errors) or (not allowed and bool(verdict.reasons)), allowed and not verdict.errors


def more(was: tuple[bool, bool], would: tuple[bool, bool]) -> bool:
    """Whether what was stopped is not, or what was not permitted is."""
    return (was[0] and not would[0]) or (would[1] and not was[1])


@LAW
@given(pairs(), st.sampled_from(["nothing", "a catalog", "a catalog, and no tiers"]))
def test_what_is_proved_to_let_nothing_through_lets_no_request_through(
    build: Build, change: tuple[str, str], known: str
) -> None:
    """Attack: a change is said to narrow, takes one person's word, and lets one request through."""
    server = server_record(build.server())
    before, after = (organisation.read({"p.cedar": text}, ENGINE, serial=next(SERIALS)) for text in change)
    ground = Known(ENGINE, None if known == "nothing" else {server.server.server: server})
    groups = None if known.endswith("no tiers") else ground.groups
    if any(each.widens for each in changes(before, after, validated=ground.valid, groups=groups)):
        return
    for trial in requests("".join(change), server):
        was, would = (stopped_and_permitted(trial, server, rules) for rules in (before, after))
        assert not more(was, would), (trial.agent, trial.action, trial.arguments, trial.now)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("known", ["nothing", "a catalog"])
def test_of_two_tests_each_is_weighed_against_the_other(build: Build, family: str, known: str) -> None:
    """A forbid, or a permit, with one test in the place of another: all there are of one family, each with each."""
    server = server_record(build.server())
    ground = Known(ENGINE, None if known == "nothing" else {server.server.server: server})
    asked = list(requests(" ".join(FAMILIES[family]), server))
    for effect in ("forbid", "permit"):
        sets = [organisation.read({"p.cedar": text}, ENGINE, serial=next(SERIALS)) for text in singles(effect, family)]
        found = [[stopped_and_permitted(trial, server, rules) for trial in asked] for rules in sets]
        for (one, was), (other, would) in itertools.permutations(zip(sets, found, strict=True), 2):
            if not changes(one, other, validated=ground.valid, groups=ground.groups)[0].widens:
                through = [at for at, (before, after) in enumerate(zip(was, would, strict=True)) if more(before, after)]
                assert not through, (one.policies[0].text, other.policies[0].text, asked[through[0]].arguments)
