"""What the catalog needs of the rooms above."""

from __future__ import annotations

from typing import Any, Protocol

from remit.catalog.model import Server
from remit.kernel.errors import RemitError


class Unreached(RemitError):
    """A server's tools could not be listed. `again` says whether trying again soon may help."""

    code = "unreached"

    def __init__(self, public: str, *, detail: str = "", again: bool = True) -> None:
        super().__init__(public, detail=detail)
        self.again = again


class Lister(Protocol):
    """Asks an MCP server for its tools, with the server's own credential."""

    def list_tools(self, server: Server) -> list[dict[str, Any]]:
        """Every definition the server lists, all pages, as it sent them (numbers as int or Decimal). In a thread.

        Raises:
            ConfigInvalid: Its address is never called.
            Unreached: Connection refused, timeout, not MCP, a missing secret, ...
            Overloaded: Remit itself is stopping.
        """
        ...
