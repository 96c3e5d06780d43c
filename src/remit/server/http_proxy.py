"""`/v1/proxy/ca`: the certificate that clients of the forward proxy must believe."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from remit.keys.interception import Authority
from remit.server.door import Ask, Door


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyDoors:
    """The forward proxy over HTTP."""

    authority: Callable[[], Authority]

    def doors(self) -> list[Door]:
        """The doors of this part of the API."""
        return [
            Door(
                method="GET",
                path="/v1/proxy/ca",
                summary="The forward proxy's authority: its certificate in PEM, and the SHA-256 of it",
                action="read",
                handle=self.ca,
            )
        ]

    def ca(self, _: Ask) -> dict[str, Any]:
        """GET /v1/proxy/ca: 200."""
        found = self.authority()
        return {"pem": found.pem, "sha256": found.fingerprint}
