"""Reviews over the registry's rig: what is done by hand is noted, and time and use are the test's."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any

from tests.interaction.apply_world import Rig, Tree

from remit.access.activation import Activation, ActivationKey, ActivationState, Kept, Under, Usage, activation_id
from remit.access.activation_sql import SqlActivations
from remit.certification.usage.days import DayKey, UseDay
from remit.certification.usage.sql import SqlUseDays
from remit.kernel.clock import DAY, SECOND, Instant, Micros
from remit.kernel.names import ActionName, AgentName, BoundaryName, PurposeName
from remit.people.change import Actor
from remit.people.notices import SqlNotices
from remit.reviews.ground import Ground
from remit.reviews.model import Answer, Question
from remit.reviews.service import ReviewService
from remit.storage.ports import Transaction

BOT = "invoice-bot"
SECRET = b"s" * 32
Done = tuple[str, str, int]


class NotedHands:
    """What was done to which action; for keep, until when."""

    def __init__(self) -> None:
        self.done: list[Done] = []
        self.shown: list[Collection[str] | None] = []  # what each keep covers
        self.was: list[Under | None] = []  # what each that was taken back had released
        self.left: list[tuple[Kept | None, bool]] = []  # whose keep goes on beside it, and whether a person is asked

    def prepare(self, agent: str) -> None:
        """Nothing is to be loaded here."""

    def keep(
        self, _tx: Transaction, key: ActivationKey, *, until: Instant, by: Actor, seen: Instant | None = None,  # noqa: ARG002 - the port
        shown: Collection[str] | None = None,
    ) -> None:  # fmt: skip
        self.shown.append(shown)
        self.done.append((f"keep by {by.person}", key.action, until))

    def unkeep(
        self, _tx: Transaction, key: ActivationKey, *, by: Actor, was: Under | None = None, left: Kept | None = None,
        asks: bool = False,
    ) -> None:  # fmt: skip
        self.was.append(was)
        self.left.append((left, asks))
        self.done.append((f"unkeep by {by.person}", key.action, 0))

    def suspend(self, key: ActivationKey, *, by: Actor) -> None:
        self.done.append((f"suspend by {by.person}", key.action, 0))

    def lapse(self, key: ActivationKey, *, by: Actor) -> None:
        self.done.append((f"lapse by {by.person}", key.action, 0))


class NotedDoubts:
    def __init__(self) -> None:
        self.servers: set[str] = set()
        self.lapsing: dict[str, int] = {}
        self.said: list[tuple[str, bool, str]] = []

    def doubted(self, _connection: Any, server: str, _agent: str) -> bool:
        return server in self.servers

    def would_lapse(self, _connection: Any, name: str) -> tuple[int, int]:
        return self.lapsing.get(name, 0), 100

    def believe(self, _tx: Transaction, name: str, *, trusted: bool, by: Actor) -> None:
        self.said.append((name, trusted, by.person))


class NotedOpenings:
    def __init__(self) -> None:
        self.said: list[tuple[str, bool, str]] = []

    def reviewed(self, _tx: Transaction, opening: str, *, accepted: bool, by: Actor) -> None:
        self.said.append((opening, accepted, by.person))


class World:
    """The invoice agent of `tree` is Dana's, and Lee is her backup; her boundary was approved now."""

    def __init__(self, rig: Rig, tree: Tree) -> None:
        self.rig, self.tree = rig, tree
        self.hands, self.doubts, self.openings = NotedHands(), NotedDoubts(), NotedOpenings()
        self.ground = Ground(
            writer=rig.writer, reader=rig.writer, records=rig.records, clock=rig.clock, hands=self.hands,
            boundaries=rig.access, doubts=self.doubts, openings=self.openings, secret=SECRET,
        )  # fmt: skip
        self.reviews = self.started()

    def started(self) -> ReviewService:
        """A server as it starts, on what is stored."""
        service = ReviewService(self.ground)
        self.rig.writer.feed.subscribe(service.follow)
        return service

    @property
    def now(self) -> Instant:
        return self.rig.clock.now()

    def key(self, tool: str) -> ActivationKey:
        action = ActionName(f"payments/{tool}")
        return ActivationKey(AgentName(BOT), PurposeName("pay-invoices"), action, "payments")

    def about(self, tool: str) -> str:
        return activation_id(self.key(tool))

    def ask(self, tool: str = "transfer", kind: str = "needs_human", **more: Any) -> Question:
        """Ask about one entitlement, and the question."""
        parts = {"agent": BOT, "about": self.about(tool), "why": "at_risk_too_long", "facts": {"risk": 800_000}} | more
        self.rig.writer.change(lambda tx: self.reviews.ask(tx, kind=kind, **parts))
        found = [each for each in self.reviews.queue(None) if (each.kind.value, each.about) == (kind, parts["about"])]
        return found[-1]

    def answer(self, question: Question, said: str, person: str = "dana", **more: Any) -> Answer:
        return self.reviews.answer(question.id, said, by=Actor(by=person), **more)

    def later(self, micros: int) -> int:
        """Let time pass, and what is due be done."""
        self.rig.clock.at += micros
        return self.reviews.tick(self.now)

    def use(self, tool: str, days_ago: int, times: int = 1) -> None:
        """It was used."""
        key, at = self.key(tool), self.now - days_ago * DAY
        day = UseDay(DayKey(*key, at // DAY, "remit"), times, 0, 0, at, at)
        self.rig.writer.change(lambda tx: SqlUseDays(tx.connection).add([day]))

    def start(self, tool: str, state: ActivationState = ActivationState.ACTIVE) -> None:
        """It was started some time, and not used."""
        it = Activation(
            key=self.key(tool), boundary=BoundaryName("pay"), boundary_version=1, agent_version="1.4", state=state,
            since=self.now, started=self.now, by="", serial=1, usage=Usage(self.now, Micros(0)),
            why="at_risk_too_long" if state is ActivationState.NEEDS_HUMAN else "",
        )  # fmt: skip
        self.rig.writer.change(lambda tx: SqlActivations(tx.connection).put(it, expected=0, due=2**62))

    def move(self, tool: str, state: ActivationState, why: str = "") -> None:
        """Certification came to another state."""

        def apply(tx: Transaction) -> None:
            rows = SqlActivations(tx.connection)
            known = rows.find(self.key(tool))
            assert known is not None
            rows.put(replace(known, state=state, why=why, serial=known.serial + 1), expected=known.serial, due=2**62)
            tx.touch(f"activations:{BOT}")

        self.rig.writer.change(apply)

    def find(self, question: Question) -> Question:
        return self.reviews.find(question.id)

    def notices(self) -> list[str]:
        """What owners were told, oldest first."""
        found = self.rig.writer.read(lambda c: SqlNotices(c).newest(None, most=10_000, unseen=False))
        return [str(each.said["what"]) for each in reversed(found)]

    def said(self) -> list[tuple[str, str, str]]:
        """(change, by, said or why) of what the log says of questions."""
        return [
            (each["change"], each["by"], str(each.get("said", each.get("why", each.get("to", "")))))
            for each in self.rig.entries("question")
        ]


PAUSE = 20 * SECOND


def in_need(applied: Rig, tree: Tree) -> World:
    """A month later two entitlements need a person."""
    world = World(applied, tree)
    world.later(30 * DAY)
    for tool in ("list_payees", "list_invoices"):
        world.start(tool, ActivationState.NEEDS_HUMAN)
    return world
