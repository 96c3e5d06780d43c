"""Who stands at the gateway's door: host, origin and token, from the headers alone, before any body is read."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from remit.attestation.model import Caller
from remit.enforcement import lanes, metadata
from remit.enforcement.model import SecretSent
from remit.enforcement.place import Place
from remit.enforcement.ports import Tokens
from remit.kernel.clock import Clock
from remit.storage.model import ConsumeProof
from remit.tokens.check import TokenInvalid


class Door:
    """Checks what every request shows.

    Args:
        base: This deployment's own URL, without a trailing slash; tokens and proofs are made for it.
        tokens: Says who makes a request.
        clock: Where `now` comes from.
        carries: Whether a text has a secret in it that agents must not have.
        hosts: Further values of `Host` that mean this deployment.
    """

    def __init__(
        self, base: str, tokens: Tokens, clock: Clock, carries: Callable[[bytes], bool] = lambda _: False, *,
        hosts: Collection[str] = (),
    ) -> None:  # fmt: skip
        self.base = base
        self.place = Place(base, hosts=hosts)
        self._tokens = tokens
        self._clock = clock
        self._carries = carries

    def misplaced(self, headers: Mapping[str, str]) -> bool:
        """Whether a web page was led to make a request (DNS rebinding)."""
        return self.place.misplaced(headers.get("host"), headers.get("origin"))

    def caller(
        self, headers: Mapping[str, str], *, method: str, path: str, server: str, certificate: bytes | None = None
    ) -> tuple[Caller, ConsumeProof | None]:
        """Who asks, and the proof to consume with the decision.

        Raises:
            TokenInvalid: 401, see `challenge`.
        """
        found = self._tokens.check(
            authorization=headers.get("authorization"),
            dpop=headers.get("dpop"),
            method=method,
            url=self.base + path,
            audiences=metadata.resources(self.base, server),
            now=self._clock.now(),
            certificate=certificate,
        )
        lanes.known(found[0].agent)
        return found

    def still(self, caller: Caller, proof: ConsumeProof | None) -> None:
        """See that what a request showed at its beginning holds now.

        Raises:
            TokenInvalid: 401, see `challenge`.
        """
        self._tokens.still(caller, proof, now=self._clock.now())

    def clean(self, said: bytes) -> None:
        """See that what an agent sends has no secret in it, which it would have from somewhere.

        Raises:
            SecretSent: It has.
        """
        if self._carries(said):
            raise SecretSent

    def challenge(self, error: TokenInvalid, path: str) -> list[tuple[bytes, bytes]]:
        """The headers of a 401."""
        values = metadata.challenge(
            self.base, path, error=error.error, description=error.description, scheme=error.scheme
        )
        return [(b"www-authenticate", value.encode("latin-1")) for value in values]
