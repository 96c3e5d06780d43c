"""OpenID AuthZEN's interoperability scenarios and certification scenario against the reading of requests.

Their types are an organisation's own, and this version declares none: each request is
understood, and none of them is about anything that an agent could be allowed.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from remit.enforcement.authzen import call, hidden, question
from remit.enforcement.model import Point
from remit.kernel.canonical import parse
from remit.kernel.errors import Malformed
from remit.kernel.names import DecisionId, PurposeName
from remit.server.evaluation import discovery

HERE = Path(__file__).parent / "vectors"
FILES = {"authzen_todo_decisions.json": 40, "authzen_gateway_decisions.json": 25}
EDGE = Point("edge", "e" * 43)
CASES = [
    pytest.param(each["request"], each["expected"], id=f"{name[8:12]}-{at}")
    for name in FILES
    for at, each in enumerate(json.loads((HERE / name).read_text(encoding="utf-8"))["evaluation"])
]
# The certification scenario's eight single evaluations.
ALICE = {"type": "user", "id": "alice"}
BOB = {"type": "user", "id": "bob", "properties": {"role": "admin"}}
RECORD, ARCHIVED = (
    {"type": "record", "id": name, "properties": {"status": status}}
    for name, status in (("record-1", "active"), ("record-2", "archived"))
)
CERTIFICATION = [
    (ALICE, {"name": "read"}, RECORD, True),
    (ALICE, {"name": "write"}, RECORD, True),
    (BOB, {"name": "read"}, RECORD, True),
    (BOB, {"name": "write"}, RECORD, False),
    (ALICE, {"name": "write"}, ARCHIVED, False),
    (BOB, {"name": "write"}, ARCHIVED, True),
    (ALICE, {"name": "delete", "properties": {"soft": True}}, RECORD, True),
    (ALICE, {"name": "delete", "properties": {"soft": False}}, RECORD, False),
]


def decided(request: dict[str, Any]) -> dict[str, Any]:
    """What is answered, whoever and whatever is registered here."""
    asked = question(parse(json.dumps(request)))
    assert call(asked, id=DecisionId("dec_1"), point=EDGE, purposes=(PurposeName("any"),)) is None
    return hidden(asked, docs="https://docs.test")


def test_the_files_are_whole() -> None:
    assert len(CASES) == sum(FILES.values())


@pytest.mark.requirement("authzen:interop")
@pytest.mark.parametrize(("request_", "expected"), CASES)
def test_an_interop_request_is_understood_and_never_wrongly_allowed(
    request_: dict[str, Any], *, expected: bool
) -> None:
    answer = decided(request_)
    assert answer["decision"] is False
    assert answer["decision"] <= expected
    assert answer["context"]["action"] == request_["action"]["name"]


@pytest.mark.parametrize(("subject", "action", "resource", "expected"), CERTIFICATION)
def test_a_certification_request_likewise(
    subject: dict[str, Any], action: dict[str, Any], resource: dict[str, Any], *, expected: bool
) -> None:
    asked = {"subject": subject, "action": action, "resource": resource}
    assert (
        decided(asked | {"context": {"time": "2026-11-26T12:00:00Z", "purpose": {"free": "form"}}})["decision"]
        <= expected
    )
    for gone in asked:
        with pytest.raises(Malformed, match=gone):
            question({name: value for name, value in asked.items() if name != gone})


@pytest.mark.requirement("authzen:discovery")
def test_the_configuration_names_what_there_is() -> None:
    route = discovery("https://remit.test")
    assert route.path == "/.well-known/authzen-configuration"
    answer = route.endpoint(None)
    assert json.loads(answer.body) == {
        "policy_decision_point": "https://remit.test",
        "access_evaluation_endpoint": "https://remit.test/access/v1/evaluation",
        "access_request_endpoint": "https://remit.test/access/v1/requests",
        "capabilities": ["urn:openid:authzen:capability:access-request"],
    }
