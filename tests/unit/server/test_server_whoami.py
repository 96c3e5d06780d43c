"""What is told of a chain when part of it is no longer in the log, and of how a copy was let in."""

from __future__ import annotations

from typing import Any

import pytest

from remit.agents.binding import Binding
from remit.agents.model import Agent, AgentState, SenderConstraint
from remit.kernel.clock import Instant, Micros
from remit.kernel.names import AgentName, OwnerName
from remit.server.whoami import actors, attested, method_of

BINDING = Binding("kubernetes", {"trust": "prod"})
AGENT = Agent(
    agent=AgentName("bot"), owner=OwnerName("dana"), version="1", purposes=(), max_instances=1,
    sender_constraint=SenderConstraint.DPOP, not_after=Instant(1), max_run=Micros(1), keys=(),
    state=AgentState.ACTIVE, uids=(1000,), bindings=(BINDING,),
)  # fmt: skip


def entry(name: str, **more: Any) -> dict[str, Any]:
    return {"id": f"tok_{name}", "agent": name, "instance": "i", "run": "r", "credential": "uid:1000", **more}


def test_where_the_log_ends_names_are_left() -> None:
    last = entry("temp", acts_for=["chief", "clerk"], above="tok_clerk")
    assert [each["agent"] for each in actors([last])] == ["temp", "clerk", "chief"]
    assert actors([last])[1:] == [{"agent": "clerk"}, {"agent": "chief"}]
    both = actors([last, entry("clerk", acts_for=["chief"])])
    assert (both[1]["token"], both[2]) == ("tok_clerk", {"agent": "chief"})


@pytest.mark.parametrize(
    ("credential", "method"),
    [("uid:1000", "local_process"), (BINDING.credential, "kubernetes"), ("uid:1001", None), ("thumb", None)],
)
def test_which_way_a_credential_is_of(credential: str, method: str | None) -> None:
    assert method_of(AGENT, credential) == method
    assert method_of(None, credential) is None


def test_the_evidence_stands_beside_it() -> None:
    platform = {"trust": "prod", "issuer": "https://k", "sub": "system:serviceaccount:pay:bot"}
    found = attested(entry("bot", credential=BINDING.credential, platform=platform), AGENT)
    assert found == {"method": "kubernetes", "credential": BINDING.credential, "platform": platform}
    local = attested(entry("bot", pid=7, digest=None), AGENT)
    assert local["process"] == {"pid": 7, "digest": None}
