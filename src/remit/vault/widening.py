"""What a new document lets a secret do that the one before did not. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from remit.vault.allowed import covers
from remit.vault.document import Allowed, SecretDocument


def widens(before: SecretDocument | None, after: SecretDocument | None) -> tuple[str, ...]:
    """Why a secret could go further than before; empty if it could not.

    Nothing widens what went anywhere. Where places are said, whatever else takes the secret somewhere counts as one of
    them: who changes it, and who makes its credentials, sign in where their settings say.
    """
    if before is None or not before.allow:
        return ()
    if after is None:
        return ("nothing says any more where it may go",)
    found = [] if after.allow else ["it may go anywhere"]
    found += [
        f"it may go to {shown(each)}" for each in after.allow if not any(covers(wide, each) for wide in before.allow)
    ]
    if after.rotate is not None and _how(after) != _how(before):
        found.append(f"{after.rotate.rotator} changes it, with other settings than before")
    if after.dynamic is not None and (before.dynamic is None or _made(after) != _made(before)):
        found.append(f"{after.dynamic.maker} makes credentials for it, with other settings than before")
    return tuple(found)


def shown(place: Allowed) -> str:
    """A place for people."""
    return f"{place.place or 'any place'} at {place.host or 'any host'}{place.path}"


def _how(it: SecretDocument) -> tuple[str, Mapping[str, Any]] | None:
    return None if it.rotate is None else (it.rotate.rotator, it.rotate.settings)


def _made(it: SecretDocument) -> tuple[str, Mapping[str, Any]] | None:
    return None if it.dynamic is None else (it.dynamic.maker, it.dynamic.settings)
