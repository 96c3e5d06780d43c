"""Whose calls are refused for a credential is told, and what could not be taken away; what is well is not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from remit.catalog.injection import Injection
from remit.catalog.model import Server
from remit.kernel.clock import HOUR, SECOND, Instant, Micros
from remit.kernel.names import AgentName, InstanceId, OwnerName, SecretName, ServerName
from remit.server.health import Status
from remit.server.secret_health import left_behind, needed, not_gone
from remit.vault.document import Cause, Dynamic, Rotate, SecretDocument
from remit.vault.lease import Lease, LeaseState
from remit.vault.model import Version, VersionState
from remit.vault.rotation import Rotation, Step
from remit.vault.rotation_sql import Stored
from remit.vault.service import Known

NOW = Instant(1_800_000_000 * SECOND)
NAME = SecretName("key")
SERVERS = [
    Server(
        server=ServerName(name), url="http://a.test/mcp", tiers=(), review="quarantine", tools={}, set_pin="",
        credential=Injection(secret=secret, header="Authorization", format="{}") if secret else None,
    )
    for name, secret in (("crm", NAME), ("mail", NAME), ("open", None))
]  # fmt: skip
VERSION = Version(
    secret=NAME, version=1, state=VersionState.ACTIVE, sealed=b"x", key="k", attributes={}, made=NOW, since=NOW
)
WELL = Known(secret=NAME, active=1, changed=NOW, held={1: VERSION}, document=None)
MISSING = replace(WELL, active=0, held={})
DOCUMENT = SecretDocument(secret=NAME, owner=OwnerName("dana"))


@pytest.mark.parametrize(
    ("known", "said", "try_"),
    [
        ([WELL], None, ""),
        ([], "not set", "printf %s VALUE | remit secret set key"),
        ([MISSING], "not set", "printf %s VALUE | remit secret set key"),
        (
            [replace(MISSING, document=replace(DOCUMENT, rotate=Rotate(rotator="http", settings={})))],
            "not set", "remit secret rotate key",
        ),
        ([replace(WELL, held={1: replace(VERSION, exposed=NOW)})], "exposed", "remit secret show key"),
        (
            [replace(MISSING, document=replace(DOCUMENT, dynamic=Dynamic(maker="m", settings={}, ttl=Micros(HOUR))))],
            None, "",
        ),
    ],
)  # fmt: skip
def test_a_credential_that_calls_cannot_use(known: list[Known], said: str | None, try_: str) -> None:
    found = list(needed(known, SERVERS))
    if said is None:
        assert found == []
        return
    (check,) = found
    assert (check.check, check.status) == ("secret key", Status.WARN)
    assert (check.detail, check.try_) == (f"{said}: calls of crm, mail are refused", try_)


def test_a_secret_that_no_server_needs_is_nobodys_trouble() -> None:
    assert list(needed([MISSING], SERVERS[2:])) == []


def test_what_could_not_be_taken_away_is_told_while_it_lasts() -> None:
    rotation = Rotation(
        rotation="rot_1", secret=NAME, cause=Cause.AGE, by="remit", new=2, old=1, step=Step.REVOKE, started=NOW,
        since=NOW, drained=Micros(0),
    )  # fmt: skip
    lease = Lease(
        lease="lea_1", secret=NAME, agent=AgentName("bot"), instance=InstanceId("i"), state=LeaseState.ENDING,
        maker="postgres", settings={}, purpose="p", action="a/b", node="n", made=NOW, since=NOW, ends=NOW,
    )  # fmt: skip
    assert list(not_gone([Stored(rotation, None)], [lease])) == []
    late = replace(rotation, incident=NOW)
    assert list(not_gone([Stored(late, NOW)], [])) == []
    found = [*not_gone([Stored(late, None)], [replace(lease, incident=NOW), replace(lease, incident=NOW), lease])]
    assert [(each.check, each.try_) for each in found] == [
        ("secret key", "remit secret rotations key"), ("secret key", "remit secret leases key"),
    ]  # fmt: skip
    assert found[1].detail.startswith("2 of its leases")


def test_a_version_that_a_rotation_left_behind_is_told_until_it_is_ended() -> None:
    left = replace(VERSION, state=VersionState.DRAINING)
    known = replace(WELL, active=2, held={1: left, 2: replace(VERSION, version=2)})
    rotation = Rotation(
        rotation="rot_1", secret=NAME, cause=Cause.AGE, by="remit", new=2, old=1, step=Step.UNDONE, started=NOW,
        since=NOW, drained=Micros(0),
    )  # fmt: skip
    going = replace(rotation, rotation="rot_2", step=Step.REVOKE)
    (check,) = left_behind([known], [Stored(rotation, NOW)])
    assert (check.check, check.try_) == ("secret key", "remit secret end key --version 1")
    assert list(left_behind([known], [Stored(rotation, NOW), Stored(going, None)])) == []
    assert list(left_behind([known], [Stored(replace(rotation, step=Step.DONE), NOW)])) == []
    assert list(left_behind([replace(known, held={2: known.held[2]})], [Stored(rotation, NOW)])) == []
