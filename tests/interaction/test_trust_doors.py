"""Who may say whose word is taken, and what of it stands in the log."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient
from tests.interaction.desk import Desk
from tests.unit.attestation.issuer import BASE, Key, key_set

from remit.attestation.issuer_keys import IssuerKeys
from remit.attestation.ports import Loaded
from remit.attestation.trust import Trust
from remit.attestation.trusts import Trusts
from remit.outbound.model import OutboundFailed
from remit.server.door import Porch
from remit.server.http_trusts import TrustDoors
from remit.server.operators import Authority

GITHUB = {"trust": "github", "preset": "github_actions", "audience": BASE}


class Doors:
    """The doors of this part of the API, with people at them."""

    def __init__(self, desk: Desk) -> None:
        self.desk, rig = desk, desk.rig
        self.known, self.asked = Trusts(), []  # type: ignore[var-annotated]
        rig.writer.feed.subscribe(self.known.follow)
        doors = TrustDoors(
            base=BASE, writer=rig.writer, records=rig.records, known=self.known, clock=rig.clock,
            keys=IssuerKeys(self._load, rig.clock),
        ).doors()  # fmt: skip
        porch = Porch(keeper=desk.keeper, authority=Authority.shipped(), body_limit=1 << 20, dev=False)
        self.app = Starlette(routes=[porch.route(door) for door in doors])

    def _load(self, trust: Trust) -> Loaded:
        self.asked.append(trust.trust)
        raise OutboundFailed("the server could not be reached", sent=False)

    def ask(self, role: str, method: str, path: str, body: object = None) -> tuple[int, Any]:
        token = self.desk.admin if role == "admin" else self.desk.token("sam", role)
        answer = TestClient(self.app, headers={"authorization": f"Bearer {token}"}).request(method, path, json=body)
        return answer.status_code, answer.json()


@pytest.fixture
def doors(desk: Desk) -> Doors:
    return Doors(desk)


@pytest.mark.parametrize(
    ("role", "declares", "removes"),
    [("admin", 201, 200), ("operator", 201, 200), ("security", 403, 200), ("owner", 403, 403), ("reviewer", 403, 403),
     ("auditor", 403, 403), ("viewer", 403, 403)],
)  # fmt: skip
def test_who_may(doors: Doors, role: str, declares: int, removes: int) -> None:
    assert doors.ask(role, "POST", "/v1/trusts", GITHUB)[0] == declares
    if declares != 201:
        doors.ask("operator", "POST", "/v1/trusts", GITHUB)
    status, found = doors.ask(role, "GET", "/v1/trusts")
    assert (status, [each["trust"] for each in found["trusts"]]) == (200, ["github"])
    assert doors.ask(role, "DELETE", "/v1/trusts/github")[0] == removes


def test_what_a_trust_is(doors: Doors) -> None:
    status, made = doors.ask("operator", "POST", "/v1/trusts", GITHUB)
    assert status == 201
    assert made == {
        "trust": "github", "preset": "github_actions", "issuer": "https://token.actions.githubusercontent.com",
        "audience": BASE, "algorithms": ["RS256"], "source": "discovery", "private": False, "reuse": False,
        "max_age_seconds": 900, "keys": 0, "fetched": None, "failure": None,
    }  # fmt: skip
    assert doors.ask("viewer", "GET", "/v1/trusts/github") == (200, made)
    (entry,) = doors.desk.rig.entries("trust")
    assert (entry["name"], entry["change"], entry["by"], entry["issuer"]) == ("github", "create", "sam", made["issuer"])
    assert entry["after"]
    assert doors.ask("operator", "DELETE", "/v1/trusts/github") == (200, {"trust": "github", "removed": True})
    assert doors.desk.rig.entries("trust")[1]["before"] == entry["after"]
    assert doors.known.of_issuer(made["issuer"]) is None
    assert doors.asked == []  # declaring an issuer calls nobody


def test_keys_that_were_given_are_shown(doors: Doors) -> None:
    keys = key_set(Key("ES256"))
    said = {"trust": "idp", "issuer": "https://idp.example", "audience": BASE, "jwks": keys}
    assert doors.ask("operator", "POST", "/v1/trusts", said)[1]["keys"] == 1
    found = doors.ask("viewer", "GET", "/v1/trusts/idp")[1]
    assert (found["jwks"], found["source"]) == (keys, "file")


def test_one_issuer_has_one_trust_and_a_name_is_taken_once(doors: Doors) -> None:
    assert doors.ask("operator", "POST", "/v1/trusts", GITHUB)[0] == 201
    assert doors.ask("operator", "POST", "/v1/trusts", GITHUB)[0] == 409
    assert doors.ask("operator", "POST", "/v1/trusts", GITHUB | {"trust": "other"})[0] == 409
    assert doors.ask("operator", "GET", "/v1/trusts/none")[0] == 404
    assert doors.ask("operator", "DELETE", "/v1/trusts/none")[0] == 404


@pytest.mark.parametrize(
    "said", [{"trust": "x"}, GITHUB | {"audience": "https://github.com/a"}, GITHUB | {"max_age": "9d"}]
)
def test_what_is_no_trust_is_told_with_its_reason(doors: Doors, said: Any) -> None:
    status, answer = doors.ask("operator", "POST", "/v1/trusts", said)
    assert (status, answer["code"]) == (422, "config_invalid")
    assert doors.ask("operator", "POST", "/v1/trusts", GITHUB | {"secret": "x"})[0] == 400
