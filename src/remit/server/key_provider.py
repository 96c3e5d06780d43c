"""What opens a database, as its operator chose it: read from a document, and made into a provider.

A document says one of:

    pkcs11: {module: FILE, token: LABEL, key: LABEL, pin_file: FILE, make_key: true}
    transit: {address: URL, key: NAME, mount: PATH, token_file: FILE, ca_file: FILE, namespace: PATH, make_key: true}
    transit: {address: URL, key: NAME, approle: {role_id: ID, secret_id_file: FILE, mount: PATH}}
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

from remit.catalog.url import check_url
from remit.kernel.errors import KeyfileMissing, Malformed
from remit.keys.held import AppRole, TokenKey, TransitKey
from remit.keys.keyfile import KeyfileProvider
from remit.keys.passphrase import PassphraseProvider
from remit.keys.pkcs11 import Pkcs11Provider
from remit.keys.ports import Provider
from remit.keys.transit import TransitProvider
from remit.outbound.model import endpoint
from remit.people.document import Fields, text
from remit.server.settings import LOOPBACK, Settings

KEYFILE: Final = "keyfile"
PASSPHRASE: Final = "passphrase"  # noqa: S105 - the name of a provider
PKCS11: Final = "pkcs11"
TRANSIT: Final = "transit"
_LABEL: Final = 32  # bytes of a token's label, PKCS#11's CK_TOKEN_INFO
_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}\Z")  # one segment of a URL's path, and no way up
_PATH: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}(/[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}){0,15}\Z")
_ID: Final = re.compile(r"[\x21-\x7e]{1,256}\Z")


def kind_of(settings: Settings) -> str:
    """Which kind opens the database."""
    if settings.key_provider is not None:
        return PKCS11 if isinstance(settings.key_provider, TokenKey) else TRANSIT
    return KEYFILE if settings.passphrase_file is None and settings.passphrase_fd is None else PASSPHRASE


def provider_of(settings: Settings, *, new: bool = False) -> Provider:
    """What opens the database; a keyfile is made if it is `new`.

    Raises:
        KeyfileMissing, KeyfileUnsafe, KeyfileWrong: It cannot be had.
    """
    if settings.key_provider is not None:
        return made(settings.key_provider)
    if settings.passphrase_fd is not None:
        return PassphraseProvider.read(settings.passphrase_fd)
    if settings.passphrase_file is not None:
        return PassphraseProvider.load(settings.passphrase_file)
    return load_or_make(settings.keyfile) if new else KeyfileProvider.load(settings.keyfile)


def made(chosen: TokenKey | TransitKey) -> Provider:
    """The provider of what was chosen; nothing is asked of it yet."""
    return Pkcs11Provider(chosen) if isinstance(chosen, TokenKey) else TransitProvider(chosen)


def load_or_make(keyfile: Path) -> Provider:
    """The keyfile there, or a new one.

    Raises:
        KeyfileUnsafe, KeyfileWrong: It cannot be used.
    """
    try:
        return KeyfileProvider.load(keyfile)
    except KeyfileMissing:
        return KeyfileProvider.create(keyfile)


def chosen(document: object, *, folder: Path) -> TokenKey | TransitKey:
    """What a document says; paths in it are relative to `folder`.

    Raises:
        SpecInvalid: It says nothing that is known, or not all of it.
    """
    fields = Fields(document, known=(PKCS11, TRANSIT))
    if fields.has(PKCS11) == fields.has(TRANSIT):
        fields.problem("", "one of them is expected: pkcs11, or transit")
    fields.finish()
    found: TokenKey | TransitKey
    if fields.has(PKCS11):
        found = fields.take(PKCS11, lambda value: _token(value, folder))
    else:
        found = fields.take(TRANSIT, lambda value: _transit(value, folder))
    fields.finish()
    return found


def _token(value: object, folder: Path) -> TokenKey:
    fields = Fields(value, known=("module", "token", "key", "pin_file", "make_key"))
    found = TokenKey(
        module=fields.take("module", _file(folder)),
        token=fields.take("token", text(most=_LABEL)),
        key=fields.take("key", text(most=128)),
        pin_file=fields.take("pin_file", _file(folder)),
        make=fields.maybe("make_key", _yes, missing=False),
    )
    fields.finish()
    return found


def _transit(value: object, folder: Path) -> TransitKey:
    known = ("address", "key", "mount", "token_file", "approle", "ca_file", "namespace", "make_key")
    fields = Fields(value, known=known)
    if fields.has("token_file") == fields.has("approle"):
        fields.problem("", "one of them is expected: token_file, or approle")
    role = fields.maybe("approle", lambda found: _approle(found, folder), None)
    file = fields.maybe("token_file", _file(folder), None)
    found = TransitKey(
        address=fields.take("address", _address),
        key=fields.take("key", _matching(_NAME, "a key's name: letters, digits, - _ .")),
        mount=fields.maybe("mount", _matching(_PATH, "a mount's path, such as transit"), "transit"),
        who=role or file or Path(),
        ca_file=fields.maybe("ca_file", _file(folder), None),
        namespace=fields.maybe("namespace", _matching(_PATH, "a namespace's path"), None),
        make=fields.maybe("make_key", _yes, missing=False),
    )
    fields.finish()
    return found


def _approle(value: object, folder: Path) -> AppRole:
    fields = Fields(value, known=("role_id", "secret_id_file", "mount"))
    found = AppRole(
        role_id=fields.take("role_id", _matching(_ID, "a role id")),
        secret_id_file=fields.take("secret_id_file", _file(folder)),
        mount=fields.maybe("mount", _matching(_PATH, "a mount's path, such as approle"), "approle"),
    )
    fields.finish()
    return found


def _address(value: object) -> str:
    """Only over TLS, but on this machine: what travels is a token, and a key.

    Raises:
        Malformed: Another URL, or one with a path.
    """
    url = check_url(value).rstrip("/")
    if url.count("/") != len("//") or "?" in url:
        raise Malformed("an address without a path is expected, such as https://bao.example:8200")
    if not url.startswith("https://") and endpoint(url).host not in LOOPBACK:
        raise Malformed("https is expected, but for this machine itself")
    return url


def _file(folder: Path) -> Callable[[object], Path]:
    read = text(most=4096)
    return lambda value: folder / read(value)


def _matching(pattern: re.Pattern[str], what: str) -> Callable[[object], str]:
    def read(value: object) -> str:
        if not isinstance(value, str) or not pattern.match(value):
            raise Malformed(f"{what} is expected")
        return value

    return read


def _yes(value: object) -> bool:
    if not isinstance(value, bool):
        raise Malformed("true or false is expected")
    return value
