"""Where the console's people sign in, as the file of `--sign-in` says it.

name: Example                       # what the button says
issuer: https://id.example.com
client_id: remit
client_secret_file: client-secret   # only its owner can read it
person: email                       # the claim that says who somebody is; or sub
people: registered                  # by the e-mail addresses of owners.yaml; or {sam@example.com: sam}
roles: {claim: groups, values: {remit-security: security, remit-owners: owner}}
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from remit.attestation import trust as trusts
from remit.attestation.trust import GENERIC, Trust, Usual
from remit.console.provider import EMAIL, SUBJECT, Provider
from remit.kernel.errors import Malformed
from remit.kernel.names import check_name
from remit.keys.owned_file import read_owned
from remit.keys.secret import Secret
from remit.people.document import Fields, SpecInvalid, choice, text
from remit.server.operators import ADMIN, Role

_KNOWN: Final = (
    "name", "issuer", "client_id", "client_secret_file", "private", "algorithms", "scope", "person", "people", "roles",
)  # fmt: skip
_REGISTERED: Final = "registered"
_SCOPE: Final = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+( [\x21\x23-\x5b\x5d-\x7e]+)*\Z")  # RFC 6749 section 3.3
_NAME: Final = 40
_MOST: Final = 100_000  # people, or values of the role claim
_SECRET: Final = 4096
_ROLES: Final = tuple(sorted(set(Role) - {Role.ADMIN}))


def chosen(document: object, *, folder: Path) -> Provider:
    """What a document says; paths in it are relative to `folder`.

    Raises:
        SpecInvalid: It says what is not known, or not all of it.
    """
    fields = Fields(document, known=_KNOWN)
    client = fields.take("client_id", text(most=256))
    trust = _trust(fields, client)
    person = fields.maybe("person", choice(EMAIL, SUBJECT), EMAIL)
    people = fields.take("people", _people)
    if person == SUBJECT and fields.raw("people") == _REGISTERED:
        fields.problem("people", "nobody is registered with a sub: name them, as {SUB: PERSON}")
    claim, values = fields.take("roles", _roles) or ("", {})
    name = fields.take("name", text(most=_NAME))
    secret = fields.take("client_secret_file", lambda value: folder / text(most=4096)(value))
    scope = fields.maybe("scope", _scope, "openid email" if EMAIL in {person, claim} else "openid")
    fields.finish()
    return Provider(
        name=name, issuer=trust.issuer, client_id=client, secret_file=secret, private=trust.private,
        algorithms=trust.algorithms, scope=scope, person=person, people=people, role_claim=claim, roles=values,
    )  # fmt: skip


def trust_of(provider: Provider) -> Trust:
    """The provider as an issuer whose keys are read."""
    return Trust(
        trust="console", preset=GENERIC, issuer=provider.issuer, audience=provider.client_id,
        algorithms=provider.algorithms, private=provider.private,
    )  # fmt: skip


def client_secret(provider: Provider) -> Secret:
    """The client's secret, as its file has it now.

    Raises:
        KeyfileMissing, KeyfileUnsafe: There is none, or others can read it or could have replaced it.
        Malformed: It is empty, or no text in ASCII.
    """
    read = read_owned(provider.secret_file, what="client secret", most=_SECRET, named_by="the file of --sign-in")
    said = read.rstrip(b"\r\n")
    if not said or not said.isascii():
        raise Malformed("the client secret is empty, or not ASCII")
    return Secret(said)


def _trust(fields: Fields, client: str | None) -> Trust:
    """Issuer and algorithms, by the rules for every issuer whose word is taken."""
    said = {name: fields.raw(name) for name in ("issuer", "algorithms", "private") if fields.has(name)}
    try:
        return trusts.declared({**said, "trust": "console", "audience": client or "-"}, usual={GENERIC: Usual()})
    except SpecInvalid as error:
        for each in error.problems:
            fields.problem(each.field, each.message)
        return Trust(trust="console", preset=GENERIC, issuer="", audience="", algorithms=())


def _people(value: object) -> Mapping[str, str] | None:
    if value == _REGISTERED:
        return None
    found = _pairs(value, "registered, or an object such as {sam@example.com: sam}")
    for person in found.values():
        check_name(person, what="a person")
        if person == ADMIN:
            raise Malformed("no person is called admin")
    return found


def _roles(value: object) -> tuple[str, Mapping[str, str]]:
    fields = Fields(value, known=("claim", "values"))
    claim = fields.take("claim", text(most=256))
    values = fields.take("values", lambda said: _pairs(said, "an object such as {remit-security: security}"))
    for name, role in (values or {}).items():
        if role not in _ROLES:
            fields.problem("values", f"{name[:80]} gives no role that there is: {', '.join(_ROLES)}")
    fields.finish()
    return claim, values


def _pairs(value: object, what: str) -> dict[str, str]:
    found = value if isinstance(value, dict) and len(value) <= _MOST else {}
    if not found or not all(isinstance(each, str) and each for pair in found.items() for each in pair):
        raise Malformed(f"{what} is expected")
    return dict(found)


def _scope(value: object) -> str:
    if not isinstance(value, str) or not _SCOPE.match(value) or "openid" not in value.split(" "):
        raise Malformed("scopes with openid among them are expected")
    return value
