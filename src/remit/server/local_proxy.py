"""What a run behind the forward proxy is told on the local socket, beside its token."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from remit.enforcement.placeholder import Placeholders
from remit.policy.view import View


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalProxy:
    """Where the proxy is, whom it signs as, and worthless keys for clients that insist on one."""

    url: Callable[[], str]
    ca: str
    placeholders: Placeholders
    view: Callable[[], View]

    def told(self, *, agent: str, instance: str, servers: Collection[str]) -> dict[str, Any]:
        """The member `proxy` of an answer, for a run that can reach `servers`."""
        known = ((name, self.view().server(name)) for name in sorted(servers))
        return {
            "url": self.url(),
            "ca": self.ca,
            "placeholders": {
                server.placeholder: self.placeholders.make(agent=agent, instance=instance, server=name)
                for name, server in known
                if server is not None and server.placeholder
            },
        }
