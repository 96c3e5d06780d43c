from __future__ import annotations

import pytest

from remit.enforcement.place import Place

LOCAL = Place("http://127.0.0.1:8470")
PUBLIC = Place("https://remit.example.test")
SOCKET = ("10.0.0.5", 8470)


@pytest.mark.parametrize(
    ("place", "host", "at", "elsewhere"),
    [
        (LOCAL, "127.0.0.1:8470", None, False),
        (LOCAL, "LOCALHOST:8470", None, False),
        (LOCAL, "[::1]:8470", None, False),
        (LOCAL, "localhost:8471", None, True),
        (LOCAL, "localhost", None, True),
        (LOCAL, "evil.test:8470", ("127.0.0.1", 8470), True),
        (LOCAL, None, None, True),
        (LOCAL, "127.0.0.1:8470, evil.test", None, True),
        (PUBLIC, "remit.example.test", None, False),
        (PUBLIC, "Remit.Example.test", None, False),
        (PUBLIC, "127.0.0.1:8470", None, True),
        # Where the socket's own address may stand for it: probes, and the command line on the same machine.
        (PUBLIC, "10.0.0.5:8470", SOCKET, False),
        (PUBLIC, "10.0.0.6:8470", SOCKET, True),
        (PUBLIC, "localhost:8470", SOCKET, True),
        (PUBLIC, "localhost:8470", ("127.0.0.1", 8470), False),
        (PUBLIC, "[fd00::5]:8470", ("fd00::5", 8470), False),
        (PUBLIC, "remit.sock:0", ("remit.sock", 0), True),
    ],
)
def test_hosts(place: Place, host: str | None, at: tuple[str, int] | None, elsewhere: bool) -> None:  # noqa: FBT001 - a parameter of the test
    assert place.misplaced(host, None, at=at) is elsewhere


@pytest.mark.parametrize(
    ("place", "host", "origin", "at", "elsewhere"),
    [
        (LOCAL, "localhost:8470", "http://localhost:8470", None, False),
        (LOCAL, "127.0.0.1:8470", "http://localhost:8470", None, False),
        (LOCAL, "127.0.0.1:8470", "https://localhost:8470", None, True),
        (LOCAL, "127.0.0.1:8470", "http://evil.test", None, True),
        (LOCAL, "127.0.0.1:8470", "null", None, True),
        (LOCAL, "127.0.0.1:8470", "", None, True),
        (PUBLIC, "remit.example.test", "https://remit.example.test", None, False),
        (PUBLIC, "remit.example.test", "http://remit.example.test", None, True),
        (PUBLIC, "10.0.0.5:8470", "http://10.0.0.5:8470", SOCKET, False),
        (PUBLIC, "10.0.0.5:8470", "http://10.0.0.6:8470", SOCKET, True),
    ],
)
def test_origins(place: Place, host: str, origin: str, at: tuple[str, int] | None, elsewhere: bool) -> None:  # noqa: FBT001 - a parameter of the test
    assert place.misplaced(host, origin, at=at) is elsewhere
