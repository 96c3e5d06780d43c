"""The headers that a forwarded request goes with: its era's, and those that mirror arguments by the pinned schema."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Final

from remit.catalog.model import Tool
from remit.enforcement import era
from remit.enforcement.exchange import Exchange
from remit.enforcement.model import Admitted, Message
from remit.enforcement.upstream import handshake_headers, modern_headers

_PINS_KEPT: Final = 4096


class Routing:
    """Makes them; what a schema mirrors is worked out once for each pin."""

    def __init__(self) -> None:
        self._header_paths: OrderedDict[str, Mapping[tuple[str, ...], str]] = OrderedDict()

    def headers(self, x: Exchange, sent: Message, admitted: Admitted | None = None) -> dict[str, str]:
        """The headers of a request, as its era has them, made from what was decided.

        Raises:
            BadMessage: -32020, the agent's own say something else of the arguments.
        """
        if not x.modern:
            return handshake_headers(x.headers.get(era.VERSION_HEADER), x.session.upstream if x.session else None)
        return modern_headers(sent.method, x.named, self._param_headers(x, sent, admitted) if admitted else None)

    def _param_headers(self, x: Exchange, sent: Message, admitted: Admitted) -> dict[str, str]:
        call, server = admitted.call, admitted.server
        tool = server.tools.get(call.tool) if server is not None and call.tool is not None else None
        if tool is None or call.arguments is None:
            return {}
        schema = tool.definition.get("inputSchema")
        paths = self._paths(tool, schema)
        if not paths or not isinstance(schema, Mapping):
            return {}
        era.check_param_headers(x.headers, schema, call.arguments, sent)
        return era.param_headers(paths, call.arguments)

    def _paths(self, tool: Tool, schema: object) -> Mapping[tuple[str, ...], str]:
        paths = self._header_paths.get(tool.pin)
        if paths is None:
            paths = era.header_paths(schema) if isinstance(schema, Mapping) else {}
            self._header_paths[tool.pin] = paths
            if len(self._header_paths) > _PINS_KEPT:
                self._header_paths.popitem(last=False)
        return paths
