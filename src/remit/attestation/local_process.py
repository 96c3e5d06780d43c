"""Whose process is this: authenticates a client on the local socket by the user the kernel says it runs as.

A uid is what tells processes of one machine apart: every process of that user can be the
agent. The program and its arguments are recorded beside it and decide nothing, because the
process says them itself and may run another the moment after.
"""

from __future__ import annotations

from typing import Final

from remit.attestation.assertion import AssertionRefused
from remit.attestation.model import Attested, Process
from remit.attestation.ports import LocalUids
from remit.kernel.names import AgentName

METHOD: Final = "local_process"


class LocalProcess:
    """Client authentication by peer credentials (SO_PEERCRED) of a unix socket."""

    def __init__(self, uids: LocalUids) -> None:
        self._uids = uids

    def authenticate(self, client: str, process: Process) -> Attested:
        """Find out whether `process` may be the agent named `client`.

        Raises:
            AssertionRefused: Unknown agent, or another user; the text is one for both.
        """
        if process.uid not in self._uids.local_uids(client):
            raise AssertionRefused(f"no agent of that name is attested by uid {process.uid}", client=client)
        return Attested(agent=AgentName(client), credential=f"uid:{process.uid}", method=METHOD, process=process)
