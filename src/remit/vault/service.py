"""The vault: upstream credentials, sealed in the database and in memory, opened at the moment of use."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from sqlalchemy import Connection

from remit.catalog.injection import Credential, Injection, Variable
from remit.kernel.clock import Instant
from remit.kernel.errors import IntegrityFailed, NotFound
from remit.kernel.names import SecretName
from remit.keys.seal import unseal
from remit.keys.secret import Secret
from remit.keys.service import KeyRing
from remit.storage.ports import Transaction
from remit.vault.allowed import check, whereabouts
from remit.vault.document import Dynamic, SecretDocument
from remit.vault.document_json import document
from remit.vault.echo import Scanner, forms, gives_away
from remit.vault.lately import Lately
from remit.vault.model import Material, SecretUnavailable, Version, VersionState, place
from remit.vault.recognise import Recognise
from remit.vault.sql import SqlSecrets
from remit.vault.uses import Uses
from remit.vault.versions import Versions

Seen = Callable[[str, bytes], None]
"""Told that a secret came back, and in which form; quick, from any thread."""


Made = Callable[[str, str | None], Iterable[bytes]]
"""The values of a secret that were made for one instance; for any, if that is None."""


def nothing_made(_secret: str, _instance: str | None) -> Iterable[bytes]:
    """Nothing is made for an instance."""
    return ()


def unseen(_secret: str, _form: bytes) -> None:
    """Nobody hears of it."""


class Placed(NamedTuple):
    """A secret in the place that it enters: a header or a variable. Do not log it, do not keep it."""

    name: str
    value: str
    version: int


class Lent(NamedTuple):
    """A secret for one use. Do not log it, do not keep it."""

    value: Secret
    version: int
    attributes: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A secret as this node has it, sealed. `active`: the version that calls use, 0 if none."""

    secret: SecretName
    active: int
    changed: Instant
    document: SecretDocument | None
    held: Mapping[int, Version]


class Vault:
    """Keeps secrets and puts them into outgoing calls.

    Subscribe `follow` to the feed after the key ring's: a new secret comes with a new data key.
    """

    def __init__(self, keys: KeyRing) -> None:
        self._keys = keys
        self._known: Mapping[str, Known] = {}
        self._lately = Lately()
        self.made: Made = nothing_made
        self.versions = Versions(keys)
        self.uses = Uses()
        self.seen: Seen = unseen
        self.sent: Seen = unseen
        self._recognise = Recognise()

    def put(
        self,
        tx: Transaction,
        name: SecretName,
        value: Secret,
        *,
        now: Instant,
        attributes: Mapping[str, str] | None = None,
    ) -> int:
        """Set or replace a secret within `tx`; returns its new version. The caller records the change.

        What stood there before is erased: whoever sets a value by hand has changed it at the other system already.

        Raises:
            Malformed: The name is ill-formed, or the value cannot be a header's.
        """
        made = self.versions.begin(tx, name, Material(value=value, attributes=attributes or {}), now=now)
        before = self.versions.promote(tx, made, now=now)
        if before is not None:
            self.versions.end(tx, before, VersionState.REVOKED, now=now)
        return made.version

    def names(self, connection: Connection) -> list[SecretName]:
        """The names of all secrets, as they stand in the database."""
        return list(SqlSecrets(connection).documents())

    def listing(self) -> list[Known]:
        """All secrets, sealed."""
        return [self._known[name] for name in sorted(self._known)]

    def find(self, name: str) -> Known | None:
        """One secret, sealed."""
        return self._known.get(name)

    def reload(self, connection: Connection) -> None:
        """Read all secrets anew, sealed."""
        rows = SqlSecrets(connection)
        held: dict[str, dict[int, Version]] = {}
        for each in rows.held():
            held.setdefault(each.secret, {})[each.version] = each
        self._known = {
            name: Known(
                secret=name, active=version, changed=changed, held=held.get(name, {}),
                document=None if body is None else document(body),
            )
            for name, (version, changed, body) in rows.documents().items()
        }  # fmt: skip
        self._recognise.renew((each for one in self._known.values() for each in one.held.values()), self._value)

    def follow(self, epoch: int, topics: tuple[str, ...], connection: Connection) -> None:  # noqa: ARG002 - Feed's shape
        """What to subscribe to the feed: reload when a secret changed."""
        if any(topic.startswith("secret:") for topic in topics):
            self.reload(connection)

    def header(self, injection: Injection, url: str) -> Placed:
        """The header that carries a secret into a call of `url`.

        Raises:
            SecretUnavailable: The secret is missing, may not go there or does not open, or the injection has no one
                place for it.
        """
        host, path = whereabouts(url)
        return placed(injection.header, injection, self.lend_for(injection, host=host, path=path))

    def variable(self, injection: Variable) -> Placed:
        """The variable that carries a secret into a command's environment.

        Raises:
            SecretUnavailable: As of `header`.
        """
        return placed(injection.env, injection, self.lend_for(injection))

    def scanner(self, injection: Credential | None = None, instance: str = "") -> Scanner:
        """Looks for the injected secret in one response; without an injection, for every secret there is.

        Of what is made for one instance each, that of the `instance` which gets the response.

        Every version that is held is looked for: a call that began before a rotation had the one before. Secrets that
        are missing are not looked for: they were not sent.
        """
        if injection is not None:
            values = list(self._values(injection.secret, instance))
            told = partial(self.came_back, injection.secret)
            return self._lately.looking_for(*values, told=told) if values else Scanner(())
        every = {form for name in self._known for value in self._values(name) for form in forms(value)}
        return Scanner(every, partial(self.came_back, ""))

    def came_back(self, name: str, form: bytes) -> None:
        """What was found in an answer, in a call that used the secret `name`; any secret, if that is empty."""
        self.seen(name, form)

    def carries(self, text: bytes) -> bool:
        """Whether what an agent sends has any secret in it; whoever marks secrets is told (`vault/recognise.py`)."""
        found = self._recognise.find(text, self._value)
        for each, form in found:
            self.sent(each.secret, form)
        return bool(found)

    def stands_in(self, name: str, text: str) -> bool:
        """Whether a held value of one secret is in what people wrote about it; nobody is told."""
        known = self._known.get(name)
        for each in () if known is None else known.held.values():
            try:
                looked = forms(self._value(each))
            except SecretUnavailable:  # erased a moment ago, or damaged
                continue
            if Scanner(looked).feed(text.encode()):
                return True
        return False

    def _value(self, it: Version) -> bytes:
        return self.open(it).reveal()

    def given_away(self, name: str, form: bytes) -> list[Version]:
        """The held versions, of one secret or of all, whose value `form` gives away."""
        known = self._known if not name else {name: self._known[name]} if name in self._known else {}
        every = [each for one in known.values() for each in one.held.values()]
        return [each for each in every if self._gives_away(each, form)]

    def _gives_away(self, it: Version, form: bytes) -> bool:
        try:
            return gives_away(form, self._value(it))
        except SecretUnavailable:  # erased a moment ago, or damaged: the others are looked at all the same
            return False

    def echoes(self, chunk: bytes) -> bool:
        """Whether `chunk` by itself carries any secret."""
        return self.scanner().feed(chunk)

    def lend_for(self, credential: Credential, *, host: str = "", path: str = "") -> Lent:
        """The same, for one use: by a request for `path` at `host`, which has its port.

        Raises:
            SecretUnavailable: As of `lend`, or the secret's document does not let it go there; it was not opened then.
        """
        self.allows(credential, host=host, path=path)
        return self.lend(credential.secret)

    def allows(self, credential: Credential, *, host: str = "", path: str = "") -> None:
        """See that a secret may be used so, whatever its value is.

        Raises:
            SecretUnavailable: Its document does not let it go there.
        """
        known = self._known.get(credential.secret)
        if known is not None and known.document is not None:
            check(known.document, credential, host=host, path=path)

    def dynamic(self, name: str) -> Dynamic | None:
        """How a secret's values are made, each for one instance; None if it has one value for all."""
        known = self._known.get(name)
        return None if known is None or known.document is None else known.document.dynamic

    def lend(self, name: str) -> Lent:
        """The secret that calls use now, for what puts it into an outgoing request and nobody else.

        Raises:
            SecretUnavailable: It is missing, was exposed and is not replaced yet, or does not open.
        """
        known = self._known.get(name)
        found = None if known is None else known.held.get(known.active)
        if found is None and self.dynamic(name) is not None:
            raise SecretUnavailable(
                "the server's credential is made for one instance, and cannot be used so", detail=name
            )
        if found is None:
            raise SecretUnavailable("the server's credential is not set", detail=name, try_=f"remit secret set {name}")
        if found.exposed is not None:
            raise SecretUnavailable(
                "the server's credential was exposed", detail=name, try_=f"remit secret show {name}"
            )
        return Lent(self.open(found), found.version, found.attributes)

    def exposed(self, name: str, version: int) -> bool:
        """Whether a version that is held is known elsewhere; one that is not held any more is worth nothing."""
        known = self._known.get(name)
        found = None if known is None else known.held.get(version)
        return found is not None and found.exposed is not None

    def open(self, it: Version) -> Secret:
        """The value of a version that is held.

        Raises:
            SecretUnavailable: It does not open, or was erased.
        """
        try:
            at = place(it.secret, it.version, it.attributes)
            return Secret(unseal(self._keys.data_key(it.key), it.sealed or b"", aad=at))
        except (IntegrityFailed, NotFound) as error:
            raise SecretUnavailable("the server's credential does not open", detail=it.secret) from error

    def _values(self, name: str, instance: str | None = None) -> Iterator[bytes]:
        known = self._known.get(name)
        for each in () if known is None else known.held.values():
            yield self.open(each).reveal()
        yield from self.made(name, instance)


def formatted(injection: Injection | Variable, lent: Lent) -> str:
    """What stands in a header or a variable: a secret in its format. Do not log it, do not keep it.

    Raises:
        SecretUnavailable: It fits none.
    """
    value = lent.value.text()
    if not (value.isascii() and value.isprintable()):  # a certificate: its line breaks would end the header
        raise SecretUnavailable("the server's credential fits no header", detail=injection.secret)
    # Replaced, not formatted: `{0.__class__}` in a format must stay text.
    if injection.format.count("{}") != 1:
        raise SecretUnavailable("the server's credential cannot be injected", detail=injection.secret)
    before, _, behind = injection.format.partition("{}")  # apart, so that no value is taken for a place
    return f"{_filled(before, lent.attributes)}{value}{_filled(behind, lent.attributes)}"


def placed(name: str, injection: Injection | Variable, lent: Lent) -> Placed:
    """A secret in its place. Raises SecretUnavailable: it fits none."""
    return Placed(name, formatted(injection, lent), lent.version)


def _filled(text: str, attributes: Mapping[str, str]) -> str:
    """A format with `{user}` and the like replaced."""
    for name, value in attributes.items():
        text = text.replace("{" + name + "}", value)
    return text
