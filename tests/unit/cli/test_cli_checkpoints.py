from pathlib import Path

import pytest

from remit.cli import checkpoints


def note(origin: str, size: int, root: str = "cm9vdA==") -> str:
    return f"{origin}\n{size}\n{root}\n\n— {origin} c2ln\n"


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path / "remit" / "checkpoints"


def test_the_larger_checkpoint_is_kept(state: Path) -> None:
    checkpoints.keep(note("remit/dep_1", 5))
    checkpoints.keep(note("remit/dep_1", 7))
    assert checkpoints.kept("remit/dep_1") == note("remit/dep_1", 7)


def test_a_shorter_log_or_another_of_the_same_size_never_overwrites_it() -> None:
    checkpoints.keep(note("remit/dep_1", 7))
    checkpoints.keep(note("remit/dep_1", 6))
    checkpoints.keep(note("remit/dep_1", 7, root="b3RoZXI="))
    assert checkpoints.kept("remit/dep_1") == note("remit/dep_1", 7)


@pytest.mark.parametrize("origin", ["remit/../../x", "/etc/passwd", "other/dep", "remit/", "remit/a/b"])
def test_an_origin_names_no_file_elsewhere(origin: str, state: Path) -> None:
    checkpoints.keep(note(origin, 5))
    assert checkpoints.kept(origin) is None
    assert not state.exists()


@pytest.mark.parametrize("text", ["", "x", "remit/dep_1\n", "remit/dep_1\n-5\nroot\n", "remit/dep_1\nfive\nroot\n"])
def test_what_is_no_checkpoint_is_not_kept(text: str, state: Path) -> None:
    checkpoints.keep(text)
    assert not state.exists()
