"""Break-glass by people: who opens, who is told, who reviews, what an overdue review does; on the real stores."""

from __future__ import annotations

from copy import deepcopy
from decimal import Decimal
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient
from tests.interaction.apply_world import DANA, LEE, PUBLIC, Rig, Tree
from tests.interaction.desk import Desk
from tests.interaction.reviews_world import BOT, SECRET, NotedDoubts, NotedHands

from remit.access.activation_seal import UNSEALED
from remit.access.opening import Opening, OpeningState
from remit.agents.risk import SqlRisks
from remit.agents.signals import Signal
from remit.attestation.model import Caller
from remit.audit.objects import OBJECTS
from remit.certification.breakglass import BreakGlass
from remit.kernel.clock import DAY, HOUR, MINUTE, Instant, Micros, rfc3339
from remit.kernel.errors import Conflict, Forbidden, Malformed, NotFound
from remit.kernel.names import (
    ActionName,
    AgentName,
    DecisionId,
    InstanceId,
    PurposeName,
    RunId,
    ServerName,
    ToolName,
)
from remit.keys.jwk import thumbprint
from remit.people.change import Actor
from remit.people.notices import SqlNotices
from remit.policy.cedar import CedarEngine
from remit.policy.decide import decide
from remit.policy.facts import Facts
from remit.policy.model import Answer, Call
from remit.requests.deliveries import SqlDeliveries
from remit.requests.telling import Telling
from remit.reviews.ground import Ground
from remit.reviews.model import QuestionState
from remit.reviews.service import ReviewService
from remit.server.accountable import Accountable
from remit.server.door import Porch
from remit.server.http_breakglass import BreakGlassDoors
from remit.server.operators import Authority
from remit.server.stored import StoredFacts
from remit.storage.every_table import metadata

GLASS = "pay-emergency"
MO = Actor(by="mo")
DANA_HERSELF = Actor(by="dana")
WHY = {"reason": "the bank is down", "ticket": "INC-7"}


class Emergency:
    """The invoice agent, with an ordinary boundary up to 500 and one for emergencies up to 9000, both approved."""

    def __init__(self, rig: Rig, tree: Tree) -> None:
        self.rig = rig
        rig.apply(tree, by=DANA, approve=True)
        second = deepcopy(tree)
        second.boundary |= {"boundary": GLASS, "break_glass": True}
        second.transfer["when"] = {"amount": {"max": "9000.00"}, "currency": {"in": ["EUR"]}}
        second.transfer["approval"] = {"above": {"amount": "9000.00"}}
        second.boundary["allow"] = [second.transfer]
        rig.apply(second, by=DANA, approve=True)
        self.engine = CedarEngine()
        self.facts = self.started()
        rig.writer.feed.subscribe(self.facts.apply)
        self.breakglass = BreakGlass(
            writer=rig.writer, reader=rig.writer, records=rig.records, clock=rig.clock, signals=rig.agents,
            questions=lambda: self.reviews, uses=lambda _opening: 2,
            pager=Telling(base="https://remit.test", clock=rig.clock, webhooks=("https://pager.test/",)),
        )  # fmt: skip
        self.reviews = ReviewService(
            Ground(
                writer=rig.writer, reader=rig.writer, records=rig.records, clock=rig.clock, hands=NotedHands(),
                boundaries=rig.access, doubts=NotedDoubts(), openings=self.breakglass, secret=SECRET,
            )
        )  # fmt: skip

    def started(self) -> Facts:
        """The view of a server as it starts, on what is stored."""
        facts = Facts(
            source=StoredFacts(UNSEALED), engine=self.engine, contact=self.rig.clock.now, reader=self.rig.writer
        )
        self.rig.writer.read(lambda connection: facts.load(connection, epoch=self.rig.writer.epoch))
        return facts

    def open(self, by: Actor = LEE, *, lasts: int = 30 * MINUTE, **parts: Any) -> Opening:
        said = {"agent": BOT, "boundary": GLASS, **WHY} | parts
        return self.breakglass.open(**said, lasts=Micros(lasts), by=by)

    def decided(self, amount: str, facts: Facts | None = None) -> Answer:
        """The answer to a transfer by the agent itself."""
        source = facts or self.facts
        source.prepare(BOT)
        now = self.rig.clock.now()
        caller = Caller(
            agent=AgentName(BOT), instance=InstanceId("i"), credential=thumbprint(PUBLIC), run=RunId("run_1"),
            purpose=PurposeName("pay-invoices"), token="t", expires=Instant(now + HOUR), bound=True, attested=now,
            run_ends=Instant(now + HOUR),
        )  # fmt: skip
        call = Call(
            id=DecisionId("dec_1"), caller=caller, server=ServerName("payments"), tool=ToolName("transfer"),
            action=ActionName("payments/transfer"), arguments={"amount": Decimal(amount), "currency": "EUR"},
        )  # fmt: skip
        return decide(call, source.view(), now=now).answer

    def later(self, micros: int) -> int:
        """Let time pass, and what is due be done."""
        self.rig.clock.at += micros
        return self.breakglass.tick()

    def notices(self) -> list[dict[str, Any]]:
        found = self.rig.writer.read(lambda c: SqlNotices(c).newest([BOT], most=100, unseen=False))
        return [each.said for each in reversed(found)]

    def pages(self) -> list[dict[str, Any]]:
        found = self.rig.writer.read(lambda c: SqlDeliveries(c).due(Instant(2**60), 99))
        return [each.body for each in found]

    def questions(self) -> list[Any]:
        return [each for each in self.reviews.queue(None) if each.kind.value == "breakglass_review"]

    def risk(self) -> int:
        return self.rig.writer.read(lambda connection: SqlRisks(connection).find(AgentName(BOT))).value


@pytest.fixture
def emergency(rig: Rig, tree: Tree) -> Emergency:
    return Emergency(rig, tree)


def test_opening_holds_when_it_returns_and_closing_too(emergency: Emergency) -> None:
    assert not emergency.decided("5000.00").allowed
    opening = emergency.open()
    found = emergency.decided("5000.00")
    assert (found.allowed, found.boundary, found.opening) == (True, GLASS, opening.opening)
    assert not emergency.decided("9000.01").allowed
    assert emergency.decided("5000.00", emergency.started()).opening == opening.opening, "after a restart"
    emergency.breakglass.close(opening.opening, by=DANA_HERSELF)
    assert not emergency.decided("5000.00").allowed
    assert not emergency.decided("5000.00", emergency.started()).allowed
    with pytest.raises(Conflict, match="has ended"):
        emergency.breakglass.close(opening.opening, by=DANA_HERSELF)


def test_without_an_opening_a_boundary_for_emergencies_is_worth_nothing_after_a_restart(emergency: Emergency) -> None:
    view = emergency.started().view()
    (boundary,) = [each for each in view.agents[AgentName(BOT)].boundaries if each.boundary == GLASS]
    assert boundary.break_glass
    assert not emergency.decided("5000.00", emergency.started()).allowed


def test_it_ends_by_itself(emergency: Emergency) -> None:
    emergency.open(lasts=30 * MINUTE)
    emergency.rig.clock.at += 30 * MINUTE - 1
    assert emergency.decided("5000.00").allowed
    emergency.rig.clock.at += 1
    assert not emergency.decided("5000.00").allowed


def test_opening_pages_who_is_on_duty_and_says_when_its_review_is_due(emergency: Emergency) -> None:
    opening = emergency.open()
    (page,) = emergency.pages()
    assert (page["event"], page["opening"], page["opened_by"]) == ("breakglass_opened", opening.opening, "lee")
    assert page["review_due"] == rfc3339(opening.ends + DAY)
    emergency.later(31 * MINUTE)
    assert len(emergency.pages()) == 1, "its end wakes nobody"
    emergency.later(DAY)
    assert [each["event"] for each in emergency.pages()] == ["breakglass_opened", "breakglass_unreviewed"]


def test_opening_pages_the_owner_and_security_and_is_recorded(emergency: Emergency) -> None:
    opening = emergency.open()
    told = emergency.notices()[-1]
    assert (told["what"], told["opened_by"], told["reason"], told["ticket"]) == (
        "breakglass_opened", "lee", "the bank is down", "INC-7",
    )  # fmt: skip
    (incident,) = emergency.rig.entries("breakglass_opened")
    assert (incident["kind"], incident["opening"], incident["boundary"]) == ("incident", opening.opening, GLASS)
    (change,) = emergency.rig.entries("opening")
    assert (change["change"], change["by"], change["ticket"], change["reason"]) == (
        "open", "lee", "INC-7", "the bank is down",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("parts", "error"),
    [
        ({"boundary": "pay"}, Conflict),
        ({"boundary": "ghost"}, NotFound),
        ({"agent": "ghost"}, NotFound),
        ({"lasts": 61 * MINUTE}, Malformed),
        ({"reason": " "}, Malformed),
        ({"ticket": ""}, Malformed),
        ({"by": Actor(by=BOT)}, Forbidden),
    ],
)
def test_what_is_not_opened(emergency: Emergency, parts: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        emergency.open(**parts)
    assert emergency.breakglass.listing() == []
    assert emergency.rig.entries("breakglass_opened") == []


def test_for_an_agent_that_is_suspended_nothing_is_opened(emergency: Emergency) -> None:
    emergency.rig.agents.suspend(BOT, by=DANA_HERSELF)
    with pytest.raises(Conflict, match="not active"):
        emergency.open()


# reviews -----------------------------------------------------------------------------------------


def test_after_its_end_somebody_else_is_asked_and_their_answer_is_the_review(emergency: Emergency) -> None:
    opening = emergency.open(DANA_HERSELF)
    assert emergency.later(30 * MINUTE - 1) == 0
    assert emergency.later(1) == 1
    assert emergency.later(0) == 0
    (question,) = emergency.questions()
    assert (question.about, question.assigned, question.requester) == (opening.opening, "lee", "dana")
    assert (question.facts["ticket"], question.facts["uses"], question.tier.value) == ("INC-7", 2, "critical")
    with pytest.raises(Forbidden):
        emergency.reviews.answer(question.id, "keep", by=DANA_HERSELF)
    emergency.reviews.answer(question.id, "keep", by=LEE)
    emergency.rig.clock.at += HOUR
    emergency.reviews.tick(emergency.rig.clock.now())
    found = emergency.breakglass.find(opening.opening)
    assert (found.state, found.reviewed_by) == (OpeningState.REVIEWED, "lee")
    assert emergency.open(DANA_HERSELF, lasts=HOUR).ends == emergency.rig.clock.now() + HOUR, "a new hour"


def test_a_review_by_hand_settles_the_question(emergency: Emergency) -> None:
    opening = emergency.open()
    with pytest.raises(Conflict, match="still open"):
        emergency.breakglass.review(opening.opening, accepted=True, note="", by=MO)
    emergency.later(30 * MINUTE)
    (question,) = emergency.questions()
    with pytest.raises(Forbidden, match="somebody else"):
        emergency.breakglass.review(opening.opening, accepted=True, note="", by=LEE)
    emergency.breakglass.review(opening.opening, accepted=True, note="as in INC-7", by=MO)
    assert emergency.reviews.find(question.id).state is QuestionState.SETTLED
    assert emergency.later(3 * DAY) == 0
    assert emergency.risk() == 0


def test_an_overdue_review_is_a_signal_and_stops_who_opened_it(emergency: Emergency) -> None:
    opening = emergency.open(lasts=30 * MINUTE)
    assert emergency.later(30 * MINUTE) == 1
    assert emergency.later(DAY - 1) == 0
    assert emergency.later(1) == 1
    assert emergency.risk() == 250_000
    (signal,) = emergency.rig.writer.read(lambda c: SqlRisks(c).find(AgentName(BOT))).noticed
    assert (signal.signal, signal.about) == (Signal.BREAKGLASS_UNREVIEWED, opening.opening)
    assert [each["kind"] for each in emergency.rig.entries("breakglass_unreviewed")] == ["incident"]
    with pytest.raises(Forbidden, match="open nothing before somebody else accepts"):
        emergency.open()
    other = emergency.open(DANA_HERSELF)
    emergency.breakglass.close(other.opening, by=DANA_HERSELF)
    # Nobody's answering is no review: it stays overdue, whatever becomes of the question.
    question = next(each for each in emergency.questions() if each.about == opening.opening)
    for _ in range(8):
        emergency.rig.clock.at += 12 * HOUR
        emergency.reviews.tick(emergency.rig.clock.now())
    assert emergency.reviews.find(question.id).state is QuestionState.EXPIRED
    assert emergency.breakglass.find(opening.opening).state is OpeningState.OVERDUE
    emergency.breakglass.review(opening.opening, accepted=True, note="", by=MO)
    assert emergency.risk() == 0
    assert emergency.open().by == "lee"


def test_the_block_needs_no_tick(emergency: Emergency) -> None:
    emergency.open(lasts=30 * MINUTE)
    emergency.rig.clock.at += DAY + 30 * MINUTE
    with pytest.raises(Forbidden, match="before somebody else accepts"):
        emergency.open()


def test_who_was_rejected_opens_nothing_until_somebody_accepts_it(emergency: Emergency) -> None:
    opening = emergency.open()
    emergency.later(30 * MINUTE)
    (question,) = emergency.questions()
    emergency.reviews.answer(question.id, "end", by=DANA_HERSELF)
    assert emergency.breakglass.find(opening.opening).state is OpeningState.REJECTED
    with pytest.raises(Forbidden):
        emergency.open()
    emergency.breakglass.review(opening.opening, accepted=True, note="cleared up", by=MO)
    assert emergency.open().by == "lee"


def test_every_change_of_an_opening_has_its_entry_and_stands_in_the_state() -> None:
    (part,) = OBJECTS["opening"]
    assert set(part.columns) == {column.name for column in metadata.tables["openings"].columns}
    (part,) = OBJECTS["boundary"]
    assert "kind" in part.columns


# the doors ---------------------------------------------------------------------------------------


@pytest.fixture
def doors(emergency: Emergency) -> tuple[Desk, TestClient]:
    desk = Desk(emergency.rig)
    doors = BreakGlassDoors(
        breakglass=emergency.breakglass, accountable=Accountable(emergency.rig.writer), clock=emergency.rig.clock
    ).doors()
    porch = Porch(keeper=desk.keeper, authority=Authority.shipped(), body_limit=1 << 20, dev=False)
    return desk, TestClient(Starlette(routes=[porch.route(door) for door in doors]))


def ask(client: TestClient, token: str, method: str, path: str, body: object = None) -> tuple[int, dict[str, Any]]:
    answer = client.request(method, path, json=body, headers={"authorization": f"Bearer {token}"})
    found: dict[str, Any] = answer.json()
    return answer.status_code, found


BODY = {"agent": BOT, "boundary": GLASS, "for": "30m", **WHY}


@pytest.mark.parametrize(
    ("person", "role", "status"),
    [
        ("dana", "owner", 201), ("lee", "owner", 201), ("sam", "security", 201), ("mo", "owner", 403),
        ("mo", "reviewer", 403), ("dana", "viewer", 403), ("ola", "operator", 403), ("aud", "auditor", 403),
    ],
)  # fmt: skip
def test_who_may_open(doors: tuple[Desk, TestClient], person: str, role: str, status: int) -> None:
    desk, client = doors
    said, body = ask(client, desk.token(person, role), "POST", "/v1/breakglass", BODY)
    assert said == status, body
    if said == 201:
        assert (body["open"], body["by"], body["state"]) == (True, person, "open")


def test_the_admin_token_and_the_agents_own_key_open_nothing(
    emergency: Emergency, doors: tuple[Desk, TestClient]
) -> None:
    """What an agent holds is no operator's token at any of these doors."""
    desk, client = doors
    assert ask(client, desk.admin, "POST", "/v1/breakglass", BODY)[0] == 403
    agents = ["", "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJpbnZvaWNlLWJvdCJ9.c2ln", thumbprint(PUBLIC), BOT]
    for token in agents:
        for method, path in (("POST", "/v1/breakglass"), ("GET", "/v1/breakglass")):
            assert ask(client, token, method, path, BODY if method == "POST" else None)[0] == 401
    # Nor does a person whose token carries the agent's name.
    assert ask(client, desk.token(BOT, "security"), "POST", "/v1/breakglass", BODY)[0] == 403
    assert emergency.breakglass.listing() == []
    assert not emergency.decided("5000.00").allowed


def test_from_open_to_reviewed_over_http(emergency: Emergency, doors: tuple[Desk, TestClient]) -> None:
    desk, client = doors
    lee, sam, mo = desk.token("lee", "owner"), desk.token("sam", "security"), desk.token("mo", "reviewer")
    assert ask(client, lee, "POST", "/v1/breakglass", {**BODY, "for": "2h"})[0] == 400
    assert ask(client, lee, "POST", "/v1/breakglass", {name: BODY[name] for name in ("agent", "boundary")})[0] == 400
    _, made = ask(client, lee, "POST", "/v1/breakglass", BODY)
    path = f"/v1/breakglass/{made['opening']}"
    assert ask(client, lee, "POST", "/v1/breakglass", BODY)[0] == 409
    assert ask(client, mo, "POST", f"{path}/close", {})[0] == 403
    status, body = ask(client, sam, "POST", f"{path}/close", {})
    assert (status, body["open"], body["closed_by"]) == (200, False, "sam")
    assert ask(client, lee, "POST", f"{path}/review", {"note": "mine"})[0] == 403
    status, body = ask(client, mo, "POST", f"{path}/review", {"note": "as in INC-7"})
    assert (status, body["state"], body["reviewed_by"], body["note"]) == (200, "reviewed", "mo", "as in INC-7")
    assert ask(client, sam, "POST", f"{path}/review", {})[0] == 409
    assert ask(client, sam, "POST", "/v1/breakglass/opn_ghost/review", {})[0] == 404
    status, body = ask(client, desk.token("vi", "viewer"), "GET", f"/v1/breakglass?agent={BOT}&limit=5")
    assert (status, [each["opening"] for each in body["openings"]]) == (200, [made["opening"]])
    assert emergency.later(0) == 0
