"""The names of things: what a well-formed name or id looks like, and how new ids are made."""

from __future__ import annotations

import itertools
import os
import re
import threading
import time
import unicodedata
from typing import NewType

from remit.kernel.clock import Instant
from remit.kernel.errors import Malformed

AgentName = NewType("AgentName", str)
OwnerName = NewType("OwnerName", str)
PurposeName = NewType("PurposeName", str)
BoundaryName = NewType("BoundaryName", str)
ServerName = NewType("ServerName", str)
ToolName = NewType("ToolName", str)
ActionName = NewType("ActionName", str)
SecretName = NewType("SecretName", str)
InstanceId = NewType("InstanceId", str)
RunId = NewType("RunId", str)
DecisionId = NewType("DecisionId", str)
EntryId = NewType("EntryId", str)

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}\Z")
_CROCKFORD = "0123456789abcdefghjkmnpqrstvwxyz"
_ID_LENGTH = 26
_SIXTY = (1 << 60) - 1
_PAIRS = [high + low for high in _CROCKFORD for low in _CROCKFORD]  # two characters at a time: half the steps
_TOOL_FORBIDDEN = re.compile(r"[\x00-\x20\x7f]")
_MAX_TOOL = 256
# HTTP operations: method, one space, path template. No name of a tool or method has a space, so none is both.
_OPERATION = re.compile(r"[A-Z]{3,16} /[^\x00-\x20\x7f\\;?#%*]*\Z")
_PATTERN = re.compile(r"[^\x00-\x20\x7f/]+ /[^\x00-\x20\x7f]*\Z")
_MAX_ACTION = 512
_counter = itertools.count(int.from_bytes(os.urandom(3), "big"))
_lock = threading.Lock()
_noise: list[int] = []  # drawn ahead: asking the system for each lets another thread take the interpreter
_AHEAD = 256


def check_name(text: object, *, what: str) -> str:
    """Return `text` if it is a well-formed name: `[a-z0-9][a-z0-9-]{0,62}`.

    One canonical case and no Unicode: two names that look alike are the same
    name (threats: identity squatting by case folding).

    Raises:
        Malformed: It is not.
    """
    if not isinstance(text, str) or not _NAME.match(text):
        raise Malformed(f"{what} must match [a-z0-9][a-z0-9-]{{0,62}}", detail=repr(text)[:120])
    return text


def tool_action(server: str, tool: str) -> ActionName:
    """The action of calling `tool` on `server`: `server/tool`, split at the first `/`.

    Of an HTTP operation, whose name is `METHOD /template`, it is `server:METHOD /template`.
    """
    return ActionName(f"{server}:{tool}" if " " in tool and _PATTERN.match(tool) else f"{server}/{tool}")


def method_action(server: str, method: str) -> ActionName:
    """The action of any other MCP method on `server`: `server:method`."""
    return ActionName(f"{server}:{method}")


def split_action(action: str) -> tuple[ServerName, str, bool]:
    """Split an action into (server, tool or method, whether it is a tool). An HTTP operation counts as a tool."""
    server, slash, name = action.partition("/")
    before, colon, method = server.partition(":")
    if colon:
        rest = f"{method}{slash}{name}"
        return ServerName(before), rest, " " in rest and _PATTERN.match(rest) is not None
    if not slash:
        raise Malformed("an action is server/tool or server:method", detail=repr(action)[:120])
    return ServerName(server), name, True


def well_formed_action(action: object) -> bool:
    """Whether it can stand where an action, or a pattern over actions, is written: only an operation has a space."""
    if not isinstance(action, str) or not 0 < len(action) <= _MAX_ACTION:
        return False
    server, colon, rest = action.partition(":")
    if colon and " " in rest:
        return not _TOOL_FORBIDDEN.search(server) and _PATTERN.match(rest) is not None
    return not _TOOL_FORBIDDEN.search(action)


def well_formed_operation(name: object) -> bool:
    """Whether it names an HTTP operation, `METHOD /template`: NFC, at most 256 characters, a path of one reading.

    No empty segment but a last one, none that is `.` or `..`, and nothing that a server may read as a separator.
    """
    if not isinstance(name, str) or len(name) > _MAX_TOOL or not _OPERATION.match(name):
        return False
    *before, _ = segments = name.partition(" ")[2][1:].split("/")
    return "" not in before and {".", ".."}.isdisjoint(segments) and unicodedata.is_normalized("NFC", name)


def well_formed_tool(name: object) -> bool:
    """Whether a server's tool name can be named in a boundary: NFC, 1-256 characters, no space or control."""
    return (
        isinstance(name, str)
        and 0 < len(name) <= _MAX_TOOL
        and not _TOOL_FORBIDDEN.search(name)
        and unicodedata.is_normalized("NFC", name)
    )


def made_at(id: str) -> Instant | None:  # noqa: A002 - what it is
    """When an id of `new_id` was made, in microseconds since 1970; None of another text."""
    _, _, rest = id.partition("_")
    if len(rest) != _ID_LENGTH:
        return None
    value = 0
    for char in rest[:10]:  # 50 bits, of which the first two are padding
        at = _CROCKFORD.find(char)
        if at < 0:
            return None
        value = value << 5 | at
    return Instant(value * 1000)


def new_id(prefix: str) -> str:
    """A new id `prefix_` + 26 characters: 48 bits of milliseconds, 24 of a counter, 56 random bits.

    Ids made later in one process sort later, so index pages are appended to.
    """
    with _lock:
        count = next(_counter) & 0xFFFFFF
        millis = time.time_ns() // 1_000_000
        if not _noise:
            _draw()
        noise = _noise.pop()
    # Twice 60 bits and the 10 in front: Python's small integers are quicker to shift than large ones.
    front, low = (millis << 20) | (count >> 4), ((count & 15) << 56) | noise
    middle, p = front & _SIXTY, _PAIRS
    return (
        f"{prefix}_{p[front >> 60]}"
        f"{p[middle >> 50]}{p[middle >> 40 & 1023]}{p[middle >> 30 & 1023]}"
        f"{p[middle >> 20 & 1023]}{p[middle >> 10 & 1023]}{p[middle & 1023]}"
        f"{p[low >> 50]}{p[low >> 40 & 1023]}{p[low >> 30 & 1023]}"
        f"{p[low >> 20 & 1023]}{p[low >> 10 & 1023]}{p[low & 1023]}"
    )


def _draw() -> None:
    drawn = os.urandom(7 * _AHEAD)
    _noise.extend(int.from_bytes(drawn[at : at + 7], "big") for at in range(0, len(drawn), 7))


os.register_at_fork(after_in_child=_noise.clear)  # else a copy of this process would draw the same
