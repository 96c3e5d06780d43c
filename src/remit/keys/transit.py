"""The transit engine of OpenBao, or Vault: a key that never leaves it wraps a key made for one value (`envelope`).

Its API's `encrypt` and `decrypt` take `associated_data` with keys of AEAD types. It sees a wrapping key and never the
root key, and what it answers is checked here. Who asks, and with which token, is read anew from its file each time.
"""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

from remit.kernel.errors import ConfigInvalid, KeyfileMissing, KeyfileUnsafe, KeyfileWrong, RemitError
from remit.keys import envelope
from remit.keys.formats import TRANSIT_FORMAT
from remit.keys.held import AppRole, TransitKey
from remit.keys.owned_file import read_owned, read_steady
from remit.keys.transit_wire import Answer, Wire
from remit.outbound import trust

_MAX_TEXT: Final = 4096
_MAX_CA: Final = 1 << 20
_FILE: Final = "the key provider's file"
_MADE_AS: Final = "aes256-gcm96"
# AES-128-GCM is no less than 128 bits, and ChaCha20 an AEAD too; what takes no associated data is none of them.
_AEAD: Final = frozenset({"aes128-gcm96", _MADE_AS, "chacha20-poly1305", "xchacha20-poly1305"})


class TransitProvider:
    """Wraps the root key under a transit key."""

    def __init__(self, at: TransitKey) -> None:
        self._at = at

    def wrap(self, plaintext: bytes, *, aad: bytes) -> bytes:
        """Seal `plaintext` under a key that the service wraps.

        Raises:
            KeyfileMissing: It has no such key, and none was to be made; or a file of ours is not there.
            KeyfileUnsafe: The key may be exported; a file of ours is others' to read or change.
            KeyfileWrong: It denies us, or what it wrapped does not open again.
            ConfigInvalid: The address or the CA file cannot be used.
            KeysUnavailable: It does not answer, or is sealed.
        """
        with self._asking() as asking:
            asking.see_key(make=self._at.make)
            return envelope.wrap(self._holder(asking), plaintext, aad)

    def unwrap(self, wrapped: bytes, *, aad: bytes) -> bytes:
        """Open what `wrap` made.

        Raises:
            KeyfileWrong: Another provider or key made it, it is damaged, or it denies us.
            KeyfileMissing, KeyfileUnsafe, ConfigInvalid, KeysUnavailable: As `wrap`.
        """
        envelope.see_form(TRANSIT_FORMAT, wrapped)
        with self._asking() as asking:
            return envelope.unwrap(self._holder(asking), wrapped, aad)

    def health(self) -> str:
        """Which key it is, once the service has answered that it may be used and cannot be exported.

        Raises:
            KeyfileMissing, KeyfileUnsafe, KeyfileWrong, ConfigInvalid, KeysUnavailable: As `wrap`.
        """
        with self._asking() as asking:
            asking.see_key(make=False)
        return f"key {self._at.mount}/{self._at.key} at {self._at.address}"

    def _holder(self, asking: _Asking) -> envelope.Holder:
        where = f"{self._at.mount}/{self._at.key}"
        return envelope.Holder(TRANSIT_FORMAT, where, asking.encrypt, asking.decrypt)

    @contextlib.contextmanager
    def _asking(self) -> Iterator[_Asking]:
        """Somebody with a token, which is revoked at the end if it was made for this."""
        wire = Wire(address=self._at.address, trusts=_trusts(self._at.ca_file), namespace=self._at.namespace)
        if isinstance(self._at.who, Path):
            yield _Asking(self._at, wire, _read(self._at.who, "token file"))
            return
        token = _login(wire, self._at.who)
        try:
            yield _Asking(self._at, wire, token)
        finally:
            with contextlib.suppress(RemitError):  # it ends by itself soon
                wire.ask("POST", "auth/token/revoke-self", {}, token=token)


@dataclass(frozen=True, slots=True)
class _Asking:
    at: TransitKey
    wire: Wire
    token: str

    def see_key(self, *, make: bool) -> None:
        """See that there is a key that does what is asked of it, and that nobody can take away; make it if so asked."""
        answer = self._ask("GET", f"keys/{self.at.key}")
        if answer.status == HTTPStatus.NOT_FOUND and make:
            self._must(self._ask("POST", f"keys/{self.at.key}", {"type": _MADE_AS}))
            answer = self._ask("GET", f"keys/{self.at.key}")
        self._must(answer)
        if answer.data("type") not in _AEAD or answer.data("derived") is not False:
            raise ConfigInvalid(
                "the transit key is of a type that seals nothing to its place",
                detail=f"{self.at.key}: {answer.data('type')}",
                try_=f"a key of type {_MADE_AS}, not derived",
            )
        if answer.data("exportable") is not False or answer.data("allow_plaintext_backup") is not False:
            raise KeyfileUnsafe(
                "the transit key may be exported", detail=self.at.key, try_="use one that may not: make_key: true"
            )

    def encrypt(self, plain: bytes, aad: bytes) -> bytes:
        body = {"plaintext": _base64(plain), "associated_data": _base64(aad)}
        answer = self._must(self._ask("POST", f"encrypt/{self.at.key}", body))
        found = answer.data("ciphertext")
        if not isinstance(found, str) or not found.isascii():
            raise self._other(answer)
        return found.encode("ascii")

    def decrypt(self, lent: bytes, aad: bytes) -> bytes:
        body = {"ciphertext": lent.decode("ascii", "replace"), "associated_data": _base64(aad)}
        answer = self._ask("POST", f"decrypt/{self.at.key}", body)
        if not answer.done:
            raise KeyfileWrong(
                "the transit key does not open this database",
                detail=f"{self.at.mount}/{self.at.key}: {answer.problem}",
                try_=f"name the key that it was wrapped with last in {_FILE}",
            )
        try:
            return base64.b64decode(str(answer.data("plaintext")), validate=True)
        except ValueError:
            raise self._other(answer) from None  # the error would show what came

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Answer:
        hide = {str(body["plaintext"])} if body and "plaintext" in body else set()
        return self.wire.ask(method, f"{self.at.mount}/{path}", body, token=self.token, hide=hide)

    def _must(self, answer: Answer) -> Answer:
        if answer.status == HTTPStatus.NOT_FOUND:
            raise KeyfileMissing(
                "there is no such transit key",
                detail=f"{self.at.mount}/{self.at.key} at {self.at.address}: {answer.problem}".rstrip(": "),
                try_=f"correct mount and key in {_FILE}, or let one be made: make_key: true, with remit key rewrap",
            )
        if not answer.done:
            raise KeyfileWrong("the key provider refuses what it was asked", detail=answer.problem)
        return answer

    def _other(self, _answer: Answer) -> KeyfileWrong:
        return KeyfileWrong(
            "the key provider answered something else than it was asked", detail=self.at.address,
            try_=f"correct address in {_FILE}",
        )  # fmt: skip


def _login(wire: Wire, role: AppRole) -> str:
    secret = _read(role.secret_id_file, "secret id file")
    body = {"role_id": role.role_id, "secret_id": secret}
    answer = wire.ask("POST", f"auth/{role.mount}/login", body, hide={secret})
    found = answer.data("client_token", part="auth")
    if not answer.done or not isinstance(found, str) or not found:
        raise KeyfileWrong(
            "the key provider does not take the role's secret id",
            detail=answer.problem,
            try_="write a new one into its file",
        )
    return found


def _read(path: Path, what: str) -> str:
    """One line that is a secret. Any control character would be one in a header."""
    text = read_owned(path, what=what, most=_MAX_TEXT, named_by=_FILE).strip()
    if not text or not text.isascii() or not text.decode("ascii").isprintable():
        raise KeyfileWrong(f"the {what} does not hold one line of plain text", detail=str(path))
    return text.decode("ascii")


def _trusts(ca_file: Path | None) -> Any:  # noqa: ANN401 - ssl.SSLContext or None
    if ca_file is None:
        return None
    pem = read_steady(ca_file, what="CA file", most=_MAX_CA, named_by=_FILE)
    try:
        return trust.only(pem.decode("ascii", "replace"))
    except ValueError as error:
        raise ConfigInvalid("the CA file is no certificate's PEM", detail=str(ca_file)) from error


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii")
