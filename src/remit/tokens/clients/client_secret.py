"""`client_secret_basic` and `client_secret_post` (RFC 6749 section 2.3.1): off unless the operator turns them on.

A secret that is shown can be stolen on the way and be used by whoever has it. They are here for stock clients that
know nothing else, and an agent that has one is a finding of `remit doctor`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import threading
from collections import OrderedDict
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from remit.agents.binding import Binding
from remit.agents.bindings.client_secret import HASH, METHOD, SALT_BYTES, fits, hashed
from remit.attestation.model import Attested
from remit.kernel.clock import SECOND, Instant
from remit.kernel.errors import Overloaded
from remit.kernel.names import AgentName
from remit.tokens.clients.ports import Client
from remit.tokens.form import one
from remit.tokens.model import RETRY_AFTER, Asked, OAuthError, TokenRefused
from remit.tokens.ports import Standing
from remit.tokens.refusals import Budget

BASIC, POST = "client_secret_basic", "client_secret_post"
_BURST = 10  # guesses at once, by the name that is claimed; then one each `RETRY_AFTER`
_NAMES = 4096
_MOST = 512  # characters
_TRIES = 2  # hashes for a secret that is not known, whoever is named: an agent has two while it changes them
_AT_ONCE = 2  # hashes that are computed side by side: each takes 32 MiB and a tenth of a second
_IN_ALL = 8  # with those that wait; more would leave no thread for clients that have keys


class Secrets:
    """Tells whose secret it is, at a bounded rate. Shared by both methods."""

    def __init__(self, standing: Standing) -> None:
        self._standing = standing
        self._lock = threading.Lock()
        self._budgets: OrderedDict[str, Budget] = OrderedDict()
        self._hashing = threading.BoundedSemaphore(_AT_ONCE)
        self._waiting = threading.BoundedSemaphore(_IN_ALL)
        # A secret that was good is known again by a quick MAC under a key of this process alone. Whoever has it
        # already is not held up by others who guess, and a stolen database is no easier to guess from.
        self._key = os.urandom(32)
        self._good: dict[str, bytes] = {}
        # Stands in for the hashes of an agent that does not exist or has fewer, so that it takes as long.
        self._decoy = hashed(base64.b64encode(os.urandom(32)).decode("ascii"), salt=os.urandom(SALT_BYTES))

    def authenticate(self, client: str, secret: str, method: str, *, now: Instant) -> Client:
        """Whose secret it is.

        Raises:
            TokenRefused: invalid_client, in one text; 429 where a name was tried too often, whether it exists or not.
            Overloaded: Too many secrets are being looked at, of whatever names.
        """
        found = self._standing.agent_standing(client, now) if 0 < len(secret) <= _MOST else None
        bindings = [] if found is None else [each for each in found.agent.bindings if each.method == METHOD]
        known = hmac.digest(self._key, secret.encode("utf-8", "surrogatepass"), "sha256")
        for each in bindings:
            if hmac.compare_digest(self._good.get(each.credential, b""), known):
                return _attested(client, each, method), None
        self._take(client, now)
        right = self._right(bindings, secret)
        if right is None:
            raise _refused("no such agent, or another secret")
        self._good[right.credential] = known
        return _attested(client, right, method), None

    def _right(self, bindings: list[Binding], secret: str) -> Binding | None:
        if not self._waiting.acquire(blocking=False):
            raise Overloaded("too many clients authenticate with a secret just now", try_="again in a second")
        try:
            with self._hashing:
                fitting = [each for each in bindings if fits(secret, each.said[HASH])]
                for _ in range(len(bindings), _TRIES):
                    fits(secret, self._decoy)
                return fitting[0] if fitting else None
        finally:
            self._waiting.release()

    def _take(self, client: str, now: Instant) -> None:
        name = hashlib.sha256(client.encode("utf-8", "surrogatepass")).hexdigest()
        with self._lock:
            budget = self._budgets.pop(name, None) or Budget(every=RETRY_AFTER * SECOND, burst=_BURST)
            self._budgets[name] = budget
            if len(self._budgets) > _NAMES:
                self._budgets.popitem(last=False)
            left = budget.take(now)
        if left is None:
            raise TokenRefused(
                OAuthError.INVALID_CLIENT, "too many attempts", reason="too many attempts on one name", status=429
            )


@dataclass(frozen=True, slots=True)
class SecretPost:
    """Implements `clients.ports.ClientMethod`: both in the form."""

    secrets: Secrets
    name: str = POST

    def used(self, asked: Asked) -> bool:
        """A secret stands in the form."""
        return "client_secret" in asked.form

    def authenticate(self, asked: Asked, *, now: Instant) -> Client:
        """Whose secret it is."""
        form = asked.form
        client, secret = one(form, "client_id") or "", one(form, "client_secret") or ""
        return self.secrets.authenticate(client, secret, POST, now=now)


@dataclass(frozen=True, slots=True)
class SecretBasic:
    """Implements `clients.ports.ClientMethod`: both in `Authorization: Basic`, each form-encoded before."""

    secrets: Secrets
    name: str = BASIC

    def used(self, asked: Asked) -> bool:
        """It came so."""
        return (asked.authorization or "").partition(" ")[0].lower() == "basic"

    def authenticate(self, asked: Asked, *, now: Instant) -> Client:
        """Whose secret it is."""
        client, secret = _credentials((asked.authorization or "").partition(" ")[2].strip())
        return self.secrets.authenticate(client, secret, BASIC, now=now)


def _credentials(encoded: str) -> tuple[str, str]:
    try:
        client, _, secret = base64.b64decode(encoded, validate=True).partition(b":")
        return _plain(client), _plain(secret)
    except (binascii.Error, ValueError) as error:
        raise _refused("the Basic credentials cannot be read") from error


def _plain(text: bytes) -> str:
    return unquote_to_bytes(text.replace(b"+", b" ")).decode("utf-8")


def _attested(client: str, binding: Binding, method: str) -> Attested:
    return Attested(agent=AgentName(client), credential=binding.credential, method=method)


def _refused(reason: str) -> TokenRefused:
    return TokenRefused(OAuthError.INVALID_CLIENT, "client authentication failed", reason=reason)
