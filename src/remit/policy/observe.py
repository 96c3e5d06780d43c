"""Servers in `mode: observe`: what is relaxed for them, and nothing else (pure).

Steps 6 to 11 refuse nothing there: the call goes on, and its entry says `would_deny` with the code. Whoever is not
authenticated, frozen, suspended or outside its purpose stays out, a tool that changed stays closed, and
where Remit cannot decide, nothing is forwarded.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from remit.catalog.model import Server
from remit.kernel.clock import Instant
from remit.policy import flow, sequence
from remit.policy.delegated import acting
from remit.policy.model import Answer, Call, Code, Proposal
from remit.policy.schema import MANDATE_URI, METHODS
from remit.policy.view import View
from remit.storage.model import Effect

_FIRST: Final = 6  # the first step that is relaxed
# Answered here, and never by the server: there is nothing to observe.
_OWN: Final = "resources/read"


def in_observe(call: Call, server: Server) -> bool:
    """Whether the target is visible because its server is observed: a tool that it has, or a method.

    What the server does not have looks as it does everywhere else.
    """
    return server.observed and (call.tool is None or call.tool in server.tools)


def relaxed(proposal: Proposal, call: Call, view: View) -> Proposal:
    """`proposal` as it stands on the server of `call`: a denial of the steps that are relaxed there is none."""
    denial = proposal.answer.denial
    if denial is None or denial.step < _FIRST or denial.code is Code.ENFORCEMENT_UNAVAILABLE:
        return proposal
    server = view.server(call.server)
    if server is None or not server.observed or not _forwarded(call):
        return proposal
    return replace(proposal, answer=Answer(would_deny=denial))


def leaves(call: Call, view: View, *, now: Instant) -> tuple[Effect, ...]:
    """The marks of a call that goes on though it would be denied: what it reads is read, and what was done was done.

    Else who may not read here would read here, and carry it out by a server that is enforced.
    """
    record, server = acting(view, call.caller), view.servers.get(call.server)
    tool = None if server is None or call.tool is None else server.tools.get(call.tool)
    if record is None or tool is None:
        return ()
    found = [] if tool.labels is None else flow.effects(tool.labels, call, now=now, approved=True)
    every = (*record.reach.grants.items(), *record.reach.emergency.items())
    rules = [grant.rule for (purpose, _), grants in every if purpose == call.caller.purpose for grant in grants]
    asked = sequence.noted(rules).get(call.action)
    if asked is not None:  # nothing of its arguments: they may be what step 6 refuses
        found += sequence.marks(sequence.Noted(admission=asked.admission), call, view.mac, now=now)[0]
    return tuple(found)


def _forwarded(call: Call) -> bool:
    """Whether it is one that the gateway can forward: every tool, and every known method that is not its own."""
    if call.tool is not None:
        return True
    method = call.action.partition(":")[2]
    return method in METHODS and (method != _OWN or call.resource == MANDATE_URI)
