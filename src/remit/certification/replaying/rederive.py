"""Re-deriving a verdict from what is stored: its facts from the days of use, the windows and the boundary's version.

Steps in order; the first that comes to something else names the cause. What changed since with an entry of its
own (a server's tiers, say) is not compared: the log tells of that by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from remit.access.needs import closure
from remit.access.parameters import SHIPPED, Parameters
from remit.access.ttl import q95
from remit.certification.replaying.kept import Kept, KeptRule, Key, Made
from remit.certification.replaying.reading import as_of, digest, older, said_of, too_fast, usage_from
from remit.certification.replaying.replay import DIFFERS, NOT_REPLAYABLE, SAME, Replayed, judged, replay
from remit.certification.usage.days import UseDay
from remit.kernel.canonical import canonical
from remit.kernel.clock import DAY, SECOND, parse_date_end
from remit.kernel.names import split_action

_MOMENT: Final = SECOND  # between a change and its entry


def rederive(verdict: Mapping[str, Any], kept: Kept, parameters: Parameters = SHIPPED) -> Replayed:
    """Re-derive a verdict's entry, first from the facts in it and then those from what is stored.

    Raises:
        KeyError, ValueError, TypeError: It is no verdict.
    """
    # (1) From the facts that stand in it.
    found = replay(verdict, parameters)
    if found.outcome != SAME:
        return found
    facts = verdict["statement"].get("facts")
    if facts is None:
        return _policy_of_ask(verdict, kept) or found
    if _taken(verdict) != _stated(verdict["statement"]):
        return Replayed(DIFFERS, found.recorded, found.derived, "statement", "it says another thing than its statement")
    read = verdict.get("read")
    if read is None:
        return Replayed(SAME, found.recorded, found.derived, detail="its facts alone: it does not say what was read")
    # (2) The facts from what was read, and that from what is stored.
    odd = (
        _usage(verdict, read, kept, parameters)
        or _company(verdict, read, kept)
        or _clock(verdict, read)
        or _coverage(verdict, read, kept)
        or _policy(verdict, read, kept)
        or _rules(verdict, read, kept)
        or _kin(verdict, read, kept)
    )
    if odd is not None:
        return odd
    # The statement came out byte for byte in (1), and what was read in (2).
    whole = _whole(verdict["statement"], read)
    return Replayed(SAME, whole, whole)


def _taken(verdict: Mapping[str, Any]) -> tuple[str, str, str]:
    return verdict["from"], verdict["to"], verdict["reason"]


def _stated(statement: Mapping[str, Any]) -> tuple[str, str, str]:
    return statement["facts"]["state"], statement["state"], statement["reason"]


def _whole(statement: Mapping[str, Any], read: Mapping[str, Any]) -> bytes:
    return canonical({"statement": dict(statement), "read": dict(read)})


def key_of(verdict: Mapping[str, Any]) -> Key:
    """The entitlement that a verdict is about."""
    server, _, _ = split_action(verdict["action"])
    return verdict["agent"], verdict["purpose"], verdict["action"], str(server)


def _usage(verdict: Mapping[str, Any], read: Mapping[str, Any], kept: Kept, parameters: Parameters) -> Replayed | None:
    statement, at = verdict["statement"], read["at"]
    recorded = usage_from(read["usage"])
    rows = kept.told_by(kept.days(key_of(verdict)), read.get("upto", {}))
    if recorded.days and not rows and kept.erased(verdict["agent"]):
        return Replayed(NOT_REPLAYABLE, _whole(statement, read), b"", "erased", "the agent's record was erased")
    if older(recorded, {row.key.day for row in rows if row.uses}, kept.began()):
        return None  # from before days of use were written down: there is nothing to derive it from
    found = as_of(rows, at, recorded)
    again = {**read, "usage": said_of(found)}
    if "days_sha256" in read:
        again["days_sha256"] = digest(rows, at)
    newest = max(found.last, read["started"], *(each["last"] for each in beside(read)))
    facts = statement["facts"]
    habit = {**facts["habit"], "days": found.days, "q95": q95(found.gaps)}
    derived = judged({**facts, "habit": habit, "idle": max(0, at - newest)}, parameters)
    if (derived, again) == (statement, read):
        return None
    return Replayed(DIFFERS, _whole(statement, read), _whole(derived, again), "usage", _which(read, again, rows))


def beside(read: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """What was used together with it and counted. From before each had its own record it was one, and is named so."""
    said = read.get("together", [])
    return [said] if isinstance(said, Mapping) else said


def _company(verdict: Mapping[str, Any], read: Mapping[str, Any], kept: Kept) -> Replayed | None:
    """Whether what is used together with it was used when that is said to have been."""
    statement, (agent, purpose, _, _) = verdict["statement"], key_of(verdict)
    for each in beside(read):
        if "action" not in each or kept.erased(agent):
            continue
        server, _, _ = split_action(each["action"])
        rows = kept.told_by(kept.days((agent, purpose, each["action"], str(server))), read.get("upto", {}))
        last, day = each["last"], each["last"] // DAY
        mine = [row for row in rows if row.uses and row.key.day == day]
        if (mine or day > kept.began()) and not any(row.first <= last <= row.last for row in mine):
            what = f"{each['action']}, which is used together with it, was not used at {last}"
            return Replayed(DIFFERS, _whole(statement, read), b"", "usage", what)
    return None


def _which(read: Mapping[str, Any], again: Mapping[str, Any], rows: list[UseDay]) -> str:
    if read["usage"] != again["usage"]:
        return f"recorded {_short(read['usage'])}; the {len(rows)} rows of use say {_short(again['usage'])}"
    if read.get("days_sha256") != again.get("days_sha256"):
        return "a row of use of an earlier day is not what it was"
    return "its facts are not those of the use that was read"


def _short(usage: Mapping[str, Any]) -> str:
    return f"{usage['days']} days, gaps {usage['gaps'][-3:]}, last {usage['last']}"


def _clock(verdict: Mapping[str, Any], read: Mapping[str, Any]) -> Replayed | None:
    """Whether the coverage clock's reading at its last use can be true: it never runs faster than the wall clock.

    Only lowered it is found so. Raised it is one that the clock had later, of which nothing is written down.
    """
    if "windows" in read:
        return None
    run, passed = read["covered"] - read["usage"]["covered"], read["at"] - max(read["usage"]["last"], read["started"])
    if not too_fast(run, passed):
        return None
    what = f"since its last use {passed} microseconds passed, and the coverage clock is said to have run for {run}"
    more = "its reading was changed, or the wall clock set back"
    return Replayed(DIFFERS, _whole(verdict["statement"], read), b"", "coverage", f"{what}: {more}")


def _coverage(verdict: Mapping[str, Any], read: Mapping[str, Any], kept: Kept) -> Replayed | None:
    """How long the record is complete of the time without use: the least, of what is used together."""
    statement, facts = verdict["statement"], verdict["statement"]["facts"]
    found = [_complete(each, read, kept) for each in _measured(verdict, read)]
    if None in found:
        return None
    complete = min(each for each in found if each is not None)
    if complete == facts["idle_covered"]:
        return None
    derived = {**statement, "facts": {**facts, "idle_covered": complete}}
    what = f"the record is complete for {complete} of {facts['idle']} microseconds, recorded {facts['idle_covered']}"
    return Replayed(DIFFERS, _whole(statement, read), _whole(derived, read), "coverage", what)


def _measured(verdict: Mapping[str, Any], read: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Uses, and by whose record it is measured what came after: its own, and what is used together with it."""
    record = {name: read[name] for name in ("covered", "windows", "believed") if name in read}
    usage = read["usage"]
    own = {
        **record, "action": verdict["action"], "last": max(usage["last"], read["started"]), "used": usage["covered"],
    }  # fmt: skip
    said = read.get("together", [])
    if isinstance(said, Mapping):  # from before each had its own record: the newest use counted, on this one's
        newer = {"last": said["last"], "used": said["covered"]} if said["last"] > own["last"] else {}
        return [own | newer]
    return [own, *said]


def _complete(each: Mapping[str, Any], read: Mapping[str, Any], kept: Kept) -> int | None:
    """For how long after a use the record is complete; None if more was told since, of whatever time."""
    if "windows" not in each:
        return max(0, int(each["covered"] - each["used"]))
    server, upto, told = str(split_action(each["action"])[0]), read.get("upto", {}), kept.sources()
    telling = {name for name, (_, servers) in told.items() if server in servers}
    if telling - upto.keys():
        return None  # a source was registered since, and the windows that all of them told are fewer
    if any(told.get(name, (0, ()))[0] != batch for name, batch in upto.items()):
        return None
    found, until = kept.windows(server), min(each.get("believed", read["at"]), read["at"])
    return 0 if found is None else int(found.measure(each["last"], until))


def _policy(verdict: Mapping[str, Any], read: Mapping[str, Any], kept: Kept) -> Replayed | None:
    """The tier, and the version of the boundary that stood."""
    statement, at = verdict["statement"], read["at"]
    facts, key = statement["facts"], key_of(verdict)
    what = _tier(kept, key, facts["tier"], at)
    stood = read["stood"]
    if not what and stood is None and statement["reason"] != "boundary_ended":
        return None  # another reason came first, such as an agent that is gone
    if not what and stood is None:
        open_still = kept.granting(key[0], key[1], key[2], _made(verdict, read))
        what = f"{', '.join(open_still)} granted it, and no boundary is said to have" if open_still else ""
    elif not what:
        rule = kept.rule(stood[0], stood[1], key[2])
        what = _rule(rule, key, at) or _habit_of(rule, facts["habit"])
    return _otherwise(statement, read, what)


def _rules(verdict: Mapping[str, Any], read: Mapping[str, Any], kept: Kept) -> Replayed | None:
    """Whether the boundaries' rules are those that were read: versions never change, so none was another for a while.

    What is put back after it was judged without it would else be seen nowhere.
    """
    if "rules" not in read:
        return None  # from before it was said
    agent, purpose, _, _ = key_of(verdict)
    for name, said in sorted(read["rules"].items()):
        boundary, _, version = name.rpartition("@")
        if kept.rules(boundary, int(version)) != said:
            return _otherwise(verdict["statement"], read, f"the rules of {name} are not those that were read")
    stood = kept.standing(agent, purpose, _made(verdict, read))
    missed = [each.name for each in stood if each.name not in read["rules"]]
    return _otherwise(verdict["statement"], read, f"{', '.join(missed)} stood, and was not read" if missed else "")


def _made(verdict: Mapping[str, Any], read: Mapping[str, Any]) -> Made:
    return Made(str(verdict.get("id", "")), read["at"])


def _kin(verdict: Mapping[str, Any], read: Mapping[str, Any], kept: Kept) -> Replayed | None:
    """What it needs, and what needs it, by the boundary's version that stood."""
    statement, key = verdict["statement"], key_of(verdict)
    facts, needed, severed = statement["facts"], read.get("needed_by", ""), read.get("severed_by", "")
    if (facts["needed"], facts["severed"]) != (needed != "", severed != ""):
        return _otherwise(statement, read, "what it needs, or what needs it, is not what was read")
    if read["stood"] is None or not (needed or severed):
        return None  # a boundary that ended decides before what depends on what
    boundary, version = read["stood"]
    edges: dict[str, set[str]] = {}
    for said in kept.needs(key[0], key[1], (boundary, version), read["at"] + _MOMENT):
        for action, needs in said.items():
            edges.setdefault(action, set()).update(needs)
    reached = closure(edges)
    for one, other in ((needed, key[2]), (key[2], severed)):
        if one and other and other not in reached.get(one, ()):
            return _otherwise(statement, read, f"no boundary that stood says that {one} needs {other}")
    return None


def _policy_of_ask(verdict: Mapping[str, Any], kept: Kept) -> Replayed | None:
    """The same of what started by itself."""
    statement, key = verdict["statement"], key_of(verdict)
    ask, at = statement["ask"], int(parse_date_end(verdict["time"]))
    rule = kept.rule(verdict["boundary"], verdict["boundary_version"], key[2])
    what = _tier(kept, key, ask["tier"], at) or _rule(rule, key, at)
    if not what and rule is not None and (rule.first_use == "auto") is not ask["chosen"]:
        what = "its owner's choice that it may start by itself is not what the boundary says"
    return _otherwise(statement, {}, what)


def _otherwise(statement: Mapping[str, Any], read: Mapping[str, Any], what: str) -> Replayed | None:
    return Replayed(DIFFERS, _whole(statement, read), b"", "policy", what) if what else None


def _tier(kept: Kept, key: Key, recorded: str, at: int) -> str:
    if kept.changed("server", key[3]) > at - _MOMENT:
        return ""
    found = kept.tier(key[2]) or "high"  # what is not known is high
    return "" if found == recorded else f"{key[2]} is {found}, and was taken for {recorded}"


def _rule(rule: KeptRule | None, key: Key, at: int) -> str:
    if rule is None:
        return "the version of the boundary that stood does not name the action"
    if (rule.agent, rule.purpose) != (key[0], key[1]):
        return "the version of the boundary that stood is another agent's, or for another purpose"
    if rule.approved is None or rule.approved > at + _MOMENT or rule.ends <= at - _MOMENT:
        return "the version of the boundary that stood was not in force"
    return ""


def _habit_of(rule: KeptRule | None, habit: Mapping[str, Any]) -> str:
    if rule is None or (rule.ttl, rule.cadence) == (habit["shorter"], habit["cadence"]):
        return ""
    taken = f"{habit['shorter']} and {habit['cadence']}"
    return f"the boundary's ttl and cadence are {rule.ttl} and {rule.cadence}, and were taken for {taken}"
