"""OCSF events of the class API Activity (6003): JSON lines, a list, or objects.

Class and attributes: https://schema.ocsf.io/classes/api_activity ; how CloudTrail becomes it:
https://github.com/ocsf/examples (mappings, AWS, CloudTrail). Other classes, such as Authentication (3002), are
no use of an entitlement and are passed over.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from remit.certification.usage.ingest import Line
from remit.certification.usage.line import event_of
from remit.certification.usage.model import Kind
from remit.connectors.cloudtrail import kind_of, server_of
from remit.connectors.documents import each
from remit.connectors.mapping import Mapping
from remit.connectors.model import Passed, Read, begun
from remit.kernel.errors import ConfigInvalid, Malformed

API_ACTIVITY: Final = 6003
_FAILURE: Final = 2  # status_id
_MILLI: Final = 1_000
_NAMES: Final = (
    ("user", "uid"), ("user", "name"), ("user", "uid_alt"), ("session", "issuer"), ("session", "uid"),
    ("app_uid",), ("app_name",), ("application", "uid"), ("application", "name"), ("invoked_by",),
)  # fmt: skip


def read(chunks: Iterable[bytes], mapping: Mapping, source: str) -> Iterator[Read]:
    """The calls of a file, by those whom the mapping's `identities` name.

    Raises:
        Malformed: It holds no OCSF events, or is cut off; what was read before stands.
        ConfigInvalid: The mapping names nobody.
    """
    if not mapping.identities:
        raise ConfigInvalid(
            "OCSF events name actors, and no mapping says which agents they are",
            try_="--map FILE, with identities: {PATTERN: AGENT}",
        )
    reads = each(chunks, lambda number, said: (_one(number, said, mapping, source),))
    return begun(reads, what="a file of OCSF events", try_="an event has class_uid, time, metadata, actor and api")


def _one(number: int, said: Any, mapping: Mapping, source: str) -> Read:  # noqa: ANN401 - any JSON value
    kind = said.get("class_uid") if isinstance(said, dict) else None
    if not isinstance(kind, int) or isinstance(kind, bool):
        raise Malformed("an event has a class_uid")
    if kind != API_ACTIVITY:
        return Passed(number, f"of the class {kind}, which is no call")
    names = [name for path in _NAMES if isinstance(name := at(said.get("actor"), *path), str)]
    if (agent := mapping.agent(names)) is None:
        return Passed(number, "by no agent of the mapping")
    service, operation, when = at(said, "api", "service", "name"), at(said, "api", "operation"), said.get("time")
    if not isinstance(operation, str) or not isinstance(service, str):
        raise Malformed("an API activity has api.operation and api.service.name")
    if not isinstance(when, int) or isinstance(when, bool):
        raise Malformed("time is whole milliseconds since 1970")
    line = {
        "kind": outcome(said),
        "at": when * _MILLI,
        "id": at(said, "metadata", "uid"),
        "agent": agent,
        "action": f"{server_of(service, mapping)}/{operation}",
    }
    kept = {"region": at(said, "cloud", "region"), "error": at(said, "api", "response", "error")}
    line |= {name: value for name, value in kept.items() if isinstance(value, str)}
    return Line(number, event_of(line, source=source))


def outcome(said: dict[str, Any]) -> Kind:
    """Whether the call succeeded: by the response's error code, else by the status."""
    code = at(said, "api", "response", "error")
    if isinstance(code, str) and code:
        return kind_of(code)
    return Kind.ERROR if said.get("status_id") == _FAILURE else Kind.USE


def at(said: Any, *path: str) -> Any:  # noqa: ANN401 - any JSON value
    """The member at `path`, or None."""
    for name in path:
        said = said.get(name) if isinstance(said, dict) else None
    return said
