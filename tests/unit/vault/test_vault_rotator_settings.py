"""What the rotators of single providers take as settings, and what they propose before anybody is asked."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.kernel.clock import FixedClock, Instant
from remit.kernel.names import SecretName
from remit.keys.secret import Secret
from remit.vault.model import Material, check_attributes, check_value
from remit.vault.rotator import Plan, Refused, Rotator
from remit.vault.rotators import aws, openbao, postgres
from remit.vault.settings import Read, problems

POSTGRES = {"host": "db.example.test", "database": "shop", "roles": ["shop_a", "shop_b"], "admin": "db-admin"}
OPENBAO = {"url": "https://bao.example.test:8200", "role": "shop", "role_id": "1-2-3", "admin": "bao-admin"}
AWS = {"user": "shop", "admin": "aws-admin"}
CHECKS: dict[str, tuple[Read, dict[str, Any]]] = {
    "postgres": (postgres.read, POSTGRES),
    "openbao": (openbao.read, OPENBAO),
    "aws": (aws.read, AWS),
}


async def _unsent(method: str, url: str, headers: Any, body: bytes) -> Any:
    raise AssertionError("nobody is asked")


async def _unresolved(host: str, port: int) -> tuple[str, ...]:
    raise AssertionError("nobody is asked")


ROTATORS: dict[str, Rotator] = {
    "postgres": postgres.PostgresRole(_unresolved),
    "openbao": openbao.OpenBaoSecretId(_unsent),
    "aws": aws.AwsAccessKey(_unsent, FixedClock(Instant(0))),
}


def plan(settings: Any, current: Material | None = None, *known: dict[str, str], started: int = 0) -> Plan:
    held = known if current is None else (current.attributes, *known)
    return Plan(
        rotation="rot_1", secret=SecretName("shop-key"), version=2, settings=settings, admin=_never,
        started=Instant(started), current=current, known=tuple(held),
    )  # fmt: skip


def _never(name: str) -> Material:
    raise AssertionError("nobody is asked")


def having(**attributes: str) -> Material:
    return Material(value=Secret("a value of eight"), attributes=attributes)


@pytest.mark.parametrize("kind", CHECKS)
def test_the_shortest_settings_are_taken(kind: str) -> None:
    read, settings = CHECKS[kind]
    assert list(problems(settings, read)) == []


@pytest.mark.parametrize("kind", CHECKS)
def test_each_missing_or_unknown_field_is_named(kind: str) -> None:
    read, settings = CHECKS[kind]
    for name in settings:
        found = list(problems({key: value for key, value in settings.items() if key != name}, read))
        assert name in {each.field for each in found}
    assert {each.field for each in problems({**settings, "passwort": "x"}, read)} == {"passwort"}


_FIELDS = st.sampled_from([*POSTGRES, *OPENBAO, *AWS, "sslmode", "port"])
_ANYTHING = st.one_of(
    st.none(),
    st.integers(),
    st.text(max_size=70),
    st.lists(st.text(max_size=5), max_size=3),
    st.dictionaries(st.text(), st.text()),
)


@given(st.dictionaries(_FIELDS, _ANYTHING))
def test_whatever_stands_there_is_only_said_to_be_wrong(settings: dict[str, Any]) -> None:
    for read, whole in CHECKS.values():
        list(problems(settings, read))
        list(problems({**whole, **settings}, read))


@pytest.mark.parametrize(
    ("kind", "change", "field"),
    [
        ("postgres", {"roles": ["a", "a"]}, "roles"),
        ("postgres", {"roles": ["a"]}, "roles"),
        ("postgres", {"roles": ["a", "pg_monitor"]}, "roles.1"),
        ("postgres", {"roles": ["a", "b:c"]}, "roles.1"),
        ("postgres", {"roles": ["a", "x" * 64]}, "roles.1"),
        ("postgres", {"admin_user": "shop_a"}, "admin_user"),
        ("postgres", {"sslmode": "prefer"}, "sslmode"),
        ("postgres", {"sslmode": "disable", "sslrootcert": "/ca.pem"}, "sslrootcert"),
        ("postgres", {"sslmode": "verify-ca"}, "sslrootcert"),
        ("postgres", {"host": "/run/postgresql"}, "host"),
        ("postgres", {"host": "a,b"}, "host"),
        ("postgres", {"port": 0}, "port"),
        ("openbao", {"url": "bao.example.test"}, "url"),
        ("openbao", {"url": "https://user:word@bao.example.test"}, "url"),
        ("openbao", {"url": "https://bao.example.test/"}, "url"),
        ("openbao", {"mount": "../sys"}, "mount"),
        ("openbao", {"mount": "a/../sys"}, "mount"),
        ("openbao", {"role": "a/b"}, "role"),
        ("aws", {"user": "a/b"}, "user"),
        ("aws", {"region": "eu-central-1.attacker.test/"}, "region"),
        ("aws", {"endpoint_url": "ftp://a"}, "endpoint_url"),
    ],
)
def test_what_is_wrong_is_named(kind: str, change: dict[str, Any], field: str) -> None:
    read, settings = CHECKS[kind]
    assert {each.field for each in problems({**settings, **change}, read)} == {field}


@given(st.sampled_from([None, "shop_a", "shop_b"]), st.lists(st.sampled_from(["shop_a", "shop_b"]), max_size=2))
def test_a_role_in_use_is_never_proposed(current: str | None, held: list[str]) -> None:
    it = plan(POSTGRES, None if current is None else having(user=current), *({"user": each} for each in held))
    used = {current, *held} - {None}
    if len(used) == 2:
        with pytest.raises(Refused):
            ROTATORS["postgres"].propose(it)
        return
    proposed = ROTATORS["postgres"].propose(it)
    assert proposed is not None
    assert proposed.attributes["user"] not in used
    check_value(proposed.value)
    check_attributes(proposed.attributes)


@pytest.mark.parametrize("attributes", [{}, {"user": "somebody"}])
def test_where_the_role_in_use_is_not_known_none_is_changed(attributes: dict[str, str]) -> None:
    with pytest.raises(Refused):
        ROTATORS["postgres"].propose(plan(POSTGRES, having(**attributes)))


def test_where_the_key_in_use_is_not_known_none_is_made() -> None:
    with pytest.raises(Refused):
        ROTATORS["aws"].propose(plan(AWS, having()))
    assert ROTATORS["aws"].propose(plan(AWS, having(access_key_id="AKIA"))) is None


def test_settings_that_nobody_checked_are_refused() -> None:
    for rotator in ROTATORS.values():
        with pytest.raises(Refused, match="settings"):
            rotator.propose(plan({}))


def test_what_calls_use_is_never_unknown() -> None:
    key = aws.Key("AKIA", Instant(5))
    assert aws.unknown((key,), plan(AWS, having(access_key_id="AKIA"))) == aws.Unknown()
