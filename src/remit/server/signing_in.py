"""Opens a secret for what signs in with it to change or make another one, where its document lets it go there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from remit.vault.allowed import refused
from remit.vault.model import Material, SecretUnavailable
from remit.vault.rotator import Admin, SignsIn
from remit.vault.service import Vault
from remit.vault.signing_in import places


def signing_in(vault: Vault) -> SignsIn:
    """What rotators and makers open their administrators' secrets with.

    It is asked at each use: a document that was narrowed since counts, and `apply` is not the only door.
    """

    def of(who: str, settings: Mapping[str, Any]) -> Admin:
        goings = places(who, settings)

        def admin(name: str) -> Material:
            known = vault.find(name)
            if (going := refused(None if known is None else known.document, goings)) is not None:
                raise SecretUnavailable(
                    "the credential to sign in with may not go there", detail=f"{name}: {going}",
                    try_=f"remit secret show {name}",
                )  # fmt: skip
            lent = vault.lend(name)
            return Material(value=lent.value, attributes=lent.attributes)

        return admin

    return of
