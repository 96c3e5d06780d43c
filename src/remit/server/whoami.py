"""Who a token speaks for, told from the log: the agent, who answers for it, how it was let in, and for whom it acts.

The entry of a token was there before the token was, and is there when the token is over; a token that was exchanged
names the one above it. So nothing is asked of the token but which one it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from remit.agents.credentials import credentials
from remit.agents.model import Agent
from remit.attestation.local_process import METHOD as LOCAL
from remit.audit.log import Log
from remit.kernel.clock import Clock, parse_date_end, rfc3339
from remit.kernel.errors import NotFound
from remit.keys.rotation import KeyRecord, all_gone
from remit.policy.view import View
from remit.tokens.clients.private_key_jwt import METHOD as OWN_KEY

_DEEPEST: Final = 16  # more than any agent may hand on
_COPIED: Final = ("instance", "run", "run_ends", "expires", "audience", "bound", "grant", "txn")
_ENDED: Final = ("id", "run")
_OF_A_LINK: Final = ("agent", "instance", "run")
Header = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Whoami:
    """Worker threads only: it reads the log.

    Args:
        log: Where the tokens' entries are.
        view: What is true of agents and people now.
        ended: Whether a token or run was ended before its time, by its id.
        signers: The keys of tokens that there are or were.
        clock: The time.
    """

    log: Log
    view: Callable[[], View]
    ended: Callable[[str], bool]
    signers: Callable[[], Sequence[KeyRecord]]
    clock: Clock

    def of(self, token: str) -> dict[str, Any]:
        """What a token is, by its id (`jti`).

        Raises:
            NotFound: No such token was issued, or the log no longer holds its entry.
        """
        chain = self._chain(token)
        now, view, mine = self.clock.now(), self.view(), chain[0]
        # Both are written in one way, so they compare as text.
        over = mine["expires"] <= rfc3339(now) or any(self.ended(each[name]) for each in chain for name in _ENDED)
        over = over or all_gone(self.signers(), parse_date_end(mine["time"]))  # an emergency ends all at once
        record, purpose = view.agents.get(mine["agent"]), view.purposes.get(mine["purpose"])
        agent = None if record is None else record.agent
        owner = None if agent is None else view.owners.get(agent.owner)
        return {
            "token": mine["id"],
            "live": not over,
            **({"frozen": stopped} if (stopped := frozen(chain, view)) else {}),
            "agent": mine["agent"],
            **({} if agent is None else {"version": agent.version, "state": agent.state.value}),
            "owner": None if owner is None else {"owner": owner.owner, "name": owner.name},
            "purpose": mine["purpose"],
            **({} if purpose is None else {"statement": purpose.purpose.statement}),
            "issued": mine["time"],
            **{name: mine[name] for name in _COPIED if name in mine},
            "attested": attested(mine, agent),
            "chain": actors(chain),
            **{name: mine[name] for name in ("delegation", "obo", "consent") if name in mine},
        }

    def agent_of(self, token: str) -> str:
        """Whose token it is. Raises NotFound."""
        return str(self._entry(token)["agent"])

    def _chain(self, token: str) -> list[Header]:
        """The token's entry, and those of the tokens above it, as far as the log holds them."""
        found = [self._entry(token)]
        with suppress(NotFound):
            while (above := found[-1].get("above")) and len(found) < _DEEPEST:
                found.append(self._entry(above))
        return found

    def _entry(self, token: str) -> Header:
        header = self.log.find(token).header
        if header["kind"] != "token":
            raise NotFound("there is no such token")
        return header


def frozen(chain: Sequence[Header], view: View) -> list[str]:
    """The freezes that hold a call with it now, of whoever acts or is acted for (pure)."""
    held = {("all", "*")}
    for each in chain:
        record = view.agents.get(each["agent"])
        held |= {("agent", each["agent"]), ("instance", each["instance"]), ("credential", each["credential"])}
        held |= set() if record is None else {("owner", record.agent.owner)}
    return sorted(f"{kind} {name}" for kind, name in held if (kind, name) in view.freezes)


def actors(chain: Sequence[Header]) -> list[dict[str, Any]]:
    """Who acts now first, as in a nested `act`, and then each for whom the one before acts (pure).

    Args:
        chain: Entries of tokens, each above the one before. Where the log no longer holds one, its name is left.
    """
    found = [{**{name: each[name] for name in _OF_A_LINK}, "token": each["id"]} for each in chain]
    names = [chain[0]["agent"], *reversed(chain[0].get("acts_for", ()))]
    return found + [{"agent": name} for name in names[len(found) :]]


def attested(entry: Header, agent: Agent | None) -> dict[str, Any]:
    """How the copy was let in (pure): the method, its credential, and what was proved with it."""
    process = {name: entry[name] for name in ("pid", "digest") if name in entry}
    return {
        "method": method_of(agent, entry["credential"]),
        "credential": entry["credential"],
        **({"platform": entry["platform"]} if "platform" in entry else {}),
        **({"process": process} if process else {}),
    }


def method_of(agent: Agent | None, credential: str) -> str | None:
    """Which way of `attest` a credential is of (pure); None where the agent has it no longer."""
    if agent is None or credential not in credentials(agent):
        return None
    named = next((each.method for each in agent.bindings if each.credential == credential), None)
    return named or (LOCAL if credential.startswith("uid:") else OWN_KEY)
