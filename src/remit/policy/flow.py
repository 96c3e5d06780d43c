"""Where data may go: what a run has read decides what it may carry out (pure).

The taint of a call is that of everybody in its chain, for its purpose: what one reads reaches
those for whom it acts, and what they have read is handed to it. It stays when the run is over,
because a running copy does not forget. Whoever starts a process anew gives it a new instance, and
what it read may wait for it in a file: so the taint is also that of the client, which is the
credential that the tokens are had with. An agent's other clients have read nothing.
"""

from __future__ import annotations

from typing import Final

from remit.attestation.model import Caller, Link
from remit.catalog.labels import Labels
from remit.kernel.clock import DAY, HOUR, Instant
from remit.policy.model import Call
from remit.storage.model import Effect, Mark, Unmarked

STICKS: Final = 366 * DAY  # after the last such read
_CLEAN: Final = HOUR  # a row that says that nothing was read is there to be locked, and there are many copies


def blocked(labels: Labels, call: Call, *, approved: bool) -> bool:
    """Whether the call would carry out what the writer said was read. A person's yes to this very call lets it pass."""
    return labels.carries_out and not approved and any(key in call.otherwise for key in keys(call.caller))


def effects(labels: Labels, call: Call, *, now: Instant, approved: bool) -> list[Effect]:
    """What must not have been read, at the writer; and that something is read, from this moment on."""
    kept, found = Instant(now + STICKS), list[Effect]()
    if labels.carries_out and not approved:
        found += [Unmarked(key, Instant(now + _CLEAN)) for key in keys(call.caller)]
    if labels.returns:
        found += [Mark(key, now, kept) for key in keys(call.caller)]
    return found


def keys(caller: Caller) -> list[str]:
    """Under which names the taint of a caller and of those for whom it acts stands: its instance, and its client."""
    found: dict[str, None] = {}
    everybody: tuple[Link | Caller, ...] = (*caller.links, caller)
    for each in everybody:
        found[f"taint {each.agent} {caller.purpose} {each.instance}"] = None
        if each.credential:  # none stands behind an operator's question
            found[f"taint {each.agent} {caller.purpose} client {each.credential}"] = None
    return list(found)
