from __future__ import annotations

import pytest

from remit.enforcement.place import FORBIDDEN, MISDIRECTED, Place

LOCAL = Place("http://127.0.0.1:8470")
PUBLIC = Place("https://remit.example.test")
SOCKET = ("10.0.0.5", 8470)


@pytest.mark.parametrize(
    ("place", "host", "at", "status"),
    [
        (LOCAL, "127.0.0.1:8470", None, None),
        (LOCAL, "LOCALHOST:8470", None, None),
        (LOCAL, "[::1]:8470", None, None),
        (LOCAL, "localhost:8471", None, MISDIRECTED),
        (LOCAL, "localhost", None, MISDIRECTED),
        (LOCAL, "evil.test:8470", ("127.0.0.1", 8470), MISDIRECTED),
        (LOCAL, None, None, MISDIRECTED),
        (LOCAL, "127.0.0.1:8470, evil.test", None, MISDIRECTED),
        (PUBLIC, "remit.example.test", None, None),
        (PUBLIC, "Remit.Example.test", None, None),
        (PUBLIC, "127.0.0.1:8470", None, MISDIRECTED),
        # Where the socket's own address may stand for it: probes, and the command line on the same machine.
        (PUBLIC, "10.0.0.5:8470", SOCKET, None),
        (PUBLIC, "10.0.0.6:8470", SOCKET, MISDIRECTED),
        (PUBLIC, "localhost:8470", SOCKET, MISDIRECTED),
        (PUBLIC, "localhost:8470", ("127.0.0.1", 8470), None),
        (PUBLIC, "[fd00::5]:8470", ("fd00::5", 8470), None),
        (PUBLIC, "remit.sock:0", ("remit.sock", 0), MISDIRECTED),
    ],
)
def test_hosts(place: Place, host: str | None, at: tuple[str, int] | None, status: int | None) -> None:
    assert place.misplaced(host, None, at=at) == status


@pytest.mark.parametrize(
    ("place", "host", "origin", "at", "status"),
    [
        (LOCAL, "localhost:8470", "http://localhost:8470", None, None),
        (LOCAL, "127.0.0.1:8470", "http://localhost:8470", None, None),
        (LOCAL, "127.0.0.1:8470", "https://localhost:8470", None, FORBIDDEN),
        (LOCAL, "127.0.0.1:8470", "http://evil.test", None, FORBIDDEN),
        (LOCAL, "127.0.0.1:8470", "null", None, FORBIDDEN),
        (LOCAL, "127.0.0.1:8470", "", None, FORBIDDEN),
        (PUBLIC, "remit.example.test", "https://remit.example.test", None, None),
        (PUBLIC, "remit.example.test", "http://remit.example.test", None, FORBIDDEN),
        (PUBLIC, "10.0.0.5:8470", "http://10.0.0.5:8470", SOCKET, None),
        (PUBLIC, "10.0.0.5:8470", "http://10.0.0.6:8470", SOCKET, FORBIDDEN),
    ],
)
def test_origins(place: Place, host: str, origin: str, at: tuple[str, int] | None, status: int | None) -> None:
    assert place.misplaced(host, origin, at=at) == status
