import base64
import os
import stat
from pathlib import Path

import pytest

from remit.kernel.errors import Conflict, KeyfileMissing, KeyfileUnsafe, KeyfileWrong
from remit.keys.keyfile import KeyfileProvider

KEY = bytes(range(32))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    folder = tmp_path / "remit"
    folder.mkdir(mode=0o700)
    return folder / "keyfile"


def _place(path: Path, content: bytes, mode: int = 0o400) -> Path:
    path.write_bytes(content)
    path.chmod(mode)
    return path


def test_a_new_keyfile_is_readable_by_its_owner_only(path: Path) -> None:
    KeyfileProvider.create(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o400
    assert [p.name for p in path.parent.iterdir()] == ["keyfile"]


def test_its_folder_is_made_private(tmp_path: Path) -> None:
    KeyfileProvider.create(tmp_path / "new" / "keyfile")
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700


def test_what_the_new_one_wrapped_the_loaded_one_unwraps(path: Path) -> None:
    wrapped = KeyfileProvider.create(path).wrap(b"root", aad=b"here")
    assert KeyfileProvider.load(path).unwrap(wrapped, aad=b"here") == b"root"


def test_an_existing_keyfile_is_never_replaced(path: Path) -> None:
    KeyfileProvider.create(path)
    before = path.read_bytes()
    with pytest.raises(Conflict):
        KeyfileProvider.create(path)
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == ["keyfile"]


def test_a_dangling_link_is_not_written_through(path: Path, tmp_path: Path) -> None:
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Conflict):
        KeyfileProvider.create(path)
    assert not (tmp_path / "elsewhere").exists()


def test_create_refuses_a_folder_others_may_write_to(path: Path) -> None:
    path.parent.chmod(0o777)
    with pytest.raises(KeyfileUnsafe):
        KeyfileProvider.create(path)
    assert not path.exists()


@pytest.mark.parametrize(
    "content",
    [KEY.hex().encode(), KEY.hex().upper().encode() + b"\n", base64.b64encode(KEY), base64.b64encode(KEY) + b"\n"],
)
def test_hex_and_base64_are_the_same_key(path: Path, content: bytes) -> None:
    wrapped = KeyfileProvider.load(_place(path, content)).wrap(b"root", aad=b"")
    path.unlink()
    assert KeyfileProvider.load(_place(path, KEY.hex().encode())).unwrap(wrapped, aad=b"") == b"root"


def test_a_missing_keyfile_is_refused(path: Path) -> None:
    with pytest.raises(KeyfileMissing):
        KeyfileProvider.load(path)


def test_a_missing_folder_is_a_missing_keyfile(tmp_path: Path) -> None:
    with pytest.raises(KeyfileMissing):
        KeyfileProvider.load(tmp_path / "none" / "keyfile")


@pytest.mark.parametrize("mode", [0o440, 0o404, 0o420, 0o402, 0o410, 0o644, 0o444])
def test_a_keyfile_open_to_others_is_refused(path: Path, mode: int) -> None:
    with pytest.raises(KeyfileUnsafe, match="open to others"):
        KeyfileProvider.load(_place(path, KEY.hex().encode(), mode))


def test_a_symbolic_link_is_refused(path: Path, tmp_path: Path) -> None:
    path.symlink_to(_place(tmp_path / "real", KEY.hex().encode()))
    with pytest.raises(KeyfileUnsafe, match="symbolic link"):
        KeyfileProvider.load(path)


def test_another_users_keyfile_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _place(path, KEY.hex().encode())
    folder_owner = path.parent.stat().st_uid
    if folder_owner != 0:
        pytest.skip("only root can make a file that belongs to another user")
    # A folder of root's is fine for any user, so what is refused is the file.
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(KeyfileUnsafe, match="another user"):
        KeyfileProvider.load(path)


@pytest.mark.parametrize("mode", [0o720, 0o702, 0o777, 0o1777])
def test_a_folder_that_others_may_write_to_is_refused(path: Path, mode: int) -> None:
    _place(path, KEY.hex().encode())
    path.parent.chmod(mode)
    with pytest.raises(KeyfileUnsafe, match="folder"):
        KeyfileProvider.load(path)


def test_a_folder_and_a_pipe_are_no_keyfile(path: Path) -> None:
    path.mkdir(mode=0o700)
    with pytest.raises(KeyfileUnsafe):
        KeyfileProvider.load(path)
    path.rmdir()
    os.mkfifo(path, 0o400)
    with pytest.raises(KeyfileUnsafe, match="regular"):
        KeyfileProvider.load(path)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        KEY,
        KEY.hex().encode()[:-2],
        KEY.hex().encode() + b"00",
        base64.b64encode(KEY[:31]),
        b"z" * 64,
        b"\xff" * 64,
    ],
)
def test_the_wrong_length_is_refused(path: Path, content: bytes) -> None:
    with pytest.raises(KeyfileWrong):
        KeyfileProvider.load(_place(path, content))


def test_the_wrong_key_is_refused(path: Path, tmp_path: Path) -> None:
    wrapped = KeyfileProvider.create(path).wrap(b"root", aad=b"here")
    other = KeyfileProvider.create(tmp_path / "other" / "keyfile")
    with pytest.raises(KeyfileWrong):
        other.unwrap(wrapped, aad=b"here")


def test_the_wrong_place_is_refused(path: Path) -> None:
    provider = KeyfileProvider.create(path)
    with pytest.raises(KeyfileWrong):
        provider.unwrap(provider.wrap(b"root", aad=b"here"), aad=b"there")


def test_no_refusal_shows_the_key(path: Path) -> None:
    text = KEY.hex().encode()[:-2]
    with pytest.raises(KeyfileWrong) as refusal:
        KeyfileProvider.load(_place(path, text))
    assert text.decode() not in f"{refusal.value} {refusal.value.detail} {refusal.value!r}"
