"""What may be frozen, and by which name. Pure."""

from __future__ import annotations

import re

from remit.freezes.model import FreezeKind
from remit.kernel.errors import Malformed
from remit.kernel.names import check_name, split_action, well_formed_operation, well_formed_tool
from remit.people import document

_THUMBPRINT = re.compile(r"[A-Za-z0-9_-]{43}\Z")  # RFC 7638, SHA-256, base64url
_BINDING = re.compile(r"[a-z0-9_]{1,40}:[0-9a-f]{32}\Z")  # another way to attest, as tokens name it (`agents/binding`)
_MAX_REASON = 1000


def kind(text: object) -> FreezeKind:
    """The kind of freeze.

    Raises:
        Malformed: It is none.
    """
    if not isinstance(text, str) or text not in set(FreezeKind):
        raise Malformed(f"what is frozen is one of {', '.join(FreezeKind)}")
    return FreezeKind(text)


def thumbprint(name: str) -> bool:
    """Whether `name` may be a key's thumbprint, or what stands in its place: it need not have been seen before."""
    return _THUMBPRINT.match(name) is not None or _BINDING.match(name) is not None


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
        if not isinstance(name, str) or not thumbprint(name):
            raise Malformed("an instance is named by the thumbprint of its key")
        return name
    if of is FreezeKind.TOOL:
        return _tool(name)
    if of is FreezeKind.CREDENTIAL and isinstance(name, str) and thumbprint(name):
        return name
    return check_name(name, what=f"the name of a frozen {of}")


def _tool(name: object) -> str:
    if not isinstance(name, str):
        raise Malformed("a tool is named by its action, server/tool")
    server, tool, is_tool = split_action(name)
    if not is_tool or not (well_formed_tool(tool) or well_formed_operation(tool)):
        raise Malformed("a tool is named by its action, server/tool", detail=repr(name)[:120])
    check_name(server, what="the server of a frozen tool")
    return name


def reason(text: object) -> str:
    """Why, in one line; may be empty.

    Raises:
        Malformed: It is too long, or holds control characters.
    """
    return document.text(most=_MAX_REASON)(text) if text else ""
