"""What a question's people are shown of where its matter stands, and what came of it since (pure).

An answer is to what was shown. So a question remembers where each entitlement and boundary of its matter stood, what
spoke against it and what `narrow` would have taken (`as_shown` of its facts). Each change is news of its own (`news`:
about what, under which serial, and what it is), and its serial is one more with each.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple

from remit.access.activation import Activation, ActivationKey, ActivationState, activation_id
from remit.access.become import passing
from remit.access.judge import TOXIC
from remit.reviews.model import Kind, Question, QuestionState, Said
from remit.reviews.recommend import recommend
from remit.reviews.subject import Subject, names_of, names_of_key

OF_ENTITLEMENTS: Final = frozenset({Kind.NEEDS_HUMAN, Kind.CADENCE_WANTED, Kind.TOXIC, Kind.BOUNDARY_DUE})
BOOKKEEPING: Final = frozenset({"as_shown", "news", "serial", "since"})  # of a question's facts: no person reads these
JOINED: Final = ""  # the news that something joined
NARROWING: Final = "narrow"  # what news of what a narrowing would take are about: for who narrows, and nobody else
LAPSING: Final = "would_lapse"  # of how much would lapse: for who trusts a record of use
_ONLY_FOR: Final = {NARROWING: Said.NARROW, LAPSING: Said.TRUST}
_NAMED: Final = 5  # actions in one line
_COUNTED: Final = frozenset({ActivationState.NEEDS_HUMAN, ActivationState.SUSPENDED, ActivationState.REVOKED})
_OF_ITS_AGENT: Final = frozenset({"risk", "exposed", "critical"})
_NEEDS: Final = f"{ActivationState.NEEDS_HUMAN.value}: "
QUIET: Final = ""  # it waits for nobody: in force, or lapsed, or never started


class News(NamedTuple):
    """Something that a question's person was not shown, if they were shown less than its serial."""

    serial: int
    about: str  # an entitlement's name in the question, or a boundary
    what: str  # JOINED, or one line


def standing(kind: Kind, state: str, why: str) -> str:
    """Where an entitlement stands, as far as a person who is asked about it must know.

    That it is held for a combination is what a question about the combination says already, and news in any other.
    """
    counted = state in {each.value for each in _COUNTED}
    return f"{state}: {why}" if counted and not (kind is Kind.TOXIC and why == TOXIC) else QUIET


def stands(kind: Kind, activation: Activation | None) -> str:
    """The same, of one as it was last recorded; and that it needs a person, if that comes back with what passes."""
    if activation is None:
        return QUIET
    now = standing(kind, activation.state.value, activation.why)
    under = activation.under if passing(activation) else None
    waits = under is not None and under.state is ActivationState.NEEDS_HUMAN
    return "; ".join(filter(None, (now, f"{_NEEDS}{under.why}" if under is not None and waits else "")))


def shown_standing(question: Question, about: str) -> str | None:
    """Where an entitlement stood when the question was last brought up to date; None if that is not known."""
    said = _as_shown(question.facts).get("standing", {}).get(about)
    return None if said is None else str(said)


def spoke_against(question: Question, about: str) -> frozenset[str] | None:
    """What spoke against an entitlement when the question was last brought up to date; None if that is not known."""
    said = _as_shown(question.facts).get("against", {}).get(about)
    return None if said is None else frozenset(map(str, said))


def shown_against(question: Question, about: str) -> frozenset[str] | None:
    """The same, and why it needed a person, if it did: what a keep is about."""
    said, stood_so = spoke_against(question, about), shown_standing(question, about) or QUIET
    needed = (each.removeprefix(_NEEDS) for each in stood_so.split("; ") if each.startswith(_NEEDS))
    return None if said is None else said | frozenset(needed)


def shown_narrowing(question: Question) -> frozenset[str] | None:
    """The actions that a narrowing would have taken when it was last shown; None if that is not known."""
    said = _as_shown(question.facts).get("narrow")
    return None if said is None else frozenset(map(str, said))


def news_of(question: Question, shown: int, said: Said | None = None) -> list[News]:
    """What came after the question was shown as `shown`, oldest first; with `said`, what matters to who says that."""
    found = (News(serial, about, what) for about, (serial, what) in _news(question.facts).items())
    return sorted(each for each in found if each.serial > shown and said in {None, _ONLY_FOR.get(each.about, said)})


def line_of(news: News, question: Question, keys: Iterable[ActivationKey]) -> str:
    """As a person reads it; `keys` is what the question is about. What joined says all that an answer then covers."""
    if news.about == NARROWING:
        return _takes(sorted(shown_narrowing(question) or ()))
    if news.what != JOINED:
        return news.what
    key = next((each for each in keys if news.about in names_of_key(each)), None)
    if key is None:
        return news.about
    about = activation_id(key)
    return _told(key.action, shown_standing(question, about) or QUIET, spoke_against(question, about) or ())


def names_all(news: News, question: Question) -> bool:
    """Whether its line names everything that an answer would cover with it."""
    return news.about != NARROWING or len(shown_narrowing(question) or ()) <= _NAMED


def with_news(question: Question, found: Iterable[tuple[str, str]]) -> Question:
    """The question under a higher serial: `found` is what there is to say, and about what."""
    serial, news = question.serial, dict(_news(question.facts))
    for about, what in found:
        serial += 1
        news[about] = [serial, what]
    return replace(question, facts={**question.facts, "serial": serial, "news": news})


def as_shown(subject: Subject) -> dict[str, Any]:
    """Where everything that is asked about stands now. Of a boundary that is due, the boundary is asked about."""
    keys = () if subject.kind is Kind.BOUNDARY_DUE else subject.keys
    return {
        "standing": {activation_id(key): stands(subject.kind, subject.started.get(key)) for key in keys},
        "against": {activation_id(key): dict(subject.against.get(key, {})) for key in keys},
        "boundaries": {each.boundary: each.version for each in subject.boundaries},
    }


def up_to_date(question: Question, subject: Subject, *, narrowing: Iterable[str] | None = None) -> Question:
    """The question as it is now: with what changed since it was last brought up to date, and its figures if it did.

    `narrowing` is what `narrow` takes, where it is shown or said; else that stays as it was shown last.
    """
    known, now, many = _as_shown(question.facts), as_shown(subject), len(_entitlements(question))
    if narrowing is not None or "narrow" in known:
        now["narrow"] = known["narrow"] if narrowing is None else sorted(narrowing)
    more = many != question.facts.get("counted", 1)
    if known == now and not more:
        return question
    # Of a question from before this was remembered, nothing is known to have changed.
    found = _changes(known, now, subject, more=more) if known else []
    after = with_news(question, found) if found else question
    facts = {**after.facts, "as_shown": now}
    if "against" in facts and not any(now["against"].values()):
        del facts["against"]
    if "needs_a_person" in facts and not subject.needing:
        del facts["needs_a_person"]
    if not found and not more:
        return replace(after, facts=facts)
    facts |= {**subject.facts(), **({"counted": many} if more else {})}
    recommendation, reason = recommend(question.kind, question.tier, facts)
    return replace(after, facts=facts, recommendation=recommendation, reason=reason)


def lapsing(question: Question, many: int, of: int) -> Question:
    """A question about a record of use, once more would lapse than it shows. Less is no news: then it shows the most.

    Args:
        question: As it was last shown.
        many: How many entitlements would lapse now if the record were believed.
        of: How many there are.
    """
    known = question.facts.get(LAPSING)
    if many <= (known if isinstance(known, int) else 0):
        return question
    after = with_news(question, [(LAPSING, f"{many} of {of} entitlements would lapse")])
    facts = {**after.facts, LAPSING: many, "of": of}
    recommendation, reason = recommend(question.kind, question.tier, facts)
    return replace(after, facts=facts, recommendation=recommendation, reason=reason)


def joined_by(question: Question, joining: Iterable[str], facts: Mapping[str, Any], now: str | None = None) -> Question:
    """The question with more entitlements in it; its figures follow.

    Args:
        question: As it was.
        joining: What is asked about as well.
        facts: What is known now, of all of it.
        now: Where what joins stands, if that is known.
    """
    new = [each for each in joining if each not in names_of(question)]
    after = with_news(question, [(each, JOINED) for each in new])
    names = _entitlements(question)
    more: dict[str, Any] = {"entitlements": sorted({*names, *new}), "joined": [*question.joined, *new]} if new else {}
    shown = _as_shown(after.facts)
    if shown and now is not None:
        shown["standing"] = {**shown.get("standing", {}), **dict.fromkeys(new, now)}
        more |= {"as_shown": shown}
    return replace(after, facts={**after.facts, **facts, **more})


def stood(question: Question, about: str, now: str, why: str, facts: Mapping[str, Any]) -> Question:
    """The question when one of its entitlements has come to stand otherwise, and why that is asked about.

    `facts` is what is known of it now.
    """
    alone = names_of(question) == {about}
    action = str(facts.get("action", about))
    after = with_news(question, [(about, _told(action, now, spoke_against(question, about) or ()))])
    shown = _as_shown(after.facts)
    shown["standing"] = {**shown.get("standing", {}), about: now}
    # Of several only what is so of the whole agent is said of them all.
    told = {name: facts[name] for name in facts if (alone and name != "tier") or name in _OF_ITS_AGENT}
    known = {**after.facts, **told, "as_shown": shown}
    recommendation, reason = recommend(question.kind, question.tier, known)
    why = why if alone else question.why
    return replace(after, why=why, facts=known, recommendation=recommendation, reason=reason)


def with_matter(question: Question, about: str, why: str, facts: Mapping[str, Any]) -> Question:
    """The question with what it does not say yet of its matter; itself, if there is nothing."""
    if question.kind is Kind.TOXIC:
        names = facts.get("entitlements")
        new = [each for each in names if each not in names_of(question)] if isinstance(names, list) else []
        reach = facts.get("reach")
        wider = reach == "direct" and question.facts.get("reach") == "latent"
        after = joined_by(question, new, {"reach": reach} if wider else {}) if new or wider else question
        return with_news(after, [("reach", "it can do all of it now")]) if wider else after
    state = facts.get("state")
    if question.kind is not Kind.NEEDS_HUMAN or not isinstance(state, str):
        return question
    now, known = standing(question.kind, state, why), shown_standing(question, about)
    return question if known in {None, now} else stood(question, about, now, why, facts)


def noting(question: Question, about: str, why: str, facts: Mapping[str, Any]) -> Question:
    """An answered question that notes for later what came of its matter since: its answer says nothing of it."""
    since = [*question.facts.get("since", ()), {"about": about, "why": why, "facts": dict(facts)}]
    return replace(question, facts={**question.facts, "since": since})


def reopened(question: Question) -> Question:
    """The question open again, with what came of its matter since it was answered."""
    since = question.facts.get("since", ())
    facts = {name: each for name, each in question.facts.items() if name != "since"}
    after = replace(question, state=QuestionState.OPEN, facts=facts)
    for each in since:
        after = with_matter(after, each["about"], each["why"], each["facts"])
    return after


def rewritten(question: Question, subject: Subject) -> bool:
    """Whether a boundary of its matter is another than it was when the question was last brought up to date."""
    known = _as_shown(question.facts)
    return bool(known) and known.get("boundaries", {}) != as_shown(subject)["boundaries"]


def _changes(
    known: Mapping[str, Any], now: Mapping[str, Any], subject: Subject, *, more: bool
) -> list[tuple[str, str]]:
    return [*_moved(known, now, subject), *_rewritten(known, now, more=more), *_narrowing(known, now)]


def _moved(known: Mapping[str, Any], now: Mapping[str, Any], subject: Subject) -> list[tuple[str, str]]:
    """Entitlements that stand otherwise, or against which something speaks that did not, or does anew.

    Each line says all of it: it stands for those before it. Of what left the boundary, the boundary's news tell.
    """
    found = []
    for key in subject.keys:
        about = activation_id(key)
        stands_now, against = now["standing"].get(about, QUIET), now["against"].get(about, {})
        was = known.get("standing", {}).get(about, stands_now)
        if was != stands_now or _speaks(against, known.get("against", {}).get(about, against)):
            # Whatever the question is of: what is suspended does not wait for nobody.
            moved = stands(Kind.NEEDS_HUMAN, subject.started.get(key)) or "waiting for nobody"
            found.append((about, _told(key.action, stands_now or (moved if was else QUIET), against)))
    return found


def _speaks(against: Mapping[str, int], before: Mapping[str, int]) -> bool:
    return any(each not in before or _anew(each, since, before[each]) for each, since in against.items())


def _told(action: str, stands_now: str, against: Iterable[str]) -> str:
    """An entitlement with where it stands, and what speaks against it, on one line."""
    names = sorted(against)
    line = f"{action} is {stands_now}" if stands_now else action
    if not names:
        return line
    return f"{line}, and {', '.join(names)} {'speak' if len(names) > 1 else 'speaks'} against it"


def _anew(name: str, since: int, before: int) -> bool:
    """A combination is the same again by its name; a doubt that was over is another one."""
    return since > before and not name.startswith(TOXIC)


def _narrowing(known: Mapping[str, Any], now: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What a narrowing takes, if it is more than it was. Less is no news: it takes less."""
    takes = now.get("narrow", [])
    if set(takes) <= set(known.get("narrow", takes)):
        return []
    return [(NARROWING, _takes(takes))]


def _takes(actions: Sequence[str]) -> str:
    more = f" and {len(actions) - _NAMED} more" if len(actions) > _NAMED else ""
    return f"narrow takes {', '.join(actions[:_NAMED]) or 'nothing'}{more}"


def _rewritten(known: Mapping[str, Any], now: Mapping[str, Any], *, more: bool) -> list[tuple[str, str]]:
    """Boundaries that are not as they were; with `more`, what only just joined may have brought one."""
    before, after = known.get("boundaries", {}), now["boundaries"]
    found = []
    for name in sorted({*before, *after}):
        if before.get(name) == after.get(name) or (name not in before and more):
            continue
        what = f"gives it in version {after[name]}" if name in after else "gives none of it any more"
        found.append((f"boundary {name}", f"the boundary {name} {what}"))
    return found


def _as_shown(facts: Mapping[str, Any]) -> dict[str, Any]:
    said = facts.get("as_shown")
    return dict(said) if isinstance(said, Mapping) else {}


def _news(facts: Mapping[str, Any]) -> Mapping[str, Any]:
    """By what it is about. Of a question from before there were news: what joined it."""
    said, joined = facts.get("news"), facts.get("joined")
    if isinstance(said, Mapping):
        return said
    return {name: [at, JOINED] for at, name in enumerate(joined, 2)} if isinstance(joined, list) else {}


def _entitlements(question: Question) -> frozenset[str]:
    """Those that a question names; a combination's own name is none."""
    return names_of(question) - ({question.about} if question.kind is Kind.TOXIC else set())
