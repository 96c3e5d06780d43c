"""An agent that asks for itself, with its own token, before it acts: whose question it is, and its call (pure).

Cooperative: what asks and what acts are one process, and nothing keeps it to the answer. The decision is as real as any
other, and recorded; what the agent says afterwards is no evidence (`enforcement/outcomes`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from remit.attestation.model import Caller
from remit.enforcement import authzen
from remit.enforcement.model import Point
from remit.kernel.errors import Forbidden, Malformed
from remit.kernel.names import DecisionId, ServerName, check_name
from remit.policy.model import Call
from remit.storage.model import ConsumeProof

_PEP: Final = "sdk:"  # no registered enforcement point's name has a colon


class NotItsOwn(Forbidden):
    """An agent asked for another, for another purpose than its token's, or about what is no call of an agent's.

    Raised before anything is looked up: it is the same whether what was asked about exists.
    """


def point_of(caller: Caller) -> Point:
    """The agent as the enforcement point of its own calls: this running copy of it, and no other."""
    return Point(f"{_PEP}{caller.agent}", caller.instance)


def server_of(asked: authzen.Question) -> ServerName | None:
    """The server that a question names, whether or not there is one; None if it names none."""
    if asked.resource[0] != authzen.SERVER:
        return None
    try:
        return ServerName(check_name(asked.resource[1], what="a server"))
    except Malformed:
        return None


def call(asked: authzen.Question, *, id: DecisionId, caller: Caller, proof: ConsumeProof | None) -> Call:  # noqa: A002 - the call's own word
    """The agent's own call.

    Args:
        asked: The question.
        id: The decision's id.
        caller: Who asks, by its token.
        proof: To be consumed with the decision.

    Raises:
        NotItsOwn: It is about anything else.
    """
    if not authzen.own(asked) or asked.subject[1] != caller.agent:
        raise NotItsOwn("an agent asks for itself, about calls to a server")
    if asked.purpose not in (None, caller.purpose):
        raise NotItsOwn("an agent asks under its token's purpose", try_=f"a token with scope purpose:{asked.purpose}")
    point = point_of(caller)
    found = authzen.call(asked, id=id, point=point, purposes=(caller.purpose,))
    if found is None:
        raise NotItsOwn("an agent asks for itself, about calls to a server")
    own = replace(caller, pep=point.name, cooperative=True)
    return replace(found, caller=own, proof=proof)
