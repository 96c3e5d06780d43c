"""One more token of a run that goes on is recorded with all other works; everything else is a change of state."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select, update

from remit.kernel.clock import MINUTE
from remit.keys import jose
from remit.storage.model import Work
from remit.storage.schema import instances, runs

pytestmark = pytest.mark.usefixtures("own_folders")


@pytest.fixture
def changes(world: Any, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A mark for each change of state from here on."""
    made: list[int] = []
    change = world.database.writer.change

    def counted(apply: Any) -> Any:
        made.append(1)
        return change(apply)

    monkeypatch.setattr(world.database.writer, "change", counted)
    return made


def claims_of(world: Any, token: str) -> dict[str, Any]:
    _, claims = jose.verify(
        token, typ="at+jwt", algorithms=("ES256",), key=lambda h: world.ring.token_keys.public(h["kid"])
    )
    return dict(claims)


def before_the_next_work(world: Any, monkeypatch: pytest.MonkeyPatch, happens: Any) -> None:
    """Between the checks of the next renewal and its record, this happens."""
    submit = world.database.writer.submit_async

    def submit_async(work: Work) -> Any:
        happens()
        return submit(work)

    monkeypatch.setattr(world.database.writer, "submit_async", submit_async)


def test_a_runs_second_token_is_no_change_of_state(world: Any, changes: list[int]) -> None:
    first = claims_of(world, world.token())
    assert len(changes) == 1
    world.clock.at += MINUTE
    second = claims_of(world, world.token())
    assert len(changes) == 1
    assert (first["run"], first["instance"]) == (second["run"], second["instance"])
    assert [entry["id"] for entry in world.entries("token")] == [first["jti"], second["jti"]]
    fresh, again = ({k: v for k, v in each.items() if k not in {"id", "time", "txn", "expires", "payload"}}
                    for each in world.entries("token"))  # fmt: skip
    assert fresh == again
    stored = world.database.reader.read(lambda c: c.execute(select(runs.c.token_expires)).scalar_one())
    assert stored == second["exp"] * 1_000_000
    seen = world.database.reader.read(lambda c: c.execute(select(instances.c.last_seen)).scalar_one())
    assert seen == world.now


def test_another_copy_purpose_or_run_is_a_change_of_state(world: Any, changes: list[int]) -> None:
    world.token()
    world.token(key=world.new_key())
    world.token(world.form(scope="purpose:audit-invoices"))
    details = '[{"type":"remit_purpose","run":"new"}]'
    world.token(world.form(authorization_details=details))
    assert len(changes) == 4


def test_an_assertion_or_proof_renews_once(world: Any) -> None:
    world.token()
    assertion, proof = world.assertion(), world.proof()
    assert world.post(world.form(client_assertion=assertion), proof=proof).status_code == 200
    before = len(world.entries())
    again = world.post(world.form(client_assertion=assertion))
    assert (again.status_code, again.json()["error"]) == (401, "invalid_client")
    other = world.post(proof=proof)
    assert (other.status_code, other.json()["error"]) == (400, "invalid_dpop_proof")
    told = [(each["kind"], each["agent"], each["reason"]) for each in world.entries()[before:]]
    assert told == [
        ("refused", "invoice-bot", "assertion replayed"),
        ("refused", "invoice-bot", "the proof was used before"),
    ]


def test_a_run_that_ended_elsewhere_is_followed_by_a_new_one(world: Any) -> None:
    first = claims_of(world, world.token())
    over = update(runs).values(ends=world.now)
    world.database.writer.change(lambda tx: tx.connection.execute(over).rowcount)
    second = claims_of(world, world.token())
    assert second["run"] != first["run"]
    assert [each["kind"] for each in world.entries()] == ["token", "token"]


def test_a_freeze_between_check_and_record_holds_the_token_back(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    world.token()
    before_the_next_work(world, monkeypatch, lambda: world.change("invoice-bot", frozen=True))
    answer = world.post()
    assert (answer.status_code, answer.json()["error"]) == (400, "unauthorized_client")
    assert "access_token" not in answer.text
    assert [each["kind"] for each in world.entries()] == ["token", "token", "refused"]
    assert world.entries("refused")[0]["reason"] == "the agent is frozen"


def test_a_run_whose_end_was_brought_forward_is_a_change_of_state(world: Any, changes: list[int]) -> None:
    world.token()
    world.change("invoice-bot", agent_max_run=2 * MINUTE)
    claims = claims_of(world, world.token())
    assert len(changes) == 2
    assert claims["run_exp"] == (world.now + 2 * MINUTE) // 1_000_000


def test_a_key_that_was_removed_between_check_and_record_gives_no_token(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a renewal, and as a change of state; the same copy, at once."""
    world.token()
    removed = world.standing.agents["invoice-bot"]
    other = (dict(world.new_key().public.jwk),)

    def taken() -> None:
        world.change("invoice-bot", agent_keys=other)

    with monkeypatch.context() as patched:
        before_the_next_work(world, patched, taken)
        renewed = world.post()
    world.standing.agents["invoice-bot"] = removed
    change = world.database.writer.change

    def changed(apply: Any) -> Any:
        taken()
        return change(apply)

    monkeypatch.setattr(world.database.writer, "change", changed)
    first = world.post(world.form(scope="purpose:audit-invoices"))
    for answer in (renewed, first):
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
        assert "access_token" not in answer.text
    reasons = [each["reason"] for each in world.entries("refused")]
    assert reasons == ["the credential is not registered"] * 2
    assert len(world.entries("token")) == 2  # the renewal was recorded, and nobody has it
