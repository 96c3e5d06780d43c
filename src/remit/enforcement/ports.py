"""What the enforcement points ask of the rooms below; `server/compose.py` binds them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, Self

from remit.access.activation import Activation
from remit.access.model import Rule
from remit.attestation.model import Caller
from remit.catalog.injection import Credential, Injection, Variable
from remit.catalog.model import Server
from remit.enforcement.events import Event
from remit.enforcement.model import Limits
from remit.kernel.clock import Instant
from remit.kernel.names import ActionName, ServerName
from remit.outbound.model import Patience, Streamed
from remit.policy.declared.judge import Asked, Judgement
from remit.policy.model import Answer, Call, Denial, Proposal
from remit.storage.model import ConsumeApproval, ConsumeProof, Entry, Release, Reserve
from remit.vault.outgoing import Injected, Outgoing

if TYPE_CHECKING:
    from ssl import SSLContext

    from remit.outbound.response import Response


class View(Protocol):
    """One immutable picture of all facts."""

    @property
    def epoch(self) -> int:
        """Number of the last state change in it."""
        ...

    def fresh(self, now: Instant) -> bool:
        """Whether nothing newer can be in force elsewhere for longer than the staleness bound."""
        ...

    def server(self, name: str) -> Server | None:
        """The registered server of that name."""
        ...


class Decider(Protocol):
    """The policy decision point, over the newest view of its facts. All of it quick and in memory."""

    def view(self) -> View:
        """The newest view."""
        ...

    def ready(self, call: Call) -> bool:
        """Whether all that deciding `call` needs is in memory."""
        ...

    def prepare(self, agent: str, *, again: bool = False) -> None:
        """Load what is missing of an agent; with `again`, load it anew. Blocks: for a thread."""
        ...

    def started(self, activation: Activation) -> None:
        """An entitlement was started, and that is committed."""
        ...

    def justified(self, call: Call, at: Instant) -> None:
        """A call came to something, and that is recorded: its entitlement is in use."""
        ...

    def refused(self, call: Call, denial: Denial, at: Instant) -> None:
        """A call was denied, and that is recorded. It justifies nothing."""
        ...

    def failed(self, call: Call, at: Instant) -> None:
        """A call that was let through came to an error, and that is recorded. It justifies nothing."""
        ...

    def decide(self, call: Call, view: Any, *, now: Instant) -> Proposal:  # noqa: ANN401 - the view's own type is policy's
        """Propose an answer, and the effects that must commit with it."""
        ...

    def relaxed(self, proposal: Proposal, call: Call, view: Any) -> Proposal:  # noqa: ANN401 - as above
        """A proposal that came of the commit, as it stands on a server that is only observed."""
        ...

    def frozen(self, call: Call) -> Answer | None:
        """The denial of a call that a freeze covers, else None; quicker than `decide`."""
        ...

    def spent(self, effect: Reserve | ConsumeApproval, call: Call, proposal: Proposal, *, now: Instant) -> Proposal:
        """The proposal of a call whose reservation, or approval, found nothing left: its denial."""
        ...

    def consumed(self, effect: ConsumeApproval) -> None:
        """An approval was used, and that is committed."""
        ...

    def recorded(self, call: Call, proposal: Proposal, view: Any) -> tuple[Mapping[str, Any], Mapping[str, Any]]:  # noqa: ANN401 - as above
        """What an entry says of a decision: public fields, and what is sealed."""
        ...

    def told(self, denial: Denial, call: Call, *, epoch: int, evaluated_at: Instant) -> Mapping[str, Any]:
        """A denial as the agent gets it."""
        ...

    def shown(self, view: Any, caller: Caller) -> Collection[ActionName]:  # noqa: ANN401 - as above
        """The actions that the caller may see under its purpose."""
        ...

    def narrowed(
        self,
        view: Any,  # noqa: ANN401 - as above
        caller: Caller,
        action: ActionName,
        schema: Mapping[str, Any],
        *,
        now: Instant,
    ) -> Mapping[str, Any]:
        """A tool's pinned input schema, as far as the caller's boundaries let arguments through."""
        ...

    def rules(self, view: Any, caller: Caller, action: ActionName, *, now: Instant) -> Sequence[Rule]:  # noqa: ANN401 - as above
        """The rules of the caller's boundaries in force for an action, under its purpose."""
        ...

    def granted(self, caller: Caller, server: ServerName) -> frozenset[str]:
        """The methods of a server that the caller's boundaries grant under its purpose."""
        ...

    def conditions(
        self,
        view: Any,  # noqa: ANN401 - as above
        caller: Caller,
        action: ActionName,
        *,
        now: Instant,
    ) -> Mapping[str, Any]:
        """What of the caller's boundaries no schema says, as `_meta` of the tool; empty if there is nothing."""
        ...

    def used(self, reserved: Sequence[Reserve], values: Sequence[int]) -> None:
        """Counters' new values, after a commit."""
        ...

    def released(self, releases: Iterable[Release]) -> None:
        """Reservations were given back."""
        ...


class Judges(Protocol):
    """Who answers what is asked of the policy room beside agents' calls."""

    def judge(self, asked: Asked, view: Any, *, instance: str) -> Judgement:  # noqa: ANN401 - the view's own type is policy's
        """What the organisation's policies say about a question of its own types, asked by an enforcement point."""
        ...

    def judged_by(self, view: Any) -> Mapping[str, Any]:  # noqa: ANN401 - as above
        """What an entry says of the rules in force: their digests."""
        ...

    def fault(self, view: Any) -> str | None:  # noqa: ANN401 - as above
        """Why nothing can be said about the organisation's own types; None if something can."""
        ...

    def declared_ids(self, view: Any, kind: str) -> Sequence[str]:  # noqa: ANN401 - as above
        """The ids of stored entities of a type that is named as AuthZEN names it, in order."""
        ...

    def declared_actions(self, view: Any, subject: str, resource: str) -> Sequence[str]:  # noqa: ANN401 - as above
        """The names of the actions that apply to these types, in order."""
        ...

    def agents_naming(self, action: str) -> Sequence[str]:
        """The agents whose boundaries name an action, in order."""
        ...

    def answer_now(self, call: Call) -> Answer:
        """The answer that a call would get now, its effects dropped. Blocks: for a thread."""
        ...

    def named(self, agent: str) -> frozenset[ActionName]:
        """The actions that an agent's boundaries name; none if there is no such agent."""
        ...


class Records(Protocol):
    """Makes entries for the log."""

    def entry(
        self,
        kind: str,
        fields: Mapping[str, Any],
        *,
        id: str | None = None,  # noqa: A002 - the recorder's own name
        about: str | None = None,
        payload: Mapping[str, Any] | None = None,
    ) -> Entry:
        """An entry of `kind` whose public header carries `fields`."""
        ...


class Recovery(Protocol):
    """Remembers which allowed calls have no recorded outcome yet."""

    def note_open(self, decision: str) -> None:
        """A decision that will be forwarded if it stands is about to be handed to the writer."""
        ...

    def note_closed(self, decision: str) -> None:
        """Its outcome is durable, or nothing left after all."""
        ...


class Tokens(Protocol):
    """Says who makes a request."""

    def check(
        self,
        *,
        authorization: str | None,
        dpop: str | None,
        method: str,
        url: str,
        audiences: Collection[str],
        now: Instant,
        certificate: bytes | None = None,
    ) -> tuple[Caller, ConsumeProof | None]:
        """The caller, and the proof to consume with its decision. Raises TokenInvalid."""
        ...

    def still(self, caller: Caller, proof: ConsumeProof | None, *, now: Instant) -> None:
        """See that what `check` accepted holds at this later moment. Raises TokenInvalid."""
        ...


class Scanner(Protocol):
    """Looks for a secret in one response, chunk by chunk; best effort."""

    def feed(self, chunk: bytes) -> bool:
        """Whether it has been seen, in this chunk or before."""
        ...

    def named(self, names: Iterable[bytes]) -> bool:
        """Whether it has been seen, in these names of headers in whatever case, or before."""
        ...

    def held(self) -> int:
        """How many of the last bytes fed may be its beginning."""
        ...


class Secrets(Protocol):
    """Upstream credentials at the moment of use."""

    def header(self, injection: Injection, url: str) -> tuple[str, str, int]:
        """The header that carries the credential to a URL, and its version. Raises a RemitError if it may not."""
        ...

    def variable(self, injection: Variable) -> tuple[str, str, int]:
        """The variable that carries the credential, and its version. Raises a RemitError if the secret is missing."""
        ...

    def scanner(self, injection: Credential | None = None, instance: str = "") -> Scanner:
        """Looks for the injected secret in one response, which `instance` gets if the secret is made for one each."""
        ...


class Dialer(Protocol):
    """Outgoing HTTP that cannot be led astray."""

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        data: bytes | None = None,
        patience: Patience = ...,
    ) -> Response:
        """Send a request. Raises OutboundRefused, or OutboundFailed with `sent`."""
        ...


class HttpDialer(Protocol):
    """The same, for a request whose path, body and client certificate are its own."""

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Sequence[tuple[str, str]],
        data: bytes | Streamed | None = None,
        patience: Patience = ...,
        target: str | None = None,
        certificate: SSLContext | None = None,
    ) -> Response:
        """Send a request. Raises OutboundRefused, or OutboundFailed with `sent`."""
        ...


class Injects(Protocol):
    """What puts a credential into a request."""

    async def inject(self, credential: Credential, request: Outgoing) -> Injected:
        """What the request gets. Raises a RemitError if the secret is missing or does not fit."""
        ...

    def refused(self, credential: Credential, used: Injected) -> bool:
        """The server did not take it: whether another is worth a try."""
        ...


class Reply(Protocol):
    """A server's answer to one request, as an HTTP response would be; its body is yet to be read. A context manager."""

    @property
    def status(self) -> int:
        """An HTTP status."""
        ...

    @property
    def session(self) -> str | None:
        """The server's id of the session that this answer opens."""
        ...

    @property
    def json(self) -> bool:
        """Whether the body is one message."""
        ...

    @property
    def streams(self) -> bool:
        """Whether the body is a stream of messages."""
        ...

    async def __aenter__(self) -> Self:
        """Begin to read it."""
        ...

    async def __aexit__(self, *_: object) -> None:
        """End it: what was not read is not wanted any more."""
        ...

    def echoes(self, chunk: bytes) -> bool:
        """Whether the server sends its own credential back: the chunk must not go on."""
        ...

    async def read(self) -> bytes:
        """The one message. Raises TooLarge or UpstreamFailed."""
        ...

    def events(self) -> AsyncIterator[Event]:
        """The messages of a stream, as they come. Raises TooLarge or UpstreamFailed."""
        ...


class Upstream(Protocol):
    """The way to registered servers, with their credentials and without anything of the caller's."""

    @property
    def limits(self) -> Limits:
        """Sizes and times."""
        ...

    async def send(
        self,
        server: Server,
        *,
        headers: Mapping[str, str],
        data: bytes | None = None,
        method: str = "POST",
        call: Call | None = None,
    ) -> Reply:
        """Send one request. `call` is the admitted one that it belongs to; None if Remit asks for itself.

        Raises:
            RemitError: The credential is missing or frozen; nothing was sent.
            UpstreamFailed: No answer.
        """
        ...


class Mandates(Protocol):
    """Where an agent's mandate comes from. Blocks: for a thread."""

    def of(self, caller: Caller, *, server: str | None = None) -> Mapping[str, Any]:
        """The caller's mandate; with `server`, only what is on it. Raises a RemitError if nothing can be said."""
        ...


class Catalog(Protocol):
    """Where definitions that a server showed are compared with their pins and kept. Blocks: for a thread."""

    def observe(self, name: str, definitions: Sequence[Any], *, whole: bool) -> object:
        """Take note of a server's list of tools, of all that it has if it is `whole`."""
        ...
