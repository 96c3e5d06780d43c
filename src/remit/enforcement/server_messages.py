"""Reading what a server sends, as pure functions: what kind of message it is, and how a response ended.

A server is not trusted either. Its requests never reach the agent, what it sends is encoded
anew around the values read here, and it cannot speak in Remit's name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, Final

import msgspec

from remit.enforcement import denials, offers
from remit.enforcement.era import CACHEABLE
from remit.enforcement.model import DENIED, INTERNAL_ERROR, SERVER_ERROR, Outcome, RpcId
from remit.kernel import canonical
from remit.kernel.errors import Malformed

_GREETINGS: Final = frozenset({"initialize", "server/discover"})
# The official client takes `meta` for `_meta`.
INPUT: Final = "input_required"
TASK: Final = "task"
URLS: Final = "urls"
URL_ELICITATION: Final = -32042  # 2025-11-25: the user has to go to a URL first
_META_NAMES: Final = ("_meta", "meta")
_REMIT_META = re.compile(rb"dev\.remit|\\u00[2-7]")


class Kind(Enum):
    """What a server's message is."""

    RESPONSE = "response"
    REQUEST = "request"
    NOTIFICATION = "notification"
    GARBAGE = "garbage"


class _Envelope(msgspec.Struct):
    jsonrpc: str = ""
    id: str | int | msgspec.UnsetType | None = msgspec.UNSET
    method: str | msgspec.UnsetType = msgspec.UNSET
    params: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    result: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    error: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class _ResultHead(msgspec.Struct, rename="camel"):
    result_type: str | None = None
    is_error: bool | None = None


class _Error(msgspec.Struct, omit_defaults=True):
    code: int
    message: str
    data: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


_envelopes: Final = msgspec.json.Decoder(_Envelope)
_heads: Final = msgspec.json.Decoder(_ResultHead)
_errors: Final = msgspec.json.Decoder(_Error)
_encoder: Final = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class ServerMessage:
    """One message of a server; the parts that count for its kind."""

    kind: Kind
    id: RpcId = None
    method: str = ""
    params: bytes | None = None
    result: bytes | None = None
    error: bytes | None = None


_GARBAGE: Final = ServerMessage(Kind.GARBAGE)


def read(data: bytes) -> ServerMessage:
    """Read one message; whatever is not exactly one is `GARBAGE`."""
    try:
        data.decode("utf-8")
        envelope = _envelopes.decode(data)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return _GARBAGE
    if envelope.jsonrpc != "2.0":
        return _GARBAGE
    answers = (envelope.result is not msgspec.UNSET) + (envelope.error is not msgspec.UNSET)
    identity = None if isinstance(envelope.id, msgspec.UnsetType) else envelope.id
    if isinstance(envelope.method, str):
        if answers:
            return _GARBAGE
        kind = Kind.NOTIFICATION if envelope.id is msgspec.UNSET else Kind.REQUEST
        return ServerMessage(kind, identity, envelope.method, _bytes(envelope.params))
    if answers != 1 or _repeats(data, envelope):
        return _GARBAGE
    return ServerMessage(Kind.RESPONSE, identity, result=_bytes(envelope.result), error=_bytes(envelope.error))


def _repeats(data: bytes, envelope: _Envelope) -> bool:
    """Whether a member of a response stands there twice: parsers differ on which id, and which result, counts."""
    for raw in (envelope.result, envelope.error):
        if not isinstance(raw, msgspec.UnsetType):
            # The decoder took the last one; without it the rest is short.
            data = b"0".join(data.rsplit(bytes(raw), 1))
    try:
        canonical.parse(data)
    except Malformed:
        return True
    return False


def _bytes(raw: msgspec.Raw | msgspec.UnsetType) -> bytes | None:
    return None if isinstance(raw, msgspec.UnsetType) else bytes(raw)


@dataclass(frozen=True, slots=True)
class Finished:
    """A response as the agent gets it, and what became of the call."""

    body: bytes
    outcome: Outcome
    detail: str = ""
    result: bytes | None = None
    special: str = ""  # what must be decided before it may pass: INPUT, URLS, or a task that was made
    fault: str = ""  # what the agent is told in place of an answer that cannot be passed on


def finish(
    answer: ServerMessage,
    *,
    id: RpcId,  # noqa: A002 - JSON-RPC's own name
    method: str,
    modern: bool,
    granted: Callable[[], Collection[str]] = frozenset,
) -> Finished:
    """Turn a server's response to a request with `id` into the one for the agent.

    `granted`: the methods of the server that the agent has been granted, asked of a greeting alone.
    """
    if answer.id != id and not (answer.id is None and answer.error is not None):
        return unreadable(id, "the response has another id")
    try:
        if answer.error is not None:
            return _finish_error(answer.error, id)
        return _finish_result(answer.result or b"", id, method=method, modern=modern, granted=granted)
    except (msgspec.MsgspecError, Malformed, ValueError, RecursionError) as error:
        return unreadable(id, repr(error)[:200])


def unreadable(id: RpcId, detail: str) -> Finished:  # noqa: A002 - JSON-RPC's own name
    """What is told of an answer that is no readable response to this request: nobody can say what the call did."""
    return failed(id, denials.UNSURE, detail, outcome=Outcome.OUTCOME_UNKNOWN)


def failed(id: RpcId, public: str, detail: str, *, outcome: Outcome = Outcome.ERROR) -> Finished:  # noqa: A002 - JSON-RPC's own name
    """An answer in place of one that cannot be passed on; `detail` is for the operator."""
    return Finished(denials.error(id, INTERNAL_ERROR, public), outcome, detail, fault=public)


def traced(finished: Finished, *, id: RpcId, decision: str) -> Finished:  # noqa: A002 - JSON-RPC's own name
    """`finished`, and where there was no answer to pass on: which decision it was, and what became of the call.

    By the decision's id a person finds the call. Only what was not sent may be tried again: anything else may have had
    an effect.
    """
    if not finished.fault:
        return finished
    again = finished.outcome is Outcome.NOT_SENT
    data = {"decision_id": decision, "outcome": finished.outcome.value, "retryable": again}
    return replace(finished, body=denials.error(id, INTERNAL_ERROR, finished.fault, data))


def _finish_error(raw: bytes, id: RpcId) -> Finished:  # noqa: A002 - JSON-RPC's own name
    error = _errors.decode(raw)
    if error.code == DENIED:
        error.code = SERVER_ERROR
    body = b'{"jsonrpc":"2.0","id":' + _encoder.encode(id) + b',"error":' + _encoder.encode(error) + b"}"
    detail = f"the server answered {error.code}"
    if error.code != URL_ELICITATION:
        return Finished(body, Outcome.ERROR, detail)
    data = b"{}" if isinstance(error.data, msgspec.UnsetType) else bytes(error.data)
    return Finished(body, Outcome.ERROR, detail, result=data, special=URLS)


def _finish_result(
    raw: bytes,
    id: RpcId,  # noqa: A002 - JSON-RPC's own name
    *,
    method: str,
    modern: bool,
    granted: Callable[[], Collection[str]],
) -> Finished:
    head = _heads.decode(raw)
    if head.result_type is not None and head.result_type != "complete":
        # `input_required` has the agent answer questions of the server's, and `task` has it wait: both are decided
        # first. Other types are extensions that nothing here understands.
        refused = failed(id, denials.ASKS, f"result type {head.result_type[:64]!r}")
        special = head.result_type if modern and head.result_type in {INPUT, TASK} else ""
        return replace(refused, result=_without_remit(raw), special=special)
    if _REMIT_META.search(raw):
        raw = _without_remit(raw)
    if method in _GREETINGS:
        raw = offers.offered(raw, granted(), modern=modern)
    if modern and method in CACHEABLE:
        raw = _uncached(raw)
    body = b'{"jsonrpc":"2.0","id":' + _encoder.encode(id) + b',"result":' + raw + b"}"
    return Finished(body, Outcome.ERROR if head.is_error else Outcome.OK, result=raw)


def _without_remit(raw: bytes) -> bytes:
    value = canonical.parse(raw)
    forged = False
    for name in _META_NAMES:
        meta = value.get(name)
        if isinstance(meta, dict) and any(key.startswith("dev.remit/") for key in meta):
            forged = True
            value[name] = {key: member for key, member in meta.items() if not key.startswith("dev.remit/")}
    return canonical.encode(value) if forged else raw


def _uncached(raw: bytes) -> bytes:
    # What an agent may see can change with any boundary or freeze: nothing of it may be kept or shared.
    value = canonical.parse(raw)
    return canonical.encode({**value, "ttlMs": 0, "cacheScope": "private"})


def error_code(answer: ServerMessage) -> int | None:
    """The code of an error response; None if it cannot be read."""
    try:
        return _errors.decode(answer.error or b"").code
    except msgspec.MsgspecError:
        return None


def notification(message: ServerMessage) -> bytes:
    """A server's notification, encoded anew."""
    head = b'{"jsonrpc":"2.0","method":' + _encoder.encode(message.method)
    return head + (b"}" if message.params is None else b',"params":' + message.params + b"}")


def result_object(raw: bytes) -> dict[str, Any]:
    """A result, strictly read.

    Raises:
        Malformed: It is not an object, or not strict JSON.
    """
    value = canonical.parse(raw)
    if not isinstance(value, dict):
        raise Malformed("a result is not an object")
    return value
