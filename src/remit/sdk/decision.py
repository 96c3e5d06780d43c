"""Remit's answer to a question, as a value. Whatever is no clear yes is a denial (fail closed)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from remit.sdk import strict_json
from remit.sdk.denial import Denial, read_body

DECISION: Final = "Remit-Decision"
TOKEN: Final = "Remit-Token"  # noqa: S105 - a header: what is wrong with the token that the question carried
_OK: Final = 200
_ID: Final = re.compile(r"dec_[0-9A-Za-z]{1,64}\Z")
# What an allow may ask of who asked. What is not known here cannot be kept, so it is no allow (XACML 3.0 section 7.2).
_KEPT: Final = frozenset({"approval"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """An answer. True only if the call may be made, now and once."""

    allowed: bool
    action: str
    denial: Denial | None = None
    decision_id: str | None = None  # under which it is recorded; None: there is no decision
    obligations: Mapping[str, Any] = field(default_factory=dict)  # e.g. `approval`: the person's yes that it used
    bad_token: bool = False  # denied because the agent's token that was shown is good for nothing there any more

    def __post_init__(self) -> None:
        if self.allowed is not (self.denial is None) or (self.allowed and self.decision_id is None):
            raise ValueError("an allow has an id and no denial; all else has a denial")

    def __bool__(self) -> bool:
        return self.allowed


class Denied(Exception):
    """A guarded tool was not run. `decision` and `denial` say why, `json` is what a model should read."""

    def __init__(self, decision: Decision) -> None:
        if decision.denial is None:
            raise ValueError("that was allowed")
        super().__init__(f"{decision.denial.code}: {decision.denial.title}")
        self.decision = decision
        self.denial = decision.denial

    @property
    def json(self) -> str:
        """The denial as JSON, as it came."""
        return told(self.denial)


def told(denial: Denial) -> str:
    """A denial as JSON, as it came."""
    return strict_json.encode(dict(denial.body)).decode("utf-8")


def answered(action: str, status: int, headers: Mapping[str, str], body: bytes) -> Decision:
    """Read an answer of `/access/v1/evaluation` (AuthZEN 1.0).

    Args:
        action: What was asked about.
        status: The HTTP status.
        headers: Of the answer; names in any case, if the mapping does not care.
        body: Of the answer.

    Returns:
        An allow only for 200, a recorded decision's id, strict JSON whose `decision` is `true`, and no obligation
        that is not known here.
    """
    try:
        said = strict_json.an_object(body)
        if status != _OK:
            return _none(action, status, said)
        return _decision(action, headers.get(DECISION, ""), said, bad_token=bool(headers.get(TOKEN)))
    except strict_json.NotJson:
        return unavailable(action, f"the answer was not understood (HTTP status {status})")


def _decision(action: str, found: str, said: Mapping[str, Any], *, bad_token: bool) -> Decision:
    """Raises NotJson for what is no answer."""
    verdict, context = said.get("decision"), said.get("context", {})
    if not _ID.match(found) or type(verdict) is not bool or not isinstance(context, dict):
        raise strict_json.NotJson("no answer")
    if verdict:
        if strange := sorted(context.keys() - _KEPT):
            return unavailable(action, f"the answer asks for what is not known here: {strange[0]}")
        return Decision(allowed=True, action=action, decision_id=found, obligations=context)
    denial = read_body({**context, "decision_id": found})
    if denial is None:
        raise strict_json.NotJson("no denial")
    return Decision(allowed=False, action=action, denial=denial, decision_id=found, bad_token=bad_token)


def _none(action: str, status: int, said: Mapping[str, Any]) -> Decision:
    """An error in the place of an answer: Remit cannot decide (its denial says so itself), or took no question."""
    denial = read_body(said)
    if denial is not None and denial.code == "enforcement_unavailable":
        return Decision(allowed=False, action=action, denial=denial)
    title = said.get("title") if isinstance(said.get("title"), str) else said.get("error_description")
    reason = f"HTTP status {status}{f': {title}' if isinstance(title, str) else ''}"
    return unavailable(action, reason, retryable=status >= 500 or status == 429)  # noqa: PLR2004 - HTTP's own


def unavailable(action: str, why: str, *, retryable: bool = True) -> Decision:
    """The denial that stands in where there is no decision."""
    return local(action, "enforcement_unavailable", f"Remit did not decide this: {why}", retryable=retryable)


def local(action: str, code: str, title: str, *, retryable: bool = False, path: str | None = None) -> Decision:
    """A denial that no Remit gave, because nothing could be asked of it."""
    body = {
        "type": f"urn:remit:denial:{code}",
        "title": title,
        "status": 503 if code == "enforcement_unavailable" else 403,
        "code": code,
        "decision_id": None,
        "action": action,
        "violations": [] if path is None else [{"path": path, "constraint": "json"}],
        "remedies": [{"kind": "wait" if retryable else "stop"}],
        "retryable": retryable,
        "retry_after": 1 if retryable else None,
    }
    denial = read_body(body)
    assert denial is not None  # noqa: S101 - it was made two lines above
    return Decision(allowed=False, action=action, denial=denial)
