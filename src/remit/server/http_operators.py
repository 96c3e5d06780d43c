"""`/v1/operators/tokens`: personal tokens, issued, listed and revoked."""

from __future__ import annotations

import builtins
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from remit.console.sessions import Sessions
from remit.kernel.clock import DAY, MINUTE, Clock, Instant, parse_duration, rfc3339
from remit.kernel.errors import Malformed, NotFound
from remit.people.change import Changed, record
from remit.people.ports import Records
from remit.server.door import Ask, Door, actor
from remit.server.first_words import FirstWords, taken_back
from remit.server.operator_tokens import Doorkeeper, Known, issue, revoke
from remit.server.operators import ADMIN, Role
from remit.storage.ports import Transaction, Writer

_LONGEST = 365 * DAY
_SHORTEST = MINUTE


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorTokens:
    """Issues, lists and revokes personal tokens."""

    writer: Writer
    records: Records
    keeper: Doorkeeper
    clock: Clock
    sessions: Sessions  # of the console, on this node

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
            Door(
                method="DELETE",
                path="/v1/operators/tokens/{id}",
                summary="Revoke a personal token by its id, or all of a person, with effect before this answers",
                action="revokeToken",
                handle=self.revoke,
                owners=self._people,
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

    def revoke(self, ask: Ask) -> dict[str, Any]:
        """End a token, or a person's tokens, and what was said with them and waits for a second person."""
        called = ask.path["id"]

        def apply(tx: Transaction) -> tuple[builtins.list[Known], int]:
            ended, words, count = revoke(tx, called), FirstWords(tx.connection), 0
            for known in ended:
                more = {"token": known.id, "role": known.role.value}
                changed = Changed(
                    what="operator_token", name=known.person, change="revoke", before=None, after=None, more=more
                )
                record(tx, self.records, changed, by=actor(ask))
            # Whoever signed in at their provider has no token: what they said is no longer meant all the same.
            for person in {each.person for each in ended} | {called} - {ADMIN}:
                for kind, word in words.forget_of(person, self.clock.now()):
                    record(tx, self.records, taken_back(kind, word), by=actor(ask))
                    count += 1
            return ended, count

        # Signed out first: what is said until then is taken back with the rest.
        closed = self.sessions.end_where(lambda each: each.operator.person == called)
        ended, count = self.writer.change(apply)
        if not ended and not closed and not count:
            raise NotFound(
                "there is no such personal token",
                try_="remit operator list; the admin token is made anew by deleting its file and starting again",
            )
        return {"revoked": [_body(known) for known in ended], "signed_out": len(closed), "taken_back": count}

    def _people(self, ask: Ask) -> Collection[str]:
        called = ask.path["id"]
        if self.sessions.listing(called):
            return {called}
        return {known.person for known in self.keeper.listing() if called in (known.id, known.person)}

    def list(self, _ask: Ask) -> dict[str, Any]:
        """Every personal token: its id, whose, which role, until when."""
        return {"tokens": [_body(known) for known in self.keeper.listing() if known.role is not Role.ADMIN]}


def _body(known: Known) -> dict[str, Any]:
    return {
        "token": known.id,
        "person": known.person,
        "role": known.role.value,
        "created": rfc3339(known.created),
        "expires": rfc3339(known.expires),
    }
