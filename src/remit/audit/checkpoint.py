"""Checkpoints: what the log's key signs (C2SP tlog-checkpoint in a C2SP signed-note).

    remit/dep_01...           origin
    1234                      number of entries
    q8Zk...=                  root hash, base64
                              (empty line)
    — remit/dep_01... Az3...  name, base64(key id || Ed25519 signature)

Read strictly: one spelling for each value, so that two readers never disagree about what
was signed. Signatures by others (witnesses) may follow and are left aside.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from remit.audit.merkle import HASH
from remit.kernel.errors import RemitError

_ED25519 = b"\x01"
_ID = 4
_SIGNATURE = 64
_MAX_NOTE = 1 << 16
_SIZE = re.compile(r"(0|[1-9][0-9]{0,17})\Z")
_DASH = "— "
_BODY_LINES = 3


class CheckpointInvalid(RemitError):
    """Not a checkpoint, or not signed by the log's key."""

    code = "integrity_failed"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A size and a root under the log's name. Whether it was signed is `verify`'s to say."""

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        """The signed text, with its last newline."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """The log's name and Ed25519 public key (32 bytes)."""

    name: str
    public: bytes

    @property
    def id(self) -> bytes:
        """The key id: SHA-256(name || 0x0A || 0x01 || public key), first four bytes."""
        return sha256(self.name.encode() + b"\n" + _ED25519 + self.public).digest()[:_ID]

    def text(self) -> str:
        """The C2SP vkey form: `name+hex id+base64(0x01 || public key)`."""
        return f"{self.name}+{self.id.hex()}+{base64.b64encode(_ED25519 + self.public).decode()}"


def parse_key(text: str) -> VerifierKey:
    """Read a vkey.

    Raises:
        CheckpointInvalid: It is none, or its id is not that of its name and key.
    """
    name, _, rest = text.strip().partition("+")
    hex_id, _, encoded = rest.partition("+")
    raw = _base64(encoded)
    if not _is_name(name) or len(raw) != 1 + HASH or raw[:1] != _ED25519:
        raise CheckpointInvalid("not an Ed25519 note verifier key")
    key = VerifierKey(name, raw[1:])
    if key.id.hex() != hex_id:
        raise CheckpointInvalid("the verifier key's id is not that of its name and key")
    return key


def sign(checkpoint: Checkpoint, key: VerifierKey, signer: Callable[[bytes], bytes]) -> str:
    """The signed note; `signer` is the log key's Ed25519."""
    text = checkpoint.text()
    signature = base64.b64encode(key.id + signer(text.encode())).decode()
    return f"{text}\n{_DASH}{key.name} {signature}\n"


def parse(note: str) -> Checkpoint:
    """Read a note's checkpoint without looking at its signatures.

    Raises:
        CheckpointInvalid: Not three lines, another spelling of a number or hash, or extension lines.
    """
    return _parse(note)[0]


def verify(note: str, key: VerifierKey) -> Checkpoint:
    """The checkpoint in `note`, if `key` signed it.

    Raises:
        CheckpointInvalid: Malformed; no signature by this key; or one that is wrong (each one counts).
    """
    checkpoint, text, signatures = _parse(note)
    if checkpoint.origin != key.name:
        raise CheckpointInvalid("the checkpoint is of another log", detail=checkpoint.origin[:80])
    mine = [raw[_ID:] for name, raw in signatures if name == key.name and raw[:_ID] == key.id]
    if not mine:
        raise CheckpointInvalid("the checkpoint is not signed by the log's key")
    public = Ed25519PublicKey.from_public_bytes(key.public)
    for signature in mine:
        try:
            public.verify(signature, text)
        except InvalidSignature:
            raise CheckpointInvalid("the checkpoint's signature is wrong") from None
    return checkpoint


def _parse(note: str) -> tuple[Checkpoint, bytes, list[tuple[str, bytes]]]:
    """Checkpoint, signed text, and (name, key id || signature) of each signature line."""
    if len(note) > _MAX_NOTE or any(char < " " and char != "\n" for char in note):
        raise CheckpointInvalid("not a signed note")
    # The last empty line separates: nothing in the text can be taken for a signature.
    at = note.rfind("\n\n")
    if at < 0 or not note.endswith("\n"):
        raise CheckpointInvalid("not a signed note")
    text, tail = note[: at + 1], note[at + 2 : -1]
    signatures = [_signature(line) for line in tail.split("\n")]
    lines = text[:-1].split("\n")
    if len(lines) != _BODY_LINES:
        raise CheckpointInvalid("a checkpoint is origin, size and root")
    origin, size, root = lines[0], lines[1], _base64(lines[2])
    if not _is_name(origin) or len(root) != HASH:
        raise CheckpointInvalid("the checkpoint's origin or root is malformed")
    return Checkpoint(origin, _size(size), root), text.encode(), signatures


def _signature(line: str) -> tuple[str, bytes]:
    name, _, encoded = line.removeprefix(_DASH).partition(" ")
    raw = _base64(encoded)
    if not line.startswith(_DASH) or not _is_name(name) or len(raw) <= _ID:
        raise CheckpointInvalid("a signature line is malformed")
    return name, raw


def _size(text: str) -> int:
    if not _SIZE.match(text):
        raise CheckpointInvalid("the checkpoint's size is malformed")
    return int(text)


def _is_name(text: str) -> bool:
    return bool(text) and "+" not in text and not any(char.isspace() for char in text)


def _base64(text: str) -> bytes:
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise CheckpointInvalid("not base64") from None
    # One spelling only: trailing bits could otherwise make two notes of one signature.
    if base64.b64encode(raw).decode() != text:
        raise CheckpointInvalid("not canonical base64")
    return raw
