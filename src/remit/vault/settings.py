"""What may stand in a secret's document under a rotator's or a maker's name, checked by each one's own file. Pure.

A rotator's file has a function that reads its settings, and raises where they are wrong; here it gets its line. Nothing
of this speaks to anybody, and none of it loads what does.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from remit.kernel.errors import Malformed
from remit.kernel.names import check_name
from remit.people.document import Problem, SpecInvalid
from remit.vault.makers import openbao as openbao_lease
from remit.vault.makers import postgres as postgres_login
from remit.vault.rotators import aws, http_settings, oauth_client, openbao, postgres

Read = Callable[[Mapping[str, Any]], object]
"""Reads settings. Raises SpecInvalid (`field` is the path within them) or Malformed."""

ROTATORS: Final[dict[str, Read]] = {
    "aws": aws.read,
    "http": http_settings.settings,
    "oauth_client": oauth_client.read,
    "openbao": openbao.read,
    "postgres": postgres.read,
}
"""What changes a secret, by the name that stands under `rotate`."""

MAKERS: Final[dict[str, Read]] = {"openbao": openbao_lease.read, "postgres": postgres_login.read}
"""What makes a credential for each instance, by the name that stands under `dynamic`."""

ADMIN: Final = "admin"  # the secret that a rotator or a maker signs in with
_VALUES: Final = re.compile(
    r"(?:.*[_-])?(?:password|passwd|passphrase|pwd|token|secret|secret_?key|secret_?access_?key|secret_?id|"
    r"client_?secret|api_?key|private_?key|credentials?)\Z",
    re.IGNORECASE,
)
_PLACE: Final = re.compile(r"\{[a-z][a-z0-9_]*\}\Z")  # what a rotator fills in is no value
_PEM: Final = "-----BEGIN "
_DEEP: Final = 8


def problems(settings: Mapping[str, Any], read: Read) -> Iterator[Problem]:
    """What is wrong with settings, whoever's they are, and then what their own file says.

    A value in a document is one in a repository: it stands in a secret of its own, whose name stands here.
    """
    yield from _values(settings, "", _DEEP)
    if ADMIN in settings:
        try:
            check_name(settings[ADMIN], what="a secret's name")
        except Malformed as error:
            yield Problem(ADMIN, error.public)
    try:
        read(settings)
    except SpecInvalid as error:
        yield from error.problems
    except Malformed as error:
        yield Problem("", error.public)


def admin(settings: Mapping[str, Any]) -> str | None:
    """The secret that they sign in with."""
    found = settings.get(ADMIN)
    return found if isinstance(found, str) else None


def _values(said: object, at: str, deep: int) -> Iterator[Problem]:
    if deep == 0:
        yield Problem(at, "is nested too deeply")
    elif isinstance(said, dict):
        for key, value in said.items():
            path = f"{at}.{key}" if at else str(key)
            if isinstance(value, str) and _VALUES.match(str(key)) and not _PLACE.match(value):
                yield Problem(path, "no value stands here: keep it as a secret, and name that as admin")
            else:
                yield from _values(value, path, deep - 1)
    elif isinstance(said, list):
        for place, value in enumerate(said):
            yield from _values(value, f"{at}.{place}", deep - 1)
    elif said is not None and not isinstance(said, (str, int)):
        yield Problem(at, "a text, a whole number, true or false is expected")
    elif isinstance(said, str) and (_PEM in said or _signs_in(said)):
        yield Problem(at, "a password or key stands here: keep it as a secret, and name that as admin")


def _signs_in(text: str) -> bool:
    """Whether it is a URL with a password in it."""
    if "://" not in text:
        return False
    try:
        return urlsplit(text).password is not None
    except ValueError:
        return "@" in text
