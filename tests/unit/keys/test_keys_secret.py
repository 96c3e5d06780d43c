import copy
import dataclasses
import json
import logging
import pickle
import traceback
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from remit.kernel import canonical
from remit.keys.secret import Secret

CANARY = "canary-7f3a9c"
SECRET = Secret(CANARY)


@dataclasses.dataclass
class Holder:
    name: str
    secret: Secret


SHOWN: list[Callable[[], object]] = [
    lambda: repr(SECRET),
    lambda: str(SECRET),
    lambda: f"{SECRET} {SECRET!r} {SECRET!s} {SECRET:>40}",
    lambda: "{} {:x}".format(SECRET, SECRET),  # noqa: UP032 - this is the way of formatting under test
    lambda: "%s %r %a" % (SECRET, SECRET, SECRET),  # noqa: UP031 - this is the way of formatting under test
    lambda: repr(Holder("a", SECRET)),
    lambda: repr([SECRET, {"k": SECRET}]),
    lambda: json.dumps({"a": SECRET}, default=str),
    lambda: dir(SECRET),
]


@pytest.mark.parametrize("show", SHOWN)
def test_showing_a_secret_shows_nothing(show: Callable[[], object]) -> None:
    assert CANARY not in str(show())


REFUSED: list[Callable[[], object]] = [
    lambda: json.dumps({"a": SECRET}),
    lambda: msgspec.json.encode({"a": SECRET}),
    lambda: msgspec.msgpack.encode([SECRET]),
    lambda: msgspec.to_builtins(Holder("a", SECRET)),
    lambda: canonical.encode({"a": SECRET}),
    lambda: canonical.canonical({"a": SECRET}),
    lambda: pickle.dumps(SECRET),
    lambda: pickle.dumps(SECRET, protocol=0),
    lambda: copy.deepcopy(SECRET),
    lambda: copy.copy(SECRET),
    lambda: dataclasses.asdict(Holder("a", SECRET)),
    lambda: bytes(SECRET),  # type: ignore[call-overload]
    lambda: iter(SECRET),  # type: ignore[call-overload]
    lambda: len(SECRET),  # type: ignore[arg-type]
    lambda: hash(SECRET),
    lambda: vars(SECRET),
    lambda: "prefix " + SECRET,  # type: ignore[operator]
    lambda: SECRET < SECRET,  # type: ignore[operator] # noqa: PLR0124 - ordering is what is refused
]


@pytest.mark.parametrize("use", REFUSED)
def test_a_secret_is_not_encoded_or_copied_and_the_refusal_shows_nothing(use: Callable[[], object]) -> None:
    with pytest.raises(Exception) as refusal:  # noqa: PT011 - each library refuses in its own way
        use()
    assert CANARY not in "".join(traceback.format_exception(refusal.value))


def test_logging_shows_nothing(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        logging.getLogger("t").info("%s %r %s", SECRET, SECRET, {"a": SECRET})
    assert CANARY not in caplog.text


def test_structlog_and_its_tracebacks_with_locals_show_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    log = structlog.get_logger()
    held = Secret(CANARY)
    try:
        _ = held + 1  # type: ignore[operator]
    except TypeError:
        log.exception("failed", secret=held)
    out = capsys.readouterr()
    assert CANARY not in out.out + out.err


def test_an_error_holds_no_bytes_of_a_secret_that_is_not_text() -> None:
    with pytest.raises(ValueError, match="not UTF-8") as refusal:
        Secret(b"\xff" + CANARY.encode()).text()
    assert refusal.value.__context__ is None
    assert refusal.value.__cause__ is None


@pytest.mark.parametrize("value", [12345, None, bytearray(b"x"), ["x"]])
def test_only_bytes_and_text_are_taken(value: Any) -> None:
    with pytest.raises(TypeError) as refusal:
        Secret(value)
    assert "12345" not in str(refusal.value)


@given(st.binary(max_size=50))
def test_bytes_come_back(value: bytes) -> None:
    assert Secret(value).reveal() == value


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=50))
def test_text_comes_back(value: str) -> None:
    assert Secret(value).text() == value


@given(st.binary(max_size=5), st.binary(max_size=5))
def test_equality_is_that_of_the_values(one: bytes, other: bytes) -> None:
    assert (Secret(one) == Secret(other)) is (one == other)
    assert Secret(one) != one
