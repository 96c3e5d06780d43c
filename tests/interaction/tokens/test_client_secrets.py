"""Client secrets, where an operator turned them on: what is stored, who is let in, and how often one may guess."""

from __future__ import annotations

import base64
import threading
from typing import Any
from urllib.parse import quote_plus

import pytest

from remit.agents.binding import Binding
from remit.agents.bindings import client_secret as stored
from remit.agents.model import SenderConstraint
from remit.agents.sql import body
from remit.kernel.clock import SECOND
from remit.tokens.clients import client_secret
from remit.tokens.clients.client_secret import SecretBasic, SecretPost, Secrets

SECRET = "s3cret:with+signs and ümlauts"
TOOLS = "http://remit.test/mcp/payments"
HASHED = stored.hashed(SECRET, salt=b"0123456789abcdef")


class Counted:
    """Counts the slow hashes, and knows what they come to."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, secret: str, written: str) -> bool:
        self.count += 1
        return (secret, written) == (SECRET, HASHED)


@pytest.fixture
def hashes(monkeypatch: pytest.MonkeyPatch) -> Counted:
    counted = Counted()
    monkeypatch.setattr(client_secret, "fits", counted)
    return counted


@pytest.fixture
def on(world: Any) -> Any:
    secrets = Secrets(world.standing)
    world.service.clients += (SecretBasic(secrets), SecretPost(secrets))
    binding = Binding(stored.METHOD, stored.client_secret({"scrypt": HASHED}))
    world.register(
        world.agent(
            "old-bot", world.new_key(), "pay-invoices", sender_constraint=SenderConstraint.NONE, keys=(),
            bindings=(binding,),
        )
    )  # fmt: skip
    return world


def form(**changes: Any) -> dict[str, Any]:
    found = {"grant_type": "client_credentials", "resource": TOOLS, "client_id": "old-bot", "client_secret": SECRET}
    return {name: value for name, value in (found | changes).items() if value is not None}


def basic(client: str = "old-bot", secret: str = SECRET) -> str:
    return "Basic " + base64.b64encode(f"{quote_plus(client)}:{quote_plus(secret)}".encode()).decode()


@pytest.mark.requirement("client:secret")
def test_in_the_form(on: Any) -> None:
    answer = on.post(form(), proof=None)
    assert answer.status_code == 200, answer.text
    (entry,) = on.entries("token")
    assert entry["agent"] == "old-bot"
    assert entry["credential"].startswith("client_secret:")


@pytest.mark.requirement("client:secret")
def test_in_the_header_encoded_twice(on: Any) -> None:
    asked = form(client_id=None, client_secret=None)
    assert on.post(asked, proof=None, authorization=basic()).status_code == 200


@pytest.mark.requirement("client:secret-off")
def test_they_are_off_unless_an_operator_says_otherwise(world: Any) -> None:
    assert not [each for each in world.service.metadata()["token_endpoint_auth_methods_supported"] if "secret" in each]
    for asked, headers in ((form(), {}), (form(client_id=None, client_secret=None), {"authorization": basic()})):
        answer = world.post(asked, proof=None, **headers)
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


@pytest.mark.requirement("client:indistinguishable")
@pytest.mark.parametrize("header", [False, True])
def test_unknown_agent_wrong_secret_and_no_secret_read_alike_and_take_as_long(
    on: Any, hashes: Counted, *, header: bool
) -> None:
    on.register(on.agent("key-bot", on.new_key(), "pay-invoices", sender_constraint=SenderConstraint.NONE))
    said = set()
    for client, secret in (("no-such-bot", SECRET), ("old-bot", "wrong"), ("key-bot", SECRET)):
        before = hashes.count
        if header:
            answer = on.post(form(client_id=None, client_secret=None), proof=None, authorization=basic(client, secret))
            assert answer.headers["www-authenticate"].startswith("Basic")
        else:
            answer = on.post(form(client_id=client, client_secret=secret), proof=None)
        assert hashes.count == before + 2  # as many as of an agent that is changing its secret
        said.add((answer.status_code, answer.content, tuple(sorted(answer.headers))))
    assert len(said) == 1
    assert [("agent" in each, each["reason"]) for each in on.entries("refused")] == [
        (False, "no such agent, or another secret")
    ] * 3


@pytest.mark.requirement("client:secret-guessing")
@pytest.mark.parametrize("client", ["old-bot", "no-such-bot"])
def test_guessing_has_its_budget_whether_there_is_such_an_agent_or_not(on: Any, hashes: Counted, client: str) -> None:
    for at in range(10):
        assert on.post(form(client_id=client, client_secret=f"guess {at}"), proof=None).status_code == 401
    answer = on.post(form(client_id=client, client_secret="guess"), proof=None)
    assert (answer.status_code, answer.json()["error"]) == (429, "invalid_client")
    assert answer.headers["retry-after"] == "6"
    assert hashes.count == 2 * 10
    assert on.entries("refused")[-1]["reason"] == "too many attempts on one name"
    on.clock.at += 6 * SECOND
    assert on.post(form(client_id=client, client_secret="guess"), proof=None).status_code == 401


@pytest.mark.requirement("client:secret-guessing")
def test_who_has_it_already_is_not_kept_out_by_who_guesses(on: Any, hashes: Counted) -> None:
    assert on.post(form(), proof=None).status_code == 200
    for at in range(20):
        on.post(form(client_secret=f"guess {at}"), proof=None)
    before = hashes.count
    assert on.post(form(), proof=None).status_code == 200
    assert hashes.count == before  # and it is quick


def test_a_secret_that_was_taken_away_is_none_at_once(on: Any) -> None:
    assert on.post(form(), proof=None).status_code == 200
    other = Binding(stored.METHOD, stored.client_secret({"scrypt": stored.hashed("other", salt=b"f" * 16)}))
    on.change("old-bot", agent_bindings=(other,))
    assert on.post(form(), proof=None).status_code == 401
    on.change("old-bot", agent_bindings=())
    assert on.post(form(client_secret="other"), proof=None).status_code == 401


@pytest.mark.parametrize("credentials", ["", "!", "b2xkLWJvdA==", base64.b64encode(b"\xff:\xff").decode(), "a b"])
def test_what_cannot_be_read_is_no_client(on: Any, credentials: str) -> None:
    answer = on.post(form(client_id=None, client_secret=None), proof=None, authorization=f"Basic {credentials}")
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


def test_two_ways_at_once_are_none(on: Any) -> None:
    assert on.post(form(), proof=None, authorization=basic()).json()["error"] == "invalid_client"
    both = form() | {"client_assertion": on.assertion(), "client_assertion_type": "x"}
    assert on.post(both, proof=None).status_code in (200, 401)  # an assertion of another type is no way at all


def test_another_client_id_beside_the_header_is_refused(on: Any) -> None:
    answer = on.post(form(client_id="invoice-bot", client_secret=None), proof=None, authorization=basic())
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


@pytest.mark.requirement("client:secret")
def test_only_a_slow_hash_is_stored(on: Any) -> None:
    kept = body(on.standing.agents["old-bot"].agent)
    assert SECRET not in kept
    assert "ln=15,r=8,p=1$" in kept
    assert not [each for each in on.entries() if SECRET in str(each)]


@pytest.mark.requirement("client:secret-guessing")
def test_many_names_at_once_leave_threads_for_others(on: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each name has a budget, and there is no end of names: so only a few are looked at, or wait for it, at a time."""
    begun, answered, go_on = threading.Semaphore(0), threading.Semaphore(0), threading.Event()
    answers: list[int] = []

    def slow(*_: object) -> bool:
        begun.release()
        return not go_on.wait(30)

    def ask(name: str) -> None:
        answers.append(on.post(form(client_id=name), proof=None).status_code)
        answered.release()

    monkeypatch.setattr(client_secret, "fits", slow)
    threads = [threading.Thread(target=ask, args=(f"x{at}",)) for at in range(12)]
    for thread in threads:
        thread.start()
    # Two are looked at and six wait for them, so the others are answered already.
    assert all(each.acquire(timeout=30) for each in (begun, begun, *[answered] * 4))
    assert answers == [503] * 4
    assert on.post().status_code == 200
    go_on.set()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [401] * 8 + [503] * 4


@pytest.mark.parametrize("constraint", [SenderConstraint.NONE, SenderConstraint.DPOP])
def test_a_secret_is_no_key_that_was_proved(on: Any, constraint: SenderConstraint) -> None:
    """Nor with a key of the moment beside it, which who stole the secret makes too: it wakes nothing of high tier."""
    on.change("old-bot", agent_sender_constraint=constraint)
    answer = on.post(form(), proof=on.proof(key=on.new_key()))
    assert answer.status_code == 200, answer.text
    found = on.checker.read(answer.json()["access_token"], now=on.now)
    assert (found.caller.bound, found.caller.attested) == (True, 0)
