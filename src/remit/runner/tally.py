"""What happened in a run, as the gateway's answers tell it: counted for the line that ends it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from remit.sdk import denial
from remit.sdk.denial import Denial

_CALL: Final = "tools/call"
_HIDDEN: Final = -32602
_UNDECIDED: Final = "enforcement_unavailable"
_CUT: Final = b"-32010"
_LONGEST_LINE: Final = 64 * 1024
_SHOWN: Final = 3
_PROBLEM: Final = "urn:remit:denial:"
_ERROR: Final = 400


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request's body says, as far as an answer needs it: nothing is judged here."""

    method: str = ""
    id: str | int | None = None

    @classmethod
    def of(cls, body: bytes) -> Asked:
        """Read from the body of a POST."""
        try:
            said = json.loads(body) if body else None
        except (ValueError, RecursionError):
            return cls()
        if not isinstance(said, dict):
            return cls()
        method, number = said.get("method"), said.get("id")
        return cls(
            method if isinstance(method, str) else "",
            number if isinstance(number, (str, int)) and not isinstance(number, bool) else None,
        )


API: Final = Asked(_CALL)  # a call of an HTTP API, whose body is the API's


def refused(body: bytes) -> Denial | None:
    """The denial in a JSON answer of the gateway; one of the code `not_visible` where the tool is not there."""
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(said, dict):
        return None
    if str(said.get("type")).startswith(_PROBLEM):
        return denial.read_body(said)
    error = said.get("error")
    return _in_error(error) if isinstance(error, dict) else denial.read(said.get("result"))


def _in_error(error: Mapping[str, Any]) -> Denial | None:
    found, data = denial.read_error(error), error.get("data")
    if found is None and isinstance(data, dict) and data.get("code") == _UNDECIDED:
        return _bare(_UNDECIDED)
    if found is None and error.get("code") == _HIDDEN and str(error.get("message")).startswith("Unknown tool: "):
        return _bare("not_visible")
    return found


def _bare(code: str) -> Denial:
    return Denial(
        code=code, title="", decision_id=None, action=None, retryable=False, retry_after=None, violations=(),
        remedies=(), body={},
    )  # fmt: skip


def wants_new_token(found: Denial) -> bool:
    """Whether the gateway would say yes to a key that is proved again: only the run can do that, not its command."""
    return found.code == "activation_lapsed" and any(
        remedy.get("action") == "request_token" for remedy in found.remedies
    )


@dataclass(slots=True)
class Tally:
    """Counts of one run."""

    allowed: int = 0
    codes: Counter[str] = field(default_factory=Counter)
    undecided: int = 0
    unanswered: int = 0
    strangers: int = 0  # connections of processes that are not the run's
    last: str | None = None  # the decision that a person asks after

    def answered(self, asked: Asked, found: Denial | None, *, status: int) -> None:
        """One request was answered."""
        if found is None and status >= _ERROR:
            self.failed(asked)
        elif found is None:
            self.allowed += asked.method == _CALL
        elif found.code == _UNDECIDED:
            self.undecided += 1
        else:
            self.codes[found.code] += 1
            self.last = found.decision_id or self.last

    def turned_away(self, body: bytes) -> None:
        """A connection through the proxy, or a path of an API, was refused in these words."""
        try:
            said = json.loads(body)
        except (ValueError, RecursionError):
            said = None
        code = said.get("code") if isinstance(said, dict) else None
        if isinstance(code, str):
            self.codes[code] += 1
            self.last = said.get("decision_id") or self.last

    def failed(self, asked: Asked) -> None:
        """One request got no answer of the gateway."""
        self.unanswered += asked.method == _CALL

    def line(self, agent: str, run: str) -> str:
        """One line for a person."""
        refused_ = self.codes.total()
        calls = self.allowed + refused_ + self.undecided + self.unanswered
        parts = [f"{calls} call{'' if calls == 1 else 's'}", f"{self.allowed} allowed"]
        if refused_:
            top = ", ".join(f"{code} {count}" for code, count in self.codes.most_common(_SHOWN))
            parts.append(f"{refused_} refused ({top})")
        else:
            parts.append("0 refused")
        for count, what in ((self.undecided, "not decided"), (self.unanswered, "without an answer")):
            if count:
                parts.append(f"{count} {what}")
        if self.strangers:
            parts.append(f"{self.strangers} connection{'' if self.strangers == 1 else 's'} of other processes refused")
        hint = f"; remit why {self.last}" if self.last else ""
        return f"remit run: {agent}, {run}: {', '.join(parts)}{hint}"

    def summary(self, agent: str, run: str) -> dict[str, Any]:
        """The same as one object."""
        return {
            "agent": agent,
            "run": run,
            "allowed": self.allowed,
            "refused": dict(self.codes),
            "not_decided": self.undecided,
            "without_answer": self.unanswered,
            "other_processes_refused": self.strangers,
            "last_refusal": self.last,
        }


class Events:
    """Looks through an event stream that passes for the final error of a call that was cut."""

    def __init__(self) -> None:
        self._line = bytearray()
        self.cut: Denial | None = None

    def passed(self, chunk: bytes) -> None:
        """A piece of the stream."""
        self._line += chunk
        *lines, rest = bytes(self._line).split(b"\n")
        for line in lines:
            if line.startswith(b"data:") and _CUT in line:
                self.cut = refused(line[5:]) or self.cut
        # What is longer is a server's own message: a denial is short.
        self._line = bytearray(rest if len(rest) <= _LONGEST_LINE else b"")
