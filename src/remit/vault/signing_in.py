"""Where a rotator or a maker signs in with another secret, by its settings. Pure.

That secret goes there as it goes to a server: whoever may write one secret's document must not get another one's value
by naming it as `admin` and a host of their own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from remit.kernel.errors import Malformed
from remit.vault.allowed import Going, at_url
from remit.vault.rotators import aws

ROTATION: Final = "rotation"
"""The place of a secret that another one is changed, or made, with."""
_SIGNED: Final = ("create", "revoke", "leftovers")  # requests of the http and oauth_client rotators
_NEW: Final = "{value}"  # a request with it shows the credential that is changed, and nothing of the admin's
_POSTGRES: Final = 5432


def places(who: str, settings: Mapping[str, Any]) -> tuple[Going, ...]:
    """The places that the secret called `admin` goes to; one that no host fits, where none can be made out.

    Args:
        who: The rotator or the maker, by the name that documents use.
        settings: Its own, as they stand in the document.
    """
    if who == "postgres":
        host, port = settings.get("host"), settings.get("port", _POSTGRES)
        at = f"[{host}]:{port}" if ":" in str(host) else f"{host}:{port}"
        return (Going(host=at if isinstance(host, str) else "", place=ROTATION),)
    found = tuple(map(_going, _urls(who, settings)))
    return found or (Going(place=ROTATION),)


def _urls(who: str, settings: Mapping[str, Any]) -> Iterator[object]:
    match who:
        case "aws":
            yield settings.get("endpoint_url") or aws.iam_url(str(settings.get("region", "")))
        case "openbao":
            yield settings.get("url")
        case _:
            if "secrets" in settings:
                yield settings["secrets"]
            asked = [settings[name] for name in _SIGNED if name in settings]
            confirm = settings.get("confirm")
            asked += [] if confirm is None or _NEW in str(confirm) else [confirm]
            for each in asked:
                yield each.get("url") if isinstance(each, Mapping) else None


def _going(url: object) -> Going:
    """Paths below it are the rotator's own."""
    if not isinstance(url, str):
        return Going(place=ROTATION)
    try:
        found = at_url(url, place=ROTATION)
    except (Malformed, KeyError):  # another scheme
        return Going(place=ROTATION)
    return Going(host=found.host, place=ROTATION, path=found.path, below=True)
