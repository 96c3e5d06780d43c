"""Whatever is tried at an endpoint, in whichever way, no answer tells whether there is such an agent.

Answers are compared byte for byte, with their headers, for an agent that there is and one that there is not.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Any

import pytest
from tests.interaction.tokens.consent_world import EDITOR, ConsentWorld
from tests.interaction.tokens.test_token_status import Status

from remit.agents.binding import Binding
from remit.agents.bindings.client_secret import METHOD, client_secret, hashed
from remit.tokens.clients.client_secret import SecretBasic, SecretPost, Secrets

KNOWN, UNKNOWN = "invoice-bot", "no-such-bot"
Attack = Callable[[Any, str], tuple[dict[str, Any], dict[str, str]]]


def assertion(world: Any, name: str, text: str) -> tuple[dict[str, Any], dict[str, str]]:
    return world.form(client_assertion=text, client_id=name), {}


def none(world: Any, name: str) -> tuple[dict[str, Any], dict[str, str]]:
    return assertion(world, name, world.forge(world.assertion(name), header={"alg": "none"}, signature="AA"))


def confused(world: Any, name: str) -> tuple[dict[str, Any], dict[str, str]]:
    head, body, _ = world.forge(world.assertion(name), header={"alg": "HS256"}).split(".")
    secret = json.dumps(world.client_key.public.jwk).encode()
    mac = hmac.new(secret, f"{head}.{body}".encode(), hashlib.sha256).digest()
    return assertion(world, name, f"{head}.{body}.{world.b64(mac)}")


def embedded(world: Any, name: str) -> tuple[dict[str, Any], dict[str, str]]:
    key = world.new_key()
    return assertion(world, name, world.forge(world.assertion(name, key=key), header={"jwk": dict(key.public.jwk)}))


def another_key(world: Any, name: str) -> tuple[dict[str, Any], dict[str, str]]:
    return assertion(world, name, world.assertion(name, key=world.new_key()))


def its_kid(world: Any, name: str) -> tuple[dict[str, Any], dict[str, str]]:
    """By another key, that calls itself the registered one."""
    text = world.assertion(name, key=world.new_key())
    return assertion(world, name, world.forge(text, header={"kid": world.client_key.kid}))


def old(world: Any, name: str) -> tuple[dict[str, Any], dict[str, str]]:
    return assertion(world, name, world.assertion(name, key=world.new_key(), exp=1))


def elsewhere(world: Any, name: str) -> tuple[dict[str, Any], dict[str, str]]:
    return assertion(world, name, world.assertion(name, key=world.new_key(), aud="https://other.test"))


def encrypted(world: Any, name: str) -> tuple[dict[str, Any], dict[str, str]]:
    parts = [json.dumps({"alg": "dir", "enc": "A256GCM"}).encode(), b"k", b"i" * 12, name.encode(), b"t" * 16]
    return assertion(world, name, ".".join(world.b64(part) for part in parts))


def nothing(world: Any, name: str) -> tuple[dict[str, Any], dict[str, str]]:
    return world.form(client_assertion=None, client_assertion_type=None, client_id=name), {}


def posted(world: Any, name: str) -> tuple[dict[str, Any], dict[str, str]]:
    return nothing(world, name)[0] | {"client_secret": "guess"}, {}


def basic(world: Any, name: str) -> tuple[dict[str, Any], dict[str, str]]:
    form = world.form(client_assertion=None, client_assertion_type=None)
    return form, {"authorization": "Basic " + base64.b64encode(f"{name}:guess".encode()).decode()}


ATTACKS: list[Attack] = [
    none, confused, embedded, another_key, its_kid, old, elsewhere, encrypted, nothing, posted, basic,
]  # fmt: skip


@pytest.fixture
def secrets(world: Any) -> Any:
    """The known agent has a secret too, and the operator turned them on."""
    found = Secrets(world.standing)
    world.service.clients += (SecretBasic(found), SecretPost(found))
    binding = Binding(METHOD, client_secret({"scrypt": hashed("right", salt=b"s" * 16)}))
    world.change(KNOWN, agent_bindings=(binding,))
    return world


GRANTS = [
    "client_credentials", "authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:jwt-bearer",
    "urn:ietf:params:oauth:grant-type:token-exchange",
]  # fmt: skip
DOORS = ["token", "introspect", "revoke"]


def told(answer: Any) -> tuple[int, bytes, list[tuple[str, str]]]:
    return answer.status_code, answer.content, sorted(answer.headers.items())


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
@pytest.mark.requirement("client:indistinguishable")
def test_the_answer_is_the_same_and_each_leaves_one_entry(secrets: Any, attack: Attack, door: str) -> None:
    said, status = [], Status(secrets)
    for name in (KNOWN, UNKNOWN):
        form, headers = attack(secrets, name)
        sent = form | ({} if door == "token" else {"token": "a.b.c"})
        answer = status.post(door, sent, dpop=secrets.proof(), **headers)
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
        said.append(told(answer))
    assert said[0] == said[1]
    entries = secrets.entries("refused")
    assert len(entries) == 2
    assert all(each["error"] == "invalid_client" and each["reason"] for each in entries)
    # A name that was merely claimed is nobody's, in the log too.
    assert not [each for each in entries if KNOWN in json.dumps(each) or "agent" in each]
    assert secrets.entries("token") == []


@pytest.mark.parametrize("grant", GRANTS)
@pytest.mark.requirement("client:indistinguishable")
def test_whatever_is_asked_for_beside_the_answer_is_the_same(secrets: Any, grant: str) -> None:
    """A bad scope, resource or code is looked at only after the client is known."""
    people = ConsentWorld(secrets)
    for more in (
        {"scope": "purpose:pay-invoices"}, {"scope": "purpose:no-such"}, {"resource": "http://elsewhere.test/"},
        {"code": "rmc_x", "refresh_token": "rmr_x", "redirect_uri": "x", "assertion": "a.b.c"},
        {"authorization_details": "[{}]"}, {"subject_token": "a.b.c"},
    ):  # fmt: skip
        said = []
        for name in (KNOWN, UNKNOWN):
            form, headers = another_key(secrets, name)
            said.append(told(people.post("/oauth2/token", form | {"grant_type": grant} | more, **headers)))
        assert said[0] == said[1], more


@pytest.mark.parametrize(
    ("grant", "more"), [("authorization_code", {"code": "rmc_x"}), ("refresh_token", {"refresh_token": "rmr_x"})]
)
def test_a_client_that_shows_nothing_learns_of_no_client_and_no_agent(
    secrets: Any, grant: str, more: dict[str, str]
) -> None:
    people = ConsentWorld(secrets)
    form = {"grant_type": grant, "code_verifier": "x" * 43, "redirect_uri": "http://127.0.0.1/callback"} | more
    said = {
        told(people.post("/oauth2/token", form | {"client_id": name}))[:2]
        for name in (EDITOR, "https://nobody.example/metadata.json", "editor-bot", UNKNOWN)
    }
    assert len(said) == 1, said


@pytest.mark.requirement("consent:owner")
def test_the_authorization_endpoint_tells_nobody_who_does_not_answer_for_it(secrets: Any) -> None:
    people = ConsentWorld(secrets)
    for asked in ({}, {"scope": "purpose:no-such"}, {"redirect_uri": "https://evil.test/"}, {"code_challenge": None}):
        there = people.ask(person="mo", **asked)
        not_there = people.ask(person="mo", **(asked | {"client_id": "nobody-here"}))
        assert there.status_code == not_there.status_code == 403
        assert told(there) == told(not_there)
        assert "location" not in there.headers
    reasons = [each["reason"] for each in people.entries("refused")]
    assert reasons == ["not this person's to consent to", "no agent lets this client in"] * 4


def test_who_is_not_signed_in_is_asked_to_sign_in_whoever_the_client_is(secrets: Any) -> None:
    people, other = ConsentWorld(secrets), "no-editor"
    assert len(EDITOR) == len(other)  # the page leads back to what was asked
    there, not_there = (told(people.ask(person=None, client_id=client)) for client in (EDITOR, other))
    assert (there[0], there[1], there[2]) == (
        not_there[0],
        not_there[1].replace(b"no-editor", b"my-editor"),
        not_there[2],
    )
    assert people.entries("refused") == []
