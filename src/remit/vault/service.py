"""The vault: upstream credentials, sealed in the database and in memory, opened at the moment of use."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection

from remit.catalog.injection import Credential, Injection, Variable
from remit.kernel.clock import Instant
from remit.kernel.errors import IntegrityFailed, NotFound
from remit.kernel.names import SecretName, check_name
from remit.keys.seal import seal, unseal
from remit.keys.secret import Secret
from remit.keys.service import KeyRing
from remit.storage.ports import Transaction
from remit.vault.echo import Scanner, forms
from remit.vault.lately import Lately
from remit.vault.model import SealedSecret, SecretUnavailable, check_value, owner, place
from remit.vault.sql import SqlSecrets


class Vault:
    """Keeps secrets and puts them into outgoing calls.

    Subscribe `follow` to the feed after the key ring's: a new secret comes with a new data key.
    """

    def __init__(self, keys: KeyRing) -> None:
        self._keys = keys
        self._sealed: Mapping[str, SealedSecret] = {}
        self._lately = Lately()

    def put(self, tx: Transaction, name: SecretName, value: Secret, *, now: Instant) -> int:
        """Set or replace a secret within `tx`; returns its new version. The caller records the change.

        Raises:
            Malformed: The name is ill-formed, or the value cannot be a header's.
        """
        check_name(name, what="a secret's name")
        check_value(value)
        key = self._keys.ensure_data_key(tx, owner(name))
        rows = SqlSecrets(tx.connection)
        version = rows.version(name) + 1
        sealed = seal(key, value.reveal(), aad=place(name, version))
        rows.put(SealedSecret(name=name, version=version, sealed=sealed, changed=now))
        tx.touch(owner(name))
        return version

    def names(self, connection: Connection) -> list[SecretName]:
        """The names of all secrets."""
        return [secret.name for secret in self.listing(connection)]

    def listing(self, connection: Connection) -> list[SealedSecret]:
        """All secrets, sealed: their names, versions and when they changed."""
        return SqlSecrets(connection).all()

    def reload(self, connection: Connection) -> None:
        """Read all secrets anew, sealed."""
        self._sealed = {secret.name: secret for secret in SqlSecrets(connection).all()}

    def follow(self, epoch: int, topics: tuple[str, ...], connection: Connection) -> None:  # noqa: ARG002 - Feed's shape
        """What to subscribe to the feed: reload when a secret changed."""
        if any(topic.startswith("secret:") for topic in topics):
            self.reload(connection)

    def header(self, injection: Injection) -> tuple[str, str]:
        """The header that carries a secret into a call: its name and value. Do not log it, do not keep it.

        Raises:
            SecretUnavailable: The secret is missing or does not open, or the injection has no one place for it.
        """
        return injection.header, self._formatted(injection)

    def variable(self, injection: Variable) -> tuple[str, str]:
        """The variable that carries a secret into a command's environment: its name and value.

        Raises:
            SecretUnavailable: As of `header`.
        """
        return injection.env, self._formatted(injection)

    def _formatted(self, injection: Injection | Variable) -> str:
        value = self._open(injection.secret).text()
        if not (value.isascii() and value.isprintable()):  # a certificate: its line breaks would end the header
            raise SecretUnavailable("the server's credential fits no header", detail=injection.secret)
        # Replaced, not formatted: `{0.__class__}` in a format must stay text.
        if injection.format.count("{}") != 1:
            raise SecretUnavailable("the server's credential cannot be injected", detail=injection.secret)
        return injection.format.replace("{}", value)

    def scanner(self, injection: Credential | None = None) -> Scanner:
        """Looks for the injected secret in one response; without an injection, for every secret there is.

        Secrets that are missing are not looked for: they were not sent.
        """
        if injection is not None:
            if injection.secret not in self._sealed:
                return Scanner(())
            return self._lately.looking_for(self._open(injection.secret).reveal())
        return Scanner({form for name in self._sealed for form in forms(self._open(name).reveal())})

    def echoes(self, chunk: bytes) -> bool:
        """Whether `chunk` by itself carries any secret."""
        return self.scanner().feed(chunk)

    def lend(self, name: str) -> tuple[Secret, int]:
        """A secret and its version, for what puts it into an outgoing request and nobody else.

        Raises:
            SecretUnavailable: It is missing or does not open.
        """
        secret = self._open(name)
        return secret, self._sealed[name].version

    def _open(self, name: str) -> Secret:
        held = self._sealed.get(name)
        if held is None:
            raise SecretUnavailable("the server's credential is not set", detail=name, try_=f"remit secret set {name}")
        try:
            return Secret(unseal(self._keys.data_key(owner(name)), held.sealed, aad=place(name, held.version)))
        except (IntegrityFailed, NotFound) as error:
            raise SecretUnavailable("the server's credential does not open", detail=name) from error
