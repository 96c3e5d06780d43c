from pathlib import Path

import pytest

from remit.kernel.errors import Malformed
from remit.server.settings import Settings, checkpoint_directory, data_directory, keyfile_path, listen_address


def test_the_places_follow_xdg() -> None:
    environ = {"HOME": "/h", "XDG_DATA_HOME": "/d", "XDG_CONFIG_HOME": "relative/is/ignored"}
    assert data_directory(environ) == Path("/d/remit")
    assert keyfile_path(environ) == Path("/h/.config/remit/keyfile")
    assert checkpoint_directory(environ) == Path("/h/.local/state/remit/checkpoints")


@pytest.mark.parametrize(
    ("text", "address"),
    [("127.0.0.1:0", ("127.0.0.1", 0)), ("[::1]:8470", ("::1", 8470)), ("localhost:65535", ("localhost", 65535))],
)
def test_a_listen_address(text: str, address: tuple[str, int]) -> None:
    assert listen_address(text) == address


@pytest.mark.parametrize("text", ["8470", ":8470", "host:", "host:http", "host:65536", "host:-1", "host:²"])
def test_what_is_no_listen_address(text: str) -> None:
    with pytest.raises(Malformed):
        listen_address(text)


def test_loopback_is_the_default() -> None:
    assert Settings(data=Path("/d"), keyfile=Path("/k")).loopback
    assert not Settings(data=Path("/d"), keyfile=Path("/k"), host="0.0.0.0").loopback  # noqa: S104 - what is tested
