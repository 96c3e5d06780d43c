"""What changes one kind of credential at its provider. One file each in `vault/rotators/`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from remit.kernel.clock import SECOND, Instant, Micros
from remit.kernel.errors import RemitError
from remit.kernel.names import SecretName
from remit.vault.allowed import Going
from remit.vault.document import Cause
from remit.vault.model import Material

HOLDS: Final = Micros(6 * SECOND)
"""For how long at least nobody else may take a step whose plan `holds`."""


class Refused(RemitError):
    """The provider, or what the credential is for, said no: trying again would come to the same."""

    code = "enforcement_unavailable"


class Doubtful(RemitError):
    """What should be taken away may be this rotation's own or a person's: it is taken away by people alone."""

    code = "enforcement_unavailable"


class Unclear(RemitError):
    """No answer, or none that can be understood: whether it was done is not known. It is done again."""

    code = "enforcement_unavailable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One rotation as its rotator sees it.

    Args:
        rotation: Its id, the same at every attempt: what a provider can be told to know it again by.
        secret: What is rotated.
        version: Of the new credential.
        settings: The rotator's own, as the secret's document has them.
        admin: Opens another secret, for what a rotator signs in with. Raises SecretUnavailable.
        started: When it began, before the provider was asked for anything.
        current: What calls use now; None if nothing yet.
        known: The attributes of every version whose value is held: what stands at the provider beside these, is of
            this rotation's kind and was made since `started` is left over from an attempt that was not recorded.
        attempt: Which claim of the rotation asks. What is made bears its number (`mark`): an attempt that comes late,
            after another has taken its place, tells what the other made from what was left before itself.
        holds: Whether this attempt still has the step, and has it for `HOLDS` from now on. Reads the database: for a
            thread. A provider that does what it is asked within a transaction is asked after this, within that one.
        asked: When attempts before this one may have made a new one that nobody recorded: from, to.
        cause: Why it is changed: what is exposed or frozen is ended at the provider wherever it is in use.
    """

    rotation: str
    secret: SecretName
    version: int
    settings: Mapping[str, Any]
    admin: Admin
    started: Instant
    current: Material | None
    known: tuple[Mapping[str, str], ...]
    asked: tuple[tuple[Instant, Instant], ...] = ()
    cause: Cause = Cause.ASKED
    attempt: int = 1
    holds: Callable[[], bool] = lambda: True

    @property
    def mark(self) -> str:
        """What this attempt makes is known by."""
        return marked(self.rotation, self.attempt)

    @property
    def older(self) -> frozenset[str]:
        """The marks of what was left by the attempts before this one."""
        return frozenset(marked(self.rotation, attempt) for attempt in range(1, self.attempt))


def marked(rotation: str, attempt: int) -> str:
    """The mark of what one attempt of a rotation makes."""
    return f"{rotation}.{attempt}"


class Admin(Protocol):
    """Opens a secret by name."""

    def __call__(self, name: str) -> Material:
        """Raises SecretUnavailable."""
        ...


class Admins(Protocol):
    """Opens a secret by name, to sign in with it at these places.

    `ends`: to take away what there is, which a freeze of that secret does not keep from being taken away.
    """

    def __call__(self, name: str, *, at: Sequence[Going], ends: bool = ...) -> Material:
        """Raises SecretUnavailable: also where its document does not let it go there, and where it is frozen."""
        ...


class Rotator(Protocol):
    """Every method may be called again with the same plan, after any of them, and comes to the same.

    Nothing that any of them raises or returns for people carries a value. All give up by themselves within 10 s.
    """

    def propose(self, plan: Plan) -> Material | None:
        """The new credential, where Remit chooses it; None where the provider does. Asks nobody.

        What is returned is sealed and durable before `create` is called with it. Raises Refused: there is no place for
        another one, and nothing is begun.
        """
        ...

    async def create(self, plan: Plan, proposed: Material | None) -> Material:
        """Make it at the provider. Raises Refused, Unclear."""
        ...

    async def verify(self, plan: Plan, new: Material) -> None:
        """Use it as a call would. Raises Refused: it does not work; Unclear."""
        ...

    async def revoke(self, plan: Plan, old: Material) -> None:
        """Take one away, which may be gone already. Raises Refused, Unclear; Doubtful: it may be a person's."""
        ...

    async def gone(self, plan: Plan, old: Material) -> bool:
        """Whether it is, read anew from the provider. Raises Refused, Unclear."""
        ...


@dataclass(frozen=True, slots=True)
class Answered:
    """A provider's answer over HTTP: the body is whole, at most 64 KiB."""

    status: int
    body: bytes


class Send(Protocol):
    """Sends one request to a provider, by the rules of what may be reached (`outbound`); follows no redirect."""

    async def __call__(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Answered:
        """Raises Unclear."""
        ...


class Resolve(Protocol):
    """The addresses of a provider that speaks no HTTP, by the rules of what may be reached (`outbound`)."""

    async def __call__(self, host: str, port: int) -> tuple[str, ...]:
        """As numbers, in the order to try. Raises Refused: it may not be reached; Unclear: it has none."""
        ...
