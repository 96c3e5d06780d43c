"""An AppRole's secret id at OpenBao, or at a Vault, which has the same interface.

Remit chooses the secret id (`custom-secret-id`), so that making it may be repeated; its metadata names the rotation. A
secret id that is taken away logs nobody in any more; tokens that it was changed for live until their own end.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from remit.kernel.canonical import canonical, parse
from remit.kernel.errors import Malformed
from remit.keys.secret import Secret
from remit.outbound.model import endpoint
from remit.people import document
from remit.people.document import Fields, Problem, SpecInvalid
from remit.vault.model import Material, SecretUnavailable
from remit.vault.rotator import Answered, Plan, Refused, Send, Unclear
from remit.vault.rotators.patience import SECONDS, failed, within

_MOUNT: Final = "approle"
_PATH: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*(?:/[A-Za-z0-9_-][A-Za-z0-9_.-]*){0,15}\Z")
_ROLE: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,255}\Z")
_ENTROPY: Final = 32  # bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """As they stand in a secret's document under `openbao`."""

    url: str
    mount: str
    role: str
    role_id: str
    admin: str
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
    fields = Fields(settings, known={"url", "mount", "role", "role_id", "admin", "namespace"})
    found = Settings(
        url=fields.take("url", _base),
        mount=fields.maybe("mount", _matching(_PATH, "a path without a slash at its ends"), _MOUNT),
        role=fields.take("role", _matching(_ROLE, "a role's name")),
        role_id=fields.take("role_id", _matching(_ROLE, "a role id")),
        admin=fields.take("admin", document.name("a secret")),
        namespace=fields.maybe("namespace", _matching(_PATH, "a namespace without a slash at its ends"), ""),
    )
    fields.finish()
    return found


class OpenBaoSecretId:
    """Implements `Rotator`.

    Args:
        send: Sends a request.
        seconds: For all that one step asks.
    """

    def __init__(self, send: Send, *, seconds: float = SECONDS) -> None:
        self._send = send
        self._seconds = seconds

    def propose(self, plan: Plan) -> Material:
        """A secret id. Raises Refused: the settings are wrong."""
        role_id = _settings(plan).role_id
        return Material(value=Secret(secrets.token_urlsafe(_ENTROPY)), attributes={"role_id": role_id})

    async def create(self, plan: Plan, proposed: Material | None) -> Material:
        """Register it. Raises Refused, Unclear."""
        if proposed is None:
            raise Refused("a secret id is proposed before it is registered")
        metadata = canonical({"rotation": plan.rotation, "secret": plan.secret, "version": str(plan.version)})
        asked = {"secret_id": proposed.value.text(), "metadata": metadata.decode()}
        async with within(self._seconds), self._admin(plan) as admin:
            answer = await admin.ask("custom-secret-id", asked)
            problem = failed(answer, "registering the secret id")
            # Registered already is 500 at OpenBao and at Vault: an attempt of ours that was not recorded.
            found = _said(answer) if problem is None else await admin.look_up(proposed)
        if found is None:
            raise problem or Unclear("registering the secret id: no answer that could be understood")
        if found.get("secret_id_num_uses"):
            raise Refused("the role limits how often a secret id is used: set its secret_id_num_uses to 0")
        return proposed

    async def verify(self, plan: Plan, new: Material) -> None:
        """Log in with it. Raises Refused: it does not work; Unclear."""
        async with within(self._seconds):
            if not await _Door(self._send, _settings(plan)).opens(new):
                raise Refused("the secret id does not log in")

    async def revoke(self, plan: Plan, old: Material) -> None:
        """Destroy it. Raises Refused, Unclear."""
        if plan.current is not None and plan.current.value == old.value:
            raise Refused("calls use this secret id")
        async with within(self._seconds), self._admin(plan) as admin:
            answer = await admin.ask("secret-id/destroy", {"secret_id": old.value.text()})
        if answer.status != HTTPStatus.NO_CONTENT:
            problem = failed(answer, "destroying the secret id")
            raise problem or Unclear("destroying the secret id: no answer that could be understood")

    async def gone(self, plan: Plan, old: Material) -> bool:
        """Whether it cannot be looked up, and does not log in. Raises Refused, Unclear."""
        async with within(self._seconds), self._admin(plan) as admin:
            if await admin.look_up(old) is not None:
                return False
            return not await admin.opens(old)

    @asynccontextmanager
    async def _admin(self, plan: Plan) -> AsyncIterator[_Door]:
        """As the administrator: a token, or another role's secret id, which is changed for one that ends with this."""
        settings = _settings(plan)
        try:
            admin = plan.admin(settings.admin)
        except SecretUnavailable as error:
            raise Unclear(f"{settings.admin} is not there to sign in with", detail=error.public) from error
        door = _Door(self._send, settings)
        if "role_id" not in admin.attributes:
            yield door.with_token(admin.value)
            return
        token = await door.log_in(admin)
        if token is None:
            raise Refused(f"{settings.admin} does not log in")
        try:
            yield door.with_token(token)
        finally:
            await door.drop(token)


class _Door:
    """Asks one server about one role."""

    def __init__(self, send: Send, settings: Settings, token: Secret | None = None) -> None:
        self._send = send
        self._settings = settings
        self._token = token

    def with_token(self, token: Secret) -> _Door:
        return _Door(self._send, self._settings, token)

    async def ask(self, what: str, body: Mapping[str, Any]) -> Answered:
        """Something of the role's."""
        return await self._post(f"auth/{self._settings.mount}/role/{self._settings.role}/{what}", body)

    async def look_up(self, it: Material) -> Mapping[str, Any] | None:
        """What is known of a secret id; None if there is none. Raises Refused, Unclear."""
        answer = await self.ask("secret-id/lookup", {"secret_id": it.value.text()})
        if answer.status == HTTPStatus.NO_CONTENT:
            return None
        if problem := failed(answer, "looking up the secret id"):
            raise problem
        found = _said(answer)
        if found is None:
            raise Unclear("looking up the secret id: no answer that could be understood")
        return found

    async def opens(self, it: Material) -> bool:
        """Whether it logs in. Raises Unclear."""
        token = await self.log_in(it)
        if token is None:
            return False
        await self.drop(token)
        return True

    async def log_in(self, it: Material) -> Secret | None:
        """A token for it; None if the server says no. Raises Unclear."""
        body = {"role_id": it.attributes.get("role_id", ""), "secret_id": it.value.text()}
        answer = await self._post(f"auth/{self._settings.mount}/login", body)
        problem, said = failed(answer, "logging in"), _object(answer)
        if isinstance(problem, Refused) and isinstance(said.get("errors"), list):
            return None
        auth = said.get("auth")
        token = auth.get("client_token") if isinstance(auth, dict) else None
        if problem is not None or not isinstance(token, str) or not (token.isascii() and token.isprintable()):
            raise Unclear(f"logging in: HTTP {answer.status}")
        return Secret(token)

    async def drop(self, token: Secret) -> None:
        """Its work is done. One that may not end itself ends by its own time."""
        await self.with_token(token)._post("auth/token/revoke-self", {})  # noqa: SLF001 - itself

    async def _post(self, path: str, body: Mapping[str, Any]) -> Answered:
        headers = {"Content-Type": "application/json"}
        if self._settings.namespace:
            headers["X-Vault-Namespace"] = self._settings.namespace
        if self._token is not None:
            headers["X-Vault-Token"] = _line(self._token)
        return await self._send("POST", f"{self._settings.url}/v1/{path}", headers, canonical(dict(body)))


def _said(answer: Answered) -> Mapping[str, Any] | None:
    """The data of a success; None if it has none that could be of a secret id."""
    data = _object(answer).get("data")
    return data if isinstance(data, dict) and isinstance(data.get("secret_id_accessor"), str) else None


def _object(answer: Answered) -> Mapping[str, Any]:
    try:
        said = parse(answer.body)
    except Malformed:
        return {}
    return said if isinstance(said, dict) else {}


def _line(token: Secret) -> str:
    text = token.text()
    if not (text.isascii() and text.isprintable()):
        raise Refused("what should sign in is no token")
    return text


def _settings(plan: Plan) -> Settings:
    try:
        return read(plan.settings)
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
