"""What a new document lets a secret do that the one before did not. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from remit.vault.allowed import covers
from remit.vault.document import Allowed, SecretDocument
from remit.vault.settings import admin
from remit.vault.spec import ROTATION


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


def signs_in_first(before: SecretDocument | None, after: SecretDocument | None) -> tuple[str, ...]:
    """Why a first document could have a secret shown where its author says, to sign in with it; empty if it could not.

    A first list of places only takes away where calls are concerned. But what signs in with another secret is held
    against that list, and asks for a second person where there is none. Attack: who may apply writes the first list of
    somebody else's secret with a host of their own, and then a document that signs in there.
    """
    if after is None or (before is not None and before.allow):
        return ()
    named = (each for each in after.allow if each.place in {"", ROTATION})
    return tuple(f"it may first be signed in with at {each.host or 'any host'}" for each in named)


def borrows(
    before: SecretDocument | None, after: SecretDocument | None, confined: Callable[[str], bool]
) -> tuple[str, ...]:
    """Why another secret could go anywhere by what changes or makes this one; empty if none could, or did before.

    Args:
        before: The document that is stored, if any.
        after: The one that is to be, if any.
        confined: Whether another secret's document says where it may go: then it was held against it.
    """
    if after is None:
        return ()
    ways = ((_how(before), _how(after)), (_made(before), _made(after)))
    new = [way for was, way in ways if way is not None and way != was]
    return tuple(
        f"{name} signs in with {signs}, and nothing says where that may go"
        for name, settings in new
        if (signs := admin(settings)) is not None and not confined(signs)
    )


def shown(place: Allowed) -> str:
    """A place for people."""
    return f"{place.place or 'any place'} at {place.host or 'any host'}{place.path}"


def _how(it: SecretDocument | None) -> tuple[str, Mapping[str, Any]] | None:
    return None if it is None or it.rotate is None else (it.rotate.rotator, it.rotate.settings)


def _made(it: SecretDocument | None) -> tuple[str, Mapping[str, Any]] | None:
    return None if it is None or it.dynamic is None else (it.dynamic.maker, it.dynamic.settings)
