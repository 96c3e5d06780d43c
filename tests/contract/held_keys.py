"""A provider of each kind with a second one of another key, on what really holds them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.real.openbao import OpenBao
from tests.real.softhsm import PIN, SoftHsm

from remit.keys import passphrase
from remit.keys.held import TokenKey, TransitKey
from remit.keys.keyfile import KeyfileProvider
from remit.keys.passphrase import PassphraseProvider
from remit.keys.pkcs11 import Pkcs11Provider
from remit.keys.ports import Provider
from remit.keys.secret import Secret
from remit.keys.transit import TransitProvider

_numbers = itertools.count(1)


@dataclass(frozen=True)
class Pair:
    """Two of a kind, whose keys differ."""

    kind: str
    one: Provider
    other: Provider


def written(path: Path, text: str, mode: int = 0o400) -> Path:
    """A file, in a folder that is its owner's alone."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return path


def token_key(found: SoftHsm, folder: Path, key: str, *, make: bool = True, pin: str = PIN) -> TokenKey:
    """A key of the token's, made when it is wrapped with."""
    file = written(folder / "pin" / f"{next(_numbers)}", pin + "\n")
    return TokenKey(module=found.module, token="remit", key=key, pin_file=file, make=make)


def transit_key(server: OpenBao, folder: Path, key: str) -> TransitKey:
    """A key of the server's, for a token that may use it, look at it and make it."""
    server.mount("remit-transit", "transit")
    server.policy(
        f"remit-{key}",
        "".join(
            f'path "remit-transit/{verb}/{key}" {{ capabilities = ["create", "read", "update"] }}\n'
            for verb in ("keys", "encrypt", "decrypt")
        ),
    )
    file = written(folder / "token" / f"{next(_numbers)}", server.token_for(f"remit-{key}") + "\n")
    return TransitKey(address=server.address, mount="remit-transit", key=key, who=file, make=True)


def _keyfiles(_request: pytest.FixtureRequest, _folder: Path, _patch: pytest.MonkeyPatch) -> tuple[Provider, Provider]:
    return KeyfileProvider(Secret(b"1" * 32)), KeyfileProvider(Secret(b"2" * 32))


def _passphrases(
    _request: pytest.FixtureRequest, _folder: Path, patch: pytest.MonkeyPatch
) -> tuple[Provider, Provider]:
    patch.setattr(passphrase, "MEMORY", 1 << 7)  # the cost is no part of the contract, and CI pays it
    patch.setattr(passphrase, "PASSES", 1)
    return PassphraseProvider(Secret("correct horse battery")), PassphraseProvider(Secret("another horse battery"))


def _tokens(request: pytest.FixtureRequest, folder: Path, _patch: pytest.MonkeyPatch) -> tuple[Provider, Provider]:
    found: SoftHsm = request.getfixturevalue("softhsm")
    return Pkcs11Provider(token_key(found, folder, "one")), Pkcs11Provider(token_key(found, folder, "other"))


def _transits(request: pytest.FixtureRequest, folder: Path, _patch: pytest.MonkeyPatch) -> tuple[Provider, Provider]:
    server: OpenBao = request.getfixturevalue("openbao")
    return TransitProvider(transit_key(server, folder, "one")), TransitProvider(transit_key(server, folder, "other"))


Make = Callable[[pytest.FixtureRequest, Path, pytest.MonkeyPatch], tuple[Provider, Provider]]
KINDS: dict[str, Make] = {
    "keyfile": _keyfiles, "passphrase": _passphrases, "pkcs11": _tokens, "transit": _transits
}  # fmt: skip


def pairs(request: pytest.FixtureRequest, folder: Path) -> Iterator[Pair]:
    """What a fixture with these kinds as parameters yields."""
    with pytest.MonkeyPatch.context() as patch:
        one, other = KINDS[request.param](request, folder, patch)
        # What is made when it is first wrapped with is there from now on.
        one.wrap(b"", aad=b"")
        other.wrap(b"", aad=b"")
        yield Pair(request.param, one, other)
