"""`/v1/trusts`: issuers whose word is taken for what a running copy of an agent is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from remit.attestation.issuer_keys import IssuerKeys
from remit.attestation.trust import Trust
from remit.attestation.trusts import Declaring, Trusts
from remit.kernel.clock import SECOND, Clock, rfc3339
from remit.kernel.errors import NotFound
from remit.people.ports import Records
from remit.server import platforms
from remit.server.door import Ask, Door, actor
from remit.storage.ports import Writer

_FIELDS = {
    "trust": "string",
    "preset": "string?",
    "issuer": "string?",
    "audience": "string?",
    "algorithms": "array?",
    "jwks": "object?",
    "jwks_url": "string?",
    "private": "boolean?",
    "reuse": "boolean?",
    "max_age": "string?",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustDoors:
    """Declares, shows and removes them."""

    base: str
    writer: Writer
    records: Records
    known: Trusts
    keys: IssuerKeys
    clock: Clock

    def doors(self) -> list[Door]:
        """The doors of this part of the API."""
        return [
            Door(
                method="POST", path="/v1/trusts", summary="Take an issuer's word for what a running copy is",
                action="manageTrusts", handle=self.add, body="json", fields=_FIELDS, status=201,
            ),
            Door(
                method="GET", path="/v1/trusts", summary="List the issuers whose word is taken",
                action="read", handle=self.list,
            ),
            Door(
                method="GET", path="/v1/trusts/{trust}", summary="Show an issuer, and what is known of its keys",
                action="read", handle=self.show,
            ),
            Door(
                method="DELETE", path="/v1/trusts/{trust}", summary="Take an issuer's word for nothing any more",
                action="removeTrust", handle=self.remove,
            ),
        ]  # fmt: skip

    def add(self, ask: Ask) -> dict[str, Any]:
        """Declare one."""
        said = {name: value for name, value in ask.body.items() if value is not None}
        trust = platforms.trust(said)
        self.writer.change(lambda tx: self._declaring.put(tx, trust, by=actor(ask), replace=False))
        return self._shape(trust)

    def list(self, _ask: Ask) -> dict[str, Any]:
        """Every one of them."""
        return {"trusts": [self._shape(each) for each in self.known.listing()]}

    def show(self, ask: Ask) -> dict[str, Any]:
        """One of them, with the keys that were given."""
        found = self.known.find(ask.path["trust"])
        if found is None:
            raise NotFound("there is no trust of that name", try_="remit trust list")
        return self._shape(found) | ({} if found.jwks is None else {"jwks": found.jwks})

    def remove(self, ask: Ask) -> dict[str, Any]:
        """Take one out. Tokens that were had with it end within their five minutes."""
        name = ask.path["trust"]
        self.writer.change(lambda tx: self._declaring.remove(tx, name, by=actor(ask)))
        return {"trust": name, "removed": True}

    @property
    def _declaring(self) -> Declaring:
        return Declaring(self.records, self.clock)

    def _shape(self, each: Trust) -> dict[str, Any]:
        state = self.keys.state(each)
        return {
            "trust": each.trust,
            "preset": each.preset,
            "issuer": each.issuer,
            "audience": each.audience or self.base,
            "algorithms": list(each.algorithms),
            "source": "file" if each.jwks is not None else each.jwks_url or "discovery",
            "private": each.private,
            "reuse": each.reuse,
            "max_age_seconds": each.max_age // SECOND,
            "keys": state.keys,
            "fetched": None if state.fetched is None else rfc3339(state.fetched),
            "failure": state.failure,
        }
