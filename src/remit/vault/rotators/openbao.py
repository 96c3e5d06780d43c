"""An AppRole's secret id at OpenBao, or at a Vault, which has the same interface.

Remit chooses the secret id (`custom-secret-id`), so that making it may be repeated; its metadata names the rotation. A
secret id that is taken away logs nobody in any more; tokens that it was changed for live until their own end.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from remit.kernel.canonical import canonical
from remit.keys.secret import Secret
from remit.people import document
from remit.people.document import Fields, SpecInvalid
from remit.vault.model import Material, SecretUnavailable
from remit.vault.openbao_door import PATH, Door, base, matching, said_by, token_in
from remit.vault.rotator import Answered, Plan, Refused, Send, Unclear
from remit.vault.rotators.patience import SECONDS, failed, within

_MOUNT: Final = "approle"
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


def read(settings: Mapping[str, Any]) -> Settings:
    """The settings.

    Raises:
        SpecInvalid: They have problems.
    """
    fields = Fields(settings, known={"url", "mount", "role", "role_id", "admin", "namespace"})
    found = Settings(
        url=fields.take("url", base),
        mount=fields.maybe("mount", matching(PATH, "a path without a slash at its ends"), _MOUNT),
        role=fields.take("role", matching(_ROLE, "a role's name")),
        role_id=fields.take("role_id", matching(_ROLE, "a role id")),
        admin=fields.take("admin", document.name("a secret")),
        namespace=fields.maybe("namespace", matching(PATH, "a namespace without a slash at its ends"), ""),
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
            if not await self._role(_settings(plan)).opens(new):
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
    async def _admin(self, plan: Plan) -> AsyncIterator[_Role]:
        """As the administrator: a token, or another role's secret id, which is changed for one that ends with this."""
        settings = _settings(plan)
        try:
            admin = plan.admin(settings.admin)
        except SecretUnavailable as error:
            raise Unclear(f"{settings.admin} is not there to sign in with", detail=error.public) from error
        role = self._role(settings)
        if "role_id" not in admin.attributes:
            yield role.asked_with(admin.value)
            return
        token = await role.log_in(admin)
        if token is None:
            raise Refused(f"{settings.admin} does not log in")
        try:
            yield role.asked_with(token)
        finally:
            await role.drop(token)

    def _role(self, settings: Settings) -> _Role:
        return _Role(Door(send=self._send, url=settings.url, namespace=settings.namespace), settings)


class _Role:
    """One role, at one server."""

    def __init__(self, door: Door, settings: Settings) -> None:
        self._door = door
        self._settings = settings

    def asked_with(self, token: Secret) -> _Role:
        return _Role(self._door.with_token(token), self._settings)

    async def ask(self, what: str, body: Mapping[str, Any]) -> Answered:
        """Something of the role's."""
        return await self._door.post(f"auth/{self._settings.mount}/role/{self._settings.role}/{what}", body)

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
        answer = await self._door.post(f"auth/{self._settings.mount}/login", body)
        problem, token = failed(answer, "logging in"), token_in(answer)
        if isinstance(problem, Refused) and isinstance(said_by(answer).get("errors"), list):
            return None
        if problem is not None or token is None:
            raise Unclear(f"logging in: HTTP {answer.status}")
        return token

    async def drop(self, token: Secret) -> None:
        await self._door.with_token(token).drop()


def _said(answer: Answered) -> Mapping[str, Any] | None:
    """The data of a success; None if it has none that could be of a secret id."""
    data = said_by(answer).get("data")
    return data if isinstance(data, dict) and isinstance(data.get("secret_id_accessor"), str) else None


def _settings(plan: Plan) -> Settings:
    try:
        return read(plan.settings)
    except SpecInvalid as error:
        raise Refused(f"its settings: {error.public}") from error
