"""A refusal, as an agent reads it: why, what would have been right, and what to do next."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Final

META: Final = "dev.remit/denial"
DENIED: Final = -32010  # the JSON-RPC error of a denial; the gateway passes no server's on under this code


@dataclass(frozen=True, slots=True)
class Denial:
    """A denial of Remit, read from a tool result or an error."""

    code: str
    title: str
    decision_id: str | None
    action: str | None
    retryable: bool
    retry_after: int | None  # seconds
    violations: tuple[Mapping[str, Any], ...]
    remedies: tuple[Mapping[str, Any], ...]
    body: Mapping[str, Any]  # all of it, as it came

    @property
    def kinds(self) -> tuple[str, ...]:
        """What can be done, best first: `change_arguments, wait, request_access, step_up, alternative_action, stop`."""
        return tuple(str(remedy.get("kind")) for remedy in self.remedies)

    def change(self, argument: str) -> Decimal | None:
        """The greatest value `argument` may have, or None if the denial names none."""
        limit = self.limits(argument).get("max")
        try:
            return None if limit is None else Decimal(str(limit))
        except InvalidOperation:
            return None

    def limits(self, argument: str) -> dict[str, Any]:
        """All that is said about what `argument` may be: `max`, `min`, `in`, `prefix`, `max_length`."""
        path = "/" + argument.replace("~", "~0").replace("/", "~1")  # RFC 6901 section 3
        found = {
            str(each["constraint"]): each.get("limit")
            for each in self.violations
            if each.get("path") == path and "constraint" in each
        }
        for remedy in self.remedies:
            if remedy.get("kind") == "change_arguments" and remedy.get("path") == path:
                found |= {name: value for name, value in remedy.items() if name not in ("kind", "path")}
        return found

    def adapted(self, arguments: Mapping[str, Any]) -> dict[str, Any] | None:
        """`arguments` with each bounded number set to the nearest value allowed; None if nothing would change.

        What an agent may do by itself only when less is also useful: lowering an amount is, for some work.
        """
        changed = dict(arguments)
        for name, value in arguments.items():
            limits = self.limits(name)
            if isinstance(value, bool) or not isinstance(value, (int, float, Decimal, str)):
                continue
            for bound, exceeds in (("max", Decimal.__gt__), ("min", Decimal.__lt__)):
                limit, actual = _decimal(limits.get(bound)), _decimal(value)
                if limit is not None and actual is not None and exceeds(actual, limit):
                    changed[name] = _like(value, limit)
        return changed if changed != dict(arguments) else None

    def asking(self, arguments: Mapping[str, Any], *, why: str = "") -> tuple[str, dict[str, Any]] | None:
        """Where to ask a person that this very call may pass, and the body to post there; None if none could help.

        Post it with the agent's own token. The answer is a task, whose `status_endpoint` says when to call again.
        """
        block = self.body.get("access_request")
        if not isinstance(block, Mapping) or self.action is None:
            return None
        said = {
            "action": {"name": self.action},
            "resource": {"type": "server", "id": re.split("[/:]", self.action, maxsplit=1)[0]},
            "context": {"arguments": dict(arguments), **({"business_justification": why} if why else {})},
            "denial": {"binding_token": block.get("binding_token"), "expires_at": block.get("expires_at")},
        }
        return str(block.get("endpoint")), said


def read(result: object) -> Denial | None:
    """The denial in an MCP tool result (or its JSON) or an `MCPError`; None if it is no denial of Remit.

    Only the two places are read where the gateway lets nobody else write: `_meta["dev.remit/denial"]` of a
    result that is an error, and the data of a JSON-RPC error -32010. Content and `structuredContent` are the
    server's own: a denial that stands there alone may be a server's invention.
    """
    if isinstance(result, Mapping):
        return _believed(_meta(result.get("isError"), result.get("_meta")))
    error = getattr(result, "error", None)
    # What a client's types do not know they may show as plain JSON: only a typed error is the protocol's own.
    if error is not None and not isinstance(error, Mapping):
        return _believed(error.data if getattr(error, "code", None) == DENIED else None)
    return _believed(_meta(getattr(result, "is_error", None), getattr(result, "meta", None)))


def read_error(error: Mapping[str, Any]) -> Denial | None:
    """The denial in the JSON of a JSON-RPC response's `error`. Never call it with a result: that is the server's."""
    return _believed(error.get("data") if error.get("code") == DENIED else None)


def read_body(body: Mapping[str, Any]) -> Denial | None:
    """The denial in a problem document, or in the context of an answer, that Remit itself sent over HTTP."""
    return _believed(body)


def _meta(failed: object, meta: object) -> object:
    return meta.get(META) if failed and isinstance(meta, Mapping) else None


def _believed(found: object) -> Denial | None:
    if isinstance(found, Mapping) and isinstance(found.get("code"), str) and "remedies" in found:
        return _denial(found)
    return None


def _denial(body: Mapping[str, Any]) -> Denial:
    retry_after = body.get("retry_after")
    return Denial(
        code=body["code"],
        title=str(body.get("title", "")),
        decision_id=body.get("decision_id"),
        action=body.get("action"),
        retryable=bool(body.get("retryable")),
        retry_after=retry_after if isinstance(retry_after, int) else None,
        violations=_objects(body.get("violations")),
        remedies=_objects(body.get("remedies")),
        body=body,
    )


def _objects(value: object) -> tuple[Mapping[str, Any], ...]:
    return tuple(each for each in value if isinstance(each, Mapping)) if isinstance(value, list) else ()


def _decimal(value: object) -> Decimal | None:
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _like(value: object, limit: Decimal) -> object:
    """`limit` in the JSON type of `value`, so that the tool's schema still fits."""
    if isinstance(value, str):
        return str(limit)
    if isinstance(value, int) and limit == limit.to_integral_value():
        return int(limit)
    return float(limit)
