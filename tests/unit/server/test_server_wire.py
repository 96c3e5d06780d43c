import asyncio

from remit.server.wire import Joined

HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n"


class Transport:
    """What was written, and when it was closed."""

    def __init__(self) -> None:
        self.seen: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.seen.append(data)

    def close(self) -> None:
        self.seen.append(b"closed")

    def is_closing(self) -> bool:
        return False

    def get_extra_info(self, name: str) -> str:
        return name


def joined() -> tuple[Joined, Transport, asyncio.AbstractEventLoop]:
    loop, transport = asyncio.new_event_loop(), Transport()
    return Joined(transport, loop), transport, loop  # type: ignore[arg-type]


def turn(loop: asyncio.AbstractEventLoop) -> None:
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()


def test_a_head_and_its_body_are_one_write() -> None:
    wire, transport, loop = joined()
    wire.write(HEAD)
    assert transport.seen == []
    wire.write(b"ok")
    wire.write(b"more")
    turn(loop)
    assert transport.seen == [HEAD + b"ok", b"more"]


def test_a_large_body_is_not_copied() -> None:
    wire, transport, loop = joined()
    large = b"x" * 100_000
    wire.write(HEAD)
    wire.write(large)
    turn(loop)
    assert transport.seen == [HEAD, large]
    assert transport.seen[1] is large


def test_a_head_whose_body_is_not_there_yet_leaves_with_the_turn_of_the_loop() -> None:
    wire, transport, loop = joined()
    wire.write(HEAD)
    turn(loop)
    assert transport.seen == [HEAD]
    wire.write(b"event")
    assert transport.seen == [HEAD, b"event"]


def test_nothing_is_lost_when_the_connection_is_closed() -> None:
    wire, transport, loop = joined()
    wire.write(HEAD)
    wire.close()
    turn(loop)
    assert transport.seen == [HEAD, b"closed"]


def test_everything_else_is_the_transports() -> None:
    wire, _, loop = joined()
    assert wire.get_extra_info("peername") == "peername"
    assert not wire.is_closing()
    loop.close()
