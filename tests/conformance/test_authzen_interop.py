"""OpenID AuthZEN's interoperability scenarios and its certification scenario, against a running Remit.

Each is loaded by `remit apply` of a directory in `scenarios/` and by nothing else, twice, because a permit that is
new takes two people. The certification scenario's numbers are those of its own test matrix.
"""

from __future__ import annotations

import http.client
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.e2e.running import Home

from remit.keys import jose
from remit.keys.jwk import public_key

HERE = Path(__file__).parent
FILES = {"todo": 40, "gateway": 25}
VECTORS = {
    name: json.loads((HERE / "vectors" / f"authzen_{name}_decisions.json").read_text(encoding="utf-8"))
    for name in FILES
}
PLACE = "/access/v1/"


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: Any


class Pdp:
    """A running Remit that one scenario was applied to, and an enforcement point's token."""

    def __init__(self, url: str, token: str) -> None:
        self.url = url
        self.token = token

    def send(self, path: str, body: bytes = b"", method: str = "POST", **headers: str) -> Answer:
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=30)
        try:
            sent = {"authorization": f"Bearer {self.token}", "content-type": "application/json"} | headers
            connection.request(method, path, body, {name.replace("_", "-"): text for name, text in sent.items()})
            answer = connection.getresponse()
            data = answer.read()
            found = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, found, json.loads(data) if data else None)
        finally:
            connection.close()

    def ask(self, what: str, body: Any, **headers: str) -> Answer:
        return self.send(PLACE + what, json.dumps(body).encode(), **headers)

    def decision(self, body: Any) -> bool:
        answer = self.ask("evaluation", body)
        assert answer.status == 200, answer
        return bool(answer.body["decision"])

    def decisions(self, body: Any) -> list[bool]:
        answer = self.ask("evaluations", body)
        assert answer.status == 200, answer
        return [each["decision"] for each in answer.body["evaluations"]]


def loaded(path: Path, scenario: str) -> Iterator[Pdp]:
    home = Home(path)
    with home.up("--dev") as up:
        directory = str(HERE / "scenarios" / scenario)
        assert home.remit("apply", directory).code == 11  # permits that are new wait for another person
        done = home.remit("apply", directory, "--as", "lee")
        assert done.code == 0, done.err
        assert home.remit("diff", directory).code == 0
        yield Pdp(up.ready["api"], home.remit("pep", "add", "edge", "--json").json["token"])


def home_of(factory: pytest.TempPathFactory) -> Path:
    path = factory.mktemp("scenario") / "home"
    path.mkdir(mode=0o700)
    return path


@pytest.fixture(scope="module")
def todo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pdp]:
    yield from loaded(home_of(tmp_path_factory), "todo")


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pdp]:
    yield from loaded(home_of(tmp_path_factory), "gateway")


@pytest.fixture(scope="module")
def pdp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pdp]:
    yield from loaded(home_of(tmp_path_factory), "certification")


def test_the_files_are_whole() -> None:
    assert {name: len(found["evaluation"]) for name, found in VECTORS.items()} == FILES


@pytest.mark.requirement("authzen:interop")
@pytest.mark.parametrize("name", FILES)
def test_the_interop_scenarios_decide_as_they_say(request: pytest.FixtureRequest, name: str) -> None:
    pdp = request.getfixturevalue(name)
    for each in VECTORS[name]["evaluation"]:
        assert pdp.decision(each["request"]) is each["expected"], each["request"]
    for each in VECTORS[name].get("evaluations", ()):
        assert pdp.decisions(each["request"]) == [one["decision"] for one in each["expected"]], each["request"]


ALICE: dict[str, Any] = {"type": "user", "id": "alice"}
BOB: dict[str, Any] = {"type": "user", "id": "bob"}
ADMIN = BOB | {"properties": {"role": "admin"}}
READ: dict[str, Any] = {"name": "read"}
WRITE: dict[str, Any] = {"name": "write"}
ONE: dict[str, Any] = {"type": "record", "id": "record-1"}
TWO: dict[str, Any] = {"type": "record", "id": "record-2"}
ARCHIVED = TWO | {"properties": {"status": "archived"}}
CONTEXT = {"time": "2025-06-27T18:03-07:00", "ip": "192.168.1.1"}


def asked(subject: Any, action: Any, resource: Any, **more: Any) -> dict[str, Any]:
    return {"subject": subject, "action": action, "resource": resource, **more}


def deletes(*, soft: bool) -> dict[str, Any]:
    return {"name": "delete", "properties": {"soft": soft}}


# Sections 1.4, 2.2.1 to 2.2.9.
DECISIONS = [
    (asked(ALICE, READ, ONE), True),
    (asked(ALICE, WRITE, ONE), True),
    (asked(BOB, READ, ONE), True),
    (asked(BOB, WRITE, ONE), False),
    (asked(ALICE, WRITE, ARCHIVED), False),
    (asked(ADMIN, WRITE, ARCHIVED), True),
    (asked(ALICE, deletes(soft=True), ONE), True),
    (asked(ALICE, deletes(soft=False), ONE), False),
    (asked(ALICE, READ, ONE, context=CONTEXT), True),
    (asked(ALICE, READ, ONE, foo="bar", futureField={"nested": True}), True),
    (
        asked(
            ALICE | {"properties": {"department": "Sales", "role": "manager"}},
            READ | {"properties": {"method": "GET"}},
            ONE | {"properties": {"status": "active", "owner": "bob"}},
        ),
        True,
    ),
]


@pytest.mark.requirement("authzen:certification")
def test_basic(pdp: Pdp) -> None:
    for body, expected in DECISIONS * 2:  # 2.6: the same again
        assert pdp.decision(body) is expected, body
        assert pdp.decision(body | {"context": CONTEXT}) is expected, body


def test_what_is_stored_wins_over_what_is_sent(pdp: Pdp) -> None:
    unarchived = TWO | {"properties": {"status": "active"}}
    assert pdp.decision(asked(ALICE, WRITE, unarchived)) is False
    assert pdp.decision(asked(ALICE | {"properties": {"role": "admin"}}, WRITE, ARCHIVED)) is True  # stored without one
    assert pdp.decision(asked(BOB | {"properties": {"role": "guest"}}, WRITE, ARCHIVED)) is True


@pytest.mark.requirement("authzen:certification")
def test_basic_errors(pdp: Pdp) -> None:
    whole = asked(ALICE, READ, ONE)
    wrong: list[Any] = [
        *({name: part for name, part in whole.items() if name != gone} for gone in whole),
        *(
            whole | {part: {name: value for name, value in whole[part].items() if name != gone}}
            for part, gone in (
                ("subject", "type"),
                ("subject", "id"),
                ("action", "name"),
                ("resource", "type"),
                ("resource", "id"),
            )
        ),
        whole | {"subject": "alice"},
        whole | {"action": {"name": 123}},
        [whole],
    ]
    for body in wrong:
        assert pdp.ask("evaluation", body).status == 400, body
    assert pdp.send(PLACE + "evaluation", b"{").status == 400
    assert pdp.send(PLACE + "evaluation", b"").status == 400
    assert pdp.ask("evaluation", whole, content_type="text/plain").status == 415
    assert pdp.ask("evaluation", whole, content_type="application/json; charset=utf-8").status == 200
    assert pdp.ask("evaluation", whole, x_request_id="bfe9eb29").headers["x-request-id"] == "bfe9eb29"
    unknown = pdp.ask("evaluation", whole, authorization="Bearer nobody")
    assert (unknown.status, unknown.headers["www-authenticate"][:6]) == (401, "Bearer")
    assert pdp.send(PLACE + "evaluation", method="GET").status == 405
    assert pdp.send(PLACE + "nothing").status == 404


@pytest.mark.requirement("authzen:batch")
def test_batch(pdp: Pdp) -> None:
    def batch(*items: Any, **defaults: Any) -> dict[str, Any]:
        return {**defaults, "evaluations": list(items)}

    def resource(of: Any) -> dict[str, Any]:
        return {"resource": of}

    active = ONE | {"properties": {"status": "active"}}
    cases = [  # 3.2.1 to 3.2.6, 3.4.1
        (batch(resource(ONE), resource(TWO), subject=ALICE, action=READ), [True, True]),
        (batch({"action": READ}, {"action": WRITE}, subject=BOB, resource=ONE), [True, False]),
        (batch(resource(active), resource(ARCHIVED), subject=ALICE, action=WRITE), [True, False]),
        (batch({"subject": ALICE}, {"subject": ADMIN}, action=WRITE, resource=ARCHIVED), [False, True]),
        (batch(asked(ALICE, READ, ONE), asked(BOB, WRITE, ONE)), [True, False]),
        (batch(resource(ONE), resource(TWO) | {"context": CONTEXT}, subject=ALICE, action=READ), [True, True]),
        (batch(resource(ONE), {}, subject=ALICE, action=READ), [True, False]),
        # 3.2.7, an advisory: a resource takes the place of the default as a whole, so the first has no type.
        (
            batch(
                resource({"id": "record-1"}), resource(ONE), subject=ALICE, action=WRITE, resource={"type": "record"}
            ),
            [False, True],
        ),
    ]
    for body, expected in cases:
        assert pdp.decisions(body) == expected, body
    for body in (asked(ALICE, READ, ONE), asked(ALICE, READ, ONE, evaluations=[])):
        assert pdp.ask("evaluations", body).body == {"decision": True}


@pytest.mark.requirement("authzen:batch")
def test_batch_semantics(pdp: Pdp) -> None:
    body: dict[str, Any] = {
        "subject": BOB,
        "resource": ONE,
        "evaluations": [{"action": READ}, {"action": WRITE}, {"action": READ}],
    }
    for semantic, expected in (
        ("execute_all", [True, False, True]),
        ("deny_on_first_deny", [True, False]),
        ("permit_on_first_permit", [True]),
    ):
        answer = pdp.ask("evaluations", body | {"options": {"evaluations_semantic": semantic}})
        assert [each["decision"] for each in answer.body["evaluations"]] == expected
        ids = answer.headers["remit-decision"].split(", ")
        assert len(set(ids)) == len(expected)
        assert all(each.startswith("dec_") for each in ids)
    assert pdp.ask("evaluations", body | {"options": {"evaluations_semantic": "any"}}).status == 400
    assert pdp.ask("evaluations", body | {"evaluations": [{}] * 101}).status == 400


# Sections 1.5, 4.2 to 4.4, 4.6.
SEARCHES: list[tuple[str, dict[str, Any], list[str]]] = [
    ("subject", asked({"type": "user"}, READ, ONE), ["alice", "bob"]),
    ("subject", asked({"type": "user"}, READ, ONE, context=CONTEXT), ["alice", "bob"]),
    ("subject", asked({"type": "user", "id": "bob"}, WRITE, ARCHIVED), ["bob"]),
    ("resource", asked(ALICE, READ, {"type": "record"}), ["record-1", "record-2"]),
    ("resource", asked(ADMIN, WRITE, {"type": "record"}), ["record-2"]),
    ("action", {"subject": ALICE, "resource": ONE}, ["read", "write"]),
    ("action", {"subject": ADMIN, "resource": ARCHIVED, "context": CONTEXT}, ["read", "write"]),
    ("action", {"subject": {"type": "user", "id": "nobody"}, "resource": ONE}, ["read"]),
    ("subject", asked({"type": "spaceship"}, READ, ONE), []),
    ("action", {"subject": {"type": "spaceship", "id": "1"}, "resource": ONE}, []),
]


@pytest.mark.requirement("authzen:search")
def test_search(pdp: Pdp) -> None:
    for gap, body, expected in SEARCHES:
        answer = pdp.ask(f"search/{gap}", body)
        assert answer.status == 200, answer
        key = "name" if gap == "action" else "id"
        assert [each[key] for each in answer.body["results"]] == expected, body
        assert answer.body["page"] == {"next_token": "", "count": len(expected), "total": len(expected)}
        if gap != "action":
            assert {each["type"] for each in answer.body["results"]} <= {body[gap]["type"]}


@pytest.mark.requirement("authzen:search")
def test_search_in_pages(pdp: Pdp) -> None:
    body = asked({"type": "user"}, READ, ONE)
    first = pdp.ask("search/subject", body | {"page": {"limit": 1}}).body
    assert (first["results"], first["page"]["count"]) == ([{"type": "user", "id": "alice"}], 1)
    token = first["page"]["next_token"]
    second = pdp.ask("search/subject", body | {"page": {"token": token}}).body
    assert second == {"results": [{"type": "user", "id": "bob"}], "page": {"next_token": "", "count": 1}}
    # A token is of the question that it was made for, and of nothing else.
    assert pdp.ask("search/subject", body | {"action": WRITE, "page": {"token": token}}).status == 400
    limits: list[Any] = [{"limit": each} for each in (0, True, "1", None)]
    for page in ({"token": token[:-4] + "AAAA"}, {"token": 1}, [], *limits):
        assert pdp.ask("search/subject", body | {"page": page}).status == 400, page


@pytest.mark.requirement("authzen:search")
def test_search_errors(pdp: Pdp) -> None:
    for gap, body in (
        ("subject", {"subject": {"type": "user"}, "resource": ONE}),
        ("resource", {"action": READ, "resource": {"type": "record"}}),
        ("action", {"subject": ALICE}),
        ("subject", asked({"type": "user"}, READ, {"type": "record"})),
        ("resource", asked({"type": "user"}, READ, {"type": "record"})),
    ):
        assert pdp.ask(f"search/{gap}", body).status == 400, body
    assert pdp.ask("search/everything", {}).status == 404


@pytest.mark.requirement("authzen:discovery")
def test_discovery(pdp: Pdp) -> None:
    answer = pdp.send("/.well-known/authzen-configuration", method="GET")
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    said = answer.body
    assert said["policy_decision_point"] == pdp.url
    places = {name: said[name] for name in said if name.endswith("_endpoint")}
    assert places == {
        "access_evaluation_endpoint": pdp.url + PLACE + "evaluation",
        "access_request_endpoint": pdp.url + PLACE + "requests",
        "access_evaluations_endpoint": pdp.url + PLACE + "evaluations",
        **{f"search_{gap}_endpoint": f"{pdp.url}{PLACE}search/{gap}" for gap in ("subject", "resource", "action")},
    }
    assert all(isinstance(each, str) for each in said["capabilities"])
    keys = pdp.send(urlsplit(said["jwks_uri"]).path, method="GET").body["keys"]
    known = {key["kid"]: public_key(key) for key in keys}
    _, verified = jose.verify(
        said["signed_metadata"],
        typ="remit-authzen-metadata+jwt",
        algorithms=["ES256"],
        key=lambda header: known.get(header["kid"]),
    )
    assert verified.pop("iss") == pdp.url
    assert verified == {name: value for name, value in said.items() if name != "signed_metadata"}


def test_an_answer_is_a_decision_in_the_log_that_names_its_policies_and_no_property(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    path = home_of(tmp_path_factory)
    for pdp in loaded(path, "certification"):
        answer = pdp.ask("evaluation", asked(ADMIN, WRITE, TWO | {"properties": {"status": "s3cret-status"}}))
        told = Home(path).remit("why", answer.headers["remit-decision"], "--json").json
        header = told["header"]
        assert (header["decision"], header["forwarded"], header["pep"]) == ("allow", False, "edge")
        assert (header["subject"], header["action"], header["resource"]) == ("user:bob", "write", "record:record-2")
        assert header["named"] == ["admins-write-archived"]
        assert "s3cret-status" not in json.dumps(header)
        assert Home(path).remit("why", answer.headers["remit-decision"]).code == 0
