"""What a denial carries so that a person can be asked about that very call; nothing is stored for it.

    binding_token = base64url(JSON {binding, code, exp}) "." base64url(HMAC-SHA256 of that)

`binding` is the keyed hash of agent, purpose, action and arguments: the token says that a call was denied here, and
which one, to nobody but this deployment. `exp` is the end of the next UTC day, so that equal denials look equal.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from remit.kernel.canonical import canonical, parse
from remit.kernel.clock import DAY, SECOND, Instant, rfc3339, window_end
from remit.kernel.errors import Malformed
from remit.policy.approved import bound_to
from remit.policy.model import Call, Code, Denial
from remit.requests.model import BindingInvalid, DenialExpired

LABEL: Final = "requests/binding"  # what the key is derived for
PATH: Final = "/access/v1/requests"
_REQUESTABLE: Final = frozenset(
    {"approval_required", "activation_lapsed", "not_granted", "constraint_violated", "flow_blocked"}
)
_MOST: Final = 2048  # characters of a token
_MAC: Final = 43  # characters of base64url


@dataclass(frozen=True, slots=True, kw_only=True)
class Binder:
    """Makes and reads binding tokens.

    Args:
        base: This deployment's URL.
        key: 32 bytes, the same on every node.
        mac: The recorder's keyed hash.
    """

    base: str
    key: bytes
    mac: Callable[[bytes], str]

    def binding(self, call: Call) -> str:
        """The keyed hash of the very call."""
        return self.mac(bound_to(call))

    def block(self, call: Call, denial: Denial, now: Instant) -> Mapping[str, Any] | None:
        """`access_request` of a denial (ARAP, requestable denial); None where no person could help."""
        if not requestable(denial.code) or call.tool is None:
            return None
        if all(remedy.kind != "request_access" or "break_glass" in remedy.fields for remedy in denial.remedies):
            return None
        expires = Instant(window_end("day", now) + DAY)
        said = {"binding": self.binding(call), "code": denial.code.value, "exp": expires // SECOND}
        return {
            "endpoint": self.base + PATH,
            "template": "call",
            "expires_at": rfc3339(expires),
            "binding_token": self._signed(canonical(said)),
        }

    def check(self, token: str, call: Call, *, now: Instant) -> str:
        """The code of the denial that `token` was given with.

        Raises:
            BindingInvalid: It is none of this deployment's, or was given for another call.
            DenialExpired: It is too old.
        """
        said = self._read(token)
        if not hmac.compare_digest(str(said.get("binding")), self.binding(call)):
            raise BindingInvalid("the request is about another call than the one that was denied")
        if now // SECOND >= int(said["exp"]):
            raise DenialExpired("that denial is too old to ask about", try_="call again, and ask with the new denial")
        return str(said["code"])

    def _signed(self, said: bytes) -> str:
        return f"{_text(said)}.{_text(self._mac(said))}"

    def _read(self, token: str) -> Mapping[str, Any]:
        body, _, shown = token.partition(".")
        try:
            said = base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))
        except (ValueError, binascii.Error) as error:
            raise BindingInvalid("binding_token is none of this deployment's") from error
        fits = len(token) <= _MOST and len(shown) == _MAC and shown.isascii()
        if not fits or not hmac.compare_digest(shown, _text(self._mac(said))):
            raise BindingInvalid("binding_token is none of this deployment's")
        try:
            found: Mapping[str, Any] = parse(said)
        except Malformed as error:
            raise BindingInvalid("binding_token is none of this deployment's") from error
        return found

    def _mac(self, said: bytes) -> bytes:
        return hmac.digest(self.key, said, "sha256")


def requestable(code: Code) -> bool:
    """Whether a person could let pass what is refused with this code."""
    return code.value in _REQUESTABLE


def _text(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode("ascii")
