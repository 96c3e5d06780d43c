"""Who shows no good token at a server's door, or comes by another name than it has: recorded before it is answered."""

from __future__ import annotations

from remit.enforcement.metrics import Metrics
from remit.enforcement.model import EnforcementUnavailable
from remit.enforcement.ports import Records
from remit.kernel.clock import Clock
from remit.kernel.errors import RemitError
from remit.logs import logger
from remit.storage.model import Entry, Work
from remit.storage.ports import Writer
from remit.tokens.check import TokenInvalid
from remit.tokens.refusals import BadTokens

log = logger()


class Doorstep:
    """Records what was shown and was no good token, at a bounded rate."""

    def __init__(self, *, records: Records, writer: Writer, clock: Clock, metrics: Metrics) -> None:
        self._bad_tokens = BadTokens(records)
        self._writer = writer
        self._clock = clock
        self._metrics = metrics

    async def turn_away(self, error: TokenInvalid, *, server: str, door: str) -> None:
        """Count one, and record it.

        Args:
            error: What is wrong with it.
            server: Which server was asked for; empty where that is not known.
            door: At which door: `mcp`, `http`, `proxy`, `ext_authz`.

        Raises:
            EnforcementUnavailable: It could not be recorded.
        """
        self._metrics.refused.labels(error.error or "no_token").inc()
        await self._record(self._bad_tokens.entry(error, now=self._clock.now(), door=door, server=server))

    async def misplaced(self, *, door: str) -> None:
        """Count and record a request whose Host or Origin is not this deployment's: a web page had it made.

        Raises:
            EnforcementUnavailable: It could not be recorded.
        """
        self._metrics.refused.labels("host_or_origin").inc()
        said = {"door": door, "error": "forbidden", "reason": "host_or_origin"}
        await self._record(self._bad_tokens.stranger(now=self._clock.now(), **said))

    async def _record(self, entry: Entry | None) -> None:
        if entry is None:
            return
        try:
            await self._writer.submit_async(Work((entry,)))
        except RemitError as failed:
            self._metrics.unavailable.labels("storage").inc()
            log.error("enforcement unavailable", reason="storage", detail=f"{failed!r} {failed.detail}"[:500])  # noqa: TRY400 - no traceback
            raise EnforcementUnavailable("Remit cannot decide or record this now", detail=failed.detail) from failed
