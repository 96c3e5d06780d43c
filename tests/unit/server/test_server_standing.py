"""Which freezes keep an agent from a token, read from the view that calls are decided on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import pytest

from remit.agents.binding import Binding
from remit.agents.model import Agent, AgentState, SenderConstraint
from remit.attestation.model import Attested
from remit.freezes.model import Freeze, FreezeKind
from remit.kernel.clock import FixedClock, Instant, Micros
from remit.kernel.errors import StorageUnavailable
from remit.kernel.names import AgentName, OwnerName
from remit.people.model import Owner
from remit.policy.view import View, agent_record
from remit.server.standing import ViewPeople, ViewStanding
from remit.tokens.checks import wish
from remit.tokens.model import OAuthError, TokenRefused

KEY, COPY = "K" * 43, "C" * 43
BOT = Agent(
    agent=AgentName("bot"), owner=OwnerName("dana"), version="1", purposes=(), max_instances=1,
    sender_constraint=SenderConstraint.DPOP, not_after=Instant(99), max_run=Micros(1), keys=(), state=AgentState.ACTIVE,
)  # fmt: skip


class Picture:
    """As much of a view as standing reads."""

    def __init__(self, *freezes: tuple[FreezeKind, str]) -> None:
        self.agents = {"bot": agent_record(BOT, ())}
        self.owners = {"dana": Owner(owner=OwnerName("dana"), name="Dana", email="dana@example.test")}
        self.purposes: dict[str, Any] = {}
        self.freezes = {
            (kind.value, name): Freeze(id="frz", kind=kind, name=name, reason="", by="lee", since=Instant(0))
            for kind, name in freezes
        }
        self.reached = Instant(1)

    def fresh(self, now: Instant) -> bool:
        return now == self.reached


def refusal(*freezes: tuple[FreezeKind, str]) -> tuple[OAuthError, str]:
    """What the token endpoint says to the bot; with nothing frozen it gets as far as its purpose."""
    picture = cast("View", Picture(*freezes))
    standing = ViewStanding(lambda: picture).agent_standing("bot", Instant(1))
    attested = Attested(agent=AgentName("bot"), credential=KEY, method="private_key_jwt")
    form = {"scope": ("purpose:work",)}
    with pytest.raises(TokenRefused) as refused:
        wish(form, attested=attested, jkt=COPY, standing=standing, base="http://remit.test", now=Instant(1))
    return refused.value.error, refused.value.public


@pytest.mark.parametrize(
    "frozen",
    [(FreezeKind.ALL, "*"), (FreezeKind.AGENT, "bot"), (FreezeKind.OWNER, "dana")],
)
def test_a_freeze_on_the_agent_or_above_it_keeps_it_from_a_token(frozen: tuple[FreezeKind, str]) -> None:
    assert refusal(frozen)[0] is OAuthError.UNAUTHORIZED_CLIENT


@pytest.mark.parametrize(
    "frozen",
    [
        (FreezeKind.AGENT, "other"), (FreezeKind.OWNER, "lee"), (FreezeKind.SERVER, "bot"), (FreezeKind.TOOL, "bot/x"),
        (FreezeKind.CREDENTIAL, "bot"), (FreezeKind.CREDENTIAL, COPY), (FreezeKind.INSTANCE, KEY),
    ],
)  # fmt: skip
def test_a_freeze_elsewhere_does_not(frozen: tuple[FreezeKind, str]) -> None:
    assert refusal(frozen)[0] is OAuthError.INVALID_SCOPE


def test_standing_names_the_frozen_keys() -> None:
    picture = cast("View", Picture((FreezeKind.CREDENTIAL, KEY), (FreezeKind.INSTANCE, COPY)))
    standing = ViewStanding(lambda: picture).agent_standing("bot", Instant(1))
    assert standing is not None
    assert (standing.frozen_credentials, standing.frozen_instances) == (frozenset({KEY}), frozenset({COPY}))
    assert not standing.frozen


def test_what_a_new_view_says_holds_at_once() -> None:
    """Else an agent that was stopped would have tokens for as long as its standing is remembered."""
    shown = [cast("View", Picture())]
    standing = ViewStanding(lambda: shown[-1])
    before = standing.agent_standing("bot", Instant(1))
    assert before is not None
    assert not before.frozen
    shown.append(cast("View", Picture((FreezeKind.AGENT, "bot"))))
    after = standing.agent_standing("bot", Instant(1))
    assert after is not None
    assert after.frozen
    shown.append(cast("View", Picture()))
    shown[-1].agents.clear()  # type: ignore[attr-defined]
    assert standing.agent_standing("bot", Instant(1)) is None


@pytest.mark.parametrize("name", ["bot", "nobody"])
def test_a_view_that_is_behind_says_nothing_of_anybody(name: str) -> None:
    """Else a node that cannot hear of a freeze would go on calling a token good."""
    picture = cast("View", Picture())
    with pytest.raises(StorageUnavailable):
        ViewStanding(lambda: picture).agent_standing(name, Instant(2))


def test_nor_of_an_agent_that_it_remembers() -> None:
    """What is remembered of a view is as old as that view."""
    picture = cast("View", Picture())
    standing = ViewStanding(lambda: picture)
    assert standing.agent_standing("bot", Instant(1)) is not None
    with pytest.raises(StorageUnavailable):
        standing.agent_standing("bot", Instant(2))


def test_nor_does_it_say_which_agents_let_a_client_in() -> None:
    """Else a person would be asked to consent for an agent that is stopped elsewhere."""
    picture = Picture()
    binding = Binding("client_metadata", {"url": "https://client.test/doc"})
    picture.agents = {"bot": agent_record(replace(BOT, bindings=(binding,)), ())}
    view, clock = cast("View", picture), FixedClock(Instant(1))
    people = ViewPeople(lambda: view, clock)
    assert [each.agent.agent for each in people.registered("https://client.test/doc")] == ["bot"]
    clock.at += 1
    with pytest.raises(StorageUnavailable):
        people.registered("https://client.test/doc")
