"""A refusal, as an agent reads it: why, what would have been right, and what to do next."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Final

META: Final = "dev.remit/denial"


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


def read(result: object) -> Denial | None:
    """The denial in an MCP tool result, an `MCPError` or their JSON; None if it is no denial of Remit."""
    for candidate in _candidates(result):
        if isinstance(candidate, Mapping) and isinstance(candidate.get("code"), str) and "remedies" in candidate:
            return _denial(candidate)
    return None


def _candidates(result: object) -> list[object]:
    error = getattr(result, "error", None)
    if error is not None:  # mcp.MCPError: a method other than tools/call, or a call cut in flight
        return [_get(error, "data")]
    if isinstance(result, Mapping) and "data" in result:
        return [result["data"]]
    if not (_get(result, "is_error") or _get(result, "isError")):
        return []
    meta = _get(result, "meta") or _get(result, "_meta")
    content = _get(result, "content") or []
    first = content[0] if isinstance(content, Sequence) and content else None
    return [
        meta.get(META) if isinstance(meta, Mapping) else None,
        _get(result, "structured_content") or _get(result, "structuredContent"),
        _parsed(_get(first, "text")),
    ]


def _get(value: object, name: str) -> Any:  # noqa: ANN401 - whatever the client library has there
    return value.get(name) if isinstance(value, Mapping) else getattr(value, name, None)


def _parsed(text: object) -> object:
    try:
        return json.loads(text) if isinstance(text, str) else None
    except ValueError:
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
