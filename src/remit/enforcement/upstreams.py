"""The way to a registered server, whatever it is reached by. Implements remit.enforcement.ports.Upstream."""

from __future__ import annotations

from collections.abc import Mapping

from remit.catalog.model import Server
from remit.enforcement.model import Limits
from remit.enforcement.ports import Reply, Upstream
from remit.policy.model import Call


class Upstreams:
    """By URL over HTTP, by command over its standard streams.

    Args:
        http: For servers with a URL.
        stdio: For servers with a command.
    """

    def __init__(self, http: Upstream, stdio: Upstream) -> None:
        self._http = http
        self._stdio = stdio

    @property
    def limits(self) -> Limits:
        """Sizes and times, the same for all."""
        return self._http.limits

    async def send(
        self,
        server: Server,
        *,
        headers: Mapping[str, str],
        data: bytes | None = None,
        method: str = "POST",
        call: Call | None = None,
    ) -> Reply:
        """Send one request.

        Raises:
            RemitError, UpstreamFailed: As of the port.
        """
        way = self._stdio if server.command else self._http
        return await way.send(server, headers=headers, data=data, method=method, call=call)
