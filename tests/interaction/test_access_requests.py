"""`/access/v1/requests` on the wire, and `/v1/approvals` for people: who may, what is refused and how it looks."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient
from tests.interaction.approvals_world import BOT, DANA_HERSELF, LEE, OVER, Approvals
from tests.interaction.desk import Desk

from remit.enforcement.model import Point
from remit.kernel.canonical import encode
from remit.kernel.clock import DAY, MINUTE, Instant
from remit.requests.callback import check_callback
from remit.server.access_requests import AccessRequests
from remit.server.accountable import Accountable
from remit.server.door import Porch
from remit.server.http_approvals import ApprovalDoors
from remit.server.me import Me
from remit.server.operator_tokens import token_hash
from remit.server.operators import Authority
from remit.server.peps import Gatekeeper, Known
from remit.tokens.check import TokenInvalid

PATH = "/access/v1/requests"
OPENED = frozenset({("127.0.0.1", 9)})
URN = "urn:openid:authzen:access-request:error:"


class Tokens:
    """Access tokens are `a.AGENT`."""

    def __init__(self, world: Approvals) -> None:
        self.world = world

    def check(self, *, authorization: str | None, **_: Any) -> tuple[Any, None]:
        name = (authorization or "").removeprefix("DPoP a.")
        if name not in (BOT, "other-bot"):
            raise TokenInvalid("invalid_token", "the token is not valid", "DPoP")
        return self.world.caller(agent=name), None


class Nothing:
    """Bad tokens are not recorded here."""

    def entry(self, *_: Any, **__: Any) -> None:
        return None


class Wire:
    """The endpoint, and an agent's or enforcement point's way to it."""

    def __init__(self, world: Approvals) -> None:
        self.world = world
        keeper = Gatekeeper()
        keeper._known = {
            token_hash(f"rmp_{name}"): Known(point=Point(name, name[0] * 43), created=Instant(0))
            for name in ("edge", "other")
        }
        rig: Any = world.rig
        tokens: Any = Tokens(world)
        me = Me(
            base="https://remit.test", path=PATH, method="POST", checker=tokens, writer=rig.writer,
            records=rig.records, bad_tokens=Nothing(), clock=rig.clock,  # type: ignore[arg-type] # as much as is used
        )  # fmt: skip
        self.app = AccessRequests(
            me=me, keeper=keeper, requests=world.requests, policy=world.policy, facts=world.facts, allowed=OPENED,
            body_limit=8192,
        )  # fmt: skip

    def send(
        self, method: str = "POST", path: str = PATH, body: object = None, *, by: str = f"DPoP a.{BOT}", **headers: str
    ) -> httpx2.Response:
        async def sent() -> httpx2.Response:
            transport = httpx2.ASGITransport(app=self.app)
            data = body if isinstance(body, bytes) else b"" if body is None else encode(body)
            own = {"authorization": by, "content-type": "application/json"}
            own |= {name.replace("_", "-"): value for name, value in headers.items()}
            async with httpx2.AsyncClient(transport=transport, base_url="http://remit.test", trust_env=False) as http:
                return await http.request(method, path, content=data, headers=own)

        return asyncio.run(sent())

    def body(self, arguments: Mapping[str, Any] = OVER, **more: Any) -> dict[str, Any]:
        block = self.world.denial(arguments)["access_request"]
        return {
            "subject": {"type": "agent", "id": BOT},
            "action": {"name": "payments/transfer"},
            "resource": {"type": "server", "id": "payments"},
            "context": {"arguments": dict(arguments), "purpose": "pay-invoices"},
            "denial": {"binding_token": block["binding_token"], "expires_at": block["expires_at"]},
        } | more


@pytest.fixture
def world() -> Approvals:
    return Approvals()


@pytest.fixture
def wire(world: Approvals) -> Wire:
    return Wire(world)


def problem(answer: httpx2.Response) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json"
    found = answer.json()
    assert found["status"] == answer.status_code
    return answer.status_code, str(found["type"]).removeprefix(URN)


@pytest.mark.requirement("arap:submission")
def test_a_task_is_pending_then_approved_and_says_what_to_do(wire: Wire) -> None:
    answer = wire.send(body=wire.body(), idempotency_key="k")
    task = answer.json()["task"]
    assert answer.status_code == 202
    assert answer.headers["location"] == task["status_endpoint"] == f"https://remit.test{PATH}/{task['id']}"
    assert task["status"] == "pending"
    assert wire.send(body=wire.body(), idempotency_key="k").json()["task"]["id"] == task["id"]
    seen = wire.send("GET", f"{PATH}/{task['id']}")
    assert (seen.headers["retry-after"], seen.json()) == ("5", answer.json())
    wire.world.requests.approve(task["id"], by=LEE)
    done = wire.send("GET", f"{PATH}/{task['id']}").json()
    assert done["task"]["status"] == "approved"
    assert done["result"] == {
        "mode": "reevaluate",
        "approval": {
            "id": wire.world.requests.find(task["id"]).approval,
            "approved_at": "2026-11-25T00:00:00.000000Z", "approved_until": "2026-11-25T00:15:00.000000Z",
        },
    }  # fmt: skip
    assert "lee" not in json.dumps(done), "who decides is not the agent's to know"


@pytest.mark.requirement("arap:errors")
def test_what_is_wrong_has_its_own_problem_type(wire: Wire) -> None:
    good = wire.body()
    assert problem(wire.send(body=good | {"denial": {}})) == (400, "invalid_denial_binding")
    assert problem(wire.send(body=good | {"denial": {"binding_token": "x.y"}})) == (400, "invalid_denial_binding")
    other = good | {"context": {"arguments": {**OVER, "to": "y"}}}
    assert problem(wire.send(body=other)) == (400, "invalid_denial_binding")
    assert problem(wire.send(body=good, by="DPoP a.other-bot")) == (400, "invalid_denial_binding")
    assert problem(wire.send(body=good | {"context": good["context"] | {"purpose": "else"}})) == (
        400,
        "invalid_denial_binding",
    )
    assert problem(wire.send(body=good | {"action": {"name": "payments:ping"}})) == (400, "not_requestable")
    first = wire.send(body=good, idempotency_key="k").json()["task"]["id"]
    more = good | {"context": good["context"] | {"business_justification": "x"}}
    assert problem(wire.send(body=more, idempotency_key="k")) == (409, "duplicate_request")
    assert problem(wire.send("GET", f"{PATH}/arq_{'0' * 26}")) == (404, "unknown_task")
    assert wire.send("POST", f"{PATH}/{first}/cancel").json()["task"]["status"] == "cancelled"
    assert problem(wire.send("POST", f"{PATH}/{first}/cancel")) == (409, "invalid_task_state")
    wire.world.rig.clock.at += 2 * DAY
    assert problem(wire.send(body=good)) == (410, "expired_denial")


def test_only_the_agent_and_who_asked_see_a_task(wire: Wire) -> None:
    """An id that leaked shows nothing, and lets nobody take the request back."""
    name = wire.send(body=wire.body(), by="Bearer rmp_edge").json()["task"]["id"]
    for by, status in ((f"DPoP a.{BOT}", 200), ("Bearer rmp_edge", 200), ("Bearer rmp_other", 404)):
        assert wire.send("GET", f"{PATH}/{name}", by=by).status_code == status
    assert wire.send("GET", f"{PATH}/{name}", by="DPoP a.other-bot").status_code == 404
    for by in (f"DPoP a.{BOT}", "Bearer rmp_other", "DPoP a.other-bot"):
        assert wire.send("POST", f"{PATH}/{name}/cancel", by=by).status_code == 404
    assert wire.send("POST", f"{PATH}/{name}/cancel", by="Bearer rmp_edge").status_code == 200


def test_another_s_task_looks_like_none_byte_for_byte(wire: Wire) -> None:
    name, none = wire.send(body=wire.body(), by="Bearer rmp_edge").json()["task"]["id"], f"arq_{'0' * 26}"
    for by in ("DPoP a.other-bot", "Bearer rmp_other"):
        for method, end in (("GET", ""), ("POST", "/cancel")):
            its, no = (wire.send(method, f"{PATH}/{each}{end}", by=by) for each in (name, none))
            assert (its.status_code, its.content, its.headers) == (404, no.content, no.headers)


@pytest.mark.parametrize("by", ["", "Bearer x", "Bearer a.nobody", "DPoP a.nobody", "Basic eA=="])
def test_without_a_token_there_is_nothing(wire: Wire, by: str) -> None:
    for method, path in (("POST", PATH), ("GET", f"{PATH}/arq_{'0' * 26}")):
        answer = wire.send(method, path, body=None if method == "GET" else {}, by=by)
        assert answer.status_code == 401
        assert "www-authenticate" in answer.headers


def test_what_is_not_understood_is_refused(wire: Wire) -> None:
    assert wire.send(body=[]).status_code == 400
    assert wire.send(body=b"{").status_code == 400
    assert wire.send(body=b'{"action": {}, "action": {}}').status_code == 400
    assert wire.send(body={}).status_code == 400
    assert wire.send(body=wire.body(), content_type="text/plain").status_code == 415
    assert wire.send(body=b"x" * 9000).status_code == 413
    assert wire.send("GET").status_code == 405
    assert wire.send("GET", PATH + "/x").status_code == 404
    assert wire.send(body=wire.body(requested_access={"requested_until": "soon"})).status_code == 400
    assert wire.send(body=wire.body(callback=[])).status_code == 400
    assert wire.send(body=wire.body(), idempotency_key="k" * 256).status_code == 400


def test_the_asker_may_want_it_shorter(wire: Wire) -> None:
    body = wire.body(requested_access={"requested_until": "2026-11-25T00:05:00Z"})
    name = wire.send(body=body).json()["task"]["id"]
    assert wire.world.requests.approve(name, by=LEE).until == wire.world.rig.clock.now() + 5 * MINUTE


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8/x", "http://agent.test/x", "http://169.254.169.254/latest", "file:///etc/passwd",
        "https://u:p@agent.test/", "https://agent.test/#x", "https://a.test/\\@b", 7, "https://a.test/" + "x" * 1000,
    ],
)  # fmt: skip
def test_an_agent_may_not_send_remit_where_it_likes(wire: Wire, url: object) -> None:
    """Server-side request forgery: a callback is public https, or what an operator opened for callbacks."""
    assert wire.send(body=wire.body(callback={"endpoint": url})).status_code == 400
    assert check_callback("http://127.0.0.1:9/x", OPENED)
    assert wire.send(body=wire.body(callback={"endpoint": "https://agent.test/back"})).status_code == 202


# people ---------------------------------------------------------------------------------------


class Office(Desk):
    """The doors of approvals over the same world."""

    def __init__(self, world: Approvals) -> None:
        super().__init__(world.rig)
        doors = ApprovalDoors(
            requests=world.requests, policy=world.policy, accountable=Accountable(world.rig.writer),
            authority=Authority.shipped(), clock=world.rig.clock,
        )  # fmt: skip
        porch = Porch(keeper=self.keeper, authority=Authority.shipped(), body_limit=1 << 16, dev=False)
        self.app = Starlette(routes=[porch.route(door) for door in doors.doors()])


@pytest.fixture
def office(world: Approvals) -> Office:
    return Office(world)


Says = Callable[[str, str, str], tuple[int, dict[str, Any]]]


def test_who_may_say_yes(world: Approvals, office: Office) -> None:
    name = world.asks().request
    path = f"/v1/approvals/{name}/approve"
    for person, role in (
        ("dana", "viewer"), ("dana", "operator"), ("dana", "security"), ("mo", "owner"), ("mo", "reviewer"),
        ("sec", "security"),
    ):  # fmt: skip
        status, found = office.ask(office.token(person, role), "POST", path, {})
        assert (status, found["code"]) == (403, "forbidden"), (person, role)
    assert office.ask(office.admin, "POST", path, {})[0] == 403, "the admin token approves nothing"
    status, found = office.ask(office.token("lee", "owner"), "POST", path, {"for": "5m", "note": "fine"})
    assert (status, found["state"], found["decided_by"]) == (200, "approved", "lee")
    assert world.tries() == "allow"


def test_who_may_not_is_told_who_may(world: Approvals, office: Office) -> None:
    path = f"/v1/approvals/{world.asks().request}"
    for verb in ("approve", "deny"):
        told = office.ask(office.token("mo", "owner"), "POST", f"{path}/{verb}", {})[1]
        assert told["try"] == "dana or lee may, with a token of the role owner or reviewer"
    # It is hers to decide, and the token is the wrong one.
    told = office.ask(office.token("dana", "viewer"), "POST", f"{path}/approve", {})[1]
    assert told["try"] == "use a token of another role than viewer"


def test_who_asked_is_not_named_among_those_who_may(office: Office) -> None:
    body = {"agent": BOT, "action": "payments/transfer", "arguments": {"amount": 400, "currency": "EUR", "to": "x"}}
    name = office.ask(office.token("dana", "owner"), "POST", "/v1/approvals", body)[1]["request"]
    told = office.ask(office.token("mo", "owner"), "POST", f"/v1/approvals/{name}/approve", {})[1]
    assert told["try"] == "lee may, with a token of the role owner or reviewer"


def test_why_is_shown_to_who_reads_decisions_or_decides(world: Approvals, office: Office) -> None:
    """What an agent writes may say what it works on: it is no more everybody's than its decisions are."""
    name = world.asks(why="the patient of room 4 moves").request
    seen = {
        (person, role): (
            office.ask(office.token(person, role), "GET", "/v1/approvals")[1]["requests"][0]["why"],
            office.ask(office.token(person, role), "GET", f"/v1/approvals/{name}")[1]["why"],
        )
        for person, role in (
            ("vi", "viewer"), ("mo", "owner"), ("mo", "reviewer"), ("dana", "owner"), ("dana", "viewer"),
            ("sec", "security"), ("op", "operator"), ("au", "auditor"),
        )
    }  # fmt: skip
    told = ("the patient of room 4 moves",) * 2
    hidden = {("vi", "viewer"), ("mo", "owner"), ("mo", "reviewer")}
    assert seen == {each: (None, None) if each in hidden else told for each in seen}


def test_ones_own_request_is_refused_with_a_code_of_its_own(office: Office) -> None:
    body = {"agent": BOT, "action": "payments/transfer", "arguments": {"amount": 400, "currency": "EUR", "to": "x"}}
    dana = office.token("dana", "owner")
    status, found = office.ask(dana, "POST", "/v1/approvals", body)
    assert (status, found["state"], found["purpose"]) == (202, "pending", "pay-invoices")
    status, refused = office.ask(dana, "POST", f"/v1/approvals/{found['request']}/approve", {})
    assert (status, refused["code"]) == (403, "approval_denied")
    assert office.ask(office.token("mo", "owner"), "POST", "/v1/approvals", body)[0] == 403
    assert office.ask(dana, "POST", f"/v1/approvals/{found['request']}/cancel", {})[1]["state"] == "cancelled"


def test_arguments_are_shown_to_who_decides_alone(world: Approvals, office: Office) -> None:
    name = world.asks().request
    for person, role, shown in (
        ("dana", "owner", True), ("lee", "owner", True), ("mo", "owner", False), ("aud", "auditor", False),
        ("op", "operator", False),
    ):  # fmt: skip
        status, found = office.ask(office.token(person, role), "GET", f"/v1/approvals/{name}")
        assert (status, found["arguments"] is not None) == (200, shown), person
    assert found["may_decide"] == ["dana", "lee"]
    status, listed = office.ask(office.token("aud", "auditor"), "GET", "/v1/approvals?state=pending")
    assert ([each["request"] for each in listed["requests"]], "arguments" in listed["requests"][0]) == ([name], False)
    assert office.ask(office.admin, "GET", "/v1/approvals?state=maybe")[0] == 400


def test_numbers_are_shown_as_they_came(world: Approvals, office: Office) -> None:
    found = office.ask(office.token("lee", "owner"), "GET", f"/v1/approvals/{world.asks().request}")[1]
    assert '"amount":400.00' in found["arguments"], "no reader rounds what a person decides about"


def test_a_no_and_its_reason_reach_the_agent(world: Approvals, office: Office, wire: Wire) -> None:
    name = wire.send(body=wire.body()).json()["task"]["id"]
    office.ask(office.token("lee", "owner"), "POST", f"/v1/approvals/{name}/deny", {"note": "not this month"})
    task = wire.send("GET", f"{PATH}/{name}").json()["task"]
    assert (task["status"], task["display"]["description"]) == ("denied", "not this month")
    assert world.tries() == "approval_denied"
    assert office.ask(office.token("lee", "owner"), "POST", f"/v1/approvals/{name}/approve", {})[0] == 409
    assert office.ask(office.token("lee", "owner"), "GET", "/v1/approvals/arq_0")[0] == 404
    assert TestClient(office.app).get("/v1/approvals").status_code == 401
    assert world.requests.may(world.requests.find(name)) == ("dana", "lee")
    assert DANA_HERSELF.person == "dana"
