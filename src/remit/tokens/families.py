"""Codes and refresh tokens in the database; a family is everything that came of one code."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, Final

from sqlalchemy import Connection, Row, delete, insert, select, update

from remit.kernel.canonical import canonical, parse
from remit.kernel.clock import MINUTE, Instant
from remit.kernel.names import AgentName, OwnerName, PurposeName
from remit.people.consent_sql import SqlConsents
from remit.storage.identity_schema import authorization_codes, refresh_tokens
from remit.storage.ports import Transaction
from remit.tokens.consented import Code, Given, Refresh, RefreshState
from remit.tokens.model import OAuthError, TokenRefused
from remit.tokens.ports import Records
from remit.tokens.revoked import revoke, topic

_SLACK: Final = MINUTE  # nodes' clocks may differ


class Reused(TokenRefused):
    """A code or refresh token came a second time: one of the two who had it stole it, and nobody knows which.

    The request's own change does not stay; `end` is a change of its own, which ends all that came of it.
    """

    def __init__(self, public: str, *, reason: str, end: Callable[[Transaction], None]) -> None:
        super().__init__(OAuthError.INVALID_GRANT, public, reason=reason)
        self.end = end


class SqlFamilies:
    """Codes and refresh tokens, on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def put_code(self, code: Code) -> None:
        """Keep a new code."""
        said = {**_said(code.given), "redirect_uri": code.redirect_uri, "challenge": code.challenge}
        row = {"code": code.code, "consent": code.given.consent, "used": code.used, "expires": code.expires}
        self._connection.execute(insert(authorization_codes).values(**row, body=canonical(said).decode()))

    def code(self, hashed: str) -> Code | None:
        """The code of that hash."""
        query = select(authorization_codes).where(authorization_codes.c.code == hashed)
        row = self._connection.execute(query).one_or_none()
        if row is None:
            return None
        said = parse(row.body)
        return Code(
            code=row.code, given=_given(row.consent, said), redirect_uri=said["redirect_uri"],
            challenge=said["challenge"], expires=Instant(row.expires), used=row.used,
        )  # fmt: skip

    def use_code(self, code: Code) -> bool:
        """Use a code; False if it was used before."""
        first = (authorization_codes.c.code == code.code, authorization_codes.c.used == "")
        done = update(authorization_codes).where(*first).values(used=code.family)
        return self._connection.execute(done.returning(authorization_codes.c.code)).first() is not None

    def put(self, refresh: Refresh) -> None:
        """Keep a new refresh token."""
        said = {**_said(refresh.given), "access": refresh.access, "access_ends": refresh.access_ends}
        self._connection.execute(
            insert(refresh_tokens).values(
                token=refresh.token, family=refresh.family, consent=refresh.given.consent,
                body=canonical(said).decode(), state=refresh.state.value, expires=refresh.expires,
            )
        )  # fmt: skip

    def refresh(self, hashed: str) -> Refresh | None:
        """The refresh token of that hash, in any state."""
        query = select(refresh_tokens).where(refresh_tokens.c.token == hashed)
        row = self._connection.execute(query).one_or_none()
        return None if row is None else _refresh(row)

    def use(self, hashed: str) -> bool:
        """Use a refresh token; False if it was used or revoked before."""
        live = (refresh_tokens.c.token == hashed, refresh_tokens.c.state == RefreshState.LIVE.value)
        done = update(refresh_tokens).where(*live).values(state=RefreshState.USED.value)
        return self._connection.execute(done.returning(refresh_tokens.c.token)).first() is not None

    def family(self, family: str) -> list[Refresh]:
        """All that came of one code."""
        rows = self._connection.execute(select(refresh_tokens).where(refresh_tokens.c.family == family))
        return [_refresh(row) for row in rows]

    def families(self, consent: str) -> list[str]:
        """The families under a consent."""
        query = select(refresh_tokens.c.family).where(refresh_tokens.c.consent == consent).distinct()
        return sorted(self._connection.execute(query).scalars())

    def end(self, family: str) -> bool:
        """Revoke the live refresh tokens of a family; whether there was one."""
        live = (refresh_tokens.c.family == family, refresh_tokens.c.state == RefreshState.LIVE.value)
        done = update(refresh_tokens).where(*live).values(state=RefreshState.REVOKED.value)
        return self._connection.execute(done.returning(refresh_tokens.c.token)).first() is not None

    def forget(self, *, before: Instant) -> None:
        """Delete what expired before then."""
        for table in (authorization_codes, refresh_tokens):
            self._connection.execute(delete(table).where(table.c.expires < before))


def end_family(tx: Transaction, records: Records, family: str, *, why: str, by: str, now: Instant) -> Collection[str]:
    """End a family: its refresh token, and every access token of it that still lives; their ids.

    One `change` entry says so; a family that is over already gets none. When the change is answered, this node
    refuses its tokens.
    """
    stored = SqlFamilies(tx.connection)
    first = next(iter(stored.family(family)), None)
    if first is None:
        return ()
    # Who renews at this moment waits for this change, or this change for them: no token is issued past it.
    SqlConsents(tx.connection).find(first.given.consent, lock=True)
    live = [each for each in stored.family(family) if each.access_ends + _SLACK > now]
    ended = stored.end(family)
    gone = [each.access for each in live if _revoke(tx, each)]
    if ended or gone:
        fields = {"what": "token_family", "name": family, "change": "revoke", "by": by, "reason": why}
        said = {"agent": first.given.agent, "consent": first.given.consent, "tokens": gone}
        tx.record(records.entry("change", {**fields, **said}))
        tx.touch(*(topic(each) for each in gone), f"consent:{first.given.consent}")
    return gone


def _revoke(tx: Transaction, issued: Refresh) -> bool:
    until = Instant(issued.access_ends + _SLACK)
    return revoke(tx.connection, issued.access, agent=issued.given.agent, expires=until)


def _said(given: Given) -> dict[str, Any]:
    return {
        "person": given.person,
        "client": given.client,
        "signs": given.signs,
        "renews": given.renews,
        "agent": given.agent,
        "credential": given.credential,
        "purpose": given.purpose,
        "resources": list(given.resources),
        "until": given.until,
        **({} if given.jkt is None else {"jkt": given.jkt}),
    }


def _given(consent: str, said: dict[str, Any]) -> Given:
    return Given(
        consent=consent, person=OwnerName(said["person"]), client=said["client"], signs=said["signs"],
        renews=said["renews"], agent=AgentName(said["agent"]), credential=said["credential"],
        purpose=PurposeName(said["purpose"]), resources=tuple(said["resources"]), until=Instant(said["until"]),
        jkt=said.get("jkt"),
    )  # fmt: skip


def _refresh(row: Row[Any]) -> Refresh:
    said = parse(row.body)
    return Refresh(
        token=row.token, family=row.family, given=_given(row.consent, said), state=RefreshState(row.state),
        expires=Instant(row.expires), access=said["access"], access_ends=Instant(said["access_ends"]),
    )  # fmt: skip
