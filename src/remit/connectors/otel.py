"""OpenTelemetry spans of tool calls, in OTLP JSON: lines as collectors write them, or one document.

Encoding: https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding ; files:
https://opentelemetry.io/docs/specs/otel/protocol/file-exporter/ ; attributes:
https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-agent-spans/ (`execute_tool`) and
https://opentelemetry.io/docs/specs/semconv/gen-ai/mcp/ . Arguments and results of calls are not read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any, Final

from remit.certification.usage.ingest import Line
from remit.certification.usage.line import event_of
from remit.certification.usage.model import Kind, RefusedLine
from remit.connectors.documents import each
from remit.connectors.mapping import Mapping
from remit.connectors.model import Passed, Read, begun
from remit.connectors.ocsf import at
from remit.kernel.errors import Malformed
from remit.kernel.names import check_name

MOST: Final = 16 << 20  # bytes of one line: it holds all that was exported at once
_ERROR: Final = 2  # status code; in some exports by its name
_ERRORS: Final = (_ERROR, "STATUS_CODE_ERROR")
_NANO: Final = 1_000  # in a microsecond
_ID: Final = re.compile(r"[0-9A-Fa-f]{16,32}\Z")
_AGENTS: Final = ("gen_ai.agent.name", "gen_ai.agent.id")
_SERVERS: Final = ("mcp.server.name", "server.address")
Attributes = dict[str, str]


def read(chunks: Iterable[bytes], mapping: Mapping, source: str) -> Iterator[Read]:
    """The tool calls among a file's spans. A record's number is that of the line or document it stands in.

    Which agent called is `gen_ai.agent.name` or `gen_ai.agent.id`, or else the resource's `service.name`, through
    the mapping's `identities`; without a match, the first of these that is a name of an agent. Which server was
    called is the span's `mcp.server.name` or `server.address`, or `gen_ai.tool.name`, through `servers`.

    Raises:
        Malformed: It holds no spans, or is cut off; what was read before stands.
    """
    reads = each(chunks, lambda number, said: _spans(number, said, mapping, source), most=MOST)
    return begun(reads, what="a file of OTLP traces", try_='a line is {"resourceSpans": [...]}')


def _spans(number: int, said: Any, mapping: Mapping, source: str) -> Iterator[Read]:  # noqa: ANN401 - any JSON value
    if not isinstance(said, dict) or not isinstance(said.get("resourceSpans"), list):
        raise Malformed("an export of traces has resourceSpans")
    for resource in said["resourceSpans"]:
        about = attributes(at(resource, "resource", "attributes"))
        for scope in _list(resource, "scopeSpans"):
            for span in _list(scope, "spans"):
                try:
                    yield _one(number, span, about, mapping, source)
                except Malformed as error:
                    yield RefusedLine(number, error.public)


def _one(number: int, span: Any, about: Attributes, mapping: Mapping, source: str) -> Read:  # noqa: ANN401 - as above
    mine = attributes(at(span, "attributes"))
    if mine.get("gen_ai.operation.name") != "execute_tool" and mine.get("mcp.method.name") != "tools/call":
        return Passed(number, "no call of a tool")
    names = [mine[name] for name in _AGENTS if mine.get(name)] or [about.get("service.name", "")]
    if (agent := mapping.agent(names) or _named(names)) is None:
        return Passed(number, "by no agent of the mapping")
    trace, own = at(span, "traceId"), at(span, "spanId")
    if not isinstance(trace, str) or not isinstance(own, str) or not _ID.match(trace) or not _ID.match(own):
        raise Malformed("a span has a traceId and a spanId in hex")
    line = {
        "kind": Kind.ERROR if at(span, "status", "code") in _ERRORS else Kind.USE,
        "at": _micros(at(span, "startTimeUnixNano")),
        "id": f"{trace.lower()}-{own.lower()}",
        "agent": agent,
        "action": _action(mine, about, mapping),
        "run": trace.lower(),
    }
    kept = {"error": mine.get("error.type"), "session": mine.get("mcp.session.id")}
    return Line(number, event_of(line | {name: value for name, value in kept.items() if value}, source=source))


def _named(names: list[str]) -> str | None:
    """The first of them that an agent could have."""
    for name in names:
        with suppress(Malformed):
            return check_name(name, what="agent")
    return None


def _action(mine: Attributes, about: Attributes, mapping: Mapping) -> str:
    tool = mine.get("gen_ai.tool.name")
    if not tool:
        raise Malformed("the span of a tool call has a gen_ai.tool.name")
    services = [*(mine.get(name, "") for name in _SERVERS), tool, about.get("service.name", "")]
    if (server := mapping.server(services)) is not None:
        return f"{server}/{tool}"
    try:
        return f"{check_name(mine.get(_SERVERS[0]), what='mcp.server.name')}/{tool}"
    except Malformed as error:
        raise Malformed("no mapping says which server the tool is of") from error


def attributes(said: Any) -> Attributes:  # noqa: ANN401 - any JSON value
    """Those with a text; of two of one name, neither is read otherwise by anyone else: the first."""
    found: Attributes = {}
    for each_ in said if isinstance(said, list) else ():
        name, value = at(each_, "key"), at(each_, "value", "stringValue")
        if isinstance(name, str) and isinstance(value, str):
            found.setdefault(name, value)
    return found


def _micros(nanos: Any) -> int:  # noqa: ANN401 - any JSON value
    """A 64-bit number stands in JSON as text, and in some exports as a number."""
    text = str(nanos) if isinstance(nanos, (int, str)) and not isinstance(nanos, bool) else ""
    if not text.isascii() or not text.isdigit() or len(text) > len(str(2**64)):
        raise Malformed("startTimeUnixNano is whole nanoseconds since 1970")
    return int(text) // _NANO


def _list(said: Any, name: str) -> list[Any]:  # noqa: ANN401 - any JSON value
    found = at(said, name)
    return found if isinstance(found, list) else []
