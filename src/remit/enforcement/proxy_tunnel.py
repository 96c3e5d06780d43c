"""A tunnel of the forward proxy: whether and to whom is decided; what passes is not read, but for its first message."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final, Protocol

from remit.attestation.model import Caller
from remit.catalog.model import Server
from remit.catalog.operation import CONNECT
from remit.enforcement import client_hello, http_answers, proxy_answers
from remit.enforcement.model import Admitted, EnforcementUnavailable, Outcome
from remit.enforcement.pipeline import Pipeline
from remit.enforcement.proxy_head import Destination
from remit.enforcement.streams import Running, Streams
from remit.kernel.errors import Malformed
from remit.kernel.names import DecisionId, new_id, tool_action
from remit.outbound.model import OutboundError, OutboundRefused, Patience
from remit.policy.model import Answer, Call, Code
from remit.storage.model import ConsumeProof
from remit.tokens.check import TokenInvalid

_HELLO_SECONDS: Final = 10.0
_IDLE_SECONDS: Final = 600.0
_CHUNK: Final = 1 << 16
_UNRECOGNIZED: Final = b"\x15\x03\x03\x00\x02\x02\x70"  # a fatal alert, unrecognized_name (RFC 6066 section 3)
_PATIENCE: Final = Patience(dial=10)
Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Dials(Protocol):
    """The way out, as bytes."""

    async def dial(self, url: str, *, patience: Patience = ...) -> Ends:
        """A bare connection. Raises OutboundRefused, or OutboundFailed."""
        ...


@dataclass(slots=True, kw_only=True)
class Asked:
    """A CONNECT to a server that is tunnelled to."""

    where: Destination
    server: Server
    caller: Caller
    proof: ConsumeProof | None
    early: bytes  # what came behind the head
    say: Callable[[proxy_answers.Said], None]  # answers, and ends the connection
    streams: Callable[[], Ends]  # takes the client's end over, for what follows


class Tunnel:
    """Carries tunnels. Belongs to the event loop."""

    def __init__(self, *, pipeline: Pipeline, streams: Streams, dialer: Dials) -> None:
        self._pipeline = pipeline
        self._streams = streams
        self._dialer = dialer

    async def carry(self, asked: Asked) -> None:
        """Decide, and if it may be, carry bytes until an end closes or the world changes.

        Raises:
            EnforcementUnavailable: Nothing could be decided or recorded.
            TokenInvalid: The proof was used before.
        """
        server = asked.server.server
        call = Call(
            id=DecisionId(new_id("dec")), caller=asked.caller, server=server, action=tool_action(server, CONNECT),
            tool=CONNECT, arguments={}, proof=asked.proof,
        )  # fmt: skip
        admitted = await self._pipeline.admit(call)
        if admitted.answer.denial is not None:
            self._refuse(asked, admitted, admitted.answer)
            return
        outcome, detail, cause = Outcome.OUTCOME_UNKNOWN, "the server is shutting down", ""
        try:
            outcome, detail, cause = await self._guarded(asked, admitted)
        finally:
            self._pipeline.outcome(admitted, outcome, detail=detail, cause=cause)

    def _refuse(self, asked: Asked, admitted: Admitted, answer: Answer) -> None:
        denial = answer.denial
        if denial is not None and denial.code is Code.REPLAYED_PROOF:
            raise TokenInvalid("invalid_dpop_proof", "the proof was used before", "DPoP")
        if denial is None or denial.code is Code.NOT_VISIBLE:
            asked.say(proxy_answers.blocked())
        else:
            asked.say(http_answers.denied(self._pipeline.told(admitted, denial)))

    async def _guarded(self, asked: Asked, admitted: Admitted) -> tuple[Outcome, str, str]:
        """Carry it where a state change can cut it: what became of it, why, and what cut it."""
        with self._streams.running(admitted.call, epoch=admitted.epoch) as running:
            if running.cut is not None:
                self._refuse(asked, admitted, running.cut)
                return Outcome.NOT_SENT, "a state change came first", _cause(running)
            try:
                return *await self._worked(asked, admitted, running), ""
            except asyncio.CancelledError:
                task = asyncio.current_task()
                if running.cut is None or task is None:
                    raise
                task.uncancel()
                return running.outcome, "a state change came first", _cause(running)

    async def _worked(self, asked: Asked, admitted: Admitted, running: Running) -> tuple[Outcome, str]:
        if admitted.server is None or admitted.server.url != asked.server.url:
            asked.say(proxy_answers.unreachable("The server changed meanwhile; try again"))
            return Outcome.NOT_SENT, "the server changed meanwhile"
        try:
            upstream = await self._dialer.dial(admitted.server.url, patience=_PATIENCE)
        except OutboundRefused as error:
            asked.say(proxy_answers.blocked())
            return Outcome.NOT_SENT, f"{error.public} {error.detail}"
        except OutboundError as error:
            asked.say(proxy_answers.unreachable("The server could not be reached"))
            return Outcome.NOT_SENT, error.detail or error.public
        client: Ends | None = None
        whole = False
        try:
            client = asked.streams()
            client[1].write(proxy_answers.ESTABLISHED)
            fault, first = await self._first(asked, client)
            if fault:
                client[1].write(_UNRECOGNIZED)
                whole = True
                return Outcome.NOT_SENT, await self._mistaken(asked, fault)
            running.sent = True
            upstream[1].write(first)
            found = await _Carried(self._pipeline, admitted, running).both(client, upstream)
            whole = found[0] is Outcome.OK
            return found  # noqa: TRY300 - what it says is needed below
        except ConnectionError as error:
            return (Outcome.OUTCOME_UNKNOWN if running.sent else Outcome.NOT_SENT), repr(error)[:200]
        finally:
            for end in (client, upstream):
                if end is not None and whole:
                    end[1].close()  # once what was said has gone out
                elif end is not None:
                    end[1].transport.abort()

    async def _first(self, asked: Asked, client: Ends) -> tuple[str, bytes]:
        """What is wrong with the client's first message, and that message; nothing of it has left."""
        octets = asked.early
        try:
            async with asyncio.timeout(_HELLO_SECONDS):
                while (hello := client_hello.read(octets)) is None:
                    more = await client[0].read(_CHUNK)
                    if not more:
                        return "the client went away before it said anything", b""
                    octets += more
        except TimeoutError:
            return "no ClientHello came in time", b""
        except Malformed as error:
            return error.public, b""
        return _fault(hello, asked.where.host), octets

    async def _mistaken(self, asked: Asked, fault: str) -> str:
        """Record that what was begun in a tunnel is not what was asked for."""
        with contextlib.suppress(EnforcementUnavailable):  # nothing left in either case
            await self._pipeline.refuse(
                asked.caller, None, server=asked.server.server, reason="egress_blocked", detail=fault[:200]
            )
        return fault


@dataclass(slots=True)
class _Carried:
    """Bytes on their way through one tunnel, both ways."""

    pipeline: Pipeline
    admitted: Admitted
    running: Running
    last: float = 0.0
    ended: str = ""

    async def both(self, client: Ends, upstream: Ends) -> tuple[Outcome, str]:
        """Carry until the server is done, an end breaks, none says anything for long, or no more may pass."""
        self.last = asyncio.get_running_loop().time()
        there = asyncio.ensure_future(self._one_way(client[0], upstream[1], self._nothing))
        back = asyncio.ensure_future(self._one_way(upstream[0], client[1], self._counted))
        idle = asyncio.ensure_future(self._idle())
        waiting = {there, back, idle}
        try:
            while back in waiting and idle in waiting:
                done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                for each in done:
                    if (error := each.exception()) is not None:
                        return Outcome.OUTCOME_UNKNOWN, repr(error)[:200]
        finally:
            for each in (there, back, idle):
                each.cancel()
            await asyncio.gather(there, back, idle, return_exceptions=True)
        return (Outcome.CUT, self.ended) if self.ended else (Outcome.OK, "")

    async def _one_way(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, count: Callable[[int], Awaitable[bool]]
    ) -> None:
        while chunk := await reader.read(_CHUNK):
            self.last = asyncio.get_running_loop().time()
            if not await count(len(chunk)):
                return
            writer.write(chunk)
            await writer.drain()  # no faster than the other end reads: what waits here is bounded
        if writer.can_write_eof():
            with contextlib.suppress(OSError):
                writer.write_eof()

    async def _nothing(self, _: int) -> bool:
        return True

    async def _counted(self, size: int) -> bool:
        self.running.answering = True
        if self.admitted.meter is None:
            return True
        try:
            if await self.pipeline.passing.count(self.admitted, size) is None:
                return True
            self.ended = "the volume is used up"
        except EnforcementUnavailable as error:
            self.ended = error.detail or error.public
        return False

    async def _idle(self) -> None:
        loop = asyncio.get_running_loop()
        left = _IDLE_SECONDS
        while left > 0:
            await asyncio.sleep(left)
            left = self.last + _IDLE_SECONDS - loop.time()


def _fault(hello: client_hello.Hello, host: str) -> str:
    """Why what was begun is not what was asked for; empty if it is (pure)."""
    if hello.hidden:
        return "the ClientHello may carry an encrypted name"  # which could be another's
    if hello.name:
        return "" if hello.name == host else f"the ClientHello names {hello.name}"
    try:
        ip_address(host)
    except ValueError:
        return "the ClientHello names no server"
    return ""


def _cause(running: Running) -> str:
    denial = running.cut.denial if running.cut is not None else None
    if denial is None:
        return ""
    return denial.cause if denial.code is Code.REVOKED and denial.cause else denial.code.value
