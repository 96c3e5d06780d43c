"""The questions that only a person can answer: what was used, what each answer takes away, and the way back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from remit.console.desk import Look
from remit.console.pages.led import Led
from remit.console.pages.model import Act, Filled, Page, number
from remit.console.paths import PATH
from remit.console.tables import Column, Table
from remit.console.uses import HEIGHT, WIDTH, by_day, line
from remit.kernel.errors import NotFound

_COLUMNS = (
    Column(name="question", title="Question", kind="code", link=f"{PATH}/reviews/{{question}}"),
    Column(name="kind", title="About"),
    Column(name="agent", title="Agent", kind="code", link=f"{PATH}/agents/{{agent}}"),
    Column(name="action", title="Action", kind="code"),
    Column(name="tier", title="Tier"),
    Column(name="assigned", title="Asked"),
    Column(name="recommendation", title="Recommended"),
    Column(name="asked", title="Since", kind="time"),
    Column(name="due", title="Ends by itself", kind="time"),
)
_QUALITY = (
    Column(name="person", title="Reviewer"),
    Column(name="answers", title="Answers", kind="number"),
    Column(name="keeps", title="Kept", kind="percent"),
    Column(name="caught", title="Planted ones caught", kind="percent", hint="questions whose right answer is known"),
    Column(name="gap", title="Seconds between answers", kind="number", hint="median, within a sitting"),
    Column(name="flag", title="Looks like", kind="state"),
)
_ENTITLEMENTS = (
    Column(name="action", title="Action", kind="code"),
    Column(name="purpose", title="Purpose"),
    Column(name="scope", title="Scope", kind="code"),
    Column(name="stands", title="Stands", kind="state"),
    Column(name="against", title="Against it", kind="tags"),
)
_ANSWERS = (
    Column(name="said", title="Said"),
    Column(name="by", title="By"),
    Column(name="at", title="When", kind="time"),
    Column(name="state", title="State", kind="state"),
    Column(name="undo_until", title="Can be taken back until", kind="time"),
    Column(name="note", title="Note"),
    Column(name="answer", title="Answer", kind="code"),
)
_USES = (
    Column(name="day", title="Day"),
    Column(name="uses", title="Allowed", kind="number"),
    Column(name="refused", title="Refused", kind="number"),
)
_EFFECTS = (
    Column(name="said", title="If you say"),
    Column(name="actions", title="These stop", kind="tags"),
    Column(
        name="denied",
        title="Calls in 30 days",
        kind="number",
        hint="that counted as use when it was asked, and would have been refused",
    ),
    Column(name="uses", title="In 90 days", kind="number"),
    Column(name="idle", title="Days since the last", kind="number"),
)
_LOOKED: Final = 1000  # decisions of the agent that use is counted from
# The key of each answer. `end` is revoking: it takes away for good.
_KEYS: Final = {"keep": "k", "end": "r", "narrow": "n", "trust": "t", "distrust": "d"}
_PERCENT: Final = 10_000
_SECOND: Final = 1_000_000
# Nearly everything kept, a moment apart: nobody has looked.
_STAMP_KEEPS, _STAMP_GAP, _STAMP_LEAST = 95, 5, 10


def fill(look: Look) -> Filled:
    """All that are open, and how people answered lately."""
    questions = look.get("/v1/reviews", all="true")["questions"]
    reviewers = look.get("/v1/reviews/quality")["reviewers"]
    return Filled(
        title="Reviews",
        tables=(
            Table(
                name="questions", title="Open questions", columns=_COLUMNS, rows=_picked(questions, _COLUMNS),
                sort="due", empty="Nobody is asked anything: what use can answer, use has answered.",
                command="remit review list --all",
            ),
            Table(
                name="quality", title="How people reviewed in 90 days", columns=_QUALITY,
                rows=[quality(each) for each in reviewers], empty="Nobody has answered anything in 90 days.",
                command="remit review quality",
            ),
        ),
        values={
            "first": following(questions, "", look.session.operator.person), "said": _said(look),
            "stamps": [each["person"] for each in map(quality, reviewers) if each["flag"]],
        },
    )  # fmt: skip


def following(questions: Sequence[Mapping[str, Any]], after: str, person: str) -> str:
    """The question to look at after this one: by when they end, one's own first; empty if there is no other (pure)."""
    mine = [each for each in questions if each["assigned"] == person]
    order = [each["question"] for each in sorted(mine or questions, key=lambda each: (each["due"], each["question"]))]
    if after in order:
        at = order.index(after)
        order = order[at + 1 :] + order[:at]
    return str(order[0]) if order else ""


def _said(look: Look) -> dict[str, Any] | None:
    """What this person said last and may still take back: the URL names its question."""
    name = look.query.get("said", "")
    if not name:
        return None
    try:
        found = look.maybe(f"/v1/reviews/{name}")
    except NotFound:
        return None
    staged = [each for each in (found or {"answers": ()})["answers"] if each["undo_until"]]
    return None if not staged or found is None else {**staged[-1], "agent": found["agent"], "kind": found["kind"]}


def quality(each: Mapping[str, Any]) -> dict[str, Any]:
    """A reviewer's figures as people read them; `rubber stamp` where they say that nobody looked (pure)."""
    keeps = None if each["keep_share"] is None else each["keep_share"] / _PERCENT
    gap = None if each["median_gap"] is None else round(each["median_gap"] / _SECOND, 1)
    stamp = keeps is not None and gap is not None and keeps >= _STAMP_KEEPS and gap <= _STAMP_GAP
    return {
        "person": each["person"],
        "answers": each["answers"],
        "keeps": keeps,
        "caught": None if each["catch_rate"] is None else each["catch_rate"] / _PERCENT,
        "gap": gap,
        "flag": "rubber stamp" if stamp and each["answers"] >= _STAMP_LEAST else "",
    }


def question(look: Look) -> Filled:
    """One question."""
    found = look.get(f"/v1/reviews/{look.path['question']}")
    person = look.session.operator.person
    uses = _uses(look, found)
    tables = (
        Table(
            name="effects", title="What each answer stops", columns=_EFFECTS, rows=effects(found["preview"]),
            empty="An answer takes no access away.", command=f"remit review show {found['question']}",
        ),
        Table(
            name="uses", title="Days of use, of the last 30", columns=_USES,
            rows=[each for each in reversed(uses) if each["uses"] or each["refused"]],
            empty="It was used on none of them, as far as you may read this agent's decisions.",
            command=f"remit activation list {found['agent']}",
        ),
        Table(
            name="entitlements", title="What it is about", columns=_ENTITLEMENTS, rows=list(found["entitlements"]),
            empty="Nothing by name.", command=f"remit review show {found['question']}",
        ),
        Table(
            name="answers", title="Answers so far", columns=_ANSWERS, rows=_picked(found["answers"], _ANSWERS),
            empty="Nobody has answered yet.", command=f"remit review {found['recommendation']} {found['question']}",
        ),
    )  # fmt: skip
    waiting = look.get("/v1/reviews", all="true")["questions"]
    values = {
        "it": found, "may": person in found["may_answer"] or not found["may_answer"],
        "staged": [each for each in found["answers"] if each["undo_until"]], "keys": _KEYS, "said": _said(look),
        "next": following(waiting, found["question"], person), "left": len(waiting),
        "spark": {"uses": line([each["uses"] for each in uses]), "width": WIDTH, "height": HEIGHT} if uses else None,
        "used": sum(each["uses"] for each in uses),
    }  # fmt: skip
    return Filled(title=f"{found['kind'].replace('_', ' ')}: {found['agent']}", tables=tables, values=values)


def effects(preview: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What each answer takes away, a row for each; what takes nothing has a row too (pure)."""
    return [
        {
            "said": "revoke" if said == "end" else said,
            "denied": each.get("would_be_denied_30"), "uses": each.get("uses_90"), "idle": each.get("idle_days"),
            "actions": list(each.get("actions", ())),
        }
        for said, each in preview.items()
        if isinstance(each, dict)
    ]  # fmt: skip


def _uses(look: Look, found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Calls by day, of the newest decisions of its agent."""
    said = look.maybe("/v1/decisions", agent=found["agent"], kind="decision", limit=str(_LOOKED))
    if said is None:
        return []
    return by_day(said["entries"], {each["action"] for each in found["entitlements"]}, now=look.now)


def answer(look: Look, form: Mapping[str, str]) -> str | Led:
    """Say something; it is carried out in a while, until when it can be taken back. The next question opens."""
    name = look.path["question"]
    body = {"said": form.get("said", ""), "note": form.get("note", ""), "shown": number(form, "shown")}
    waiting = look.get("/v1/reviews", all="true")["questions"]
    said = look.act("POST", f"/v1/reviews/{name}/answer", body)
    then = following([each for each in waiting if each["question"] != name], "", look.session.operator.person)
    until = said["undo_until"]
    text = f"You said {said['said']}." + (f" You can take it back until {until[11:16]} UTC." if until else "")
    return Led(
        to=f"{PATH}/reviews/{then}?said={name}" if then else f"{PATH}/reviews?said={name}",
        said=text if then else f"{text} No other question is open.",
    )


def undo(look: Look, form: Mapping[str, str]) -> str:
    """Take an answer back."""
    said = look.act("POST", f"/v1/reviews/answers/{form.get('answer', '')}/undo", {})
    waits = said["waits"]
    return "Taken back." if not waits else f"Taken back; what would widen waits for {', '.join(waits)}."


def _picked(rows: list[Mapping[str, Any]], columns: tuple[Column, ...]) -> list[dict[str, Any]]:
    return [{column.name: row.get(column.name) for column in columns} for row in rows]


PAGE = Page(path="/reviews", slug="reviews", template="reviews.html", fill=fill)
QUESTION = Page(
    path="/reviews/{question}", slug="reviews", template="question.html", fill=question,
    acts=(Act(name="answer", carry=answer), Act(name="undo", carry=undo)),
)  # fmt: skip
