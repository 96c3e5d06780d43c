"""`/v1/secrets/...`: a secret that is known elsewhere, who used it, and how secrets are kept."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from remit.audit.credential_uses import Called, CredentialUses, Sought
from remit.kernel.clock import SECOND, Clock, rfc3339
from remit.kernel.errors import Malformed, NotFound
from remit.server.door import Ask, Door, actor
from remit.server.exposing import Exposing
from remit.storage.ports import Reader
from remit.vault import posture
from remit.vault.model import HELD, Version
from remit.vault.posture import Finding, Kept
from remit.vault.service import Vault
from remit.vault.signing_in import signs_in
from remit.vault.sql import SqlSecrets
from remit.vault.uses import SqlUses

_CALLS, _MOST_CALLS = 1000, 50_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ExposureDoors:
    """Exposure and posture of secrets over HTTP.

    Args:
        exposing: Marks versions.
        vault: The secrets.
        uses: Reads the log.
        reader: Reads the database.
        clock: Says when.
        written: Writes down what was counted of their use.
        servers: The names of the servers that get a secret.
    """

    exposing: Exposing
    vault: Vault
    uses: CredentialUses
    reader: Reader
    clock: Clock
    written: Callable[[], object]
    servers: Callable[[str], Collection[str]]

    def doors(self) -> list[Door]:
        """The doors of this part of the API."""
        return [
            Door(
                method="GET", path="/v1/secrets/posture", summary="How secrets are kept: the longest-lived first",
                action="listSecrets", handle=self.posture,
            ),
            Door(
                method="POST", path="/v1/secrets/{name}/exposed",
                summary="Say that a secret is known elsewhere: no call uses it until it is replaced",
                action="exposeSecret", handle=self.expose, owners=self._owners, body="json",
                fields={"reason": "string", "version": "integer?"},
            ),
            Door(
                method="GET", path="/v1/secrets/{name}/exposure",
                summary="Calls that used a version or may have (?version=N, ?after=BUNDLE, ?limit=N)",
                action="readDecisions", handle=self.exposure, query=("version", "after", "limit"),
            ),
        ]  # fmt: skip

    def expose(self, ask: Ask) -> dict[str, Any]:
        """When this answers, no call on this node uses the version any more."""
        name, version = ask.path["name"], ask.body.get("version")
        if version is not None and version < 1:
            raise Malformed("a version is a number from 1 on")
        found = self.exposing.expose(name, version, reason=ask.body["reason"], by=actor(ask))
        refused = found.used and found.version.state in HELD
        return {
            "secret": name,
            **_version(found.version),
            "news": found.news,
            "refused": refused,
            "rotates": refused and found.rotates,
            "servers": sorted(self.servers(name)),
        }

    def exposure(self, ask: Ask) -> dict[str, Any]:
        """A page: `more` is the number to go on behind, or null. Calls stand in the order of their outcomes."""
        name, most = ask.path["name"], ask.number("limit", default=_CALLS, most=_MOST_CALLS)
        version = self._of(name, ask.number("version", default=0, most=2**31 - 1))
        over = version.since if version.state not in HELD else None
        sought = Sought(
            secret=name, version=version.version, servers=self.servers(name), made=version.made, until=over
        )  # fmt: skip
        after = ask.number("after", default=0, most=2**53) if "after" in ask.query else None
        page = self.uses.page(sought, after=after, most=max(most, 1))
        return {
            "secret": name,
            **_version(version),
            "calls": [_called(each) for each in page.calls],
            "more": page.more,
        }

    def posture(self, _ask: Ask) -> dict[str, Any]:
        """Of all secrets that are registered here."""
        self.written()
        uses, now = self.reader.read(lambda connection: SqlUses(connection).all()), self.clock.now()
        signing = {each for known in self.vault.listing() for each in signs_in(known.document)}
        every = [
            posture.kept(known, uses, self.servers(known.secret), now=now, signs_in=known.secret in signing)
            for known in self.vault.listing()
        ]
        return {
            "at": rfc3339(now),
            "secrets": [_kept(each) for each in posture.longest_lived_first(every)],
            "static_millionths": posture.static_share(every),
            "findings": {kind.value: sum(kind in each.findings for each in every) for kind in Finding},
        }

    def _owners(self, ask: Ask) -> Collection[str]:
        known = self.vault.find(ask.path["name"])
        return () if known is None or known.document is None else (known.document.owner,)

    def _of(self, name: str, version: int) -> Version:
        """The version that is meant; without a number the newest that was exposed, else the newest."""
        every = self.reader.read(lambda connection: SqlSecrets(connection).versions(name))
        if version:
            every = [each for each in every if each.version == version]
        if not every:
            raise NotFound("there is no such version", detail=name, try_="remit secret list")
        return max(every, key=lambda each: (each.exposed is not None, each.version))


def _version(it: Version) -> dict[str, Any]:
    return {
        "version": it.version,
        "state": it.state.value,
        "made": rfc3339(it.made),
        "exposed": None if it.exposed is None else rfc3339(it.exposed),
        "reason": it.exposure or None,
    }


def _called(each: Called) -> Mapping[str, Any]:
    return {
        "decision": each.decision,
        "at": rfc3339(each.at),
        "agent": each.agent,
        "purpose": each.purpose,
        "action": each.action,
        "outcome": each.outcome,
        "used": "yes" if each.certain else "maybe",
    }


def _kept(each: Kept) -> dict[str, Any]:
    use = each.use
    return {
        "secret": each.secret,
        "owner": each.owner or None,
        "version": each.version,
        "age_seconds": None if each.age is None else each.age // SECOND,
        "first_use": None if use is None else rfc3339(use.first),
        "last_use": None if use is None else rfc3339(use.last),
        "calls": 0 if use is None else use.calls,
        "agents": list(each.agents),
        "servers": list(each.servers),
        "findings": [finding.value for finding in each.findings],
    }
