"""OCSF events of API calls, in each way they come in files."""

from __future__ import annotations

import json
from typing import Any

import pytest

from remit.certification.usage.ingest import Line
from remit.certification.usage.model import Kind, RefusedLine
from remit.connectors.mapping import EMPTY, Mapping
from remit.connectors.model import Passed
from remit.connectors.ocsf import read
from remit.kernel.errors import ConfigInvalid, Malformed

MAPPING = Mapping(identities=(("arn:aws:iam::*:user/deploy-bot", "deploy-bot"), ("svc-*", "deploy-bot")))


def event(**changes: Any) -> dict[str, Any]:
    """An API Activity, as CloudTrail is mapped to it."""
    return {
        "activity_id": 2,
        "activity_name": "Read",
        "actor": {
            "invoked_by": None,
            "session": {"created_time": 0, "issuer": None},
            "user": {
                "account": {"uid": "111122223333"}, "name": "deploy-bot", "type": "IAMUser",
                "uid": "arn:aws:iam::111122223333:user/deploy-bot", "uid_alt": "AIDADO2GQEXAMPLE",
            },
        },
        "api": {
            "operation": "DescribeDirectConnectGateways",
            "request": {"data": {"secret": "x"}, "uid": "1c8a6220-4263-4763-b526-example"},
            "response": {"data": {}, "error": None, "message": None},
            "service": {"name": "directconnect.amazonaws.com"},
            "version": None,
        },
        "category_uid": 6,
        "class_name": "API Activity",
        "class_uid": 6003,
        "cloud": {"provider": "AWS", "region": "us-east-1"},
        "metadata": {"log_name": "AwsApiCall", "uid": "71c88be9-ea5c-43c7-8c82-example", "version": "1.1.0"},
        "severity_id": 1,
        "status_id": 1,
        "time": 1_793_523_612_123,
        "type_uid": 600_302,
        **changes,
    }  # fmt: skip


def reads(body: str, mapping: Mapping = MAPPING) -> list[Any]:
    return list(read([body.encode()], mapping, "lake"))


@pytest.mark.parametrize(
    "write",
    [
        lambda events: "\n".join(json.dumps(each) for each in events),
        lambda events: "\n".join(json.dumps(each, indent=2) for each in events),
        json.dumps,
        lambda events: json.dumps(events, indent=2),
    ],
    ids=["lines", "pretty", "list", "pretty list"],
)
def test_each_way_of_writing_reads_the_same(write: Any) -> None:
    found = reads(write([event(), event(class_uid=3002), event()]))
    assert [type(each) for each in found] == [Line, Passed, Line]
    told = found[0].event
    assert (told.agent, told.action, told.kind) == (
        "deploy-bot", "aws-directconnect/DescribeDirectConnectGateways", Kind.USE,
    )  # fmt: skip
    assert (told.at, told.id) == (1_793_523_612_123_000, "71c88be9-ea5c-43c7-8c82-example")
    assert json.loads(told.body) == {"region": "us-east-1"}


def test_one_event_alone() -> None:
    assert len(reads(json.dumps(event()))) == len(reads(json.dumps(event(), indent=1))) == 1


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({}, Kind.USE), ({"status_id": 99}, Kind.USE), ({"status_id": 2}, Kind.ERROR),
        ({"status_id": 2, "api": {**event()["api"], "response": {"error": "AccessDenied"}}}, Kind.DENIAL),
        ({"api": {**event()["api"], "response": {"error": "NoSuchBucket"}}}, Kind.ERROR),
    ],
)  # fmt: skip
def test_outcomes(changes: dict[str, Any], kind: Kind) -> None:
    (found,) = reads(json.dumps(event(**changes)))
    assert found.event.kind is kind


def test_an_actor_may_be_an_application_and_a_stranger_is_passed_over() -> None:
    actors: list[Any] = [{"app_name": "svc-1"}, {"user": {}}, None]
    found = reads("\n".join(json.dumps(event(actor=actor)) for actor in actors))
    assert [type(each) for each in found] == [Line, Passed, Passed]


@pytest.mark.parametrize(
    "wrong",
    [
        "{", "[1]", "5", '{"a":1}', '{"class_uid":6003,"class_uid":6003}', json.dumps(event(class_uid="6003")),
        json.dumps(event(time=1.5)), json.dumps(event(time="now")), json.dumps(event(api=None)),
        json.dumps(event(metadata={})), json.dumps(event(api={"operation": "x"})),
    ],
)  # fmt: skip
def test_a_bad_line_is_refused_by_itself(wrong: str) -> None:
    found = reads("\n".join([json.dumps(event()), wrong, json.dumps(event())]))
    assert [(type(each), each.line) for each in found] == [(Line, 1), (RefusedLine, 2), (Line, 3)]


@pytest.mark.parametrize("body", ["hello\nworld", '{"a":1}\n{"b":2}'])
def test_another_file_is_refused_whole(body: str) -> None:
    with pytest.raises(Malformed, match="not a file of OCSF events"):
        reads(body)


def test_without_a_mapping_nobody_is_known() -> None:
    with pytest.raises(ConfigInvalid, match="no mapping"):
        reads(json.dumps(event()), EMPTY)
