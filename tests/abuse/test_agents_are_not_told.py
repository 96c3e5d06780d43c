"""Whatever is tried at the token endpoint, in whichever way, no answer tells whether there is such an agent."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Any

import pytest

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


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
@pytest.mark.requirement("client:indistinguishable")
def test_the_answer_is_the_same_and_each_leaves_one_entry(secrets: Any, attack: Attack) -> None:
    said = []
    for name in (KNOWN, UNKNOWN):
        form, headers = attack(secrets, name)
        answer = secrets.post(form, **headers)
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
        said.append((answer.content, sorted(answer.headers.items())))
    assert said[0] == said[1]
    entries = secrets.entries("refused")
    assert len(entries) == 2
    assert all(each["error"] == "invalid_client" and each["reason"] for each in entries)
    # A name that was merely claimed is nobody's, in the log too.
    assert not [each for each in entries if KNOWN in json.dumps(each) or "agent" in each]
    assert secrets.entries("token") == []
