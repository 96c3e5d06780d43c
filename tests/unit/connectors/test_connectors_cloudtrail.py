"""CloudTrail log files as AWS writes them, and as they arrive damaged."""

from __future__ import annotations

import json
from typing import Any

import pytest

from remit.certification.usage.ingest import Line
from remit.certification.usage.model import Kind, RefusedLine
from remit.connectors.cloudtrail import kind_of, read
from remit.connectors.mapping import EMPTY, Mapping
from remit.connectors.model import Passed
from remit.kernel.errors import ConfigInvalid, Malformed

MAPPING = Mapping(
    identities=(
        ("arn:aws:sts::111122223333:assumed-role/invoice-bot/*", "invoice-bot"),
        ("arn:aws:iam::*:user/legacy-bot", "legacy-bot"),
        ("arn:aws:iam::*:role/reports-*", "reports"),
    ),
    servers=(("dynamodb.amazonaws.com", "ledger"),),
)


def record(**changes: Any) -> dict[str, Any]:
    """A data event of S3, by an assumed role."""
    return {
        "eventVersion": "1.09",
        "userIdentity": {
            "type": "AssumedRole",
            "principalId": "AROAIDPPEZS35WEXAMPLE:run-42",
            "arn": "arn:aws:sts::111122223333:assumed-role/invoice-bot/run-42",
            "accountId": "111122223333",
            "accessKeyId": "ASIAIOSFODNN7EXAMPLE",
            "sessionContext": {
                "sessionIssuer": {
                    "type": "Role",
                    "principalId": "AROAIDPPEZS35WEXAMPLE",
                    "arn": "arn:aws:iam::111122223333:role/invoice-bot",
                    "accountId": "111122223333",
                    "userName": "invoice-bot",
                },
                "attributes": {"creationDate": "2026-11-01T09:00:00Z", "mfaAuthenticated": "false"},
            },
        },
        "eventTime": "2026-11-01T09:00:12Z",
        "eventSource": "s3.amazonaws.com",
        "eventName": "GetObject",
        "awsRegion": "eu-central-1",
        "sourceIPAddress": "203.0.113.64",
        "userAgent": "[aws-sdk-python/1.40]",
        "requestParameters": {"bucketName": "invoices", "key": "2026/11/secret.pdf", "Host": "s3.amazonaws.com"},
        "responseElements": None,
        "additionalEventData": {"bytesTransferredOut": 1.5e3},
        "requestID": "A1B2C3D4E5F60718",
        "eventID": "0a1b2c3d-1111-2222-3333-444455556666",
        "readOnly": True,
        "resources": [{"type": "AWS::S3::Object", "ARN": "arn:aws:s3:::invoices/2026/11/secret.pdf"}],
        "eventType": "AwsApiCall",
        "managementEvent": False,
        "recipientAccountId": "111122223333",
        "eventCategory": "Data",
        **changes,
    }


def reads(*records: Any, mapping: Mapping = MAPPING) -> list[Any]:
    return list(read([json.dumps({"Records": list(records)}).encode()], mapping, "aws"))


def test_a_call_of_an_assumed_role_becomes_a_use() -> None:
    (found,) = reads(record())
    assert isinstance(found, Line)
    event = found.event
    assert (event.source, event.id, event.kind) == ("aws", "0a1b2c3d-1111-2222-3333-444455556666", Kind.USE)
    assert (event.agent, event.action, event.purpose) == ("invoice-bot", "aws-s3/GetObject", "")
    assert event.at == 1_793_523_612_000_000
    assert json.loads(event.body) == {
        "account": "111122223333", "region": "eu-central-1", "request": "A1B2C3D4E5F60718",
    }  # fmt: skip
    assert "secret.pdf" not in event.body


@pytest.mark.parametrize(
    ("identity", "agent"),
    [
        ({"type": "IAMUser", "arn": "arn:aws:iam::9:user/legacy-bot", "userName": "legacy-bot"}, "legacy-bot"),
        (
            {
                "type": "AssumedRole",
                "arn": "arn:aws:sts::9:assumed-role/reports-eu/x",
                "sessionContext": {"sessionIssuer": {"arn": "arn:aws:iam::9:role/reports-eu"}},
            },
            "reports",
        ),
    ],
)
def test_users_and_roles_behind_sessions_are_known(identity: dict[str, Any], agent: str) -> None:
    (found,) = reads(record(userIdentity=identity))
    assert found.event.agent == agent


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("", Kind.USE), ("AccessDenied", Kind.DENIAL), ("AccessDeniedException", Kind.DENIAL),
        ("Client.UnauthorizedOperation", Kind.DENIAL), ("UnauthorizedOperation", Kind.DENIAL),
        ("NoSuchKey", Kind.ERROR), ("ThrottlingException", Kind.ERROR),
    ],
)  # fmt: skip
def test_error_codes(code: str, kind: Kind) -> None:
    assert kind_of(code) is kind
    (found,) = reads(record(errorCode=code, errorMessage="..."))
    assert found.event.kind is kind


def test_a_server_is_what_the_mapping_says() -> None:
    found = reads(
        record(eventSource="dynamodb.amazonaws.com", eventName="GetItem"), record(eventSource="kms.amazonaws.com")
    )
    assert [each.event.action for each in found] == ["ledger/GetItem", "aws-kms/GetObject"]


def test_people_and_what_is_no_call_are_passed_over() -> None:
    person = {"type": "IAMUser", "arn": "arn:aws:iam::9:user/Alice", "userName": "Alice"}
    found = reads(
        record(),
        record(userIdentity=person),
        record(eventType="AwsConsoleSignIn"),
        record(userIdentity={"type": "Root"}),
    )
    assert [type(each) for each in found] == [Line, Passed, Passed, Passed]


@pytest.mark.parametrize(
    "wrong",
    [
        5, {"eventName": "x"}, record(userIdentity=None), record(eventTime="yesterday"), record(eventID=None),
        record(eventName=None), record(eventName="a b"), record(eventSource=7), record(eventSource="a b.amazonaws.com"),
    ],
)  # fmt: skip
def test_a_damaged_record_is_refused_and_the_next_is_read(wrong: Any) -> None:
    found = reads(record(), [wrong] if wrong == 5 else wrong, record())
    assert [type(each) for each in found] == [Line, RefusedLine, Line]
    assert [each.line for each in found] == [1, 2, 3]
    assert not found[1].told


@pytest.mark.parametrize(
    "body", [b"", b"{}", b'{"records": []}', b"hello", b'{"Records": {}}', b'{"resourceSpans": []}']
)
def test_another_file_is_refused_whole(body: bytes) -> None:
    with pytest.raises(Malformed, match="not a CloudTrail log file"):
        list(read([body], MAPPING, "aws"))


def test_a_file_of_damaged_records_is_refused_whole() -> None:
    with pytest.raises(Malformed, match="not a CloudTrail log file"):
        reads({"a": 1}, {"b": 2})


def test_a_log_without_records_has_none() -> None:
    assert reads() == []


def test_a_file_that_breaks_off_keeps_what_came() -> None:
    body = json.dumps({"Records": [record(), record()]}).encode()[:-40]
    found: list[Any] = list(read([body], MAPPING, "aws"))
    assert [type(each) for each in found] == [Line, RefusedLine]
    assert "ends in the middle" in found[1].reason


def test_without_a_mapping_nobody_is_known() -> None:
    with pytest.raises(ConfigInvalid, match="no mapping"):
        reads(record(), mapping=EMPTY)
