"""A PKCS#11 token: a hardware module, or software that speaks as one, whose AES-256 key never leaves it.

The token wraps a key made for one value (`envelope`) with its mechanism CKM_AES_GCM and a random 96-bit nonce:
`nonce (12 bytes), ciphertext and tag`. Its PIN comes from a file of its own, and is read anew each time.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from remit.kernel.errors import ConfigInvalid, KeyfileMissing, KeyfileUnsafe, KeyfileWrong, KeysUnavailable, RemitError
from remit.keys import envelope
from remit.keys.formats import PKCS11_FORMAT
from remit.keys.held import TokenKey
from remit.keys.owned_file import read_owned, see_steady
from remit.keys.secret import Secret

T = TypeVar("T")
_SECONDS: Final = 30.0  # for all that one use asks of a token; a module over a network may be slow
_NONCE: Final = 12
_TAG_BITS: Final = 128
_BITS: Final = 256
_MAX_PIN: Final = 1024
_FILE: Final = "the key provider's file"
# One login of a process counts for all of its sessions, so they are taken one after another.
_ONE_AT_A_TIME: Final = threading.Lock()
# By their names: the library is loaded when a token is asked for.
_PIN: Final = {"PinIncorrect", "PinInvalid", "PinLenRange", "PinLocked", "PinExpired", "UserPinNotInitialized"}
# What modules answer to a tag that does not fit: SoftHSM, for one, a general error.
_DOES_NOT_OPEN: Final = {
    "GeneralError", "EncryptedDataInvalid", "EncryptedDataLenRange", "DataInvalid", "DataLenRange", "ArgumentsBad",
    "SignatureInvalid",
}  # fmt: skip


class Pkcs11Provider:
    """Wraps the root key under a token's key.

    Args:
        at: Which one.
        seconds: For what one use asks of the token. A module that hangs is left to its thread: nothing can end it, and
            what is asked after it waits for it no longer either.
    """

    def __init__(self, at: TokenKey, *, seconds: float = _SECONDS) -> None:
        self._at = at
        self._seconds = seconds

    def wrap(self, plaintext: bytes, *, aad: bytes) -> bytes:
        """Seal `plaintext` under a key that the token wraps.

        Raises:
            KeyfileMissing: The token has no such key, and none was to be made; or there is no PIN file, no module.
            KeyfileUnsafe: The key could be taken off the token; the PIN file or the module are others' to change.
            KeyfileWrong: The PIN is not the token's; what was wrapped does not open again.
            ConfigInvalid: The module does not load.
            KeysUnavailable: The token is not there, or fails.
        """

        def work() -> bytes:
            with self._key(make=self._at.make) as key:
                key.see_that_it_stays()
                return envelope.wrap(self._holder(key), plaintext, aad)

        return self._within(work)

    def unwrap(self, wrapped: bytes, *, aad: bytes) -> bytes:
        """Open what `wrap` made.

        Raises:
            KeyfileWrong: Another provider or key made it, or it is damaged; the PIN is not the token's.
            KeyfileMissing, KeyfileUnsafe, ConfigInvalid, KeysUnavailable: As `wrap`.
        """
        envelope.see_form(PKCS11_FORMAT, wrapped)  # a PIN that is wrong too often locks a token: not tried for nothing

        def work() -> bytes:
            with self._key(make=False) as key:
                return envelope.unwrap(self._holder(key), wrapped, aad)

        return self._within(work)

    def health(self) -> str:
        """Which key it is, once the token has let us in and it was seen that the key cannot leave it.

        Raises:
            KeyfileMissing, KeyfileUnsafe, KeyfileWrong, ConfigInvalid, KeysUnavailable: As `wrap`.
        """

        def work() -> None:
            with self._key(make=False) as key:
                key.see_that_it_stays()

        self._within(work)
        return f"token {self._at.token}, key {self._at.key}"

    def _within(self, work: Callable[[], T]) -> T:
        """What `work` returns, if the token answers in time."""
        done: Future[T] = Future()

        def run() -> None:
            try:
                done.set_result(work())
            except BaseException as error:  # noqa: BLE001 - raised again where it was asked
                done.set_exception(error)

        threading.Thread(target=run, name="remit-pkcs11", daemon=True).start()
        try:
            return done.result(self._seconds)
        except TimeoutError:
            advice = "see what the token's own tools say; start again"
            raise KeysUnavailable("the token does not answer", detail=self._where, try_=advice) from None

    @property
    def _where(self) -> str:
        return f"token={self._at.token};object={self._at.key}"  # RFC 7512 section 2.3 has these attributes

    def _holder(self, key: _Key) -> envelope.Holder:
        return envelope.Holder(PKCS11_FORMAT, self._where, key.encrypt, key.decrypt)

    @contextlib.contextmanager
    def _key(self, *, make: bool) -> Iterator[_Key]:
        """The key, in a session that ends with the block; what the token says is in Remit's words."""
        pin = _pin(self._at.pin_file)
        module = see_steady(self._at.module, what="PKCS#11 module")
        pkcs11 = _library()
        with _ONE_AT_A_TIME:
            try:
                token = pkcs11.lib(str(module)).get_token(token_label=self._at.token)
                with token.open(rw=make, user_pin=pin.text()) as session:
                    yield _Key(pkcs11, _found(pkcs11, session, self._at.key, make=make), self._where)
            except pkcs11.PKCS11Error as error:
                raise self._said(error) from error

    def _said(self, error: Exception) -> RemitError:
        name = type(error).__name__
        detail = f"{self._where}: {name} {error}".rstrip()[:300]
        if name == "NoSuchKey":
            advice = f"name the right key in {_FILE}, or let one be made: make_key: true, with remit key rewrap"
            return KeyfileMissing("the token has no key of that label", detail=detail, try_=advice)
        if name == "NoSuchToken":
            advice = f"connect it, or name the right one in {_FILE}; then start again"
            return KeysUnavailable("the PKCS#11 module sees no token of that label", detail=detail, try_=advice)
        if name in {"MultipleObjectsReturned", "MultipleTokensReturned"}:
            advice = "give each a label of its own"
            return ConfigInvalid("there are two tokens, or two keys, of that label", detail=detail, try_=advice)
        if name in _PIN:
            advice = "correct the PIN file before the token locks; a locked PIN is set anew by the token's own tools"
            return KeyfileWrong("the token does not take the PIN", detail=detail, try_=advice)
        if name == "PKCS11Error":  # the library's own: nothing was asked of a token yet
            return ConfigInvalid("the PKCS#11 module does not load", detail=detail, try_=f"correct module in {_FILE}")
        return KeysUnavailable("the token fails", detail=detail, try_="see what the token's own tools say; start again")


def _pin(path: Path) -> Secret:
    text = read_owned(path, what="PIN file", most=_MAX_PIN, named_by=_FILE).removesuffix(b"\n").removesuffix(b"\r")
    if not text or not text.isascii():
        raise KeyfileWrong(
            "the PIN file does not hold a PIN", detail=str(path), try_="write it there, one line of ASCII"
        )
    return Secret(text)


@dataclass(frozen=True, slots=True)
class _Key:
    """A key on a token, while a session lasts."""

    library: Any
    key: Any
    where: str

    def encrypt(self, plain: bytes, aad: bytes) -> bytes:
        nonce = os.urandom(_NONCE)
        return nonce + bytes(self.key.encrypt(plain, **self._gcm(nonce, aad)))

    def decrypt(self, lent: bytes, aad: bytes) -> bytes:
        try:
            return bytes(self.key.decrypt(lent[_NONCE:], **self._gcm(lent[:_NONCE], aad)))
        except self.library.PKCS11Error as error:
            if type(error).__name__ not in _DOES_NOT_OPEN:
                raise
            raise KeyfileWrong(
                "the token's key does not open this database",
                detail=f"{self.where}: {type(error).__name__}",
                try_=f"name the token and key that it was wrapped with last in {_FILE}",
            ) from error

    def see_that_it_stays(self) -> None:
        """A key that can be taken off the token is a file that others can read.

        Raises:
            KeyfileUnsafe: It can be, or it is shorter than AES-256.
        """
        attribute = self.library.Attribute
        if self.key[attribute.EXTRACTABLE] or not self.key[attribute.SENSITIVE]:
            raise KeyfileUnsafe(
                "the key can be taken off the token",
                detail=self.where,
                try_="use one that is sensitive and not extractable: make_key: true",
            )
        if self.key.key_length != _BITS:
            raise KeyfileUnsafe(
                "the token's key is shorter than AES-256", detail=self.where, try_="use an AES key of 32 bytes"
            )

    def _gcm(self, nonce: bytes, aad: bytes) -> dict[str, Any]:
        said = self.library.GCMParams(nonce, aad, _TAG_BITS)
        return {"mechanism": self.library.Mechanism.AES_GCM, "mechanism_param": said}


def _library() -> Any:  # noqa: ANN401 - a module that may not be there
    try:
        import pkcs11  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise ConfigInvalid("the PKCS#11 provider is not installed", try_="pip install 'remit[pkcs11]'") from error
    return pkcs11


def _found(pkcs11: Any, session: Any, label: str, *, make: bool) -> Any:  # noqa: ANN401 - the library's own
    kind, attribute = pkcs11.KeyType.AES, pkcs11.Attribute
    wanted = {attribute.CLASS: pkcs11.ObjectClass.SECRET_KEY, attribute.KEY_TYPE: kind, attribute.LABEL: label}
    found = list(session.get_objects(wanted))  # to its end: a search that is left open fails the next one
    if len(found) > 1:
        raise pkcs11.MultipleObjectsReturned
    if found:
        return found[0]
    if not make:
        raise pkcs11.NoSuchKey
    return session.generate_key(kind, _BITS, label=label, store=True, template=_template(attribute))


def _template(attribute: Any) -> dict[Any, bool]:  # noqa: ANN401 - the library's own
    """Of a key that this token alone will ever have, and that does nothing else."""
    yes = (attribute.SENSITIVE, attribute.PRIVATE, attribute.ENCRYPT, attribute.DECRYPT)
    no = (
        attribute.EXTRACTABLE, attribute.MODIFIABLE, attribute.WRAP, attribute.UNWRAP, attribute.SIGN, attribute.VERIFY,
        attribute.DERIVE,
    )  # fmt: skip
    return {**dict.fromkeys(yes, True), **dict.fromkeys(no, False)}
