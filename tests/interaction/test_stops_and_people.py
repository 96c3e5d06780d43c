"""Who may start again what whom stopped, whose word counts, and tokens that end."""

from typing import TYPE_CHECKING, cast

import pytest
from tests.interaction.apply_world import ADMIN
from tests.interaction.desk import Desk

from remit.agents.model import AgentState
from remit.agents.suspended import SqlSuspensions
from remit.kernel.clock import HOUR, MINUTE
from remit.kernel.names import AgentName
from remit.server.door import Ask
from remit.server.first_words import UNFREEZE_ALL, FirstWords
from remit.server.http_operators import OperatorTokens
from remit.server.operators import Operator, Role
from remit.server.two_people import Word

if TYPE_CHECKING:
    from remit.console.sessions import Sessions

AGENT = "/v1/freezes/agent/invoice-bot"
ALL = "/v1/freezes/all/*"


def freeze(desk: Desk, token: str, kind: str = "agent", name: str = "invoice-bot") -> None:
    assert desk.ask(token, "POST", "/v1/freezes", {"kind": kind, "name": name})[0] == 201


def frozen(desk: Desk) -> list[tuple[str, str]]:
    found = desk.ask(desk.admin, "GET", "/v1/freezes")[1]["freezes"]
    return [(each["name"], each["by"]) for each in found]


# freezes and suspensions -----------------------------------------------------------------------


@pytest.mark.parametrize(("setter", "role"), [("sam", "security"), ("op", "operator")])
def test_an_owner_does_not_lift_what_others_froze(desk: Desk, setter: str, role: str) -> None:
    dana = desk.token("dana", "owner")
    freeze(desk, desk.token(setter, role))
    status, problem = desk.ask(dana, "DELETE", AGENT)
    assert (status, problem["code"]) == (403, "forbidden")
    assert "ask security" in problem["try"]
    assert frozen(desk) == [("invoice-bot", setter)]
    freeze(desk, dana)  # nor do they get hold of it by freezing it again
    assert desk.ask(dana, "DELETE", AGENT)[0] == 403
    assert desk.ask(desk.token("sue", "security"), "DELETE", AGENT)[0] == 200
    assert frozen(desk) == []


def test_an_owner_does_not_lift_what_the_admin_token_froze(desk: Desk) -> None:
    freeze(desk, desk.admin)
    assert desk.ask(desk.token("dana", "owner"), "DELETE", AGENT)[0] == 403


@pytest.mark.parametrize("lifter", ["dana", "lee"])
def test_an_owner_or_backup_lifts_what_one_of_them_froze(desk: Desk, lifter: str) -> None:
    freeze(desk, desk.token("dana", "owner"))
    assert desk.ask(desk.token("mo", "owner"), "DELETE", AGENT)[0] == 403
    assert desk.ask(desk.token(lifter, "owner"), "DELETE", AGENT)[0] == 200


def test_security_takes_over_what_an_owner_froze(desk: Desk) -> None:
    dana = desk.token("dana", "owner")
    freeze(desk, dana)
    freeze(desk, desk.token("sam", "security"))
    assert frozen(desk) == [("invoice-bot", "sam")]
    assert [entry["change"] for entry in desk.rig.entries("freeze")] == ["freeze", "replace", "freeze"]
    assert desk.ask(dana, "DELETE", AGENT)[0] == 403
    freeze(desk, desk.token("sue", "security"))
    assert frozen(desk) == [("invoice-bot", "sam")]


def state(desk: Desk, token: str, verb: str) -> int:
    return desk.ask(token, "POST", f"/v1/agents/invoice-bot/{verb}", {})[0]


def test_an_owner_does_not_resume_what_others_suspended(desk: Desk) -> None:
    dana, sam = desk.token("dana", "owner"), desk.token("sam", "security")
    assert state(desk, sam, "suspend") == 200
    assert state(desk, dana, "suspend") == 200  # changes nothing
    assert state(desk, dana, "resume") == 403
    assert desk.rig.agents.agent("invoice-bot").state is AgentState.SUSPENDED
    assert state(desk, sam, "resume") == 200
    assert state(desk, dana, "resume") == 200  # nothing to do
    assert desk.rig.agents.agent("invoice-bot").state is AgentState.ACTIVE


def test_an_owner_resumes_what_an_owner_suspended_until_others_do_so_too(desk: Desk) -> None:
    dana, lee = desk.token("dana", "owner"), desk.token("lee", "owner")
    assert state(desk, dana, "suspend") == 200
    assert state(desk, lee, "resume") == 200
    assert state(desk, lee, "suspend") == 200
    assert state(desk, desk.token("op", "operator"), "suspend") == 200
    assert state(desk, lee, "resume") == 403
    assert [entry["by"] for entry in desk.rig.entries("agent") if entry["change"] == "suspend"] == ["dana", "lee", "op"]
    assert state(desk, desk.admin, "resume") == 200
    assert state(desk, dana, "suspend") == 200
    assert state(desk, dana, "resume") == 200  # who suspended it before is forgotten
    assert desk.rig.writer.read(lambda connection: SqlSuspensions(connection).by(AgentName("invoice-bot"))) is None


def test_an_agent_suspended_when_its_owner_went_is_resumed_by_others(desk: Desk) -> None:
    for person in ("lee", "dana"):
        desk.rig.people.deactivate(person, by=ADMIN)
    desk.rig.people.reactivate("dana", by=ADMIN)
    assert state(desk, desk.token("dana", "owner"), "resume") == 403
    assert state(desk, desk.admin, "resume") == 200


# starting everything again ---------------------------------------------------------------------


def lift(desk: Desk, token: str) -> str:
    status, answer = desk.ask(token, "DELETE", ALL)
    return answer["code"] if status != 200 else "waits" if answer["waits"] else "lifted"


@pytest.fixture
def stopped(desk: Desk) -> Desk:
    freeze(desk, desk.token("sam", "security"), "all", "*")
    desk.later(MINUTE)
    return desk


def test_the_admin_token_and_one_it_has_just_made_are_one_person(stopped: Desk) -> None:
    assert lift(stopped, stopped.admin) == "waits"
    new = stopped.token("zed", "operator", age=0)
    status, problem = stopped.ask(new, "DELETE", ALL)
    assert (status, problem["code"]) == (403, "forbidden")
    assert "issued before this began, or over an hour ago" in problem["try"]
    assert lift(stopped, stopped.admin) == "waits"
    assert frozen(stopped) == [("*", "sam")]


def test_two_new_tokens_start_nothing_either(stopped: Desk) -> None:
    for person in ("zed", "zoe"):
        assert lift(stopped, stopped.token(person, "operator", age=0)) == "forbidden"
    assert frozen(stopped) == [("*", "sam")]


def test_a_new_token_counts_after_an_hour(stopped: Desk) -> None:
    new = stopped.token("zed", "operator", age=0)
    stopped.later(HOUR - 1)
    assert lift(stopped, stopped.admin) == "waits"
    assert lift(stopped, new) == "forbidden"
    stopped.later(1)
    assert lift(stopped, new) == "lifted"


@pytest.mark.parametrize("first", ["admin", "sam"])
def test_tokens_that_were_there_before_count_at_once(stopped: Desk, first: str) -> None:
    old = stopped.token("sam", "security", age=2 * MINUTE)
    assert lift(stopped, stopped.admin if first == "admin" else old) == "waits"
    assert lift(stopped, stopped.token("sue", "security", age=2 * MINUTE)) == "lifted"
    assert frozen(stopped) == []


def test_a_first_word_ends_with_the_token_it_was_said_with(stopped: Desk) -> None:
    assert lift(stopped, stopped.token("sue", "security")) == "waits"
    assert stopped.ask(stopped.admin, "DELETE", "/v1/operators/tokens/sue")[0] == 200
    assert lift(stopped, stopped.token("sid", "security")) == "waits"


def test_so_does_that_of_somebody_who_signed_in_at_their_provider_and_has_no_token(stopped: Desk) -> None:
    (freeze,) = stopped.ask(stopped.admin, "GET", "/v1/freezes")[1]["freezes"]
    word = Word(person="sue", about=freeze["id"], at=stopped.rig.clock.now())
    stopped.rig.writer.change(lambda tx: FirstWords(tx.connection).put(UNFREEZE_ALL, word))
    status, answer = stopped.ask(stopped.admin, "DELETE", "/v1/operators/tokens/sue")
    assert (status, answer) == (200, {"revoked": [], "signed_out": 0, "taken_back": 1})
    assert [(each["change"], each["first"]) for each in stopped.rig.entries("freeze")[-1:]] == [("taken_back", "sue")]
    assert lift(stopped, stopped.token("sid", "security")) == "waits"
    assert stopped.ask(stopped.admin, "DELETE", "/v1/operators/tokens/sue")[0] == 404
    assert lift(stopped, stopped.admin) == "lifted", "the word of another stands"


def test_what_is_said_until_a_session_ends_is_taken_back_too(stopped: Desk) -> None:
    writer, records, clock = stopped.rig.writer, stopped.rig.records, stopped.rig.clock

    class Open:
        def end_where(self, _which: object) -> list[object]:
            word = Word(person="sue", about="frz_1", at=clock.now())
            writer.change(lambda tx: FirstWords(tx.connection).put(UNFREEZE_ALL, word))
            return []

    doors = OperatorTokens(
        writer=writer, records=records, keeper=stopped.keeper, clock=clock, sessions=cast("Sessions", Open())
    )
    operator = Operator(person="admin", roles=frozenset({Role.ADMIN}))
    assert doors.revoke(Ask(operator=operator, path={"id": "sue"}))["taken_back"] == 1
    assert writer.read(lambda connection: FirstWords(connection).find(UNFREEZE_ALL)) is None


# tokens that end -------------------------------------------------------------------------------


def test_a_persons_tokens_are_revoked_at_once_and_recorded(desk: Desk) -> None:
    one, two, other = desk.token("dana", "owner"), desk.token("dana", "operator"), desk.token("lee", "owner")
    status, answer = desk.ask(desk.admin, "DELETE", "/v1/operators/tokens/dana")
    assert status == 200
    assert {row["role"] for row in answer["revoked"]} == {"owner", "operator"}
    assert [desk.ask(token, "GET", "/v1/agents")[0] for token in (one, two, other)] == [401, 401, 200]
    entries = [entry for entry in desk.rig.entries("operator_token") if entry["change"] == "revoke"]
    assert [(entry["name"], entry["by"]) for entry in entries] == [("dana", "admin")] * 2
    assert {entry["token"] for entry in entries} == {row["token"] for row in answer["revoked"]}
    assert desk.ask(desk.admin, "DELETE", "/v1/operators/tokens/dana")[0] == 404


def test_one_token_is_revoked_by_its_id(desk: Desk) -> None:
    one, two = desk.token("dana", "owner"), desk.token("dana", "operator")
    listed = desk.ask(desk.admin, "GET", "/v1/operators/tokens")[1]["tokens"]
    called = next(row["token"] for row in listed if row["role"] == "operator")
    assert called not in (one, two)
    assert desk.ask(desk.admin, "DELETE", f"/v1/operators/tokens/{called}")[0] == 200
    assert [desk.ask(token, "GET", "/v1/agents")[0] for token in (one, two)] == [200, 401]


def test_who_may_revoke(desk: Desk) -> None:
    for role in ("viewer", "owner", "reviewer", "operator", "auditor"):
        assert desk.ask(desk.token("eve", role), "DELETE", "/v1/operators/tokens/dana")[0] == 403, role
    dana = desk.token("dana", "viewer")
    assert desk.ask(dana, "DELETE", "/v1/operators/tokens/dana")[0] == 200, "one's own"
    assert desk.ask(desk.token("sam", "security"), "DELETE", "/v1/operators/tokens/eve")[0] == 200


def test_the_admin_token_is_not_revoked(desk: Desk) -> None:
    admin = next(known for known in desk.keeper.listing() if known.role == "admin")
    for called in ("admin", admin.id):
        assert desk.ask(desk.admin, "DELETE", f"/v1/operators/tokens/{called}")[0] == 404
    assert desk.ask(desk.admin, "GET", "/v1/agents")[0] == 200
