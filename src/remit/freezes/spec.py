"""What may be frozen, and by which name. Pure."""

from __future__ import annotations

import re

from remit.freezes.model import FreezeKind
from remit.kernel.errors import ConfigInvalid, Malformed
from remit.kernel.names import check_name
from remit.people import document

LATER = frozenset({"owner", "tool", "credential"})
_INSTANCE = re.compile(r"[A-Za-z0-9_-]{43}\Z")  # an RFC 7638 SHA-256 thumbprint
_MAX_REASON = 1000


def kind(text: object) -> FreezeKind:
    """The kind of freeze.

    Raises:
        ConfigInvalid: One that this version does not have: better refused than taken and not held.
        Malformed: It is none.
    """
    if isinstance(text, str) and text in LATER:
        raise ConfigInvalid(f"freezing a {text} is not available in this version", try_="remit freeze agent NAME")
    if not isinstance(text, str) or text not in set(FreezeKind):
        raise Malformed(f"what is frozen is one of {', '.join(FreezeKind)}")
    return FreezeKind(text)


def target(of: FreezeKind, name: object) -> str:
    """The name of what is frozen.

    Raises:
        Malformed: It cannot be one of that kind.
    """
    if of is FreezeKind.ALL:
        if name not in ("", "*", None):
            raise Malformed("a freeze of everything has the name *")
        return "*"
    if of is FreezeKind.INSTANCE:
        if not isinstance(name, str) or not _INSTANCE.match(name):
            raise Malformed("an instance is named by the thumbprint of its key")
        return name
    return check_name(name, what=f"the name of a frozen {of}")


def reason(text: object) -> str:
    """Why, in one line; may be empty.

    Raises:
        Malformed: It is too long, or holds control characters.
    """
    return document.text(most=_MAX_REASON)(text) if text else ""
