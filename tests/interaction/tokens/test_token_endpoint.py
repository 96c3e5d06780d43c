from __future__ import annotations

import json
import threading
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import pytest
from starlette.testclient import TestClient

from remit.access.model import PurposeState
from remit.agents.model import AgentState
from remit.kernel.clock import DAY, HOUR, MINUTE, SECOND, Instant
from remit.kernel.errors import StorageUnavailable
from remit.keys import jose
from remit.storage.schema import runs
from remit.tokens.form import MEDIA_TYPE

pytestmark = pytest.mark.usefixtures("own_folders")


def claims_of(world: Any, token: str) -> dict[str, Any]:
    _, claims = jose.verify(
        token, typ="at+jwt", algorithms=("ES256",), key=lambda h: world.ring.token_keys.public(h["kid"])
    )
    return claims


def refused(answer: Any, status: int, error: str) -> str:
    assert (answer.status_code, answer.json()["error"]) == (status, error), answer.text
    assert answer.headers["cache-control"] == "no-store"
    assert "access_token" not in answer.text
    description: str = answer.json()["error_description"]
    return description


# the grant ------------------------------------------------------------------------------------


@pytest.mark.requirement("token:answer")
@pytest.mark.requirement("token:no-store")
@pytest.mark.requirement("dpop:token-type")
def test_a_token_is_issued_and_bound(world: Any) -> None:
    answer = world.post()
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-type"] == "application/json"
    body = answer.json()
    assert body.keys() == {"access_token", "token_type", "expires_in", "scope"}
    assert (body["token_type"], body["expires_in"], body["scope"]) == ("DPoP", 300, "purpose:pay-invoices")


@pytest.mark.requirement("token:rfc9068-claims")
@pytest.mark.requirement("dpop:cnf")
def test_the_token_says_who_for_what_where_and_until_when(world: Any) -> None:
    claims = claims_of(world, world.token())
    seconds = world.now // SECOND
    assert claims["iss"] == world.base
    assert claims["sub"] == claims["client_id"] == "invoice-bot"
    assert claims["aud"] == world.base
    assert (claims["iat"], claims["exp"]) == (seconds, seconds + 300)
    assert claims["jti"].startswith("tok_")
    assert claims["run"].startswith("run_")
    assert (claims["scope"], claims["purpose"]) == ("purpose:pay-invoices", "pay-invoices")
    assert claims["instance"] == claims["cnf"]["jkt"] == world.instance_key.public.thumbprint
    assert claims["cred"] == world.client_key.public.thumbprint


def test_the_log_names_the_token_before_the_agent_has_it(world: Any) -> None:
    claims = claims_of(world, world.token())
    (entry,) = world.entries("token")
    assert entry["id"] == claims["jti"]
    assert (entry["agent"], entry["purpose"], entry["run"]) == ("invoice-bot", "pay-invoices", claims["run"])
    assert (entry["bound"], entry["audience"]) == (True, [world.base])


def test_the_checker_takes_what_the_endpoint_issued(world: Any) -> None:
    caller, proof = world.check(world.token())
    assert (caller.agent, caller.purpose, caller.bound) == ("invoice-bot", "pay-invoices", True)
    assert proof.key.startswith(f"dpop:{world.instance_key.public.thumbprint}:")
    assert proof.expires == world.now + MINUTE


@pytest.mark.parametrize("first", [MEDIA_TYPE, f"{MEDIA_TYPE};charset=utf-8"])
def test_two_media_types_are_none(world: Any, first: str) -> None:
    """Else a reader in front that takes the last one would see no form here."""
    body, proof = urlencode(world.form()), ("dpop", world.proof())
    with TestClient(world.app, base_url=world.base) as client:

        def post(*types: str) -> Any:
            return client.post(
                "/oauth2/token", content=body, headers=[*(("content-type", each) for each in types), proof]
            )

        for several in ([first, "text/plain"], [first, first], [f"{first}, text/plain"]):
            assert MEDIA_TYPE in refused(post(*several), 400, "invalid_request")
        assert post(first).status_code == 200


@pytest.mark.requirement("resource:audience")
def test_resources_become_the_audience(world: Any) -> None:
    several = [f"{world.base}/mcp/payments", f"{world.base}/servers/crm/mcp", world.base, f"{world.base}/mcp/payments"]
    claims = claims_of(world, world.token(world.form(resource=several)))
    assert claims["aud"] == several[:3]


@pytest.mark.parametrize(
    "resource",
    [
        "http://elsewhere.test/mcp/payments",
        "http://remit.test.evil.test",
        "http://remit.testing/mcp/payments",
        "http://remit.test/",
        "http://remit.test/mcp/",
        "http://remit.test/mcp/Payments",
        "http://remit.test/mcp/payments/",
        "http://remit.test/mcp/payments#part",
        "http://remit.test/mcp/payments?x=1",
        "http://remit.test/mcp/../v1",
        "http://remit.test/mcp/payments\n",
        "http://user@remit.test/mcp/payments",
        "HTTP://remit.test",
        "/mcp/payments",
        "payments",
    ],
)
@pytest.mark.requirement("resource:invalid-target")
def test_a_foreign_resource_is_no_target(world: Any, resource: str) -> None:
    refused(world.post(world.form(resource=resource)), 400, "invalid_target")


@pytest.mark.requirement("resource:no-oracle")
def test_a_server_that_does_not_exist_looks_like_one_that_does(world: Any) -> None:
    assert world.post(world.form(resource=f"{world.base}/mcp/no-such-server")).status_code == 200


# the agent without DPoP -------------------------------------------------------------------------


@pytest.mark.requirement("bearer:one-resource")
def test_a_plain_agent_gets_a_bearer_token_for_one_place(world: Any) -> None:
    body = world.post(world.plain(), proof=None).json()
    assert (body["token_type"], body["expires_in"]) == ("Bearer", 300)
    claims = claims_of(world, body["access_token"])
    assert "cnf" not in claims
    assert claims["instance"] == claims["cred"] == world.plain_key.public.thumbprint
    two = [f"{world.base}/mcp/payments", f"{world.base}/mcp/crm"]
    refused(world.post(world.plain(resource=two), proof=None), 400, "invalid_target")
    refused(world.post(world.plain(resource=None), proof=None), 400, "invalid_target")


@pytest.mark.requirement("scope:default")
def test_the_only_purpose_is_the_default(world: Any) -> None:
    # Stock MCP clients send no scope unless a challenge names one.
    assert world.post(world.plain(scope=None), proof=None).json()["scope"] == "purpose:pay-invoices"
    refused(world.post(world.form(scope=None)), 400, "invalid_scope")


@pytest.mark.requirement("dpop:required")
def test_an_agent_that_must_prove_a_key_gets_nothing_without(world: Any) -> None:
    refused(world.post(proof=None), 400, "invalid_dpop_proof")


# purposes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "scope",
    [
        "purpose:other",
        "purpose:",
        "pay-invoices",
        "openid",
        "purpose:pay-invoices openid",
        "purpose:pay-invoices purpose:audit-invoices",
        "purpose:pay-invoices ",
        "PURPOSE:pay-invoices",
    ],
)
@pytest.mark.requirement("scope:one-purpose")
def test_the_scope_is_exactly_one_purpose_of_its_own(world: Any, scope: str) -> None:
    refused(world.post(world.form(scope=scope)), 400, "invalid_scope")


def test_what_exists_elsewhere_and_what_does_not_exist_read_alike(world: Any) -> None:
    world.register(world.agent("other-bot", world.new_key(), "other"))
    one = world.post(world.form(scope="purpose:other"))
    other = world.post(world.form(scope="purpose:nothing"))
    assert one.content == other.content


@pytest.mark.parametrize(
    "change", [{"state": PurposeState.CLOSED}, {"state": PurposeState.PROPOSED}, {"not_after": Instant(0)}]
)
@pytest.mark.requirement("scope:active")
def test_a_purpose_that_is_not_active_is_no_scope(world: Any, change: dict[str, Any]) -> None:
    purposes = world.standing.agents["invoice-bot"].purposes
    world.change("invoice-bot", purposes=tuple(replace(each, **change) for each in purposes))
    refused(world.post(), 400, "invalid_scope")


# standing ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        {"agent_state": AgentState.SUSPENDED},
        {"agent_state": AgentState.RETIRED},
        {"agent_state": AgentState.PROPOSED},
        {"agent_not_after": Instant(1)},
        {"owner_active": False},
        {"frozen": True},
    ],
)
@pytest.mark.requirement("token:unauthorized-client")
def test_an_agent_that_may_not_act_gets_no_token(world: Any, change: dict[str, Any]) -> None:
    world.change("invoice-bot", **change)
    refused(world.post(), 400, "unauthorized_client")
    (entry,) = world.entries("refused")
    assert (entry["agent"], entry["error"]) == ("invoice-bot", "unauthorized_client")
    assert world.entries("token") == []


def test_a_frozen_instance_gets_no_token_and_others_do(world: Any) -> None:
    world.change("invoice-bot", frozen_instances=frozenset({world.instance_key.public.thumbprint}))
    refused(world.post(), 400, "unauthorized_client")
    assert world.token(key=world.new_key())


def test_a_frozen_client_key_gets_no_token(world: Any) -> None:
    world.change("invoice-bot", frozen_credentials=frozenset({world.client_key.public.thumbprint}))
    refused(world.post(), 400, "unauthorized_client")
    refused(world.post(proof=world.proof(key=world.new_key())), 400, "unauthorized_client")  # whatever copy it is
    world.change("invoice-bot", frozen_credentials=frozenset({world.new_key().public.thumbprint, "payments-key"}))
    assert world.token()


def test_a_freeze_that_comes_while_the_request_waits_is_seen(world: Any) -> None:
    """Standing is asked again on the writer's thread."""
    answers: list[Any] = []
    standing, asked = world.standing.agent_standing, []

    def late(agent: str, now: Instant) -> Any:
        asked.append(agent)
        found = standing(agent, now)
        return replace(found, frozen=True) if len(asked) > 2 else found

    world.standing.agent_standing = late
    answers.append(world.post())
    refused(answers[0], 400, "unauthorized_client")


# runs and instances -----------------------------------------------------------------------------


@pytest.mark.requirement("run:continues")
def test_a_run_goes_on_through_renewal(world: Any) -> None:
    first = claims_of(world, world.token())
    world.clock.at += 4 * MINUTE
    second = claims_of(world, world.token())
    assert first["run"] == second["run"]
    assert first["jti"] != second["jti"]


def test_another_purpose_or_instance_is_another_run(world: Any) -> None:
    runs = {
        claims_of(world, world.token())["run"],
        claims_of(world, world.token(world.form(scope="purpose:audit-invoices")))["run"],
        claims_of(world, world.token(key=world.new_key()))["run"],
    }
    assert len(runs) == 3


@pytest.mark.requirement("run:ends")
def test_a_run_ends_fifteen_minutes_after_its_last_token(world: Any) -> None:
    first = claims_of(world, world.token())
    world.clock.at += 20 * MINUTE - SECOND
    second = claims_of(world, world.token())
    world.clock.at += 20 * MINUTE
    third = claims_of(world, world.token())
    assert first["run"] == second["run"] != third["run"]


def test_no_token_outlives_its_run_and_no_run_max_run(world: Any) -> None:
    world.change("invoice-bot", agent_max_run=7 * MINUTE)
    first = claims_of(world, world.token())
    world.clock.at += 4 * MINUTE
    second = claims_of(world, world.token())
    assert second["run"] == first["run"]
    assert second["exp"] == first["iat"] + 7 * 60
    world.clock.at += 3 * MINUTE
    assert claims_of(world, world.token())["run"] != first["run"]


@pytest.mark.parametrize("what", ["agent", "purpose"])
def test_no_token_outlives_its_agent_or_purpose(world: Any, what: str) -> None:
    end = Instant(world.now + 90 * SECOND)
    if what == "agent":
        world.change("invoice-bot", agent_not_after=end)
    else:
        purposes = world.standing.agents["invoice-bot"].purposes
        world.change("invoice-bot", purposes=tuple(replace(each, not_after=end) for each in purposes))
    assert world.post().json()["expires_in"] == 90


@pytest.mark.requirement("run:new")
def test_another_run_can_be_asked_for(world: Any) -> None:
    first = claims_of(world, world.token())
    wanted = [{"type": "remit_purpose", "run": "new"}]
    answer = world.post(world.form(authorization_details=json.dumps(wanted)))
    assert answer.json()["authorization_details"] == [{**wanted[0], "purpose": "pay-invoices"}]
    second = claims_of(world, answer.json()["access_token"])
    world.clock.at += SECOND
    third = claims_of(world, world.token())
    assert first["run"] != second["run"] == third["run"]


@pytest.mark.parametrize(
    "details",
    ["{}", "[]", "[1]", "not json", '[{"type": "remit_tool"}]', '[{"type": "remit_purpose", "amount": 1}]',
     '[{"type": "remit_purpose", "run": "old"}]', '[{"type": "remit_purpose"}, {"type": "remit_purpose"}]',
     '[{"type": "remit_purpose", "type": "remit_purpose"}]'],
)  # fmt: skip
@pytest.mark.requirement("rar:unknown")
def test_details_that_are_not_understood_are_refused(world: Any, details: str) -> None:
    refused(world.post(world.form(authorization_details=details)), 400, "invalid_authorization_details")


def test_details_and_scope_must_name_one_purpose(world: Any) -> None:
    details = json.dumps([{"type": "remit_purpose", "purpose": "audit-invoices"}])
    refused(world.post(world.form(authorization_details=details)), 400, "invalid_scope")
    assert world.post(world.form(scope=None, authorization_details=details)).json()["scope"] == "purpose:audit-invoices"


@pytest.mark.requirement("instance:max")
def test_a_copy_too_many_waits_until_another_is_gone(world: Any) -> None:
    keys = [world.new_key() for _ in range(4)]
    for key in keys[:3]:
        world.token(key=key)
    description = refused(world.post(proof=world.proof(key=keys[3])), 400, "unauthorized_client")
    assert "3 live instances" in description
    assert world.token(key=keys[0])  # one that is known goes on
    world.clock.at += 20 * MINUTE
    assert world.token(key=keys[3])


def test_max_instances_holds_under_a_race(world: Any) -> None:
    world.change("invoice-bot", agent_max_instances=2)
    answers: list[int] = []
    requests = [(world.form(), world.proof(key=world.new_key())) for _ in range(6)]
    threads = [
        threading.Thread(target=lambda f=form, p=proof: answers.append(world.post(f, proof=p).status_code))
        for form, proof in requests
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [200, 200, 400, 400, 400, 400]


def test_old_runs_are_forgotten(world: Any) -> None:
    world.change("invoice-bot", agent_not_after=Instant(world.now + 90 * DAY))
    purposes = world.standing.agents["invoice-bot"].purposes
    later = tuple(replace(each, not_after=Instant(world.now + 90 * DAY)) for each in purposes)
    world.change("invoice-bot", purposes=later)
    world.token()
    world.clock.at += 31 * DAY + 8 * HOUR
    world.token()
    assert len(world.database.reader.read(lambda c: c.execute(runs.select()).all())) == 1


# requests that are none -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("form", "status", "error"),
    [
        ({"grant_type": None}, 400, "invalid_request"),
        ({"grant_type": "authorization_code"}, 400, "unsupported_grant_type"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"client_assertion_type": "urn:wrong"}, 401, "invalid_client"),
        ({"client_assertion_type": None}, 401, "invalid_client"),
        ({"client_assertion": ""}, 401, "invalid_client"),
        ({"client_assertion": "a.b.c"}, 401, "invalid_client"),
        ({"client_secret": "hunter2"}, 401, "invalid_client"),
        ({"client_id": "plain-bot"}, 401, "invalid_client"),
        ({"scope": ["purpose:pay-invoices", "purpose:pay-invoices"]}, 400, "invalid_request"),
        ({"grant_type": ["client_credentials", "password"]}, 400, "invalid_request"),
        ({"x": "y" * 70_000}, 413, "invalid_request"),
        ({f"p{number}": "1" for number in range(80)}, 400, "invalid_request"),
    ],
)
@pytest.mark.requirement("token:errors")
@pytest.mark.requirement("token:duplicate-parameter")
def test_a_bad_request_gets_its_own_error(world: Any, form: dict[str, Any], status: int, error: str) -> None:
    refused(world.post(world.form(**form)), status, error)
    assert world.entries("token") == []
    (entry,) = world.entries("refused")
    assert entry["error"] == error


@pytest.mark.parametrize("media_type", ["application/json", "text/plain", "multipart/form-data; boundary=x", ""])
@pytest.mark.requirement("token:media-type")
def test_only_a_form_is_read(world: Any, media_type: str) -> None:
    refused(world.post(content_type=media_type), 400, "invalid_request")


def test_client_id_may_repeat_the_agent(world: Any) -> None:
    assert world.post(world.form(client_id="invoice-bot")).status_code == 200


def test_unknown_parameters_are_ignored(world: Any) -> None:
    assert world.post(world.form(something="else", empty="")).status_code == 200


@pytest.mark.requirement("client:basic")
def test_a_client_that_tries_basic_is_answered_in_basic(world: Any) -> None:
    answer = world.post(authorization="Basic aW52b2ljZS1ib3Q6c2VjcmV0")
    refused(answer, 401, "invalid_client")
    assert answer.headers["www-authenticate"].startswith("Basic ")


def test_an_unreachable_database_is_503_and_issues_nothing(world: Any) -> None:
    class Gone:
        def change(self, apply: Any) -> Any:  # noqa: ARG002 - the port's
            raise StorageUnavailable("the database is gone")

    world.service._writer = Gone()
    answer = world.post()
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert "access_token" not in answer.text


# discovery --------------------------------------------------------------------------------------


@pytest.mark.requirement("metadata:issuer")
@pytest.mark.requirement("metadata:contents")
def test_the_metadata_says_what_the_endpoint_does(world: Any) -> None:
    with TestClient(world.app, base_url=world.base) as client:
        found = client.get("/.well-known/oauth-authorization-server")
        keys = client.get("/oauth2/jwks").json()["keys"]
        browser = client.get("/oauth2/authorize?response_type=code")
    body = found.json()
    assert body["issuer"] == world.base
    assert body["token_endpoint"] == f"{world.base}/oauth2/token"
    assert body["grant_types_supported"] == ["client_credentials"]
    assert body["token_endpoint_auth_methods_supported"] == ["private_key_jwt"]
    assert body["token_endpoint_auth_signing_alg_values_supported"] == ["ES256", "Ed25519"]
    assert body["dpop_signing_alg_values_supported"] == ["ES256", "Ed25519"]
    assert "scopes_supported" not in body
    assert "invoice" not in found.text
    assert all("d" not in key for key in keys)
    assert (browser.status_code, browser.json()["error"]) == (400, "unsupported_response_type")
