"""Where a secret goes when a rotator or a maker signs in with it, as a document's settings write it. Pure.

Whoever may say `admin: NAME` beside an address of their own would have that secret: its document is held against it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from remit.vault.allowed import Going, whereabouts
from remit.vault.document import SecretDocument
from remit.vault.rotators import aws
from remit.vault.settings import admin
from remit.vault.spec import ROTATION

_OTHERS: Final = frozenset({"verify", "token_url"})  # what is shown there is the secret that is changed
_VALUE: Final = "{value}"
_POSTGRES: Final = 5432


def signs_in_at(name: str, settings: Mapping[str, Any]) -> tuple[Going, ...]:
    """Every place that `admin` of these settings is shown at; at least one, which may say no host.

    Args:
        name: Of the rotator or maker.
        settings: Its own.

    Raises:
        Malformed: A URL leads nowhere.
    """
    found = [*_hosts(name, settings), *_urls(settings)]
    return tuple(dict.fromkeys(found)) or (Going(place=ROTATION),)


def signs_in(document: SecretDocument | None) -> frozenset[str]:
    """The other secrets that change or make the one of a document."""
    if document is None:
        return frozenset()
    settings = (way.settings for way in (document.rotate, document.dynamic) if way is not None)
    return frozenset(filter(None, map(admin, settings)))


def _hosts(name: str, settings: Mapping[str, Any]) -> Iterator[Going]:
    """What stands there without a URL."""
    host = settings.get("host")
    if isinstance(host, str):
        port = settings.get("port", _POSTGRES)
        yield Going(host=f"[{host}]:{port}" if ":" in host else f"{host}:{port}", place=ROTATION)
    if name == "aws" and not settings.get("endpoint_url"):
        yield _at(aws.iam_url(str(settings.get("region") or aws.REGION)), below=False)


def _urls(settings: Mapping[str, Any]) -> Iterator[Going]:
    """Addresses of providers, and of the requests that are written out."""
    for key, said in settings.items():
        if key in {"url", "endpoint_url", "secrets"} and isinstance(said, str) and said:
            yield _at(said, below=True)
        elif isinstance(said, Mapping) and key not in _OTHERS and isinstance(url := said.get("url"), str):
            if key == "confirm" and _stands(_VALUE, said):
                continue  # the one that should be gone is tried, and nobody signs in
            yield _at(url, below=False)


def _at(url: str, *, below: bool) -> Going:
    host, path = whereabouts(url)
    return Going(host=host, place=ROTATION, path=path, below=below)


def _stands(text: str, said: object) -> bool:
    if isinstance(said, Mapping):
        return any(_stands(text, each) for each in said.values())
    if isinstance(said, (list, tuple)):
        return any(_stands(text, each) for each in said)
    return isinstance(said, str) and text in said
