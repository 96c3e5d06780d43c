"""What a document says of a credential that is changed over HTTP. Values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from remit.kernel.errors import Malformed
from remit.vault.rotators.request import Request, pointer, request

ROTATION, VALUE = "rotation", "value"
_MAX_LENGTH, _LEAST = 512, 16
_ALPHABET: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_FEWEST: Final = 10  # different characters of an alphabet
_KEYS: Final = frozenset(
    {
        "admin",
        "sign",
        "create",
        "verify",
        "revoke",
        "confirm",
        "leftovers",
        "propose",
        "value_at",
        "attributes_at",
        "by_hand",
    }
)
_GONE: Final = (404, 410)
UNUSABLE: Final = (401, 403)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signs:
    """What Remit shows to a provider. `admin`: the secret's name; empty: the credential authorises its successor.

    With `user` it is Basic; else `header` gets `format`, in which `{}` stands for the value.
    """

    admin: str = ""
    header: str = "Authorization"
    format: str = "Bearer {}"
    user: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Propose:
    """How Remit chooses a value, and what of the new credential is known before it is made."""

    length: int
    alphabet: str
    attributes: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Leftovers:
    """How a credential is found that was made and not recorded: by the mark that `create` put on it."""

    request: Request
    items: str
    attributes_at: Mapping[str, str]
    label_at: str
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpSettings:
    """All of it. `value_at`: empty where Remit proposes. `confirm`: None: the verifying request is made with the old
    one. `gone`: the answers that say it is gone. `by_hand`: what is known of a value that a person set.
    """

    signs: Signs
    create: Request
    verify: Request
    revoke: Request
    confirm: Request | None
    gone: tuple[int, ...]
    propose: Propose | None
    value_at: str | None
    attributes_at: Mapping[str, str]
    leftovers: Leftovers | None
    by_hand: Mapping[str, str]


def settings(said: Mapping[str, Any]) -> HttpSettings:
    """Read them.

    Raises:
        Malformed: Something is missing, unknown, or no such thing.
    """
    if unknown := sorted(set(said) - _KEYS):
        raise Malformed(f"the http rotator has no {unknown[0]}"[:120], try_=f"known are {', '.join(sorted(_KEYS))}")
    attributes_at = _pointers(said.get("attributes_at", {}), what="attributes_at")
    propose = None if said.get("propose") is None else _propose(said["propose"])
    if (propose is None) is (said.get("value_at") is None):
        raise Malformed("either propose, or value_at: who chooses the value")
    made = set(attributes_at) | set(propose.attributes if propose else ())
    if reserved := made & {ROTATION, VALUE}:
        raise Malformed(f"no attribute is called {min(reserved)}")
    known = sorted({ROTATION, VALUE, *made})
    before = sorted({ROTATION, *({VALUE, *propose.attributes} if propose else ())})  # what is known before it is made
    confirm = None if said.get("confirm") is None else request(said["confirm"], what="confirm", known=known)
    return HttpSettings(
        signs=_signs(said.get("admin", ""), said.get("sign", {})),
        create=request(said.get("create"), what="create", known=before),
        verify=_verify(said.get("verify"), known=known),
        revoke=_revoke(said.get("revoke"), known=known),
        confirm=confirm,
        gone=_gone(confirm),
        propose=propose,
        value_at=None if propose else pointer(said["value_at"], what="value_at"),
        attributes_at=attributes_at,
        leftovers=None if said.get("leftovers") is None else _leftovers(said["leftovers"], attributes_at),
        by_hand=_texts(said.get("by_hand", {}), what="by_hand"),
    )


def _gone(confirm: Request | None) -> tuple[int, ...]:
    """The answers that say it is gone. Asked as the admin, 401 and 403 are about the admin, who may not look."""
    if confirm is None:
        return UNUSABLE
    return confirm.status or ((*UNUSABLE, *_GONE) if VALUE in confirm.places() else _GONE)


def _verify(said: object, *, known: list[str]) -> Request:
    found = request(said, what="verify", known=known)
    if VALUE not in found.places():
        raise Malformed("verify uses the new credential: {value} stands in it")
    return found


def _revoke(said: object, *, known: list[str]) -> Request:
    found = request(said, what="revoke", known=known)
    if not found.places() - {ROTATION}:
        raise Malformed("revoke says which credential: {value} or an attribute stands in it")
    return found


def _signs(admin: object, said: object) -> Signs:
    names = {"header", "format", "user"}
    if not isinstance(admin, str):
        raise Malformed("admin is the name of a secret")
    if not isinstance(said, Mapping) or set(said) - names or not all(isinstance(each, str) for each in said.values()):
        raise Malformed("sign is {header, format} or {user}")
    found = Signs(admin=admin, **said)
    if found.format.count("{}") != 1 or ":" in found.user:
        raise Malformed("sign: format has {} once, and a user no colon")
    probe = {"url": "http://a", "headers": {found.header: found.format.replace("{}", "") + found.user}}
    request(probe, what="sign", known=())
    return found


def _propose(said: object) -> Propose:
    if not isinstance(said, Mapping) or set(said) - {"length", "alphabet", "attributes"}:
        raise Malformed("propose is {length, alphabet, attributes}")
    length, alphabet, attributes = said.get("length", 40), said.get("alphabet", _ALPHABET), said.get("attributes", {})
    if not isinstance(length, int) or isinstance(length, bool) or not _LEAST <= length <= _MAX_LENGTH:
        raise Malformed(f"propose: length is {_LEAST} to {_MAX_LENGTH}")
    fits = isinstance(alphabet, str) and all(0x21 <= ord(each) <= 0x7E for each in alphabet)  # noqa: PLR2004 - visible ASCII
    if not fits or len(set(alphabet)) != len(alphabet) or len(alphabet) < _FEWEST:
        raise Malformed(f"propose: alphabet has {_FEWEST} different visible characters at least")
    known = _texts(attributes, what="propose: attributes")
    return Propose(length=length, alphabet=alphabet, attributes=known)


def _leftovers(said: object, attributes_at: Mapping[str, str]) -> Leftovers:
    if not isinstance(said, Mapping):
        raise Malformed("leftovers is a request, with items and label_at")
    own = {"items", "attributes_at", "label_at", "label"}
    asked = request({name: each for name, each in said.items() if name not in own}, what="leftovers", known=(ROTATION,))
    label = said.get("label", "{rotation}")
    if not isinstance(label, str) or "{rotation}" not in label:
        raise Malformed("leftovers: label has {rotation} in it: what bears another mark is not Remit's to remove")
    return Leftovers(
        request=asked,
        items=pointer(said.get("items", ""), what="leftovers: items"),
        attributes_at=_pointers(said.get("attributes_at", attributes_at), what="leftovers: attributes_at"),
        label_at=pointer(said.get("label_at"), what="leftovers: label_at"),
        label=label,
    )


def _pointers(said: object, *, what: str) -> dict[str, str]:
    if not isinstance(said, Mapping):
        raise Malformed(f"{what} is a table of JSON pointers")
    return {str(name): pointer(each, what=what) for name, each in said.items()}


def _texts(said: object, *, what: str) -> dict[str, str]:
    if not isinstance(said, Mapping) or not all(isinstance(each, str) for each in said.values()):
        raise Malformed(f"{what}: a table of texts")
    return {str(name): text for name, text in said.items()}
