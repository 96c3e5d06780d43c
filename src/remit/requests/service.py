"""Access requests: asked by agents, their enforcement points and people; answered by people; over by themselves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from shlex import quote
from typing import Any, Final

from remit.agents.sql import SqlAgents
from remit.kernel.canonical import canonical
from remit.kernel.clock import Clock, Instant, Micros, rfc3339
from remit.kernel.errors import Conflict, IntegrityFailed
from remit.kernel.names import AgentName, OwnerName, new_id
from remit.people.change import Actor, Changed, record
from remit.people.notices import SqlNotices
from remit.people.ports import Records
from remit.people.sql import SqlOwners
from remit.policy.approved import ANYBODY
from remit.policy.model import Answer, Approvers, Call, Code
from remit.requests import answer as rules
from remit.requests import dry
from remit.requests.binding import Binder
from remit.requests.model import LASTS, AccessRequest, RequestState, UnknownTask
from remit.requests.ports import DataKeys, Decider, Silence, Starter, Teller
from remit.requests.sealed import closed, opened
from remit.requests.sql import SqlRequests, text
from remit.requests.wanted import Wanted, repeated, request_of
from remit.storage.ports import Reader, Transaction, Writer

TOPIC: Final = "approvals"
MOST_WAITING: Final = 100  # of one agent: people are not flooded
_REMIT: Final = Actor(by="remit")
_STEP: Final = 100  # requests in one tick


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestService:
    """State changes of access requests. Worker threads only.

    Args:
        decider: Says what the answer to a call would be.
        binder: Reads what denials carry.
        data_keys: Seal what the agent wanted to send.
        starter: Starts an entitlement when the person who approves may; a function, because it is loaded later.
        teller: Tells approvers, and agents that gave a callback.
        behind: The person who gave a consent, by its id; "" if none is known.
    """

    writer: Writer
    reader: Reader
    records: Records
    clock: Clock
    decider: Decider
    binder: Binder
    data_keys: DataKeys
    starter: Callable[[], Starter]
    teller: Teller = Silence()  # noqa: RUF009 - it has no state
    behind: Callable[[str], str] = lambda _consent: ""

    # looking ----------------------------------------------------------------------------------

    def listing(self, *, state: str | None = None, agent: str | None = None, most: int = 100) -> list[AccessRequest]:
        """The newest, newest first."""
        return self.reader.read(lambda c: SqlRequests(c).newest(state=state, agent=agent, most=most))

    def find(self, name: str) -> AccessRequest:
        """One request. Raises UnknownTask."""
        return _known(self.reader.read(lambda connection: SqlRequests(connection).find(name)))

    def used_by(self, name: str) -> str:
        """The decision that used its approval; "" if none did."""
        return self.reader.read(lambda connection: SqlRequests(connection).used_by(name))

    def arguments(self, request: AccessRequest) -> Mapping[str, Any] | None:
        """What the agent would send, for the people who decide about it; None once it was erased.

        Raises:
            IntegrityFailed: They are not those that were asked for.
        """
        sealed = self.reader.read(lambda connection: SqlRequests(connection).sealed(request.request))
        found = opened(self.data_keys, agent=request.agent, request=request.request, sealed=sealed)
        own = request.agent == request.principal
        if found is not None and own and self.binder.binding(dry.again(request, found)) != request.binding:
            raise IntegrityFailed("the arguments of this request are not those that were asked for")
        return found

    def may(self, request: AccessRequest) -> tuple[str, ...]:
        """Who decides about it."""
        return self.reader.read(lambda connection: _people(connection, request))

    # asking -----------------------------------------------------------------------------------

    def ask(self, wanted: Wanted, *, by: Actor) -> AccessRequest:
        """Ask people to let a call pass once. The same question again, or the same key, is the same request.

        While it waits, the callback that was named last is the one that is called.

        Raises:
            BindingInvalid, DenialExpired: It does not go with the denial that it shows.
            NotRequestable: No person could let the call pass, or nobody needs to.
            DuplicateRequest: The asker's key stands for another question.
            Conflict: Too many of this agent's wait.
        """
        call, now = wanted.call, self.clock.now()
        if wanted.token is not None:
            self.binder.check(wanted.token, call, now=now)
        binding, on_behalf = self.binder.binding(call), self._behind(call)
        if (known := self.reader.read(lambda c: repeated(SqlRequests(c), wanted, binding, on_behalf))) is not None:
            if not wanted.elsewhere(known):
                return known
            return self.writer.change(partial(self._again, wanted=wanted, known=known, by=by))
        answer = self.decider.tried(call, self.decider.view(), now=now)
        dry.check_requestable(answer, person=wanted.token is None)
        request = request_of(wanted, answer, binding=binding, on_behalf=on_behalf, name=new_id("arq"), now=now)
        return self.writer.change(partial(self._asked, wanted=wanted, request=request, by=by))

    def _asked(self, tx: Transaction, wanted: Wanted, request: AccessRequest, by: Actor) -> AccessRequest:
        rows = SqlRequests(tx.connection)
        if (known := repeated(rows, wanted, request.binding, request.on_behalf)) is not None:
            return self._again(tx, wanted, known, by)
        if rows.waiting(request.agent, request.asked) >= MOST_WAITING:
            told = f"{MOST_WAITING} requests of {request.agent} wait for people already, or were taken back today"
            raise Conflict(told, try_="wait until people have answered")
        people = rules.others(request, _people(tx.connection, request))
        if len(people) < request.approvers.quorum:
            request = rules.failed(request, note=_NOBODY)
        arguments = wanted.call.arguments or {}
        rows.add(request, closed(self.data_keys, agent=request.agent, request=request.request, arguments=arguments))
        self._record(tx, None, request, "ask", by=by)
        if request.state is RequestState.PENDING:
            self.teller.asked(tx, request, people)
            self._notice(tx, request, "approval_asked")
        return request

    def _again(self, tx: Transaction, wanted: Wanted, known: AccessRequest, by: Actor) -> AccessRequest:
        """The same question once more; the asker may want to be called back elsewhere now."""
        before = _known(SqlRequests(tx.connection).find(known.request))  # people may have answered meanwhile
        if not wanted.elsewhere(before):
            return before
        after = replace(before, callback=wanted.callback, callback_state=wanted.callback_state)
        return self._put(tx, before, after, "callback", by=by)

    # answering --------------------------------------------------------------------------------

    def approve(self, name: str, *, by: Actor, lasts: Micros = LASTS, note: str = "") -> AccessRequest:
        """Say yes. An entitlement that only waits for its owner is started with it.

        Raises:
            UnknownTask, ApprovalDenied, InvalidTaskState, Malformed: As `answer.approve`.
            Conflict: The call would be refused all the same; its boundary has to be another first.
        """
        found = self.find(name)
        # The rules are asked first: whoever may not approve starts nothing and learns nothing.
        rules.approve(found, by=by.person, may=self.may(found), approval="", lasts=lasts, now=self.clock.now())
        approvers = self._passable(found, by)

        def apply(tx: Transaction) -> AccessRequest:
            before = _known(SqlRequests(tx.connection).find(name))
            asked = replace(before, approvers=approvers)
            may, others = _people(tx.connection, asked), approvers != before.approvers
            yes = partial(
                rules.approve, by=by.person, approval=new_id("apr"), lasts=lasts, now=self.clock.now(), note=note
            )
            if others and by.person not in may:
                # It was theirs while it had not started. Now it is known who decides: these are asked.
                yes(before, may=_people(tx.connection, before))
                after, change = asked, "route"
            else:
                after, change = yes(asked, may=may), "approve"
            if others and after.state is RequestState.PENDING:
                self.teller.asked(tx, after, rules.others(after, may))
            return self._put(tx, before, after, change, by=by)

        return self.writer.change(apply)

    def deny(self, name: str, *, by: Actor, note: str = "") -> AccessRequest:
        """Say no. Raises as `answer.deny`."""
        return self._change(
            name, "deny", by, lambda tx, it, now: rules.deny(
                it, by=by.person, may=_people(tx.connection, it), now=now, note=note
            )
        )  # fmt: skip

    def cancel(self, name: str, *, by: Actor, asker: str | None = None) -> AccessRequest:
        """Take it back; `asker` names an agent or enforcement point that is no person. Raises as `answer.cancel`."""
        return self._change(
            name, "cancel", by, lambda tx, it, now: rules.cancel(
                it, by=asker or by.person, may=() if asker else _people(tx.connection, it), now=now
            )
        )  # fmt: skip

    # time passes ------------------------------------------------------------------------------

    def tick(self) -> int:
        """End what nobody answered, and let go of what was long ago; how many. One indexed query."""
        now = self.clock.now()
        due = self.reader.read(lambda connection: SqlRequests(connection).due(now, _STEP))
        return sum(self.writer.change(partial(self._next, name=each.request)) for each in due)

    def forget(self) -> int:
        """Delete what ended long ago; how many. For the daily sweep: the log keeps who said what."""
        now = self.clock.now()

        def apply(tx: Transaction) -> int:
            rows = SqlRequests(tx.connection)
            over = rows.over(now, _STEP)
            for each in over:
                rows.remove(each.request)
                self._record(tx, each, None, "forget", by=_REMIT)
            return len(over)

        return self.writer.change(apply)

    def erase_within(self, tx: Transaction, agent: str, *, by: Actor) -> None:
        """What an agent wanted to send, and why in its own words, is gone, within a change; who said what stays."""
        rows = SqlRequests(tx.connection)
        for before in rows.of(agent):
            after = replace(before, why="")
            rows.erase(after)
            self._record(tx, before, after, "erase", by=by)

    def _next(self, tx: Transaction, name: str) -> int:
        before = _known(SqlRequests(tx.connection).find(name))
        after = rules.moved(before, now=self.clock.now())
        if after == before:
            return 0  # somebody was faster
        self._put(tx, before, after, "close" if after.state is before.state else "expire", by=_REMIT)
        return 1

    # each change ------------------------------------------------------------------------------

    def _change(
        self, name: str, change: str, by: Actor,
        apply: Callable[[Transaction, AccessRequest, Instant], AccessRequest],
    ) -> AccessRequest:  # fmt: skip
        def within(tx: Transaction) -> AccessRequest:
            before = _known(SqlRequests(tx.connection).find(name))
            return self._put(tx, before, apply(tx, before, self.clock.now()), change, by=by)

        return self.writer.change(within)

    def _passable(self, request: AccessRequest, by: Actor) -> Approvers:
        """Who may approve as things are now; sees that the call would pass once they have."""
        if request.agent != request.principal:
            return request.approvers  # what was handed on is known to its token alone; the call asks everything again
        if (arguments := self.arguments(request)) is None:
            raise Conflict("what the agent would send was erased: nobody can look at it any more")
        call = dry.again(request, arguments)
        first = self._tried(call, dry.without(self.decider.view()))
        if first.denial is not None and (first.denial.code, first.denial.reactivation) == (
            Code.ACTIVATION_LAPSED, "owner",
        ):  # fmt: skip
            self._starts(request, by)
            self.starter().start(request.agent, request.purpose, request.action, by=by)
            first = self._tried(call, dry.without(self.decider.view()))
        now = self.clock.now()
        # What the asking copy had read is not known of a question that nobody asks, and what refuses it before people
        # are needed does not say who: then it is as it was asked.
        approvers = (first.denial and first.denial.approvers) or request.approvers
        then = self._tried(call, dry.with_all(self.decider.view(), call, request, approvers, now=now))
        if dry.hopeless(then) and then.denial is not None:
            raise Conflict(
                f"it would be refused all the same: {then.denial.title}",
                try_="a boundary that covers it: remit apply DIR --approve, then approve this",
            )
        return approvers

    def _starts(self, request: AccessRequest, by: Actor) -> None:
        """See that it is theirs to start. Who is named for single calls undoes nothing that its owner has to."""
        if by.person not in self.may(replace(request, approvers=ANYBODY)):
            raise Conflict(
                f"{request.action} has to be started first, by who answers for {request.principal}",
                try_=f"remit activation start {request.principal} {quote(request.action)}",
            )

    def _tried(self, call: Call, view: Any) -> Answer:  # noqa: ANN401 - the decider's own
        return self.decider.tried(call, view, now=self.clock.now())

    def _put(
        self, tx: Transaction, before: AccessRequest, after: AccessRequest, change: str, *, by: Actor
    ) -> AccessRequest:
        SqlRequests(tx.connection).put(after)
        self._record(tx, before, after, change, by=by)
        if before.state is RequestState.PENDING and after.state is not RequestState.PENDING:
            self.teller.ended(tx, after)
            self._notice(tx, after, f"approval_{after.state}")
        return after

    def _record(
        self, tx: Transaction, before: AccessRequest | None, after: AccessRequest | None, change: str, *, by: Actor
    ) -> None:
        if (it := after or before) is None:
            return
        tx.touch(TOPIC)
        changed = Changed(
            what="access_request", name=it.request, change=change, before=None if before is None else text(before),
            after=None if after is None else text(after), more=_said(it),
        )  # fmt: skip
        record(tx, self.records, changed, by=by)

    def _notice(self, tx: Transaction, request: AccessRequest, what: str) -> None:
        said = {
            "what": what, "request": request.request, "action": request.action,
            "reason": f"{request.request}, asked by {request.asker}",
            "at": rfc3339(self.clock.now()), "try": f"remit approval show {request.request}",
        }  # fmt: skip
        SqlNotices(tx.connection).put(request.principal, canonical(said).decode("utf-8"))

    def _behind(self, call: Call) -> str:
        return self.behind(call.caller.consent) if call.caller.consent else ""


_NOBODY: Final = "nobody is left who may approve it"


def _people(connection: Any, request: AccessRequest) -> tuple[str, ...]:  # noqa: ANN401 - SQLAlchemy's
    agents, owners = SqlAgents(connection), SqlOwners(connection)
    agent = agents.find(AgentName(request.principal))
    owner = None if agent is None else owners.find(OwnerName(agent.owner))
    return rules.people(request.approvers, owner, owners.find)


def _said(it: AccessRequest) -> dict[str, Any]:
    """What the log says in clear: never an argument."""
    return {
        "agent": it.agent, "purpose": it.purpose, "action": it.action, "binding": it.binding,
        "request_state": it.state.value, "asker": it.asker, "yes": list(it.yes),
        **({"acts_for": it.principal} if it.principal != it.agent else {}),
        **({"approval": it.approval, "until": rfc3339(it.until)} if it.approval else {}),
    }  # fmt: skip


def _known(found: AccessRequest | None) -> AccessRequest:
    if found is None:
        raise UnknownTask("there is no such request", try_="remit approval list")
    return found
