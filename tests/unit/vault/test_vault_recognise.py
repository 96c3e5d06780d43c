"""A known secret in what an agent sends is found, in every form that a reader would recognise; nothing else is."""

from __future__ import annotations

import json
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from urllib.parse import quote

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from remit.kernel.clock import Instant
from remit.kernel.names import SecretName
from remit.vault.model import SecretUnavailable, Version, VersionState
from remit.vault.recognise import MOST, Recognise

RUN = st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-", min_size=16, max_size=40)
ANY = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=20)


def version(number: int, sealed: bytes) -> Version:
    return Version(
        secret=SecretName("key"), version=number, state=VersionState.ACTIVE, sealed=sealed, key="k", attributes={},
        made=Instant(1), since=Instant(1),
    )  # fmt: skip


def sealed(it: Version) -> bytes:
    """As if sealing changed nothing."""
    return it.sealed or b""


def knowing(*values: str) -> Recognise:
    found = Recognise()
    found.renew([version(at, value.encode()) for at, value in enumerate(values, 1)], sealed)
    return found


HOWS: dict[str, Callable[[str], str]] = {
    "raw": lambda text: text,
    "json": lambda text: json.dumps(text)[1:-1],
    "base64": lambda text: b64encode(text.encode()).decode(),
    "base64url": lambda text: urlsafe_b64encode(text.encode()).decode(),
    "hex": lambda text: text.encode().hex(),
    "HEX": lambda text: text.encode().hex().upper(),
    "quoted": lambda text: quote(text, safe=""),
    "query of base64": lambda text: f"a=b&c={quote(b64encode(text.encode()).decode(), safe='')}",
    "query": lambda text: f"a=b&c={quote(text, safe='')}",
}


@given(RUN, ANY, ANY, st.sampled_from(sorted(HOWS)))
def test_a_secret_is_found_wherever_it_stands(value: str, before: str, behind: str, how: str) -> None:
    secret = f"{before[:3]}/{value}+{behind[:3]}"
    said = HOWS[how](secret)
    assume(("/" not in said and "%2F" not in said) or "base64" not in how)  # where its runs end is chance
    text = f'{{"x": "{before} {said} {behind}"}}'.encode()
    assert [each.version for each, _ in knowing("another-value-000000", secret).find(text, sealed)] == [2]


@given(ANY, RUN)
def test_what_is_no_secret_is_not_found(text: str, value: str) -> None:
    assert value in text or knowing(value).find(text.encode(), sealed) == []


def test_a_run_that_is_only_a_part_is_no_secret() -> None:
    assert knowing("payments-production-key/2026").find(b"the payments-production-key of the server", sealed) == []


def test_only_the_beginning_is_looked_through() -> None:
    known = knowing("secret-value-0000001")
    assert known.find(b" " * MOST + b"secret-value-0000001", sealed) == []
    assert known.find(b" " * (MOST - 20) + b"secret-value-0000001", sealed) != []


def test_what_is_gone_is_not_looked_for() -> None:
    known = knowing("secret-value-0000001", "secret-value-0000002")
    known.renew([version(2, b"secret-value-0000002")], sealed)
    assert known.find(b"secret-value-0000001", sealed) == []
    assert known.find(b"secret-value-0000002", sealed) != []


def test_a_value_that_was_filled_in_later_is_looked_for() -> None:
    known = knowing("reserved-value-01")
    known.renew([version(1, b"chosen-by-provider")], sealed)
    assert known.find(b"chosen-by-provider", sealed) != []
    assert known.find(b"reserved-value-01", sealed) == []


def test_only_what_is_new_is_opened() -> None:
    known, opened = Recognise(), list[int]()

    def counted(it: Version) -> bytes:
        opened.append(it.version)
        return sealed(it)

    known.renew([version(1, b"secret-value-0000001")], counted)
    known.renew([version(1, b"secret-value-0000001"), version(2, b"secret-value-0000002")], counted)
    assert opened == [1, 2]


def test_what_does_not_open_keeps_nothing_else_from_being_found() -> None:
    def closed(it: Version) -> bytes:
        if it.version == 1:
            raise SecretUnavailable("it does not open")
        return sealed(it)

    known = Recognise()
    known.renew([version(1, b"x"), version(2, b"secret-value-0000002")], closed)
    assert [each.version for each, _ in known.find(b"secret-value-0000002", closed)] == [2]


@pytest.mark.parametrize("value", ["short-1", "a b c d e f g h", "hunter22", "summer2026summe", "pass-1/word-2/tail-3"])
def test_a_value_without_a_run_is_not_looked_for(value: str) -> None:
    for how in HOWS.values():  # in no form: whoever guesses may write it as they like
        assert knowing(value).find(how(value).encode(), sealed) == []


def test_no_value_is_kept() -> None:
    known = knowing("secret-value-0000001")
    assert "secret-value-0000001" not in repr([getattr(known, name) for name in ("_of", "_known", "_lengths")]).replace(
        repr(b"secret-value-0000001"),
        "",  # as it is sealed, which here is as it is
    )
