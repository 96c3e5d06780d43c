"""RFC 7662 and RFC 7009: what a token is worth now, and its end before its time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import httpx2
import pytest
from sqlalchemy import Connection, func, select
from starlette.applications import Starlette
from starlette.testclient import TestClient

from remit.access.model import PurposeState
from remit.agents.model import AgentState
from remit.kernel.clock import MINUTE
from remit.kernel.errors import Unauthenticated
from remit.storage.schema import revoked_tokens
from remit.storage.sweep import Sweeper
from remit.tokens.check import TokenChecker, TokenInvalid
from remit.tokens.http import routes, status_routes
from remit.tokens.revoked import Revoked
from remit.tokens.status import TokenStatus

TOOLS = "http://remit.test/mcp/payments"
EXACTLY_INACTIVE = b'{"active":false}'


class OnePoint:
    """Implements remit.tokens.ports.EnforcementPoints."""

    def point(self, authorization: str | None) -> object:
        if authorization != "Bearer rmp_edge":
            raise Unauthenticated("this token is not known here")
        return "edge"


class Status:
    """The endpoints over a world of tokens."""

    def __init__(self, world: Any) -> None:
        self.world = world
        self.start()
        world.database.feed.subscribe(self.follow)

    def follow(self, epoch: int, topics: tuple[str, ...], connection: Connection) -> None:
        """The newest start's."""
        self.revoked.follow(epoch, topics, connection)

    def start(self) -> None:
        """As a server starts: what was revoked is read, and nothing else is known."""
        world = self.world
        self.revoked = Revoked(world.clock)
        world.database.reader.read(self.revoked.reload)
        world.checker = TokenChecker(world.ring.token_keys, issuer=world.base, revoked=self.revoked.has)
        status = TokenStatus(
            tokens=world.service, checker=world.checker, points=OnePoint(), standing=world.standing,
            writer=world.database.writer, records=world.service._records, clock=world.clock,
        )  # fmt: skip
        self.app = Starlette(routes=[*routes(world.service), *status_routes(status)])

    def post(self, path: str, form: dict[str, Any], **headers: str) -> httpx2.Response:
        with TestClient(self.app, base_url=self.world.base) as client:
            sent = {"content-type": "application/x-www-form-urlencoded", **headers}
            return client.post(f"/oauth2/{path}", content=urlencode(form, doseq=True), headers=sent)

    def agent(self, path: str, token: str | None, client: str = "invoice-bot", **more: Any) -> httpx2.Response:
        """An agent asks, by private_key_jwt."""
        key = self.world.plain_key if client == "plain-bot" else None
        form = self.world.form(grant_type=None, scope=None, client_assertion=self.world.assertion(client, key=key))
        return self.post(path, form | ({} if token is None else {"token": token}) | more)

    def edge(self, token: str, *resource: str, authorization: str = "Bearer rmp_edge") -> httpx2.Response:
        """An enforcement point asks."""
        return self.post("introspect", {"token": token, "resource": list(resource)}, authorization=authorization)

    def active(self, token: str) -> bool:
        found: bool = self.edge(token).json()["active"]
        return found


@pytest.fixture
def status(world: Any) -> Status:
    return Status(world)


@pytest.mark.requirement("introspection:active")
def test_an_active_token_is_described(status: Status, world: Any) -> None:
    token = world.token()
    answer = status.edge(token)
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    said = answer.json()
    claims = {name: said.pop(name) for name in ("jti", "run", "instance", "exp", "iat", "txn")}
    assert said == {
        "active": True,
        "iss": world.base,
        "sub": "invoice-bot",
        "client_id": "invoice-bot",
        "aud": world.base,
        "scope": "purpose:pay-invoices",
        "token_type": "DPoP",
        "cnf": {"jkt": world.instance_key.public.thumbprint},
        "authorization_details": [{"type": "remit_purpose", "purpose": "pay-invoices"}],
        "purpose": "pay-invoices",
    }
    assert claims["jti"].startswith("tok_")
    assert claims["exp"] - claims["iat"] == 300
    plain = status.edge(world.bearer(), TOOLS).json()
    assert (plain["token_type"], plain["aud"], "cnf" in plain) == ("Bearer", TOOLS, False)


@pytest.mark.parametrize("path", ["introspect", "revoke"])
def test_a_refused_request_uses_its_assertion_up(status: Status, world: Any, path: str) -> None:
    """Here as at the token endpoint: else it would be good for a token after it was seen."""
    assertion = world.assertion()
    form = world.form(grant_type=None, scope=None, client_assertion=assertion, client_id="plain-bot")
    answer = status.post(path, form | {"token": world.token()})
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    again = status.post("token", world.form(client_assertion=assertion), DPoP=world.proof())
    assert (again.status_code, again.json()["error"]) == (401, "invalid_client")
    refused = [(each["reason"], each["agent"]) for each in world.entries("refused")]
    assert refused == [("another client_id", "invoice-bot"), ("assertion replayed", "invoice-bot")]


@pytest.mark.requirement("introspection:inactive")
def test_what_is_not_active_is_exactly_that(status: Status, world: Any) -> None:
    token = world.token()
    other_type = world.assertion()
    for wrong in (token[:-2] + "xx", "no token", other_type, "a.b.c", world.forge(token, claims={"sub": "plain-bot"})):
        answer = status.edge(wrong)
        assert (answer.status_code, answer.content) == (200, EXACTLY_INACTIVE)
    world.clock.at += 5 * MINUTE
    assert status.edge(token).content == EXACTLY_INACTIVE


@pytest.mark.requirement("introspection:inactive")
@pytest.mark.parametrize(
    "change",
    [
        {"frozen": True},
        {"owner_active": False},
        {"agent_state": AgentState.SUSPENDED},
        {"agent_state": AgentState.RETIRED},
        {"purposes": ()},
    ],
)
def test_a_token_of_who_may_not_call_is_inactive(status: Status, world: Any, change: dict[str, Any]) -> None:
    token = world.token()
    assert status.active(token)
    world.change("invoice-bot", **change)
    assert status.edge(token).content == EXACTLY_INACTIVE


def test_a_frozen_instance_a_frozen_or_withdrawn_key_and_a_closed_purpose_make_it_inactive(
    status: Status, world: Any
) -> None:
    token = world.token()
    before = world.standing.agents["invoice-bot"]
    for change in (
        {"frozen_instances": frozenset({world.instance_key.public.thumbprint})},
        {"frozen_credentials": frozenset({world.client_key.public.thumbprint})},
        {"agent_keys": (dict(world.new_key().public.jwk),)},
        {"purposes": tuple(replace(each, state=PurposeState.CLOSED) for each in before.purposes)},
    ):
        world.change("invoice-bot", **change)
        assert status.edge(token).content == EXACTLY_INACTIVE
        world.standing.agents["invoice-bot"] = before
        assert status.active(token)


@pytest.mark.requirement("introspection:audience")
def test_a_token_for_another_resource_is_inactive_here(status: Status, world: Any) -> None:
    token = world.token(world.form(resource=TOOLS))
    assert status.edge(token).content == EXACTLY_INACTIVE  # for the deployment as a whole
    assert status.edge(token, "http://remit.test/mcp/mail").content == EXACTLY_INACTIVE
    assert status.edge(token, TOOLS).json()["active"] is True
    assert status.edge(world.token(), TOOLS).content == EXACTLY_INACTIVE


@pytest.mark.requirement("introspection:authenticated")
def test_nobody_else_may_ask(status: Status, world: Any) -> None:
    token = world.token()
    wrong = status.edge(token, authorization="Bearer rmp_other")
    assert (wrong.status_code, wrong.json()["error"]) == (401, "invalid_token")
    assert "invalid_token" in wrong.headers["www-authenticate"]
    nobody = status.post("introspect", {"token": token})
    assert (nobody.status_code, nobody.json()["error"]) == (401, "invalid_client")
    assert status.agent("introspect", None).json()["error"] == "invalid_request"
    assert status.post("introspect", {}, authorization="Bearer rmp_edge").status_code == 400


def test_an_agent_sees_its_own_tokens_and_no_others(status: Status, world: Any) -> None:
    own, foreign = world.token(world.form(resource=TOOLS)), world.bearer()
    assert status.agent("introspect", own).json()["active"] is True
    assert status.agent("introspect", foreign).content == EXACTLY_INACTIVE
    assert status.agent("introspect", own, client="plain-bot").content == EXACTLY_INACTIVE


def test_an_assertion_is_used_up_by_either(status: Status, world: Any) -> None:
    form = world.form(token=world.token())
    assert status.post("introspect", form).status_code == 200
    for path in ("introspect", "revoke", "token"):
        again = status.post(path, form, dpop=world.proof())
        assert (again.status_code, again.json()["error"]) == (401, "invalid_client"), path


@pytest.mark.requirement("revocation:at-once")
def test_a_revoked_token_is_refused_at_once_and_after_a_restart(status: Status, world: Any) -> None:
    token, other = world.token(), world.token()
    world.check(token)
    answer = status.agent("revoke", token)
    assert (answer.status_code, answer.content) == (200, b"")
    for _ in range(2):
        with pytest.raises(TokenInvalid) as refused:
            world.check(token)
        assert (refused.value.error, refused.value.description) == ("invalid_token", "the token was revoked")
        assert status.edge(token).content == EXACTLY_INACTIVE
        world.check(other)
        status.start()
    (entry,) = [each for each in world.entries("change") if each["what"] == "token"]
    assert (entry["change"], entry["by"], entry["name"][:4]) == ("revoke", "invoice-bot", "tok_")


@pytest.mark.requirement("revocation:unknown")
def test_what_is_not_known_is_no_error(status: Status, world: Any) -> None:
    token = world.token()
    epoch = world.database.epoch
    assert status.agent("revoke", token).status_code == 200
    assert world.database.epoch == epoch + 1
    for known in (token, "no token", token[:-2] + "xx", world.assertion()):
        answer = status.agent("revoke", known, token_type_hint="refresh_token")
        assert (answer.status_code, answer.content) == (200, b"")
    assert world.database.epoch == epoch + 1  # nothing changed, so nobody is told


@pytest.mark.requirement("revocation:own")
def test_a_token_of_another_agent_stays(status: Status, world: Any) -> None:
    token = world.token()
    refused = status.agent("revoke", token, client="plain-bot")
    assert (refused.status_code, refused.json()["error"]) == (400, "unauthorized_client")
    world.check(token)
    assert [(each["agent"], each["error"]) for each in world.entries("refused")] == [
        ("plain-bot", "unauthorized_client")
    ]


@pytest.mark.requirement("revocation:authenticated")
def test_revocation_needs_the_agents_own_key(status: Status, world: Any) -> None:
    token = world.token()
    for form, headers in (
        ({"token": token}, {}),
        ({"token": token, "client_id": "invoice-bot"}, {}),
        ({"token": token}, {"authorization": "Bearer rmp_edge"}),
        (world.form(grant_type=None, token=token, client_assertion=world.assertion(key=world.plain_key)), {}),
    ):
        answer = status.post("revoke", form, **headers)
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    assert status.agent("revoke", None).json()["error"] == "invalid_request"
    world.check(token)


def test_expired_revocations_are_swept_and_forgotten(status: Status, world: Any) -> None:
    first = world.token()
    status.agent("revoke", first)
    world.clock.at += 10 * MINUTE
    status.agent("revoke", world.token())
    assert len(status.revoked._until) == 1

    def sweep(tx: Any) -> int:
        return Sweeper().sweep(tx.connection, now=world.clock.now(), rows=1000)

    world.database.writer.change(sweep)
    count = world.database.reader.read(
        lambda c: c.execute(select(func.count()).select_from(revoked_tokens)).scalar_one()
    )
    assert count == 1


@pytest.mark.requirement("metadata:status-endpoints")
def test_the_metadata_names_both_endpoints(status: Status, world: Any) -> None:
    found = world.service.metadata()
    assert found["introspection_endpoint"] == f"{world.base}/oauth2/introspect"
    assert found["revocation_endpoint"] == f"{world.base}/oauth2/revoke"
    assert found["introspection_endpoint_auth_methods_supported"] == ["private_key_jwt", "Bearer"]
    assert found["revocation_endpoint_auth_methods_supported"] == ["private_key_jwt"]


@pytest.mark.requirement("rar:granted")
def test_details_come_back_with_the_purpose_that_was_granted(world: Any) -> None:
    details = '[{"type": "remit_purpose", "run": "new"}]'
    answer = world.post(world.form(authorization_details=details))
    assert answer.json()["authorization_details"] == [
        {"type": "remit_purpose", "run": "new", "purpose": "pay-invoices"}
    ]
