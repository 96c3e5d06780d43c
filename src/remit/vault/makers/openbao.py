"""A credential that OpenBao (or a Vault, which has the same interface) leases: of a database, a cloud, any such path.

    prepared    a token of its own, which may read that path and nothing else; its accessor is recorded
    made        the path is read with that token: what comes is leased to it
    ended       the lease is revoked, then the token, and with it whatever else was leased to it

So what was made by a process that died before it could say so is found all the same: by the accessor.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from remit.kernel.clock import SECOND, Instant
from remit.keys.secret import Secret
from remit.people import document
from remit.people.document import Fields, SpecInvalid
from remit.vault.maker import Made, Order, Prepared
from remit.vault.model import Material, SecretUnavailable
from remit.vault.openbao_door import PATH, Door, base, matching, one_line, said_by, token_in
from remit.vault.rotator import Answered, Refused, Send, Unclear
from remit.vault.rotators.patience import SECONDS, failed, within

_FIELD: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}\Z")
_POLICIES: Final = 20
_NO_ACCESSOR: Final = "invalid accessor"
_NO_LEASE: Final = "invalid lease"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """As they stand in a secret's document under `dynamic.openbao`.

    `path`: what is read. `policies`: what the token that reads it may do. `value`: which field of the answer is the
    credential. `user`: which is the user's name, empty if none is. `approle`: where an admin with a role id logs in.
    """

    url: str
    path: str
    policies: tuple[str, ...]
    value: str
    user: str
    admin: str
    approle: str
    namespace: str


def read(settings: Mapping[str, Any]) -> Settings:
    """The settings.

    Raises:
        SpecInvalid: They have problems.
    """
    known = {"url", "path", "policies", "value", "user", "admin", "approle", "namespace"}
    fields = Fields(settings, known=known)
    policy = matching(_FIELD, "a policy's name")
    found = Settings(
        url=fields.take("url", base),
        path=fields.take("path", matching(PATH, "a path without a slash at its ends")),
        policies=fields.take("policies", document.distinct(document.items(policy, least=1, most=_POLICIES))),
        value=fields.maybe("value", matching(_FIELD, "a field's name"), "password"),
        user=fields.maybe("user", matching(_FIELD, "a field's name"), "username"),
        admin=fields.take("admin", document.name("a secret")),
        approle=fields.maybe("approle", matching(PATH, "a path without a slash at its ends"), "approle"),
        namespace=fields.maybe("namespace", matching(PATH, "a namespace without a slash at its ends"), ""),
    )
    fields.finish()
    return found


class OpenBaoLease:
    """Implements `Maker`.

    Args:
        send: Sends a request.
        seconds: For all that one step asks.
    """

    def __init__(self, send: Send, *, seconds: float = SECONDS) -> None:
        self._send = send
        self._seconds = seconds

    async def prepare(self, order: Order) -> Prepared:
        """A token of its own, which does not end with the one that it was made with. Raises Refused, Unclear."""
        settings, ttl = _settings(order), f"{max(1, (order.ends - order.begun) // SECOND)}s"
        asked = {
            "policies": list(settings.policies), "no_default_policy": True, "renewable": False, "ttl": ttl,
            "explicit_max_ttl": ttl, "display_name": "remit", "meta": {"lease": order.lease, "secret": order.secret},
        }  # fmt: skip
        async with within(self._seconds), self._admin(order) as admin:
            answer = _well(await admin.post("auth/token/create-orphan", asked), "making a token")
        if (token := token_in(answer)) is None or not (accessor := _accessor(answer)):
            raise Unclear("making a token: no answer that could be understood")
        return Prepared(handle={"accessor": accessor}, key=token)

    async def make(self, order: Order, prepared: Prepared) -> Made:
        """Read the path with it. Raises Refused, Unclear."""
        settings = _settings(order)
        if prepared.key is None:
            raise Refused("there is no token to read with")
        async with within(self._seconds):
            answer = await self._door(settings).with_token(prepared.key).get(settings.path)
        said = said_by(_well(answer, "reading the path"))
        lease, seconds, data = said.get("lease_id"), said.get("lease_duration"), said.get("data")
        if not isinstance(lease, str) or not one_line(lease) or not isinstance(seconds, int) or seconds < 1:
            raise Refused("what the path gave is not leased: it would not end")
        value = data.get(settings.value) if isinstance(data, dict) else None
        if not isinstance(data, dict) or not isinstance(value, str):
            raise Refused(f"what the path gave has no field {settings.value}")
        user = data.get(settings.user) if settings.user else None
        attributes = {"user": user} if isinstance(user, str) else {}
        ends = Instant(min(order.ends, order.begun + seconds * SECOND))
        return Made(
            material=Material(value=Secret(value), attributes=attributes),
            handle={**prepared.handle, "lease_id": lease}, ends=ends,
        )  # fmt: skip

    async def end(self, order: Order) -> None:
        """Revoke the lease, and the token. Raises Refused, Unclear."""
        async with within(self._seconds), self._admin(order) as admin:
            if lease := order.handle.get("lease_id"):
                answer = await admin.post("sys/leases/revoke", {"lease_id": lease, "sync": True})
                _well(answer, "revoking the lease", _NO_LEASE)
            answer = await admin.post("auth/token/revoke-accessor", {"accessor": order.handle.get("accessor", "")})
            _well(answer, "revoking the token", _NO_ACCESSOR)

    async def gone(self, order: Order) -> bool:
        """Whether neither lease nor token can be looked up. Raises Refused, Unclear."""
        async with within(self._seconds), self._admin(order) as admin:
            asked = {"accessor": order.handle.get("accessor", "")}
            answer = await admin.post("auth/token/lookup-accessor", asked)
            if not _says(answer, _NO_ACCESSOR):
                _well(answer, "looking up the token")
                return False
            if not (lease := order.handle.get("lease_id")):
                return True
            answer = await admin.post("sys/leases/lookup", {"lease_id": lease})
            if not _says(answer, _NO_LEASE):
                _well(answer, "looking up the lease")
                return False
            return True

    @asynccontextmanager
    async def _admin(self, order: Order) -> AsyncIterator[Door]:
        """As the administrator: a token, or a role's secret id, which is changed for one that ends with this."""
        settings = _settings(order)
        try:
            admin = order.admin(settings.admin)
        except SecretUnavailable as error:
            raise Unclear(f"{settings.admin} is not there to sign in with", detail=error.public) from error
        door, role = self._door(settings), admin.attributes.get("role_id")
        if role is None:
            yield door.with_token(admin.value)
            return
        asked = {"role_id": role, "secret_id": admin.value.text()}
        token = token_in(_well(await door.post(f"auth/{settings.approle}/login", asked), "logging in"))
        if token is None:
            raise Unclear("logging in: no answer that could be understood")
        signed_in = door.with_token(token)
        try:
            yield signed_in
        finally:
            await signed_in.drop()

    def _door(self, settings: Settings) -> Door:
        return Door(send=self._send, url=settings.url, namespace=settings.namespace)


def _well(answer: Answered, what: str, unless: str = "") -> Answered:
    """An answer that is a success, or says `unless`. Raises Refused, Unclear."""
    problem = failed(answer, what)
    if problem is not None and not (unless and _says(answer, unless)):
        raise problem
    return answer


def _says(answer: Answered, what: str) -> bool:
    """Whether it is an error that says so: a status alone could be about the one who asks."""
    if answer.status not in {HTTPStatus.BAD_REQUEST, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND}:
        return False
    errors = said_by(answer).get("errors")
    return isinstance(errors, list) and any(isinstance(each, str) and what in each for each in errors)


def _accessor(answer: Answered) -> str:
    """The accessor of the token that was made; "" if none was."""
    auth = said_by(answer).get("auth")
    accessor = auth.get("accessor") if isinstance(auth, dict) else None
    return accessor if isinstance(accessor, str) and one_line(accessor) else ""


def _settings(order: Order) -> Settings:
    try:
        return read(order.settings)
    except SpecInvalid as error:
        raise Refused(f"its settings: {error.public}") from error
