"""Whose word an agent may come with when it acts for somebody else: the issuer, for which of its purposes, for whom.

This is what the agent's owner agreed to beforehand. It lets nobody in by itself: the agent proves who it is as ever,
and a person's consent, or what their own identity provider says, comes on top.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from remit.agents.binding import READERS
from remit.kernel.errors import Malformed
from remit.people import document
from remit.people.document import Fields

ID_JAG: Final = "id_jag"
"""Persons, as their organisation's identity provider asserts them to this client (ID-JAG)."""
JWT_BEARER: Final = "jwt_bearer"
"""Subjects of an issuer, each named here (RFC 7523 section 2.1)."""
_MOST: Final = 1024
_MANY: Final = 100


def id_jag(value: object) -> Mapping[str, Any]:
    """`{issuer: URL, purposes: [NAME], subjects: [ID]}`; without `subjects` every person the issuer asserts."""
    return _read(value, subjects=False)


def jwt_bearer(value: object) -> Mapping[str, Any]:
    """The same with `subjects` named: the assertion does not say which client it was made for, so this does."""
    return _read(value, subjects=True)


def _read(value: object, *, subjects: bool) -> Mapping[str, Any]:
    fields = Fields(value, known={"issuer", "purposes", "subjects"})
    names = document.distinct(document.items(_subject, most=_MANY))
    purposes = document.distinct(document.items(document.name("a purpose"), most=_MANY))
    found: dict[str, Any] = {
        "issuer": fields.take("issuer", _issuer),
        "purposes": list(fields.take("purposes", purposes) or ()),
    }
    given: Callable[..., Any] = fields.take if subjects else lambda name, read: fields.maybe(name, read, None)
    who = given("subjects", names)
    fields.finish()
    return found if who is None else found | {"subjects": list(who)}


def _issuer(value: object) -> str:
    found = document.text(most=_MOST)(value)
    if not found.startswith(("https://", "http://")) or any(char in found for char in "?#* "):
        raise Malformed("an issuer is a URL without query or fragment, exactly as its tokens say it")
    return found


def _subject(value: object) -> str:
    found = document.text(most=_MOST)(value)
    if "*" in found:
        raise Malformed("a subject is matched whole, and has no *")
    return found


READERS[ID_JAG] = id_jag
READERS[JWT_BEARER] = jwt_bearer
