"""The native usage line: one JSON object to one event, and back (pure; docs/usage-format.md)."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final

import msgspec

from remit.agents.signals import Signal
from remit.certification.usage.model import Kind, UsageEvent, id_of, text_of
from remit.kernel.canonical import canonical
from remit.kernel.clock import SECOND, Instant, rfc3339
from remit.kernel.errors import Malformed
from remit.kernel.names import check_name, split_action, well_formed_operation, well_formed_tool

_TIME: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?Z\Z")
_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_BIG: Final = 2**53
_MOST_TEXT: Final = 256
_MOST_BODY: Final = 8192  # bytes of what else a source may say of one event
_COLUMNS: Final = frozenset({"source", "seq", "id", "at", "kind", "agent", "purpose", "action", "run"})


def instant_of(value: object) -> Instant:
    """RFC 3339 in UTC, or whole microseconds since 1970.

    Raises:
        Malformed: Neither.
    """
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _BIG:
        return Instant(value)
    if isinstance(value, str) and _TIME.match(value):
        try:
            delta = dt.datetime.fromisoformat(value) - _EPOCH
        except ValueError as error:
            raise Malformed("a time that no calendar has") from error
        if delta.days >= 0:
            return Instant((delta.days * 86_400 + delta.seconds) * SECOND + delta.microseconds)
    raise Malformed("a time is RFC 3339 in UTC, such as 2026-01-31T08:00:00Z, or whole microseconds since 1970")


def event_of(said: object, *, source: str | None = None) -> UsageEvent:
    """One line as an event.

    Args:
        said: The JSON object.
        source: Whose line it is; without it, the line says so itself. A line of another source is refused.

    Raises:
        Malformed: It lacks a member that its kind needs, or one is not what it should be.
    """
    if not isinstance(said, Mapping):
        raise Malformed("a line is a JSON object")
    try:
        kind = Kind(said.get("kind", ""))
    except ValueError as error:
        raise Malformed(f"kind is one of {', '.join(Kind)}") from error
    whose = _source(said, source)
    more = {name: value for name, value in said.items() if name not in _COLUMNS}
    found = UsageEvent(
        source=whose,
        id=_id(said),
        at=instant_of(said.get("at")),
        kind=kind,
        agent=_name(said, "agent"),
        purpose=_name(said, "purpose"),
        action=_action(said),
        run=_text(said, "run"),
        body=_body(more | _MORE.get(kind, _nothing)(said)),
    )
    for needed in _NEEDED.get(kind, ()):
        if not getattr(found, needed):
            raise Malformed(f"a line of kind {kind} needs {needed}")
    return found


def line_of(event: UsageEvent) -> dict[str, Any]:
    """The line that `event_of` reads as `event`."""
    number = event.seq
    line: dict[str, Any] = {"kind": event.kind.value, "at": rfc3339(event.at)}
    line |= {"id": text_of(event.id)} if number is None else {"seq": number}
    line |= {name: value for name in ("agent", "purpose", "action", "run") if (value := getattr(event, name))}
    return {**line, **msgspec.json.decode(event.body)}


def _source(said: Mapping[str, Any], source: str | None) -> str:
    if "source" not in said and source is not None:
        return source
    found = check_name(said.get("source"), what="source")
    if source is not None and found != source:
        raise Malformed(f"a line of the source {found}")
    return found


def _id(said: Mapping[str, Any]) -> str:
    number = said.get("seq")
    if number is not None and (not isinstance(number, int) or isinstance(number, bool) or not 0 <= number < _BIG):
        raise Malformed("seq is a whole number from 0")
    text = _text(said, "id")
    if number is None and not text:
        raise Malformed("a line needs seq or id: without one it can not be told apart")
    return id_of(number, text)


def _text(said: Mapping[str, Any], member: str) -> str:
    value = said.get(member)
    if value is None:
        return ""
    if not isinstance(value, str) or not 0 < len(value) <= _MOST_TEXT or _CONTROL.search(value):
        raise Malformed(f"{member} is text of 1 to {_MOST_TEXT} characters, without control characters")
    return value


def _name(said: Mapping[str, Any], member: str) -> str:
    value = said.get(member)
    return "" if value is None else check_name(value, what=member)


def _action(said: Mapping[str, Any]) -> str:
    action = _text(said, "action")
    if action:
        server, name, is_tool = split_action(action)
        check_name(server, what="the server of an action")
        if not (well_formed_tool(name) or well_formed_operation(name) if is_tool else name):
            raise Malformed("an action is server/tool")
    return action


def _body(more: Mapping[str, Any]) -> str:
    text = canonical(_plain(more)).decode("utf-8")
    if len(text) > _MOST_BODY:
        raise Malformed(f"more than {_MOST_BODY} bytes besides what is named in the format")
    return text


def _plain(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """With numbers that have no canonical form as text, digit for digit."""
    if isinstance(value, Mapping):
        return {name: _plain(member) for name, member in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(member) for member in value]
    if isinstance(value, Decimal) or (isinstance(value, int) and not -_BIG < value < _BIG):
        return str(value)
    return value


def _nothing(_said: Mapping[str, Any]) -> dict[str, Any]:
    return {}


def _coverage(said: Mapping[str, Any]) -> dict[str, Any]:
    start, until = instant_of(said.get("from")), instant_of(said.get("to"))
    if start >= until:
        raise Malformed("a line of kind coverage needs a `from` before its `to`")
    return {"from": start, "to": until}


def _signal(said: Mapping[str, Any]) -> dict[str, Any]:
    try:
        signal = Signal(said.get("signal", ""))
    except ValueError as error:
        raise Malformed(f"signal is one of {', '.join(Signal)}") from error
    if not isinstance(said.get("on"), bool):
        raise Malformed("a line of kind signal needs `on`: true or false")
    about = "" if said.get("about") == "" else _text(said, "about")  # "" is about the agent as a whole
    return {"signal": signal.value, "about": about, "on": said["on"]}


def _with(*members: str) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    def check(said: Mapping[str, Any]) -> dict[str, Any]:
        found = {member: _text(said, member) for member in members}
        if missing := [member for member, value in found.items() if not value]:
            raise Malformed(f"a line of kind {said['kind']} needs {missing[0]}")
        return found

    return check


_MORE: Final[Mapping[Kind, Callable[[Mapping[str, Any]], dict[str, Any]]]] = {
    Kind.COVERAGE: _coverage,
    Kind.SIGNAL: _signal,
    Kind.OWNER: _with("owner", "status"),
    Kind.AGENT: _with("owner", "version"),
    Kind.ENTITLEMENT: _with("tier"),
}
_CALL: Final = ("agent", "action")
_NEEDED: Final[Mapping[Kind, tuple[str, ...]]] = {
    **dict.fromkeys((Kind.USE, Kind.DENIAL, Kind.ERROR, Kind.REACTIVATED, Kind.BREAKGLASS), _CALL),
    Kind.SIGNAL: ("agent",),
    Kind.AGENT: ("agent",),
    Kind.ENTITLEMENT: ("agent", "purpose", "action"),
    Kind.ENDED: ("agent", "purpose", "action"),
}
