"""One law for whatever opens a database (remit.keys.ports.Provider): keyfile, passphrase, PKCS#11 token, transit key.

The token is SoftHSM's, and the transit engine that of a real OpenBao, which `make test-all` installs.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.contract.held_keys import KINDS, Pair, pairs

from remit.kernel.errors import KeyfileWrong

SLOW = {"transit": [pytest.mark.slow, pytest.mark.timeout(900)]}
NAMED_BY = {
    "keyfile": "--keyfile", "passphrase": "--passphrase-file", "pkcs11": "pkcs11 in the file",
    "transit": "transit in the file",
}  # fmt: skip
places = st.binary(max_size=300)


@pytest.fixture(scope="module", params=[pytest.param(name, marks=SLOW.get(name, ())) for name in KINDS])
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    yield from pairs(request, tmp_path_factory.mktemp("own"))


@settings(max_examples=40)
@given(plaintext=st.binary(max_size=2000), aad=places)
def test_what_it_wraps_it_unwraps(pair: Pair, plaintext: bytes, aad: bytes) -> None:
    wrapped = pair.one.wrap(plaintext, aad=aad)
    assert pair.one.unwrap(wrapped, aad=aad) == plaintext
    assert len(plaintext) < 8 or plaintext not in wrapped
    assert pair.one.wrap(plaintext, aad=aad) != wrapped


@settings(max_examples=30)
@given(aad=places, elsewhere=places)
def test_at_another_place_it_does_not_open(pair: Pair, aad: bytes, elsewhere: bytes) -> None:
    wrapped = pair.one.wrap(b"root", aad=aad)
    if aad == elsewhere:
        assert pair.one.unwrap(wrapped, aad=elsewhere) == b"root"
        return
    with pytest.raises(KeyfileWrong):
        pair.one.unwrap(wrapped, aad=elsewhere)


@settings(max_examples=20)
@given(aad=places)
def test_another_key_does_not_open_it(pair: Pair, aad: bytes) -> None:
    with pytest.raises(KeyfileWrong):
        pair.other.unwrap(pair.one.wrap(b"root", aad=aad), aad=aad)


@settings(max_examples=60)
@given(at=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_every_bit_counts(pair: Pair, at: int, bit: int) -> None:
    wrapped = bytearray(pair.one.wrap(b"the root key of a test", aad=b"place"))
    # How much a passphrase's header may ask for has tests of its own, which take no gigabytes.
    assume(pair.kind != "passphrase" or not 1 <= at % len(wrapped) <= 6)
    wrapped[at % len(wrapped)] ^= 1 << bit
    with pytest.raises(KeyfileWrong):
        pair.one.unwrap(bytes(wrapped), aad=b"place")


@settings(max_examples=40)
@given(keep=st.integers(0, 10_000))
def test_what_is_cut_short_does_not_open(pair: Pair, keep: int) -> None:
    wrapped = pair.one.wrap(b"the root key of a test", aad=b"place")
    with pytest.raises(KeyfileWrong):
        pair.one.unwrap(wrapped[: keep % len(wrapped)], aad=b"place")


def test_it_says_what_it_is_and_shows_no_secret(pair: Pair) -> None:
    assert pair.one.health()
    assert "horse" not in repr(vars(pair.one))


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("mine", "its"), list(permutations(KINDS, 2)))
def test_each_names_the_one_that_opens_it(
    mine: str, its: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        made = {name: KINDS[name](request, tmp_path_factory.mktemp("own"), patch)[0] for name in (mine, its)}
        wrapped = made[its].wrap(b"root", aad=b"place")
        with pytest.raises(KeyfileWrong) as caught:
            made[mine].unwrap(wrapped, aad=b"place")
    assert NAMED_BY[its] in caught.value.try_
