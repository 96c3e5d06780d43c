"""A client assertion used twice (Ory Hydra GHSA-3p3g-vpw6-4w66), also by two servers at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from tests.at_once import Ask, at_once

from remit.kernel.clock import SECOND
from remit.storage.database import open_database
from remit.tokens.form import parse_form


@pytest.mark.requirement("client:replay")
def test_the_second_use_is_refused_and_recorded(world: Any) -> None:
    form = world.form()
    assert world.post(form).status_code == 200
    answer = world.post(form)
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    (entry,) = world.entries("refused")
    assert (entry["reason"], entry["agent"]) == ("assertion replayed", "invoice-bot")
    assert len(world.entries("token")) == 1


def test_a_jti_is_used_once_even_in_a_new_assertion(world: Any) -> None:
    assert world.post(world.form(client_assertion=world.assertion(jti="same"))).status_code == 200
    assert (
        world.post(world.form(client_assertion=world.assertion(jti="same", exp=world.now // SECOND + 90))).status_code
        == 401
    )
    # Another client's jti is its own.
    assert (
        world.post(
            world.plain(client_assertion=world.assertion("plain-bot", key=world.plain_key, jti="same"))
        ).status_code
        == 200
    )


def test_a_refused_request_uses_its_assertion_up(world: Any) -> None:
    assertion = world.assertion()
    assert world.post(world.form(client_assertion=assertion, scope="purpose:other")).status_code == 400
    assert world.post(world.form(client_assertion=assertion)).status_code == 401
    assert [entry["error"] for entry in world.entries("refused")] == ["invalid_scope", "invalid_client"]


def test_what_is_refused_over_the_budget_of_records_is_used_up_too(world: Any) -> None:
    for _ in range(70):
        world.post(world.form(scope="purpose:other"))
    recorded = len(world.entries())
    assertion, proof = world.assertion(), world.proof()
    assert world.post(world.form(client_assertion=assertion, scope="purpose:other"), proof=proof).status_code == 400
    assert len(world.entries()) == recorded
    assert world.post(world.form(client_assertion=assertion)).status_code == 401
    other = world.post(proof=proof)
    assert (other.status_code, other.json()["error"]) == (400, "invalid_dpop_proof")


def test_it_is_still_used_after_a_restart(world: Any, tmp_path: Path) -> None:
    form = world.form()
    assert world.post(form).status_code == 200
    world.database.close()
    world.database = open_database(tmp_path / "remit.db", clock=world.clock)
    world.service = world.serve()
    world.app.routes[:] = []
    from remit.tokens.http import routes  # noqa: PLC0415 - one use

    world.app.routes.extend(routes(world.service))
    assert world.post(form).status_code == 401
    world.database.close()


def test_of_many_at_once_exactly_one_wins(world: Any) -> None:
    """Two services that share nothing but the database, eight threads, one assertion, a proof each."""
    assertion = world.assertion()
    services = [world.serve(), world.serve()]

    def question(number: int) -> Ask:
        body = urlencode(world.form(client_assertion=assertion)).encode()
        form, proof = parse_form(body, media_type="application/x-www-form-urlencoded"), world.proof()
        return lambda: services[number % 2].token(form, dpop=proof, url=f"{world.base}/oauth2/token")

    won, lost = at_once(8, question)
    assert len(won) == 1
    assert {refused.error.value for refused in lost} == {"invalid_client"}
    assert len(world.entries("token")) == 1
    assert [entry["reason"] for entry in world.entries("refused")] == ["assertion replayed"] * 7
