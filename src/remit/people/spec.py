"""An owner's document: `{owner, name, email, backup}`."""

from __future__ import annotations

import re

from remit.kernel.errors import Malformed
from remit.kernel.names import OwnerName, check_name
from remit.people import document
from remit.people.document import Fields
from remit.people.model import Owner

_EMAIL = re.compile(r"[^\s@<>\"]{1,64}@[^\s@<>\"]{1,189}\Z")
_MAX_NAME = 200
_MAX_BACKUPS = 20
_RESERVED = frozenset({"admin"})  # the admin token's person: it approves nothing, so nobody may bear its name


def owner(spec: object) -> Owner:
    """The owner that a document describes.

    Raises:
        SpecInvalid: The document has problems.
    """
    fields = Fields(spec, known={"owner", "name", "email", "backup"})
    backups = document.distinct(document.items(_person, least=0, most=_MAX_BACKUPS))
    name = fields.take("owner", _person)
    full = fields.take("name", document.text(most=_MAX_NAME))
    email = fields.take("email", _email)
    backup = fields.maybe("backup", backups, ())
    if backup and name in backup:
        fields.problem("backup", "an owner is no backup of their own")
    fields.finish()
    return Owner(owner=name, name=full, email=email, backup=backup)


def _person(value: object) -> OwnerName:
    name = check_name(value, what="an owner")
    if name in _RESERVED:
        raise Malformed(f"{name} is the name of the admin token; an owner needs another")
    return OwnerName(name)


def _email(value: object) -> str:
    if not isinstance(value, str) or not value.isprintable() or not _EMAIL.match(value):
        raise Malformed("an e-mail address is expected")
    return value
