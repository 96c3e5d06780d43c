"""What every rotator keeps, at the real server of its kind: whatever is asked twice comes to the same, the credential
that calls use works all the time, and nothing that is said of it holds a value."""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

import pytest
from tests.contract.rotating import ASKED, Bench, answering, nobody
from tests.contract.rotator_aws import AwsBench
from tests.contract.rotator_openbao import OpenBaoBench
from tests.contract.rotator_postgres import PostgresBench
from tests.real import moto, postgres

from remit.vault.echo import forms
from remit.vault.model import Material, check_attributes, check_value
from remit.vault.rotator import Plan, Refused, Rotator, Unclear


@pytest.fixture(scope="module")
def postgres_with_passwords() -> Iterator[postgres.Postgres]:
    with postgres.running() as server:
        yield server


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[moto.Moto]:
    with moto.running(tmp_path_factory.mktemp("moto")) as server:
        yield server


_BENCHES: Final[Mapping[str, tuple[Callable[[Any], Bench], str]]] = {
    "postgres": (PostgresBench, "postgres_with_passwords"),
    "openbao": (OpenBaoBench, "openbao"),
    "aws": (AwsBench, "aws"),
}
_LONG: Final = [pytest.mark.slow, pytest.mark.timeout(900)]  # their servers come from PyPI


@pytest.fixture(
    params=["postgres", pytest.param("openbao", marks=_LONG), pytest.param("aws", marks=_LONG)],
)
def bench(request: pytest.FixtureRequest) -> Bench:
    make, server = _BENCHES[request.param]
    return make(request.getfixturevalue(server))


def _made(rotator: Rotator, plan: Plan) -> Material:
    """Created, with what was proposed before."""
    return asyncio.run(rotator.create(plan, rotator.propose(plan)))


def _asked(rotator: Rotator, plan: Plan, it: Material, *, proposes: bool) -> dict[str, Callable[[], Awaitable[Any]]]:
    """Every way to ask the provider."""
    return {
        "create": lambda: rotator.create(plan, it if proposes else None),
        "verify": lambda: rotator.verify(plan, it),
        "revoke": lambda: rotator.revoke(plan, it),
        "gone": lambda: rotator.gone(plan, it),
    }


def _came(asked: Mapping[str, Callable[[], Awaitable[Any]]]) -> dict[str, Any]:
    """What each of them came to, asked at the same time."""

    async def all_of_them() -> list[Any]:
        return await asyncio.gather(*(ask() for ask in asked.values()), return_exceptions=True)

    return dict(zip(asked, asyncio.run(all_of_them()), strict=True))


def test_one_goes_round(bench: Bench) -> None:
    old = bench.first()
    rotator, plan = bench.rotator(), bench.plan(old)
    new = _made(rotator, plan)
    check_value(new.value)
    check_attributes(new.attributes)
    asyncio.run(rotator.verify(plan, new))
    assert bench.works(old)
    assert bench.works(new)
    assert not asyncio.run(rotator.gone(plan, old))
    after = bench.plan(new, old)
    asyncio.run(rotator.revoke(after, old))
    assert asyncio.run(rotator.gone(after, old))
    assert bench.works(new)
    assert not bench.works(old)


def test_there_and_back(bench: Bench) -> None:
    current, before = bench.first(), bench.count()
    for _ in range(3):
        rotator, plan = bench.rotator(), bench.plan(current)
        new = _made(rotator, plan)
        asyncio.run(rotator.verify(plan, new))
        after = bench.plan(new, current)
        asyncio.run(rotator.revoke(after, current))
        assert asyncio.run(rotator.gone(after, current))
        current = new
    assert bench.works(current)
    assert bench.count() == before


def test_what_was_made_and_not_recorded_is_made_once(bench: Bench) -> None:
    old, before = bench.first(), bench.count()
    plan = bench.plan(old, asked=ASKED)
    proposed = bench.rotator().propose(plan)
    for _ in range(3):
        asyncio.run(bench.rotator().create(plan, proposed))  # and then the process was killed
        assert bench.works(old)
    new = asyncio.run(bench.rotator().create(plan, proposed))
    asyncio.run(bench.rotator().verify(plan, new))
    assert bench.works(old)
    assert bench.count() == before + 1


def test_a_wrong_one_is_refused(bench: Bench) -> None:
    old = bench.first()
    rotator, plan = bench.rotator(), bench.plan(old)
    new = _made(rotator, plan)
    with pytest.raises(Refused):
        asyncio.run(rotator.verify(plan, bench.wrong(new)))
    asyncio.run(rotator.verify(plan, new))


def test_it_is_taken_away_twice(bench: Bench) -> None:
    old = bench.first()
    plan = bench.plan(old)
    new = _made(bench.rotator(), plan)
    after = bench.plan(new, old)
    for _ in range(3):
        asyncio.run(bench.rotator().revoke(after, old))
        assert asyncio.run(bench.rotator().gone(after, old))
    assert bench.works(new)


def test_what_calls_use_is_never_taken_away(bench: Bench) -> None:
    old = bench.first()
    with pytest.raises(Refused):
        asyncio.run(bench.rotator().revoke(bench.plan(old), old))
    assert bench.works(old)


def test_a_new_one_is_taken_back(bench: Bench) -> None:
    old, before = bench.first(), bench.count()
    plan = bench.plan(old)
    new = _made(bench.rotator(), plan)
    asyncio.run(bench.rotator().revoke(plan, new))
    assert asyncio.run(bench.rotator().gone(plan, new))
    assert bench.works(old)
    assert bench.count() == before


def test_what_cannot_be_understood_is_unclear(bench: Bench) -> None:
    old = bench.first()
    new = _made(bench.rotator(), bench.plan(old))
    for kind in ("down", *bench.kinds):
        with nobody() if kind == "down" else answering(kind) as port:
            plan = replace(bench.plan(new, old), settings=bench.at(port))
            rotator = bench.rotator(seconds=bench.impatient if kind == "silent" else 9.0)
            for name, came in _came(_asked(rotator, plan, old, proposes=bench.proposes)).items():
                assert isinstance(came, Unclear), (kind, name, came)
    assert bench.works(old)
    assert bench.works(new)


def test_who_may_not_is_refused(bench: Bench) -> None:
    old = bench.first()
    good = bench.plan(old)
    new = _made(bench.rotator(), good)
    plan = replace(bench.plan(new, old), admin=lambda _name: bench.denied())
    for name, came in _came(_asked(bench.rotator(), plan, old, proposes=bench.proposes)).items():
        assert name == "verify" or isinstance(came, Refused), (name, came)
    assert bench.works(old)
    assert bench.works(new)


def test_nothing_that_is_said_holds_a_value(
    bench: Bench, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    old = bench.first()
    good = bench.plan(old)
    rotator = bench.rotator()
    new = _made(rotator, good)
    told = [repr(rotator), repr(new), repr(good)]
    admin, denied = bench.admin("any"), bench.denied()
    with answering("page") as wrong, nobody() as down:
        for plan in (
            replace(bench.plan(new, old), admin=lambda _name: denied),
            *(replace(bench.plan(new, old), settings=bench.at(port)) for port in (wrong, down)),
        ):
            for error in _came(_asked(rotator, plan, bench.wrong(old), proposes=bench.proposes)).values():
                assert isinstance(error, Refused | Unclear)
                told += [error.public, error.detail, repr(error), *traceback.format_exception(error)]
    caught = capfd.readouterr()
    everything = "\n".join([*told, caplog.text, caught.out, caught.err]).encode()
    for value in (old, new, admin, denied, bench.wrong(old)):
        for form in forms(value.value.reveal()):
            assert form not in everything
