"""`/v1/withdrawals`: access that is being taken away, or was: every step, and where it stands now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from remit.certification.withdrawal.sql import SqlWithdrawals
from remit.certification.withdrawal.withdraw import PATIENCE, Asked, Did, Entitlement, Withdrawal
from remit.kernel.clock import Clock, rfc3339
from remit.kernel.errors import Malformed, NotFound
from remit.server.door import Ask, Door
from remit.storage.ports import Reader

_MOST = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawals:
    """Withdrawals over HTTP. Nothing is begun here: verdicts do that."""

    reader: Reader
    clock: Clock

    def doors(self) -> list[Door]:
        """The doors of this part of the API."""
        return [
            Door(
                method="GET", path="/v1/withdrawals",
                summary="The newest withdrawals (?agent=NAME, ?open=true, ?limit=N)",
                action="read", handle=self.list, query=("agent", "open", "limit"),
            ),
            Door(
                method="GET", path="/v1/withdrawals/{id}", summary="One withdrawal: its steps, and where it stands",
                action="read", handle=self.show,
            ),
        ]  # fmt: skip

    def list(self, ask: Ask) -> dict[str, Any]:
        """Newest first."""
        unfinished = ask.query.get("open", "false")
        if unfinished not in {"true", "false"}:
            raise Malformed("open is true or false")
        agent, limit = ask.query.get("agent"), ask.number("limit", default=50, most=_MOST)
        found = self.reader.read(
            lambda connection: SqlWithdrawals(connection).listing(
                agent=agent, unfinished=unfinished == "true", most=limit
            )
        )
        now = self.clock.now()
        return {"withdrawals": [_short(each, now) for each in found]}

    def show(self, ask: Ask) -> dict[str, Any]:
        """One of them. What ended long ago stands in the log only."""
        name = ask.path["id"]
        found = self.reader.read(lambda connection: SqlWithdrawals(connection).find(name))
        if found is None:
            raise NotFound("there is no such withdrawal", try_="remit withdrawal list")
        each = found.withdrawal
        return {
            **_short(each, self.clock.now()),
            "what": [_what(one) for one in each.what],
            "steps": [_did(one) for one in each.did],
            "systems": [_asked(one) for one in each.asked],
        }


def standing(each: Withdrawal, now: int) -> str:
    """In a word: open, unconfirmed (open for longer than it may), confirmed, or overtaken (given back)."""
    if each.open:
        return "unconfirmed" if each.alarmed or now - each.begun >= PATIENCE else "open"
    return "overtaken" if each.confirmed is None else "confirmed"


def _short(each: Withdrawal, now: int) -> dict[str, Any]:
    return {
        "withdrawal": each.id,
        "agent": each.agent,
        "cause": each.cause,
        "entitlements": len(each.what),
        "state": standing(each, now),
        "step": each.step.value,
        "tries": each.tries,
        "begun": rfc3339(each.begun),
        "confirmed": None if each.confirmed is None else rfc3339(each.confirmed),
        "next": rfc3339(each.due) if each.open else None,
        "pending": len(each.pending),
    }


def _what(each: Entitlement) -> dict[str, str | None]:
    return {"purpose": each.purpose or None, "action": each.action or None, "scope": each.scope or None}


def _did(each: Did) -> dict[str, Any]:
    return {
        "step": each.step.value,
        "outcome": each.outcome.value,
        "told": each.told,
        "at": rfc3339(each.at),
        "last": rfc3339(each.last),
        "times": each.times,
    }


def _asked(each: Asked) -> dict[str, Any]:
    return {**each.target._asdict(), "token": each.token or None, "present": each.present.value}
