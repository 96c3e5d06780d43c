"""What one decision read that is no part of the state at an epoch, as its sealed payload keeps it, and back (pure).

The state (who there is, what is allowed, frozen, pinned) is kept by epoch. What use changes with every call is not: the
entitlement as it was, the coverage clock, counters, and what the caller's token said. It stands here, in short: lists
in a fixed order, and nothing where there was nothing. So `decide` comes to the same answer again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from remit.access.activation import Activation, ActivationState, Under, Usage
from remit.attestation.model import Caller, Link
from remit.kernel.canonical import parse
from remit.kernel.clock import Instant, Micros
from remit.kernel.names import (
    ActionName,
    AgentName,
    BoundaryName,
    DecisionId,
    InstanceId,
    PurposeName,
    RunId,
    ServerName,
    ToolName,
    split_action,
)
from remit.policy.approved import Standing, asked_of
from remit.policy.entitlement import Beside, Setting, key_of
from remit.policy.model import Call

APPROVAL: Final = "approval"  # in the place of a counter: an approval that somebody else had used


Spent = tuple[str, int | None, int]  # a counter's key, what it held (None: not known), its limit


class Read(msgspec.Struct):
    """What was read of one call. `used` is what counters held, by their keys (None: not known here)."""

    now: Instant
    activation: Activation | None = None
    setting: Setting | None = None
    used: dict[str, int | None] = msgspec.field(default_factory=dict)
    approvals: tuple[tuple[Standing, str], ...] = ()  # what people were asked for, and the decision that used it
    complete: bool = False  # whether `unread.py` has added what the decision itself did not come to read


@dataclass(frozen=True, slots=True)
class Measured:
    """A record of use of which one figure is known: how much of the time that was asked about it covers."""

    value: int

    def measure(self, start: Instant, until: Instant) -> int:  # noqa: ARG002 - it was asked about these
        """That figure."""
        return self.value


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """One recorded call, and what its decision read beside the state at `epoch`."""

    call: Call
    epoch: int
    now: Instant
    activation: Activation | None
    around: Mapping[str, Any] | None  # what `Setting` holds beside tier, rule and holder, which are the state's
    used: Mapping[str, int | None]
    approvals: tuple[Standing, ...]
    spent: Spent | None  # the counter in which nothing was left when it was to be reserved


# into the payload ----------------------------------------------------------------------------


def told(call: Call, read: Read, spent: Spent | None = None) -> dict[str, Any]:
    """What a payload says of a call and its circumstances."""
    caller = call.caller
    said: dict[str, Any] = {
        "now": read.now,
        "caller": (caller.attested, caller.run_ends, caller.expires, caller.bound),
    }
    if caller.links:
        said["links"] = [
            (link.agent, link.instance, link.credential, link.run, link.token, link.attested, link.allow)
            for link in caller.links
        ]
    if call.resource is not None:
        said["resource"] = call.resource
    if call.approval is not None:
        said["approval"] = call.approval
    if read.used:
        said["used"] = read.used
    if spent is not None:
        said["spent"] = spent
    if read.approvals:
        said["approvals"] = [
            (each.request, each.binding, each.state, each.until, each.approval, each.by, used)
            for each, used in read.approvals
        ]
    if read.setting is not None:
        said["setting"] = _setting(read.setting, read.activation)
    if read.activation is not None:
        said["activation"] = _activation(read.activation)
    return said


def _activation(held: Activation) -> list[Any]:
    usage = held.usage
    said = [
        held.boundary, held.boundary_version, held.agent_version, held.state.value, held.since, held.started, held.by,
        held.serial, usage.last, usage.covered, usage.days, usage.gaps,
    ]  # fmt: skip
    more = (held.why, held.cycles, held.vouched, held.covers, held.looked, held.under, held.unsure)
    return [*said, *more] if any(more) else said


def _setting(setting: Setting, activation: Activation | None) -> list[Any]:
    said: list[Any] = [setting.clock if setting.clock is not None else setting.covered, setting.woken]
    until = setting.now if setting.believed is None else min(setting.now, setting.believed)
    measured = None
    if setting.windows is not None and activation is not None:
        start = max(activation.usage.last, activation.started)
        measured = setting.windows.measure(start, until) if start < until else 0
    elif setting.windows is not None:
        measured = 0
    beside = [_beside(each, setting.now) for each in setting.together]
    more = (setting.covered, setting.believed, measured, beside, setting.needed_by, setting.severed_by)
    plain = measured is None and setting.believed is None and not (beside or setting.needed_by or setting.severed_by)
    return said if plain else [*said, *more]


def _beside(each: Beside, now: Instant) -> list[Any]:
    until, usage = now if each.believed is None else min(now, each.believed), each.usage
    measured = None
    if each.windows is not None:
        measured = each.windows.measure(usage.last, until) if usage.last < until else 0
    return [
        each.action, usage.last, usage.covered, usage.days, usage.gaps, each.covered, measured, each.believed
    ]  # fmt: skip


# and back ------------------------------------------------------------------------------------


def kept(payload: Mapping[str, Any]) -> bool:
    """Whether a payload keeps its circumstances; those from before they were kept do not."""
    return "now" in payload


def read_back(header: Mapping[str, Any], payload: Mapping[str, Any]) -> Circumstances:
    """The circumstances of a recorded decision.

    Raises:
        KeyError, ValueError, TypeError, Malformed: Its payload is not one that `told` made a part of.
    """
    now, call = Instant(payload["now"]), _call(header, payload)
    activation, setting = payload.get("activation"), payload.get("setting")
    spent = payload.get("spent")
    return Circumstances(
        call=call,
        epoch=payload["epoch"],
        now=now,
        activation=None if activation is None else _activation_from(activation, call),
        around=None if setting is None else _around(setting, now),
        used=payload.get("used", {}),
        approvals=tuple(_standing(each, call) for each in payload.get("approvals", ())),
        spent=None if spent is None else (spent[0], spent[1], spent[2]),
    )


def _call(header: Mapping[str, Any], payload: Mapping[str, Any]) -> Call:
    attested, run_ends, expires, bound = payload["caller"]
    action = payload.get("action", header["action"])
    _, name, is_tool = split_action(action)
    arguments = payload.get("arguments")
    return Call(
        id=DecisionId(header["id"]),
        caller=Caller(
            agent=AgentName(header["agent"]),
            instance=InstanceId(header["instance"]),
            credential=payload["credential"],
            purpose=PurposeName(header["purpose"]),
            run=RunId(header["run"]),
            token=payload["token"],
            expires=Instant(expires),
            bound=bound,
            attested=Instant(attested),
            run_ends=Instant(run_ends),
            txn=header.get("txn", ""),
            delegation=header.get("delegation", ""),
            links=tuple(_link(each) for each in payload.get("links", ())),
            pep=header.get("pep", ""),
            pep_instance=header.get("pep_instance", ""),
            cooperative=header.get("cooperative", False),
        ),
        server=ServerName(header["server"]),
        action=ActionName(action),
        tool=ToolName(name) if is_tool else None,
        arguments=None if arguments is None else parse(arguments),
        subject=header.get("subject", ""),
        resource=payload.get("resource"),
        approval=payload.get("approval"),
        otherwise=frozenset(payload["facts"].get("otherwise", ())),
    )


def _standing(said: Sequence[Any], call: Call) -> Standing:
    request, binding, state, until, approval, by, used = said
    return Standing(
        request=request, asked=asked_of(call), binding=binding, state=state, until=Instant(until), approval=approval,
        by=tuple(by), used=used,
    )  # fmt: skip


def _link(said: Sequence[Any]) -> Link:
    agent, instance, credential, run, token, attested, allow = said
    return Link(
        agent=AgentName(agent), instance=InstanceId(instance), credential=credential, run=RunId(run), token=token,
        attested=Instant(attested), allow=allow,
    )  # fmt: skip


def _activation_from(said: Sequence[Any], call: Call) -> Activation:
    boundary, version, agent_version, state, since, started, by, serial, last, covered, days, gaps, *more = said
    why, cycles, vouched, covers, looked, under, unsure = more or ("", (), 0, (), 0, None, 0)
    return Activation(
        key=key_of(call), boundary=BoundaryName(boundary), boundary_version=version, agent_version=agent_version,
        state=ActivationState(state), since=Instant(since), started=Instant(started), by=by, serial=serial,
        usage=Usage(Instant(last), Micros(covered), days, tuple(gaps)), why=why, cycles=tuple(cycles),
        vouched=Instant(vouched), covers=tuple(covers), looked=Instant(looked),
        under=None if under is None else Under(ActivationState(under[0]), under[1], Instant(under[2])),
        unsure=Instant(unsure),
    )  # fmt: skip


def _around(said: Sequence[Any], now: Instant) -> dict[str, Any]:
    clock, woken, *more = said
    covered, believed, measured, beside, needed_by, severed_by = more or (clock, None, None, (), "", "")
    return {
        "covered": covered,
        "now": now,
        "windows": None if measured is None else Measured(measured),
        "believed": None if believed is None else Instant(believed),
        "together": tuple(_beside_from(each) for each in beside),
        "woken": woken,
        "needed_by": needed_by,
        "severed_by": severed_by,
        "clock": clock,
    }


def _beside_from(said: Sequence[Any]) -> Beside:
    action, last, used, days, gaps, covered, measured, believed = said
    return Beside(
        ActionName(action), Usage(Instant(last), Micros(used), days, tuple(gaps)), covered,
        None if measured is None else Measured(measured), None if believed is None else Instant(believed),
    )  # fmt: skip
