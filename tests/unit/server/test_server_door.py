import json
from collections.abc import Mapping
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from remit.kernel.clock import FixedClock, Instant
from remit.kernel.errors import Malformed, NotFound
from remit.server import operator_tokens
from remit.server.door import Ask, Door, Porch, checked
from remit.server.operator_tokens import Doorkeeper, Known, token_hash
from remit.server.operators import Authority, Role


def keeper(*, dev: bool = False) -> Doorkeeper:
    found = Doorkeeper(clock=FixedClock(1000), dev=dev)
    found._known = {
        token_hash(token): Known(
            token_hash=token_hash(token), person=person, role=role, created=Instant(0), expires=Instant(expires)
        )
        for token, person, role, expires in (
            ("adm", "admin", Role.ADMIN, 2**62),
            ("own", "dana", Role.OWNER, 2000),
            ("old", "dana", Role.OWNER, 1000),
            ("aud", "abe", Role.AUDITOR, 2000),
        )
    }
    return found


def echo(ask: Ask) -> Mapping[str, Any]:
    return {"person": ask.operator.person, "behind": ask.operator.behind, "path": dict(ask.path), "body": ask.body}


def missing(_ask: Ask) -> Mapping[str, Any]:
    raise NotFound("no such thing", detail="private")


DOORS = [
    Door(method="GET", path="/v1/x/{name}", summary="", action="read", handle=echo),
    Door(method="POST", path="/v1/x", summary="", action="setSecret", handle=echo, body="json",
         fields={"name": "string", "count": "integer?", "on": "boolean?"}, status=201),
    Door(method="PUT", path="/v1/raw", summary="", action="setSecret",
         handle=lambda ask: {"size": len(ask.body)}, body="bytes"),
    Door(method="GET", path="/v1/missing", summary="", action="read", handle=missing),
    Door(method="POST", path="/v1/own/{name}", summary="", action="freeze", handle=echo,
         owners=lambda ask: ["dana"] if ask.path["name"] == "hers" else ["lee"]),
]  # fmt: skip


def client(*, dev: bool = False, token: str | None = "adm") -> TestClient:  # noqa: S107 - a test's token
    porch = Porch(keeper=keeper(dev=dev), authority=Authority.shipped(), body_limit=1000, dev=dev)
    app = Starlette(routes=[porch.route(door) for door in DOORS])
    return TestClient(app, headers={"authorization": f"Bearer {token}"} if token else {})


def code(response: Any) -> tuple[int, str]:
    assert response.headers["content-type"] == "application/problem+json"
    return response.status_code, response.json()["code"]


@pytest.mark.parametrize("token", [None, "nope", "old", ""])
def test_without_a_token_that_works_nothing_is_looked_at(token: str | None) -> None:
    assert code(client(token=token).post("/v1/x", content=b"{not json")) == (401, "unauthenticated")


def test_a_token_opens_what_its_role_may() -> None:
    assert client(token="own").get("/v1/x/1").json()["person"] == "dana"
    assert code(client(token="aud").put("/v1/raw", content=b"x")) == (403, "forbidden")


@pytest.mark.parametrize(
    ("body", "media", "expected"),
    [
        (b'{"name": "a"}', "application/json", (201, "")),
        (b'{"name": "a"}', "application/json; charset=utf-8", (201, "")),
        (b'{"name": "a"}', "text/plain", (415, "unsupported_media_type")),
        (b'{"name": "a"}', None, (415, "unsupported_media_type")),
        (b"{", "application/json", (400, "malformed")),
        (b'{"name": "a", "name": "b"}', "application/json", (400, "malformed")),
        (b'{"name": "a", "count": NaN}', "application/json", (400, "malformed")),
        (b'{"name": "a", "count": true}', "application/json", (400, "malformed")),
        (b'{"name": 1}', "application/json", (400, "malformed")),
        (b'{"name": "a", "other": 1}', "application/json", (400, "malformed")),
        (b"{}", "application/json", (400, "malformed")),
        (b"[]", "application/json", (400, "malformed")),
        (b'\xff\xfe"', "application/json", (400, "malformed")),
        (b'{"name": "' + b"a" * 1000 + b'"}', "application/json", (413, "too_large")),
    ],
)
def test_a_body_is_read_strictly(body: bytes, media: str | None, expected: tuple[int, str]) -> None:
    response = client().post("/v1/x", content=body, headers={"content-type": media} if media else {})
    assert response.status_code == expected[0]
    if expected[1]:
        assert code(response) == expected


def test_a_body_without_a_length_is_cut_off_at_the_limit() -> None:
    chunks = (b"x" * 100 for _ in range(50))
    assert code(client().put("/v1/raw", content=chunks)) == (413, "too_large")


def test_a_body_where_none_is_taken_is_refused() -> None:
    assert code(client().request("GET", "/v1/x/1", content=b"{}")) == (400, "malformed")


def test_an_error_of_a_service_keeps_its_detail_private() -> None:
    response = client().get("/v1/missing")
    assert code(response) == (404, "not_found")
    assert "private" not in response.text


def test_ownership_decides_where_a_door_asks_for_it() -> None:
    assert client(token="own").post("/v1/own/hers").status_code == 200
    assert code(client(token="own").post("/v1/own/theirs")) == (403, "forbidden")


def test_acting_as_someone_needs_dev_and_the_admin_token() -> None:
    act = {"remit-act-as": "lee"}
    assert code(client().get("/v1/x/1", headers=act)) == (403, "forbidden")
    assert code(client(dev=True, token="own").get("/v1/x/1", headers=act)) == (403, "forbidden")
    assert code(client(dev=True).get("/v1/x/1", headers={"remit-act-as": "Not A Name"})) == (400, "malformed")
    response = client(dev=True).get("/v1/x/1", headers=act)
    assert (response.json()["person"], response.json()["behind"]) == ("lee", "admin")
    assert response.headers["remit-dev"] == "acting as another"
    assert client(dev=True).get("/v1/x/1").headers["remit-dev"] == "on"


def test_a_query_parameter_stands_there_once() -> None:
    assert code(client().get("/v1/x/1?a=1&a=2")) == (400, "malformed")


@pytest.mark.parametrize("text", ["-1", "1.5", "²", "11", "", "1e3", "9" * 5000])
def test_a_number_of_the_query_is_whole_and_bounded(text: str) -> None:
    ask = Ask(operator=keeper().operator(authorization="Bearer adm", act_as=None), path={}, query={"n": text})
    with pytest.raises(Malformed):
        ask.number("n", default=1, most=10)
    assert ask.number("other", default=1, most=10) == 1


def test_null_is_a_field_left_out() -> None:
    assert checked({"a": None}, {"a": "string?"}) == {"a": None}
    with pytest.raises(Malformed):
        checked({"a": None}, {"a": "string"})


def test_a_stored_hash_is_of_the_whole_token() -> None:
    assert operator_tokens.token_hash("a") != operator_tokens.token_hash("a ")
    assert json.dumps(token_hash("a"))


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1, 10**21])
def test_a_number_that_no_database_keeps_is_malformed(number: int) -> None:
    with pytest.raises(Malformed, match="64 bits"):
        checked({"a": number}, {"a": "integer?"})
    assert checked({"a": 2**63 - 1, "b": -(2**63)}, {"a": "integer", "b": "integer"})
