"""`/v1/reviews` and `remit review`: people with tokens of one role each, and what they see and may."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient
from tests.interaction.apply_world import Tree
from tests.interaction.desk import Desk
from tests.interaction.reviews_world import SECRET, World
from tests.interaction.test_reviews_bound_to_shown import notice

from remit.access.activation import ActivationState
from remit.cli import review
from remit.kernel.errors import Malformed
from remit.reviews.canaries import made_up
from remit.reviews.model import QuestionState
from remit.reviews.sql import SqlQuestions
from remit.server.door import Porch
from remit.server.http_reviews import Reviews
from remit.server.operators import Authority


class Front:
    """The doors of reviews, behind the desk's keeper."""

    def __init__(self, desk: Desk, tree: Tree) -> None:
        self.world, self.desk = World(desk.rig, tree), desk
        authority = Authority.shipped()
        porch = Porch(keeper=desk.keeper, authority=authority, body_limit=1 << 20, dev=False)
        doors = Reviews(reviews=self.world.reviews, authority=authority).doors()
        desk.app = Starlette(routes=[porch.route(door) for door in doors])
        self.tokens = {
            f"{person}:{role}": desk.token(person, role)
            for person, role in (
                ("dana", "owner"), ("dana", "viewer"), ("lee", "reviewer"), ("mo", "owner"), ("sam", "security"),
                ("ada", "auditor"), ("olu", "operator"),
            )
        }  # fmt: skip
        self.tokens["admin"] = desk.admin

    def ask(self, who: str, method: str, path: str, body: object = None) -> tuple[int, Any]:
        return self.desk.ask(self.tokens[who], method, path, body)


@pytest.fixture
def front(desk: Desk, tree: Tree) -> Front:
    return Front(desk, tree)


def test_a_question_is_seen_in_its_queue_and_answered_by_its_owner(front: Front) -> None:
    question = front.world.ask("transfer")
    status, mine = front.ask("dana:owner", "GET", "/v1/reviews")
    assert (status, [each["question"] for each in mine["questions"]]) == (200, [question.id])
    assert "canary" not in json.dumps(mine)
    assert front.ask("lee:reviewer", "GET", "/v1/reviews")[1]["questions"] == []
    assert len(front.ask("ada:auditor", "GET", "/v1/reviews?all=true")[1]["questions"]) == 1
    _, shown = front.ask("dana:owner", "GET", f"/v1/reviews/{question.id}")
    assert (shown["may_answer"], shown["choices"]) == (["dana", "lee"], ["keep", "narrow", "end", "ask"])
    assert shown["preview"]["end"]["actions"] == ["payments/transfer"]
    answer = f"/v1/reviews/{question.id}/answer"
    for who in ("dana:viewer", "mo:owner", "sam:security", "ada:auditor", "olu:operator", "admin"):
        assert front.ask(who, "POST", answer, {"said": "keep"})[0] == 403, who
    status, staged = front.ask("lee:reviewer", "POST", answer, {"said": "keep", "note": "seen"})
    assert (status, staged["state"], staged["by"]) == (200, "staged", "lee")
    undo = f"/v1/reviews/answers/{staged['answer']}/undo"
    assert front.ask("mo:owner", "POST", undo, {})[0] == 403
    status, undone = front.ask("dana:owner", "POST", undo, {})
    assert (status, undone["state"], undone["waits"]) == (200, "undone", [])


def test_a_doubt_is_securitys_and_operators(front: Front) -> None:
    question = front.world.ask(kind="usage_doubted", agent="", about="payments", facts={})
    assert front.ask("dana:owner", "GET", "/v1/reviews")[1]["questions"] == []
    assert len(front.ask("sam:security", "GET", "/v1/reviews")[1]["questions"]) == 1
    answer = f"/v1/reviews/{question.id}/answer"
    for who in ("dana:owner", "lee:reviewer", "ada:auditor", "admin"):
        assert front.ask(who, "POST", answer, {"said": "trust"})[0] == 403, who
    assert front.ask("olu:operator", "POST", answer, {"said": "trust"})[0] == 200
    assert front.ask("sam:security", "POST", answer, {"said": "trust"})[0] == 409


def test_what_is_not_there_and_what_cannot_be_said(front: Front) -> None:
    question = front.world.ask("transfer")
    assert front.ask("dana:owner", "GET", "/v1/reviews/qst_none")[0] == 404
    assert front.ask("dana:owner", "POST", "/v1/reviews/qst_none/answer", {"said": "keep"})[0] == 404
    assert front.ask("dana:owner", "POST", "/v1/reviews/answers/ans_none/undo", {})[0] == 404
    assert front.ask("dana:owner", "POST", f"/v1/reviews/{question.id}/answer", {"said": "maybe"})[0] == 400
    assert front.ask("dana:viewer", "GET", "/v1/reviews")[0] == 403


def grown(front: Front) -> str:
    """A question that another entitlement joined after it was asked."""
    facts = {"boundary": "pay", "tier": "low", "state": "needs_human", "risk": 800_000}
    for tool in ("list_payees", "list_invoices"):
        front.world.start(tool, ActivationState.NEEDS_HUMAN)
    notice(front.world, "list_payees")
    question = front.world.ask("list_payees", facts={**facts, "action": "payments/list_payees"})
    with pytest.raises(IndexError):
        front.world.ask("list_invoices", facts={**facts, "action": "payments/list_invoices"})
    return question.id


def test_an_answer_says_what_was_shown(front: Front) -> None:
    question = grown(front)
    _, shown = front.ask("dana:owner", "GET", f"/v1/reviews/{question}")
    assert shown["serial"] == 2
    assert [(each["action"], each["purpose"]) for each in shown["entitlements"]] == [
        ("payments/list_invoices", "pay-invoices"), ("payments/list_payees", "pay-invoices"),
    ]  # fmt: skip
    assert [each["against"] for each in shown["entitlements"]] == [[], ["peer_outlier"]]
    assert {each["stands"] for each in shown["entitlements"]} == {"needs_human: at_risk_too_long"}
    door = f"/v1/reviews/{question}/answer"
    for body in ({}, {"shown": None}, {"shown": 1}):
        status, problem = front.ask("dana:owner", "POST", door, {"said": "keep", **body})
        assert (status, problem["code"]) == (409, "conflict")
        assert "payments/list_invoices" in json.dumps(problem)
        assert f"remit review keep {question} --as-shown 2" in json.dumps(problem)
    for never in (0, 3, "2", True):
        assert front.ask("dana:owner", "POST", door, {"said": "keep", "shown": never})[0] == 400
    assert front.ask("dana:owner", "POST", door, {"said": "keep", "shown": 2})[0] == 200


def test_a_made_up_question_is_shown_like_any_other(front: Front) -> None:
    known = {"boundary": "pay", "state": "needs_human", "risk": 800_000, "days_of_use": 3, "last_use": 0}
    front.world.start("list_payees", ActivationState.NEEDS_HUMAN)
    question = front.world.ask("list_payees", facts=known)  # as certification asks
    aside = made_up(SECRET, question, boundary="pay", purpose="pay-invoices", now=front.world.now)
    planted = replace(aside, id="qst_01m8dd3q28vw7r5p4t7kbw4vjw", state=QuestionState.OPEN)
    front.world.rig.writer.change(lambda tx: SqlQuestions(tx.connection).put(planted))
    _, real = front.ask("dana:owner", "GET", f"/v1/reviews/{question.id}")
    _, other = front.ask("dana:owner", "GET", f"/v1/reviews/{planted.id}")
    assert set(other) == set(real)
    assert (other["serial"], len(other["entitlements"])) == (real["serial"], len(real["entitlements"])) == (1, 1)
    assert other["entitlements"][0]["action"] == other["preview"]["end"]["actions"][0] == other["action"]
    assert set(other["entitlements"][0]) == set(real["entitlements"][0])
    for name in ("stands", "against"):
        assert other["entitlements"][0][name] == real["entitlements"][0][name]


def test_a_named_person_acknowledges_what_they_have_seen_and_nothing_else(front: Front) -> None:
    _, now = front.ask("ada:auditor", "GET", "/v1/reviews/acknowledgement")
    assert (now["boundaries"], now["added"], now["before"]) == (1, ["pay"], None)
    door = "/v1/reviews/acknowledgements"
    for who in ("ada:auditor", "admin", "sam:security", "olu:operator"):
        assert front.ask(who, "POST", door, {"digest": now["digest"]})[0] == 403, who
    assert front.ask("dana:owner", "POST", door, {"digest": now["digest"][:7]})[0] == 400
    assert front.ask("dana:owner", "POST", door, {"digest": "0" * 64})[0] == 409
    status, said = front.ask("dana:owner", "POST", door, {"digest": now["digest"][:8], "note": "Q4"})
    assert (status, said["by"], said["digest"]) == (201, "dana", now["digest"])
    (entry,) = front.world.rig.entries("acknowledgement")
    assert (entry["change"], entry["digest"], entry["by"]) == ("boundaries_acknowledged", now["digest"], "dana")
    assert [each["note"] for each in front.ask("ada:auditor", "GET", door)[1]["acknowledgements"]] == ["Q4"]
    tree = front.world.tree
    tree.transfer["limits"]["rate"] = "1/min"
    front.world.rig.apply(tree)
    _, later = front.ask("dana:owner", "GET", "/v1/reviews/acknowledgement")
    assert (later["changed"], later["added"], later["ended"]) == (["pay"], [], [])
    assert later["digest"] != now["digest"]
    assert front.ask("lee:reviewer", "POST", door, {"digest": now["digest"]})[0] == 409


class Client:
    """What the command line talks to, without a socket."""

    def __init__(self, front: Front, who: str) -> None:
        self.front, self.who = front, who

    def get(self, path: str) -> Any:
        return self._done("GET", path)

    def post(self, path: str, body: object) -> Any:
        return self._done("POST", path, body)

    def _done(self, method: str, path: str, body: object = None) -> Any:
        headers = {"authorization": f"Bearer {self.front.tokens[self.who]}"}
        answer = TestClient(self.front.desk.app, headers=headers).request(method, path, json=body)
        assert answer.status_code < 300, answer.text
        return answer.json()


@pytest.fixture
def remit(front: Front, monkeypatch: pytest.MonkeyPatch) -> Any:
    who = {"now": "dana:owner"}
    monkeypatch.setattr(review, "connect", lambda _as: Client(front, who["now"]))

    def run(*words: str, by: str = "dana:owner") -> int:
        who["now"] = by
        return int(review.app(args=list(words), prog_name="remit review", standalone_mode=False) or 0)

    return run


def test_the_commands_say_what_is_and_what_to_type_next(
    front: Front, remit: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert remit("list") == 0
    assert "no open questions" in capsys.readouterr().err
    question = front.world.ask("transfer")
    remit("list")
    out = capsys.readouterr()
    assert question.id in out.out
    assert f"remit review show {question.id}" in out.err
    remit("show", question.id)
    out = capsys.readouterr()
    for part in ("payments/transfer", "would be denied in 30 d", "recommended:", "risk"):
        assert part in out.out
    assert f"remit review {question.recommendation.value} {question.id}" in out.err
    remit("ask", question.id, "mo", "--note", "still yours?")
    assert "done: ask mo" in capsys.readouterr().out
    remit("end", question.id, "--note", "over", by="dana:owner")
    out = capsys.readouterr()
    assert "took away payments/transfer" in out.out
    answer = out.err.split()[-1]
    assert remit("undo", answer) == 11
    assert "remit boundary approve pay" in capsys.readouterr().err
    other = front.world.ask("list_payees")
    remit("keep", other.id, "--json")
    staged = json.loads(capsys.readouterr().out)
    assert (staged["state"], staged["said"]) == ("staged", "keep")
    assert remit("undo", staged["answer"]) == 0
    capsys.readouterr()
    remit("keep", other.id)
    assert "until then: remit review undo" in capsys.readouterr().err
    remit("quality")
    assert "dana" in capsys.readouterr().out


def test_what_joined_is_shown_and_the_next_command_says_so(
    front: Front, remit: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    question = grown(front)
    front.world.use("list_payees", 1)
    front.world.use("list_invoices", 1)
    remit("show", question)
    out = capsys.readouterr()
    assert "asked about" in out.out
    assert "payments/list_invoices" in out.out
    assert "act_" not in out.out.partition("asked about")[0].partition("fact")[2], "names, not ids"
    assert "--as-shown 2" in out.err
    with pytest.raises(AssertionError, match="about more since it was asked"):
        remit("keep", question)
    remit("keep", question, "--as-shown", "2")
    assert "staged: keep" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("recommended", "said"),
    [("keep", "remit review keep qst_1 --as-shown 3"), ("ask", "remit review ask qst_1, or another with --as-shown 3")],
)
def test_the_next_command_covers_what_was_shown(recommended: str, said: str) -> None:
    shown = {"question": "qst_1", "recommendation": recommended, "serial": 3}
    assert review._next(shown) == said
    assert review._next({**shown, "serial": 1}) == f"remit review {recommended} qst_1"


def test_nobody_signs_unseen(front: Front, remit: Any, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(Malformed, match="digest"):
        remit("acknowledge")
    shown = capsys.readouterr().err
    assert "added    pay" in shown
    digest = shown.partition("digest ")[2][:64]
    remit("acknowledge", "--digest", digest[:8], "--note", "Q4")
    assert "acknowledged: 1 boundaries" in capsys.readouterr().out
    remit("acknowledgements", by="ada:auditor")
    assert digest in capsys.readouterr().out
    remit("acknowledge", "--digest", digest, by="lee:reviewer")
    assert "nothing changed since dana acknowledged" in capsys.readouterr().err


@pytest.mark.parametrize("command", [each.name for each in review.app.registered_commands])
def test_every_command_has_two_examples(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    review.app(args=[command, "--help"], prog_name="remit review", standalone_mode=False)
    examples = capsys.readouterr().out.partition("Examples:")[2]
    assert len([line for line in examples.splitlines() if line.strip()]) == 2
