import json
import random
from base64 import b32encode, b64encode, urlsafe_b64encode
from urllib.parse import quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.vault.echo import Scanner, forms

SECRET = b'sk-live/"4f9a+canary'
texts = st.binary(max_size=12)


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=8, max_size=40), texts, texts)
def test_a_secret_is_found_wherever_it_stands_and_in_each_encoding(value: str, before: bytes, after: bytes) -> None:
    secret = value.encode()
    whole = before + secret + after
    plain = (whole, whole.hex().encode(), whole.hex().upper().encode(), b64encode(whole), urlsafe_b64encode(whole))
    escaped = "".join(f"\\u{octet:04x}" for octet in whole).encode()
    for sent in (*plain, b32encode(whole), escaped, json.dumps(escaped.decode()).encode()):
        assert Scanner(forms(secret)).feed(sent)


@pytest.mark.parametrize(
    "sent",
    [
        json.dumps({"a": SECRET.decode()}).encode(),
        json.dumps({"a": SECRET.decode()}).replace("/", "\\/").encode(),
        b"q=" + quote_plus(SECRET.decode()).encode(),
        b64encode(b"user:" + SECRET),
        b"data: Bearer " + SECRET + b"\n\n",
        SECRET.replace(b"+", b"\\u002B"),  # as .NET writes it
        SECRET.replace(b"/", b"\\/"),  # as PHP does
        "".join(f"\\u{octet:04x}" for octet in SECRET).encode(),
        json.dumps(json.dumps({"a": "".join(f"\\u{octet:04X}" for octet in SECRET)})).encode(),
        "".join(f"%{octet:02X}" for octet in SECRET).encode(),
        "".join(f"%{octet:02x}" for octet in SECRET).encode(),
        b32encode(b"x" + SECRET).lower(),
        json.dumps(b64encode(SECRET).decode()).replace("/", "\\/").replace("+", "\\u002b").encode(),
    ],
)
def test_the_ways_servers_echo_headers(sent: bytes) -> None:
    assert Scanner(forms(SECRET)).feed(sent)


@pytest.mark.parametrize(
    "secret",
    [
        SECRET,
        "".join(f"\\u{octet:04x}" for octet in SECRET).encode(),
        json.dumps("".join(f"\\u{octet:04x}" for octet in SECRET)).encode(),
        SECRET.replace(b"a", b"\\u0061"),
    ],
)
@given(st.data())
def test_it_is_found_across_any_borders_of_chunks(secret: bytes, data: st.DataObject) -> None:
    sent = b"x" * data.draw(st.integers(0, 30)) + secret + b"y" * 10
    cuts = sorted(data.draw(st.lists(st.integers(0, len(sent)), max_size=8)))
    chunks = [sent[a:b] for a, b in zip([0, *cuts], [*cuts, len(sent)], strict=True)]
    scanner = Scanner(forms(SECRET))
    assert [scanner.feed(chunk) for chunk in chunks][-1]


def test_the_chunk_that_completes_it_is_the_one_that_says_so() -> None:
    scanner = Scanner(forms(SECRET))
    assert [scanner.feed(SECRET[n : n + 1]) for n in range(len(SECRET))] == [False] * (len(SECRET) - 1) + [True]
    assert scanner.feed(b"")


@given(st.lists(st.sampled_from([b"\\", b"\\u", b"\\U", b"0", b"00", b"d8", b"n", b"\xff", b"text"]), max_size=20))
def test_no_escape_is_too_broken_to_be_read(parts: list[bytes]) -> None:
    scanner = Scanner(forms(SECRET))
    assert [scanner.feed(part) for part in parts] == [False] * len(parts)
    assert Scanner(forms(SECRET)).feed(b"".join(parts) + b" " + SECRET)


@given(texts)
def test_ordinary_text_is_let_through(text: bytes) -> None:
    assert not Scanner(forms(SECRET)).feed(text)


def test_a_short_secret_is_not_looked_for() -> None:
    assert forms(b"key") == frozenset()
    assert not Scanner(forms(b"key")).feed(b'{"key": 1}')


def test_a_scanner_does_not_show_what_it_looks_for() -> None:
    assert "canary" not in repr(Scanner(forms(SECRET)))


@pytest.mark.parametrize("form", sorted(forms(SECRET)))
def test_each_form_is_found_across_every_border(form: bytes) -> None:
    """The longest one too: what is kept of a chunk is all but its last character."""
    for cut in range(1, len(form)):
        scanner = Scanner(forms(SECRET))
        first = scanner.feed(form[:cut])
        assert scanner.feed(form[cut:]) or first
        alone = Scanner([form])
        assert [alone.feed(form[:cut]), alone.feed(form[cut:])] == [False, True]


def test_what_was_seen_once_stays_seen() -> None:
    """However much follows: a stream that carried a secret is not sent on again a little later."""
    scanner = Scanner(forms(SECRET))
    assert scanner.feed(SECRET)
    assert [scanner.feed(b"x" * 4096) for _ in range(3)] == [True] * 3


@given(st.binary(max_size=60), st.lists(st.binary(min_size=1, max_size=12), min_size=1, max_size=4))
def test_what_may_be_a_beginning_is_held_and_nothing_else(text: bytes, needles: list[bytes]) -> None:
    scanner = Scanner(needles)
    if scanner.feed(text):
        return
    ends = (text[-size:] for size in range(len(text), 0, -1))
    assert scanner.held() == next((len(end) for end in ends if any(needle.startswith(end) for needle in needles)), 0)


@given(st.text("ab", min_size=8, max_size=12), st.lists(st.text("ab", max_size=9), max_size=6))
def test_of_a_secret_in_pieces_nothing_has_gone_on(secret: str, pieces: list[str]) -> None:
    scanner, passed, rest = Scanner([secret.encode()]), b"", b""
    for piece in (each.encode() for each in pieces):
        if scanner.feed(piece):
            break
        text = rest + piece
        held = scanner.held()
        passed, rest = passed + text[: len(text) - held], text[len(text) - held :]
    whole = "".join(pieces).encode()
    at = whole.find(secret.encode())
    assert len(passed) <= (len(whole) if at < 0 else at)


VISIBLE = st.characters(min_codepoint=33, max_codepoint=126)
NAMES = st.lists(st.text("abcXYZ-019", max_size=12).map(str.encode), max_size=4)


@given(st.text(VISIBLE, min_size=8, max_size=40), st.randoms(use_true_random=False), NAMES, NAMES)
def test_in_a_headers_name_a_secret_is_found_in_any_case(
    value: str, chance: random.Random, before: list[bytes], after: list[bytes]
) -> None:
    """As it is and in every form: a server may lower the case of a name, or write it as names look."""
    for form in sorted(forms(value.encode())):
        mixed = bytes(chance.choice((each, each.swapcase()))[0] for each in (form[n : n + 1] for n in range(len(form))))
        for sent in (form.lower(), form.upper(), form.title(), mixed):
            assert Scanner(forms(value.encode())).named([*before, b"x-" + sent + b"-1", *after])


@given(NAMES)
def test_ordinary_names_are_let_through_and_are_no_part_of_what_follows(names: list[bytes]) -> None:
    scanner = Scanner(forms(SECRET))
    assert not scanner.named(names)
    assert not scanner.feed(SECRET[4:])
    assert not Scanner(forms(SECRET)).named([SECRET[:6], SECRET[6:]])  # of two names each has a part


def test_in_a_value_or_a_body_case_counts() -> None:
    assert not Scanner(forms(SECRET)).feed(SECRET.swapcase())


def test_what_was_seen_in_a_name_stays_seen() -> None:
    scanner = Scanner(forms(SECRET))
    assert scanner.named([SECRET.lower()])
    assert scanner.feed(b"x")
    assert scanner.named([b"x"])
