"""Puts together the rotators of providers that have an interface of their own, and the way to databases among them."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from typing import Final

from remit.kernel.clock import Clock
from remit.outbound.model import Endpoint, OutboundRefused
from remit.outbound.rule import Rule
from remit.outbound.session import load
from remit.vault.allowed import Going, refused
from remit.vault.model import Material, SecretUnavailable
from remit.vault.rotator import Admins, Refused, Resolve, Rotator, Send, Unclear
from remit.vault.rotators.aws import AwsAccessKey
from remit.vault.rotators.openbao import OpenBaoSecretId
from remit.vault.rotators.postgres import PostgresRole
from remit.vault.service import Vault
from remit.vault.spec import ROTATION

_SECONDS: Final = 3.0  # for a name
_MOST: Final = 2  # addresses of it that are tried


def of_providers(send: Send, clock: Clock, *, own: Collection[Endpoint]) -> Mapping[str, Rotator]:
    """By the name that documents use. `own`: Remit's own listeners."""
    return {
        "aws": AwsAccessKey(send, clock),
        "openbao": OpenBaoSecretId(send),
        "postgres": PostgresRole(resolving(own)),
    }


def admins(vault: Vault) -> Admins:
    """What opens the secrets that rotators and makers sign in with, where their documents let them go."""

    def admin(name: str, *, at: Sequence[Going]) -> Material:
        known = vault.find(name)
        going = at or (Going(place=ROTATION),)
        if (found := refused(None if known is None else known.document, going)) is not None:
            raise SecretUnavailable(
                "its document does not let a rotator sign in with this secret", detail=f"{name}: {found}"
            )
        lent = vault.lend(name)
        return Material(value=lent.value, attributes=lent.attributes)

    return admin


def resolving(own: Collection[Endpoint]) -> Resolve:
    """Where a database is that an operator's document names: the very host and port may be private."""

    async def resolve(host: str, port: int) -> tuple[str, ...]:
        await asyncio.to_thread(load)
        from remit.outbound.resolve import PinnedResolver  # noqa: PLC0415 - a start has no need of the client

        try:
            async with asyncio.timeout(_SECONDS):
                found = await PinnedResolver(Rule({(host, port)}, own)).resolve(host, port)
        except OutboundRefused as error:
            raise Refused(f"it is not called: {error.public}", detail=error.detail) from None
        except (OSError, UnicodeError, TimeoutError) as error:  # `idna` of what is no name
            raise Unclear("the server's name has no address", detail=f"{host}: {type(error).__name__}") from None
        return tuple(each["host"] for each in found[:_MOST])

    return resolve
