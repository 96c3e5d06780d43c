"""What opens a database: one suite for the keyfile and the passphrase (remit.keys.ports.Provider)."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from remit.kernel.errors import KeyfileMissing, KeyfileUnsafe, KeyfileWrong
from remit.keys import passphrase
from remit.keys.keyfile import KeyfileProvider
from remit.keys.passphrase import PassphraseProvider
from remit.keys.ports import Provider
from remit.keys.secret import Secret

ROOT = bytes(range(32))
AAD = b"place"


@dataclass(frozen=True)
class Kind:
    """A provider that reads a file: how it is loaded, and two files' worth of what it reads."""

    load: Callable[[Path], Provider]
    text: bytes
    other: bytes


KINDS = {
    "keyfile": Kind(KeyfileProvider.load, b"11" * 32 + b"\n", b"22" * 32 + b"\n"),
    "passphrase": Kind(PassphraseProvider.load, b"correct horse battery staple\n", b"another horse battery staple\n"),
}


@pytest.fixture(params=sorted(KINDS))
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Kind:
    monkeypatch.setattr(passphrase, "MEMORY", 1 << 10)  # the cost is no part of the contract, and CI pays it
    return KINDS[request.param]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "own"
    made.mkdir(mode=0o700)
    return made


def written(path: Path, text: bytes, mode: int = 0o400) -> Path:
    path.write_bytes(text)
    path.chmod(mode)
    return path


def test_what_it_wraps_it_unwraps(kind: Kind, folder: Path) -> None:
    file = written(folder / "f", kind.text)
    wrapped = kind.load(file).wrap(ROOT, aad=AAD)
    assert kind.load(file).unwrap(wrapped, aad=AAD) == ROOT
    assert ROOT not in wrapped
    assert kind.load(file).wrap(ROOT, aad=AAD) != wrapped  # a nonce, and a salt, of its own each time


def test_another_one_is_wrong(kind: Kind, folder: Path) -> None:
    wrapped = kind.load(written(folder / "f", kind.text)).wrap(ROOT, aad=AAD)
    with pytest.raises(KeyfileWrong):
        kind.load(written(folder / "g", kind.other)).unwrap(wrapped, aad=AAD)


def test_another_place_is_wrong(kind: Kind, folder: Path) -> None:
    one = kind.load(written(folder / "f", kind.text))
    with pytest.raises(KeyfileWrong):
        one.unwrap(one.wrap(ROOT, aad=AAD), aad=b"elsewhere")


def test_every_byte_counts(kind: Kind, folder: Path) -> None:
    one = kind.load(written(folder / "f", kind.text))
    wrapped = one.wrap(ROOT, aad=AAD)
    for at in range(len(wrapped)):
        with pytest.raises(KeyfileWrong):
            one.unwrap(wrapped[:at] + bytes([wrapped[at] ^ 0x80]) + wrapped[at + 1 :], aad=AAD)
    for length in (0, 1, 10, len(wrapped) - 1):
        with pytest.raises(KeyfileWrong):
            one.unwrap(wrapped[:length], aad=AAD)


@pytest.mark.parametrize("text", [b"", b"\n"])
def test_an_empty_file_is_wrong(kind: Kind, folder: Path, text: bytes) -> None:
    with pytest.raises(KeyfileWrong):
        kind.load(written(folder / "f", text))


@pytest.mark.parametrize("mode", [0o404, 0o440, 0o444, 0o640, 0o500])
def test_a_file_that_others_may_read_is_unsafe(kind: Kind, folder: Path, mode: int) -> None:
    with pytest.raises(KeyfileUnsafe) as caught:
        kind.load(written(folder / "f", kind.text, mode))
    assert str(folder) in caught.value.try_


def test_a_file_that_others_may_replace_is_unsafe(kind: Kind, folder: Path) -> None:
    file = written(folder / "f", kind.text)
    folder.chmod(0o770)
    with pytest.raises(KeyfileUnsafe):
        kind.load(file)


def test_a_symbolic_link_is_unsafe(kind: Kind, folder: Path) -> None:
    (folder / "link").symlink_to(written(folder / "f", kind.text))
    with pytest.raises(KeyfileUnsafe, match="symbolic link"):
        kind.load(folder / "link")


def test_a_pipe_is_unsafe_and_nobody_waits_for_it(kind: Kind, folder: Path) -> None:
    os.mkfifo(folder / "pipe", 0o400)
    with pytest.raises(KeyfileUnsafe, match="not a regular file"):
        kind.load(folder / "pipe")


def test_a_file_that_is_not_there_is_missing(kind: Kind, folder: Path) -> None:
    with pytest.raises(KeyfileMissing) as caught:
        kind.load(folder / "f")
    assert "--" in caught.value.try_


def test_each_says_so_if_the_other_one_opens_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passphrase, "MEMORY", 1 << 10)
    by_file, by_phrase = (one.load(written(folder / name, one.text)) for name, one in KINDS.items())
    with pytest.raises(KeyfileWrong) as caught:
        by_file.unwrap(by_phrase.wrap(ROOT, aad=AAD), aad=AAD)
    assert "--passphrase-file" in caught.value.try_
    with pytest.raises(KeyfileWrong) as caught:
        by_phrase.unwrap(by_file.wrap(ROOT, aad=AAD), aad=AAD)
    assert "keyfile" in caught.value.try_


# the passphrase's own ----------------------------------------------------------------------------


def test_the_passphrase_costs_what_rfc_9106_recommends() -> None:
    wrapped = PassphraseProvider(Secret("correct horse battery staple")).wrap(ROOT, aad=AAD)
    assert (wrapped[0], wrapped[1], wrapped[2]) == (2, 3, 4)  # format, passes, lanes
    assert int.from_bytes(wrapped[3:7], "big") == 64 * 1024  # KiB
    assert PassphraseProvider(Secret("correct horse battery staple")).unwrap(wrapped, aad=AAD) == ROOT


def test_parameters_are_read_from_what_was_wrapped(monkeypatch: pytest.MonkeyPatch) -> None:
    one = PassphraseProvider(Secret("correct horse battery staple"))
    monkeypatch.setattr(passphrase, "MEMORY", 1 << 10)
    wrapped = one.wrap(ROOT, aad=AAD)
    monkeypatch.setattr(passphrase, "MEMORY", 1 << 12)
    assert one.unwrap(wrapped, aad=AAD) == ROOT


@pytest.mark.parametrize(
    ("passes", "lanes", "memory"), [(0, 4, 1024), (17, 4, 1024), (3, 0, 1024), (3, 4, 31), (3, 4, (1 << 21) + 1)]
)
def test_a_header_that_asks_for_too_much_starts_nothing(passes: int, lanes: int, memory: int) -> None:
    wrapped = b"\x02" + bytes((passes, lanes)) + memory.to_bytes(4, "big") + bytes(16 + 60)
    with pytest.raises(KeyfileWrong, match="damaged"):
        PassphraseProvider(Secret("correct horse battery staple")).unwrap(wrapped, aad=AAD)


def test_a_short_passphrase_opens_and_wraps_nothing_new() -> None:
    with pytest.raises(KeyfileUnsafe, match="shorter than 15"):
        PassphraseProvider(Secret("x" * 14)).wrap(ROOT, aad=AAD)


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
def test_it_comes_on_a_descriptor_without_its_line_end(end: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passphrase, "MEMORY", 1 << 10)
    reading, writing = os.pipe()
    os.write(writing, b"correct horse battery staple" + end)
    os.close(writing)
    try:
        one = PassphraseProvider.read(reading)
    finally:
        os.close(reading)
    wrapped = PassphraseProvider(Secret("correct horse battery staple")).wrap(ROOT, aad=AAD)
    assert one.unwrap(wrapped, aad=AAD) == ROOT


def test_a_descriptor_that_is_not_open_or_gives_too_much_is_wrong(folder: Path) -> None:
    with pytest.raises(KeyfileWrong, match="cannot be read"):
        PassphraseProvider.read(2**20)
    with written(folder / "f", b"x" * 1025).open("rb") as file, pytest.raises(KeyfileWrong, match="over 1024"):
        PassphraseProvider.read(file.fileno())


def test_it_shows_itself_nowhere() -> None:
    one = PassphraseProvider(Secret("correct horse battery staple"))
    assert "horse" not in repr(vars(one))
