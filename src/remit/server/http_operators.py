"""`/v1/operators/tokens`: personal tokens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from remit.kernel.clock import DAY, MINUTE, Clock, Instant, parse_duration, rfc3339
from remit.kernel.errors import Malformed
from remit.people.change import Changed, record
from remit.people.ports import Records
from remit.server.door import Ask, Door, actor
from remit.server.operator_tokens import Doorkeeper, Known, issue
from remit.server.operators import Role
from remit.storage.ports import Transaction, Writer

_LONGEST = 365 * DAY
_SHORTEST = MINUTE


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorTokens:
    """Issues and lists personal tokens."""

    writer: Writer
    records: Records
    keeper: Doorkeeper
    clock: Clock

    def doors(self) -> list[Door]:
        """The doors of this part of the API."""
        return [
            Door(
                method="POST",
                path="/v1/operators/tokens",
                summary="Issue a personal token; it is shown once",
                action="issueToken",
                handle=self.issue,
                body="json",
                fields={"person": "string", "role": "string", "ttl": "string?"},
                status=201,
            ),
            Door(
                method="GET",
                path="/v1/operators/tokens",
                summary="List issued tokens, without the tokens",
                action="listTokens",
                handle=self.list,
            ),
        ]

    def issue(self, ask: Ask) -> dict[str, Any]:
        """Make a token for a person."""
        ttl = parse_duration(ask.body.get("ttl") or "30d")
        if not _SHORTEST <= ttl <= _LONGEST:
            raise Malformed("ttl is from 1m to 365d")
        person, role = ask.body["person"], ask.body["role"]
        now = self.clock.now()
        expires = Instant(now + ttl)

        def apply(tx: Transaction) -> str:
            token = issue(tx, person=person, role=role, expires=expires, now=now)
            more = {"role": role, "expires": rfc3339(expires)}
            changed = Changed(what="operator_token", name=person, change="create", before=None, after=None, more=more)
            record(tx, self.records, changed, by=actor(ask))
            return token

        token = self.writer.change(apply)
        return {"token": token, "person": person, "role": role, "expires": rfc3339(expires)}

    def list(self, _ask: Ask) -> dict[str, Any]:
        """Every personal token: whose, which role, until when."""
        return {"tokens": [_body(known) for known in self.keeper.listing() if known.role is not Role.ADMIN]}


def _body(known: Known) -> dict[str, Any]:
    return {
        "person": known.person,
        "role": known.role.value,
        "created": rfc3339(known.created),
        "expires": rfc3339(known.expires),
    }
