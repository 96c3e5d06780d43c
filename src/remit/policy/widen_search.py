"""A request that a change of policies lets through: looked for at the edges, and shown only once it was decided.

Where the structure cannot prove that nothing is let through, calls are tried on both sides: those of agents that
there are, then those of an agent that nothing but the organisation's policies could stop. What is shown was denied
by the very same decision that real calls get, and is allowed by it with the policies as they are to be. Bounded and
in a fixed order, so that the same change always gets the same answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice, product
from typing import Final

from remit.catalog.model import Tier
from remit.kernel.clock import Instant
from remit.kernel.names import split_action, tool_action
from remit.policy import schema
from remit.policy.candidates import Place, calls, compared
from remit.policy.decide import decide
from remit.policy.guess import ERROR, UNKNOWN, Request, stopped
from remit.policy.methods import target
from remit.policy.model import Answer
from remit.policy.normal import Term, tests
from remit.policy.organisation import PREFIX, Organisation, Policy
from remit.policy.ports import Ruling
from remit.policy.sample import sample
from remit.policy.schema import input_schema
from remit.policy.shape import Unreadable, read
from remit.policy.slices import Slices, Subject, context
from remit.policy.stage import made_up, stage
from remit.policy.trial import Trial
from remit.policy.view import ServerRecord, View
from remit.policy.widen import Change

_GUESSES: Final = 40_000  # calls guessed at for one change
_ASKED: Final = 60  # of these, how many the engine is asked about
_FEW: Final = 4  # values tried of each thing that a policy says of who calls
_TOOLS: Final = 3
_OWN_AGENTS: Final = 6


@dataclass(frozen=True, slots=True)
class Shown:
    """A call that was denied and would be allowed. `real`: of an agent that there is, as it stands now.

    Of a permit, `cedar` says that the engine alone was asked: an agent's call needs a boundary as well.
    """

    trial: Trial
    before: Answer | None
    after: Answer | None
    real: bool
    cedar: bool = False
    given: str = ""  # what must have come before it


@dataclass(slots=True)
class Search:
    """Looks for such calls.

    Args:
        before: The policies as they are.
        after: As they are to be. Both have serials of their own, which no other policies have.
        slices: Of its own: what is tried must not push out what real calls use.
        servers: What can be called; None if no catalog is at hand, and tools are made up.
        tiers: By action, where no catalog says it.
        now: When.
        places: Agents that there are and that may call one of some actions (or groups; none: any), with the world
            they are in: looked at first.
    """

    before: Organisation
    after: Organisation
    slices: Slices
    servers: Mapping[str, ServerRecord] | None
    now: Instant
    tiers: Mapping[str, Tier] = field(default_factory=dict)
    places: Callable[[Sequence[str]], Iterable[tuple[Trial, View]]] = lambda _actions: ()
    left: int = 400_000  # guesses left in all
    _alone: int = -1

    def find(self, change: Change) -> Shown | None:
        """A call that `change` lets through, or None if none was found."""
        old, new = _tests(change.before), _tests(change.after)
        about = compared([*old, *new])
        was = change.before
        if was is not None and (found := self._stopped(was, old, new, about)) is not None:
            return found
        if change.after is not None and not change.after.forbids:
            return self._permitted(change, old, new, about)
        return None

    # a forbid that goes or is weakened --------------------------------------------------------

    def _stopped(
        self, was: Policy, old: Sequence[Term], new: Sequence[Term], about: Mapping[Place, list[Term]]
    ) -> Shown | None:
        alone = replace(self.after, policies=(was,), serial=self._serial(), titles={was.id: was.title})
        for base, world, real in self._bases(about):
            before, after = (self._in(world, each) for each in (self.before, self.after))
            only = self._in(world, alone)
            for trial in islice(self._guessed(was, base, about, old, new), _ASKED):
                call, now = trial.call(), trial.now
                first, second = decide(call, before, now=now).answer, decide(call, after, now=now).answer
                if not first.allowed and second.allowed and not decide(call, only, now=now).answer.allowed:
                    return Shown(trial, first, second, real)
        return None

    def _guessed(
        self, was: Policy, base: Trial, about: Mapping[Place, list[Term]], old: Sequence[Term], new: Sequence[Term]
    ) -> Iterator[Trial]:
        """Calls that the policy as it was would stop, and as it is to be would not. A permit stops by an error."""
        stops = {True, ERROR, UNKNOWN} if was.forbids else {ERROR, UNKNOWN}
        for trial in self._tried(base, about):
            request = trial.request()
            if stopped(old, request) in stops and (not new or stopped(new, request) in {False, UNKNOWN}):
                yield trial

    # a permit that comes ----------------------------------------------------------------------

    def _permitted(
        self, change: Change, old: Sequence[Term], new: Sequence[Term], about: Mapping[Place, list[Term]]
    ) -> Shown | None:
        policy = change.policy
        for base, world, real in self._bases(about, real=False):
            guessed = (
                trial
                for trial in self._tried(base, about)
                if _may(stopped(new, request := trial.request())) and not (old and _surely(old, request))
            )
            for trial in islice(guessed, _ASKED):
                first = self._cedar(trial, world, self.before)
                second = self._cedar(trial, world, self.after)
                if first is not None and second is not None and PREFIX + policy.id in second and not first:
                    return Shown(trial, None, None, real, cedar=True)
        return None

    def _cedar(self, trial: Trial, world: View, organisation: Organisation) -> tuple[str, ...] | None:
        """The policies by which the engine, asked alone, says Allow; empty if it does not, None if it was not asked."""
        call = trial.call()
        server = world.servers[call.server]
        tool = target(server, trial.action)
        subject = Subject(world.agents[trial.agent], world.purposes[call.caller.purpose], server, tool, trial.action)
        try:
            values = read(subject.shape, trial.arguments)
        except Unreadable:
            return None
        verdict, _ = self.slices.ask(subject, organisation, None, context(call, values, now=trial.now))
        return verdict.reasons if verdict.ruling is Ruling.ALLOW and not verdict.errors else ()

    # where to try -----------------------------------------------------------------------------

    def _tried(self, base: Trial, about: Mapping[Place, list[Term]]) -> Iterator[Trial]:
        for trial in islice(calls(base, about), max(0, min(self.left, _GUESSES))):
            self.left -= 1
            yield trial

    def _in(self, world: View, organisation: Organisation) -> View:
        return replace(world, organisation=organisation, slices=self.slices)

    def _serial(self) -> int:
        self._alone -= 1
        return self._alone

    def _bases(self, about: Mapping[Place, list[Term]], *, real: bool = True) -> Iterator[tuple[Trial, View, bool]]:
        actions = _named(about, ("action",), schema.ACTION)
        if real:
            yield from ((trial, world, True) for trial, world in islice(self.places(actions), _OWN_AGENTS))
        tried = self._actions(actions, _named(about, ("resource",), schema.SERVER))
        servers = made_up(tried, about) if self.servers is None else self.servers
        for action in tried:
            base = _base(servers, action, self.now)
            for who in _callers(base, about):
                yield who, stage(who, servers[who.server], self.before, self.slices), False

    def _actions(self, named: Sequence[str], servers: Sequence[str]) -> dict[str, Tier]:
        """What to call, with the tier of each: what is named, of a group a few."""
        found: dict[str, Tier] = {}
        for name in named or [f"server:{server}" for server in servers] or [""]:
            kind, _, rest = name.partition(":")
            if "/" in name and self.servers is None:
                found[name] = self.tiers.get(name, Tier.HIGH)
            elif self.servers is None:
                server = rest if kind == "server" else "any-server"
                tier = Tier(rest) if kind == "tier" and rest in set(Tier) else Tier.HIGH
                found[f"{server}/any"] = tier
            else:
                found |= dict(islice(_of_catalog(self.servers, name), _TOOLS))
        return found


def _of_catalog(servers: Mapping[str, ServerRecord], name: str) -> Iterator[tuple[str, Tier]]:
    for server, record in sorted(servers.items()):
        for tool, known in sorted(record.tools.items()):
            action = tool_action(server, tool)
            if not name or name == action or name in schema.groups_of(server, known.tier):
                yield action, known.tier


def _tests(policy: Policy | None) -> Sequence[Term]:
    return () if policy is None else tests(policy.cedar)


def _may(said: bool | str) -> bool:  # noqa: FBT001 - what a policy said
    return said is True or said == UNKNOWN


def _surely(old: Sequence[Term], request: Request) -> bool:
    return stopped(old, request) is True


def _base(servers: Mapping[str, ServerRecord], action: str, now: Instant) -> Trial:
    server, name, _ = split_action(action)
    tool = next(each for known, each in servers[server].tools.items() if known == name)
    return Trial(
        agent="any-agent",
        owner="any-owner",
        version="1.0",
        purpose="any-purpose",
        classes=(),
        action=action,
        groups=tuple(schema.groups_of(server, tool.tier)),
        shape=tool.shape,
        now=now,
        arguments=sample(input_schema(tool.tool)),
    )


def _callers(base: Trial, about: Mapping[Place, list[Term]]) -> Iterator[Trial]:
    """Who might call, for what: whoever the policy names, and somebody else."""
    agents = [*_named(about, ("principal",), schema.AGENT), *_texts(about, ("principal", "name")), base.agent]
    owners = [
        *_named(about, ("principal",), schema.OWNER),
        *_named(about, ("principal", "owner"), schema.OWNER),
        *_texts(about, ("principal", "owner", "name")),
        base.owner,
    ]
    purposes = [
        *_named(about, ("context", "purpose"), schema.PURPOSE),
        *_texts(about, ("context", "purpose", "name")),
        base.purpose,
    ]
    versions = [*_texts(about, ("principal", "version")), base.version]
    classes = _texts(about, ("context", "purpose", "data_classes"))
    sets: list[tuple[str, ...]] = [(), *((each,) for each in classes), *([tuple(classes)] if len(classes) > 1 else [])]
    few = [list(dict.fromkeys(values))[:_FEW] for values in (agents, owners, versions, purposes)]
    for (agent, owner, version, purpose), known in product(product(*few), sets[: _FEW + 1]):
        yield replace(base, agent=agent, owner=owner, version=version, purpose=purpose, classes=known)


def _named(about: Mapping[Place, list[Term]], at: Place, kind: str) -> list[str]:
    return [each[2][1] for each in about.get(at, ()) if each[1] == "entity" and each[2][0] == kind]


def _texts(about: Mapping[Place, list[Term]], at: Place) -> list[str]:
    return [each[2] for each in about.get(at, ()) if isinstance(each[2], str)]
