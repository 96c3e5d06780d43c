"""Servers in `mode: observe`: what is relaxed for them, and nothing else (pure).

Steps 6 to 11 refuse nothing there: the call goes on, and its entry says `would_deny` with the code. Whoever is not
authenticated, frozen, suspended or outside its purpose stays out, a tool that changed stays closed, and
where Remit cannot decide, nothing is forwarded. What such a call has read, and that it was made, counts at the servers
beside it: those are enforced.
"""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from remit.catalog.methods import ASKED_OF_AGENTS
from remit.catalog.model import Kind, Server
from remit.kernel.clock import Instant
from remit.policy import flow, sequence
from remit.policy.model import Answer, Call, Code, Proposal
from remit.policy.schema import METHODS
from remit.policy.view import View
from remit.storage.model import Effect

_FIRST: Final = 6  # the first step that is relaxed


def in_observe(call: Call, server: Server) -> bool:
    """Whether the target is visible because its server is observed: a tool that it has, or a method.

    What the server does not have looks as it does everywhere else.
    """
    if call.tool is None:
        return server.observed and server.kind is not Kind.HTTP
    return server.observed and call.tool in server.tools


def relaxed(proposal: Proposal, call: Call, view: View) -> Proposal:
    """`proposal` as it stands on the server of `call`: a denial of the steps that are relaxed there is none."""
    denial = proposal.answer.denial
    if denial is None or denial.step < _FIRST or denial.code is Code.ENFORCEMENT_UNAVAILABLE:
        return proposal
    server = view.server(call.server)
    if server is None or not server.observed or not _forwarded(call):
        return proposal
    return replace(proposal, answer=Answer(would_deny=denial))


def leaving(proposal: Proposal, call: Call, view: View, *, now: Instant) -> Proposal:
    """`proposal` with what a call leaves behind that goes on although it would be denied.

    Else an agent would read what is untrusted with a call that it makes wrong on purpose, and carry out what it likes.
    """
    if proposal.answer.would_deny is None or call.tool is None:
        return proposal
    server = view.servers.get(call.server)
    tool = None if server is None else server.tools.get(call.tool)
    found: list[Effect] = [*sequence.admitted(call, now=now)]
    if tool is not None and tool.labels is not None:
        found += flow.effects(tool.labels, call, now=now, approved=True)
    return replace(proposal, effects=(*proposal.effects, *found))


def _forwarded(call: Call) -> bool:
    """Whether it is one that the gateway can forward: every tool, and every known method. What a server asks takes data
    out of the agent: that is never let through because a server is only looked at.
    """
    if call.tool is not None:
        return True
    method = call.action.partition(":")[2]
    return method in METHODS and method not in ASKED_OF_AGENTS
