"""Approvals as rows and as effects: the same on memory, SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from remit.kernel.clock import DAY, MINUTE, Instant, Micros
from remit.kernel.names import ActionName, AgentName, PurposeName
from remit.policy.model import Approvers
from remit.requests import answer
from remit.requests.deliveries import MOST_TRIES, SqlDeliveries
from remit.requests.model import NEVER, AccessRequest, RequestState
from remit.requests.sql import SqlRequests
from remit.storage.database import Database
from remit.storage.memory import MemoryWriter
from remit.storage.model import Committed, ConsumeApproval, ConsumeProof, Entry, Reserve, Work

NOON = Instant(1_795_608_000_000_000)
FAR = Instant(4_000_000_000_000_000)


def request(name: str = "arq_1", **parts: Any) -> AccessRequest:
    made: dict[str, Any] = {
        "request": name, "agent": AgentName("bot"), "principal": AgentName("bot"), "purpose": PurposeName("work"),
        "action": ActionName("s/t"), "binding": "b" * 64, "code": "approval_required", "asker": "agent:bot",
        "asked": NOON, "open_until": Instant(NOON + DAY), "due": Instant(NOON + DAY), "approvers": Approvers(),
    }  # fmt: skip
    return AccessRequest(**(made | parts))


def approved(name: str = "arq_1", **parts: Any) -> AccessRequest:
    it = request(name, **parts)
    return answer.approve(
        it, by="dana", may=("dana",), approval=f"apr_{name}", lasts=Micros(15 * MINUTE), now=NOON, note="é"
    )


class Scene:
    """A writer with what a test puts there."""

    def __init__(self, writer: Any, read: Callable[[Any], Any]) -> None:
        self.writer, self._read = writer, read

    def add(self, *them: AccessRequest) -> None:
        def apply(tx: Any) -> None:
            for each in them:
                SqlRequests(tx.connection).add(each, b"sealed")

        self.writer.change(apply)

    def put(self, it: AccessRequest) -> None:
        self.writer.change(lambda tx: SqlRequests(tx.connection).put(it))

    def rows(self, ask: Callable[[SqlRequests], Any]) -> Any:
        return self._read(lambda connection: ask(SqlRequests(connection)))

    def batch(self, *works: Work) -> list[Committed]:
        """Several works that wait for the writer together."""
        if isinstance(self.writer, MemoryWriter):
            return [self.writer.submit(work).result() for work in works]
        futures = self.writer.change(lambda _: [self.writer.submit(work) for work in works])
        return [future.result(timeout=10) for future in futures]


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def scene(request: pytest.FixtureRequest, tmp_path: Path, opened: Callable[[Path | str], Database]) -> Iterator[Scene]:
    if request.param == "memory":
        memory = MemoryWriter()
        yield Scene(memory, memory.read)
        return
    database = opened(tmp_path / "remit.db" if request.param == "sqlite" else request.getfixturevalue("postgres_url"))
    yield Scene(database.writer, database.reader.read)


def use(
    decision: str = "dec_1", name: str = "arq_1", *, at: int = NOON, approval: str | None = None
) -> ConsumeApproval:
    return ConsumeApproval(name, f"apr_{name}" if approval is None else approval, decision, Instant(at))


def work(decision: str, *effects: Any) -> Work:
    return Work((Entry(decision, b"allow"),), effects, lambda _failed: ())


def test_a_request_is_read_as_it_was_written(scene: Scene) -> None:
    rich = request(
        "arq_2", approvers=Approvers(by=("lee", "mo"), quorum=2), on_behalf="dana", why="é?", yes=("lee",),
        callback="https://x.test/", callback_state="s", idem="i", idem_body="j", most=Instant(NOON + 5),
    )  # fmt: skip
    scene.add(approved(), rich)
    assert scene.rows(lambda rows: rows.find("arq_1")) == approved()
    assert scene.rows(lambda rows: rows.find("arq_2")) == rich
    assert scene.rows(lambda rows: rows.find("arq_9")) is None
    assert scene.rows(lambda rows: rows.sealed("arq_1")) == b"sealed"
    assert scene.rows(lambda rows: rows.asked_with("agent:bot", "i")) == rich
    assert scene.rows(lambda rows: rows.asked_with("agent:other", "i")) is None
    assert scene.rows(lambda rows: rows.pending("b" * 64, "agent:bot")) == [rich]
    assert scene.rows(lambda rows: rows.pending("b" * 64, "agent:other")) == []
    assert scene.rows(lambda rows: rows.waiting("bot", NOON)) == 1
    assert [each.request for each in scene.rows(lambda rows: rows.newest(state=None, agent="bot", most=9))] == [
        "arq_2",
        "arq_1",
    ]
    assert scene.rows(lambda rows: rows.newest(state="denied", agent=None, most=9)) == []


def test_what_is_due_is_found_and_what_is_let_go_says_nothing(scene: Scene) -> None:
    scene.add(request(), approved("arq_2"), request("arq_3", due=NEVER, state=RequestState.CANCELLED))
    assert [each.request for each in scene.rows(lambda rows: rows.due(Instant(NOON + DAY), 9))] == ["arq_1"]
    assert sorted(each.request for each in scene.rows(lambda rows: rows.standing())) == ["arq_1", "arq_2"]


def test_an_approval_is_used_once(scene: Scene) -> None:
    scene.add(approved(), approved("arq_2"))
    first, second, other = scene.batch(
        work("dec_1", use("dec_1")), work("dec_2", use("dec_2")), work("dec_3", use("dec_3", "arq_2"))
    )
    assert (first.failed, second.failed, other.failed) == (None, use("dec_2"), None)
    assert scene.batch(work("dec_4", use("dec_4")))[0].failed == use("dec_4")
    assert scene.rows(lambda rows: rows.used_by("arq_1")) == "dec_1"
    assert {each.request: each.used for each in scene.rows(lambda rows: rows.standing())} == {
        "arq_1": "dec_1",
        "arq_2": "dec_3",
    }


@pytest.mark.parametrize(
    "effect",
    [
        use(at=NOON + 15 * MINUTE),
        use(approval="apr_other"),
        use(name="arq_9"),
    ],
)
def test_one_that_is_over_or_another_is_not_used(scene: Scene, effect: ConsumeApproval) -> None:
    scene.add(approved())
    assert scene.batch(work("dec_1", effect))[0].failed == effect
    assert scene.batch(work("dec_2", use("dec_2", at=NOON + 15 * MINUTE - 1)))[0].failed is None


@pytest.mark.parametrize("state", [each for each in RequestState if each is not RequestState.APPROVED])
def test_only_what_people_said_yes_to_is_used(scene: Scene, state: RequestState) -> None:
    scene.add(replace(approved(), state=state))
    assert scene.batch(work("dec_1", use()))[0].failed == use()


def test_what_was_taken_back_meanwhile_is_not_used(scene: Scene) -> None:
    """The conditional statement reads the row as it is, whatever the view of the node that decided says."""
    scene.add(approved())
    scene.put(answer.cancel(approved(), by="dana", may=("dana",), now=Instant(NOON + 1)))
    assert scene.batch(work("dec_1", use(at=NOON + 1)))[0].failed == use(at=NOON + 1)


def test_a_limit_that_fails_uses_nothing_and_a_used_one_reserves_nothing(scene: Scene) -> None:
    scene.add(approved())
    over = Reserve("budget", NOON, FAR, 2, 1)
    assert scene.batch(work("dec_1", over, use("dec_1")))[0].failed == over
    assert scene.batch(work("dec_2", ConsumeProof("p", FAR), use("dec_2")))[0].failed is None
    one = Reserve("budget", NOON, FAR, 1, 1)
    assert scene.batch(work("dec_3", one, use("dec_3")))[0].failed == use("dec_3")
    assert scene.batch(work("dec_4", one))[0] == Committed(None, (1,))


def tried_again(tx: Any, each: Any, at: int) -> bool:
    return SqlDeliveries(tx.connection).again(each, now=Instant(at))


def test_a_delivery_is_kept_until_it_was_taken_or_given_up(scene: Scene) -> None:
    scene.writer.change(lambda tx: SqlDeliveries(tx.connection).add("webhook", "u", {"a": 1}, due=NOON))

    def due(at: int) -> list[Any]:
        return list(scene._read(lambda connection: SqlDeliveries(connection).due(Instant(at), 9)))

    (first,) = due(NOON)
    assert (first.way, first.target, first.body, first.tries) == ("webhook", "u", {"a": 1}, 0)
    waits = []
    at = int(NOON)
    for _ in range(MOST_TRIES):
        (each,) = due(at)
        again = scene.writer.change(partial(tried_again, each=each, at=at))
        if not again:
            break
        (later,) = due(FAR)
        waits.append((later.due - at) // 1_000_000)
        at = later.due
    assert waits[:5] == [5, 10, 20, 40, 80]
    assert max(waits) == 3600
    assert DAY // 2 < at - NOON < 2 * DAY
    assert due(FAR) == []


def test_what_an_agent_gave_as_a_callback_holds_up_nobody_else(scene: Scene) -> None:
    """An agent that gives receivers that never answer would keep mails and the pager of emergencies waiting."""
    for way, due in (("callback", NOON), ("callback", NOON + 1), ("mail", NOON + 2), ("webhook", NOON + 3)):
        scene.writer.change(
            lambda tx, way=way, due=due: SqlDeliveries(tx.connection).add(way, "x", {}, due=Instant(due))
        )
    first = scene._read(lambda connection: SqlDeliveries(connection).due(FAR, 3))
    assert [each.way for each in first] == ["mail", "webhook", "callback"]


def test_of_two_nodes_that_use_it_at_once_one_does(postgres_url: str, opened: Callable[[Path | str], Database]) -> None:
    """Who waits for the lock on the request sees the use that it waited for."""
    nodes = [opened(postgres_url) for _ in range(2)]
    scene = Scene(nodes[0].writer, nodes[0].reader.read)
    names = [f"arq_{number:02}" for number in range(30)]
    scene.add(*(approved(name) for name in names))
    for name in names:
        futures = [
            (decision, node.writer.submit(work(decision, use(decision, name))))
            for number, node in enumerate(nodes)
            for decision in (f"dec_{name}_{number}",)
        ]
        passed = [decision for decision, future in futures if future.result(timeout=10).failed is None]
        assert passed == [scene.rows(partial(SqlRequests.used_by, request=name))]
