"""An agent that is retired: its calls are denied, its runs, tokens and streams end, then other systems are told."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import select

from remit.agents.model import AgentState
from remit.audit.service import Recorder
from remit.certification.withdrawal.cascade import Cascade
from remit.certification.withdrawal.own import NoDelegation
from remit.certification.withdrawal.ports import Found, Standing
from remit.certification.withdrawal.sql import SqlWithdrawals
from remit.certification.withdrawal.withdraw import Covering, Present, Target, Withdrawal
from remit.certification.withdrawal.withdrawing import Withdrawing
from remit.enforcement.streams import Streams, with_tokens
from remit.kernel.clock import MINUTE
from remit.kernel.names import ActionName, BoundaryName, DecisionId, ServerName
from remit.policy.model import Answer, Call
from remit.storage.ports import Transaction
from remit.storage.schema import runs
from remit.tokens.check import TokenChecker, TokenInvalid
from remit.tokens.revoked import Revoked

ALLOW = Answer(boundary=BoundaryName("b"), boundary_version=1)
AUDIT = "purpose:audit-invoices"


class Retiring:
    """What a node has around its tokens, and everything that a withdrawal touches, in the order in which it does."""

    def __init__(self, world: Any) -> None:
        self.world = world
        self.order: list[str] = []
        self.loop: asyncio.AbstractEventLoop | None = None
        self.left: frozenset[str] = frozenset()
        self.revoked = Revoked(world.clock)
        feed = world.database.feed
        feed.subscribe(self.revoked.follow)
        world.checker = TokenChecker(world.ring.token_keys, issuer=world.base, revoked=self.revoked.has)
        asks = with_tokens(self.revoked.has, lambda _call: ALLOW), with_tokens(self.revoked.has, lambda _call: None)
        self.streams = Streams(asks[0], lambda: world.database.epoch, asks[1])
        feed.subscribe(self.follow)
        feed.subscribe(lambda _epoch, topics, _connection: self.streams.changed(topics))
        records = Recorder(world.ring, world.clock, lambda: world.database.epoch)
        reader, writer = world.database.reader, world.database.writer
        cascade = Cascade(
            reader=reader, records=records, clock=world.clock, stands=self, brokered=self, children=NoDelegation(),
            systems=self,
        )  # fmt: skip
        self.withdrawing = Withdrawing(
            writer=writer, reader=reader, records=records, clock=world.clock, cascade=cascade, aside=lambda work: work()
        )

    def follow(self, _epoch: int, topics: Sequence[str], _connection: Any) -> None:
        self.order += [f"every node hears of {each.partition('_')[0]}" for each in topics]

    def standing(self, _agent: str) -> Standing:
        self.order.append("looked")
        return Standing(usable={}, left=self.left)

    def end(self, _withdrawal: Withdrawal) -> Found:
        self.order.append("brokered")
        return Found(0, "none")

    def covering(self) -> list[Covering]:
        return [Covering(system="erp", servers=frozenset({"payments"}))]

    def withdraw(self, _target: Target, _withdrawal: Withdrawal) -> str:
        if self.loop is not None:  # what was queued on the loop by now has happened there
            asyncio.run_coroutine_threadsafe(asyncio.sleep(0), self.loop).result(5)
        self.order.append("system told")
        return ""

    def reread(self, _target: Target, _withdrawal: Withdrawal, _token: str) -> Present:
        self.order.append("system read again")
        return Present.ABSENT

    def retire(self, cause: str = "agent_retired", **what: str) -> None:
        def apply(tx: Transaction) -> None:
            self.world.change("invoice-bot", agent_state=AgentState.RETIRED)
            self.withdrawing.begin(tx, agent="invoice-bot", cause=cause, what=what)

        self.world.database.writer.change(apply)
        self.order.append("answered")

    def call(self, token: str) -> Call:
        caller, proof = self.world.check(token)
        return Call(
            id=DecisionId("dec_1"), caller=caller, server=ServerName("payments"), action=ActionName("payments/list"),
            proof=proof,
        )  # fmt: skip

    def ends(self) -> dict[str, int]:
        query = select(runs.c.purpose, runs.c.ends).where(runs.c.agent == "invoice-bot")
        return {row.purpose: row.ends for row in self.world.database.reader.read(lambda c: c.execute(query).all())}

    def one(self) -> Withdrawal:
        rows = self.world.database.reader.read(
            lambda c: SqlWithdrawals(c).listing(agent="invoice-bot", unfinished=False, most=9)
        )
        (found,) = rows
        assert isinstance(found, Withdrawal)
        return found


def test_retiring_an_agent_ends_runs_tokens_and_streams_before_other_systems_are_told(world: Any) -> None:
    retiring = Retiring(world)
    old, renewed = world.token(world.form()), world.token(world.form())  # two tokens of one run
    audit, other = world.token(world.form(scope=AUDIT)), world.bearer()

    async def scenario() -> None:
        retiring.loop = asyncio.get_running_loop()
        retiring.streams.bind(retiring.loop)
        held = asyncio.Event()

        async def running() -> None:
            with retiring.streams.running(retiring.call(old), epoch=world.database.epoch):
                try:
                    await held.wait()
                finally:
                    retiring.order.append("stream cut")

        stream = asyncio.create_task(running())
        await asyncio.sleep(0)
        assert len(retiring.streams) == 1
        what = {"purpose": "pay-invoices", "action": "payments/list", "scope": "payments"}
        await asyncio.to_thread(retiring.retire, "agent_retired", **what)
        assert not stream.done()
        await asyncio.to_thread(retiring.withdrawing.tick)
        await asyncio.wait_for(asyncio.gather(stream, return_exceptions=True), 5)
        assert stream.cancelled()

    asyncio.run(scenario())
    seen = list(dict.fromkeys(each for each in retiring.order if each not in {"looked", "stream cut"}))
    assert seen == [
        "answered", "every node hears of token:run", "brokered", "system told", "system read again",
    ]  # fmt: skip
    place = retiring.order.index
    assert place("every node hears of token:run") < place("stream cut") < place("system told")
    assert retiring.order.index("looked") < retiring.order.index("every node hears of token:run")
    for token in (old, renewed, audit):  # the agent itself is gone: whatever its tokens were for
        with pytest.raises(TokenInvalid, match="revoked"):
            world.check(token)
        assert world.checker.read(token, now=world.now) is None
    assert world.check(other, scheme="Bearer", proof=None), "another agent's token is not touched"
    assert set(retiring.ends().values()) == {world.now}
    said = [(each["step"], each["outcome"]) for each in world.entries("withdrawal")]
    assert said == [
        ("decision", "done"), ("tokens", "done"), ("brokered", "none"), ("children", "none"), ("systems", "done"),
        ("confirm", "done"),
    ]  # fmt: skip
    assert [each["change"] for each in world.entries("change") if each["what"] == "run"] == ["end", "end"]
    assert retiring.one().confirmed == world.now


def test_all_of_an_agent_ends_every_run_of_it(world: Any) -> None:
    retiring = Retiring(world)
    tokens = [world.token(world.form()), world.token(world.form(scope=AUDIT))]
    retiring.retire()
    retiring.withdrawing.tick()
    assert set(retiring.ends().values()) == {world.now}
    for token in tokens:
        with pytest.raises(TokenInvalid, match="revoked"):
            world.check(token)


def test_the_last_of_a_purpose_ends_its_runs_and_no_others(world: Any) -> None:
    retiring = Retiring(world)
    token, other = world.token(world.form()), world.token(world.form(scope=AUDIT))
    retiring.retire("boundary_ended", purpose="pay-invoices", action="payments/list", scope="payments")
    retiring.withdrawing.tick()
    assert world.check(other)
    with pytest.raises(TokenInvalid, match="revoked"):
        world.check(token)


def test_one_that_lapsed_or_left_others_standing_keeps_the_token(world: Any) -> None:
    retiring = Retiring(world)
    token = world.token(world.form())
    retiring.left = frozenset({"pay-invoices"})
    for cause in ("idle", "boundary_ended"):
        retiring.retire(cause, purpose="pay-invoices", action="payments/list", scope="payments")
        retiring.withdrawing.tick()
    assert world.check(token)
    assert retiring.ends()["pay-invoices"] > world.now


def test_after_a_restart_the_tokens_of_an_ended_run_are_still_refused(world: Any) -> None:
    retiring = Retiring(world)
    token = world.token(world.form())
    retiring.retire()
    retiring.withdrawing.tick()
    world.clock.at += MINUTE
    again = Revoked(world.clock)
    world.database.reader.read(again.reload)
    world.checker = TokenChecker(world.ring.token_keys, issuer=world.base, revoked=again.has)
    with pytest.raises(TokenInvalid, match="revoked"):
        world.check(token)
