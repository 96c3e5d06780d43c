"""A credential that OpenBao (or a Vault, which has the same interface) leases: of a database, a cloud, any such path.

    prepared    a token of its own, which may read that path and nothing else; its accessor is recorded
    made        the path is read with that token: what comes is leased to it
    ended       the lease is revoked, then the token, and with it whatever else was leased to it

So what was made by a process that died before it could say so is found all the same: by the accessor.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from remit.kernel.canonical import canonical, parse
from remit.kernel.clock import SECOND, Instant
from remit.kernel.errors import Malformed
from remit.keys.secret import Secret
from remit.outbound.model import endpoint
from remit.people import document
from remit.people.document import Fields, Problem, SpecInvalid
from remit.vault.maker import Made, Order, Prepared
from remit.vault.model import Material, SecretUnavailable
from remit.vault.rotator import Answered, Refused, Send, Unclear
from remit.vault.rotators.patience import SECONDS, failed, within

_PATH: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*(?:/[A-Za-z0-9_-][A-Za-z0-9_.-]*){0,15}\Z")
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


def problems(settings: Mapping[str, Any]) -> Iterator[Problem]:
    """What is wrong with settings."""
    try:
        read(settings)
    except SpecInvalid as error:
        yield from error.problems


def read(settings: Mapping[str, Any]) -> Settings:
    """The settings.

    Raises:
        SpecInvalid: They have problems.
    """
    known = {"url", "path", "policies", "value", "user", "admin", "approle", "namespace"}
    fields = Fields(settings, known=known)
    policy = _matching(_FIELD, "a policy's name")
    found = Settings(
        url=fields.take("url", _base),
        path=fields.take("path", _matching(_PATH, "a path without a slash at its ends")),
        policies=fields.take("policies", document.distinct(document.items(policy, least=1, most=_POLICIES))),
        value=fields.maybe("value", _matching(_FIELD, "a field's name"), "password"),
        user=fields.maybe("user", _matching(_FIELD, "a field's name"), "username"),
        admin=fields.take("admin", document.name("a secret")),
        approle=fields.maybe("approle", _matching(_PATH, "a path without a slash at its ends"), "approle"),
        namespace=fields.maybe("namespace", _matching(_PATH, "a namespace without a slash at its ends"), ""),
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
            said = _object(_well(await admin.post("auth/token/create-orphan", asked), "making a token"))
        auth = said.get("auth")
        token, accessor = (auth.get("client_token"), auth.get("accessor")) if isinstance(auth, dict) else (None, None)
        if not isinstance(token, str) or not _line(token) or not isinstance(accessor, str) or not _line(accessor):
            raise Unclear("making a token: no answer that could be understood")
        return Prepared(handle={"accessor": accessor}, key=Secret(token))

    async def make(self, order: Order, prepared: Prepared) -> Made:
        """Read the path with it. Raises Refused, Unclear."""
        settings = _settings(order)
        if prepared.key is None:
            raise Refused("there is no token to read with")
        async with within(self._seconds):
            answer = await _Door(self._send, settings, prepared.key).get(settings.path)
        said = _object(_well(answer, "reading the path"))
        lease, seconds, data = said.get("lease_id"), said.get("lease_duration"), said.get("data")
        if not isinstance(lease, str) or not _line(lease) or not isinstance(seconds, int) or seconds < 1:
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
    async def _admin(self, order: Order) -> AsyncIterator[_Door]:
        """As the administrator: a token, or a role's secret id, which is changed for one that ends with this."""
        settings = _settings(order)
        try:
            admin = order.admin(settings.admin)
        except SecretUnavailable as error:
            raise Unclear(f"{settings.admin} is not there to sign in with", detail=error.public) from error
        if not _line(admin.value.text()):
            raise Refused("what should sign in is no token")
        role = admin.attributes.get("role_id")
        if role is None:
            yield _Door(self._send, settings, admin.value)
            return
        asked = {"role_id": role, "secret_id": admin.value.text()}
        answer = await _Door(self._send, settings, None).post(f"auth/{settings.approle}/login", asked)
        auth = _object(_well(answer, "logging in")).get("auth")
        token = auth.get("client_token") if isinstance(auth, dict) else None
        if not isinstance(token, str) or not _line(token):
            raise Unclear("logging in: no answer that could be understood")
        door = _Door(self._send, settings, Secret(token))
        try:
            yield door
        finally:
            await door.post("auth/token/revoke-self", {})


class _Door:
    """Asks one server, with one token."""

    def __init__(self, send: Send, settings: Settings, token: Secret | None) -> None:
        self._send = send
        self._settings = settings
        self._token = token

    async def get(self, path: str) -> Answered:
        return await self._send("GET", f"{self._settings.url}/v1/{path}", self._headers(), b"")

    async def post(self, path: str, body: Mapping[str, Any]) -> Answered:
        headers = {"Content-Type": "application/json", **self._headers()}
        return await self._send("POST", f"{self._settings.url}/v1/{path}", headers, canonical(dict(body)))

    def _headers(self) -> dict[str, str]:
        headers = {"X-Vault-Namespace": self._settings.namespace} if self._settings.namespace else {}
        return headers if self._token is None else headers | {"X-Vault-Token": self._token.text()}


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
    errors = _object(answer).get("errors")
    return isinstance(errors, list) and any(isinstance(each, str) and what in each for each in errors)


def _object(answer: Answered) -> Mapping[str, Any]:
    try:
        said = parse(answer.body)
    except Malformed:
        return {}
    return said if isinstance(said, dict) else {}


def _line(text: str) -> bool:
    return bool(text) and text.isascii() and text.isprintable()


def _settings(order: Order) -> Settings:
    try:
        return read(order.settings)
    except SpecInvalid as error:
        raise Refused(f"its settings: {error.public}") from error


def _base(value: object) -> str:
    url = document.text(most=1024)(value)
    endpoint(url)
    if any(char in url for char in "?#") or url.endswith("/"):
        raise Malformed("the server's address alone is expected, without a slash at its end")
    return url


def _matching(pattern: re.Pattern[str], what: str) -> Any:  # noqa: ANN401 - reads one field
    def read_one(value: object) -> str:
        if not isinstance(value, str) or not pattern.match(value):
            raise Malformed(f"{what} is expected")
        return value

    return read_one
