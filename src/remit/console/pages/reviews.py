"""The questions that only a person can answer: what was used, what each answer takes away, and the way back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from remit.console.desk import Look
from remit.console.pages.model import Act, Filled, Page
from remit.console.paths import PATH
from remit.console.tables import Column, Table

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
            ),
        ),
    )  # fmt: skip


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
    tables = (
        Table(
            name="entitlements", title="What it is about", columns=_ENTITLEMENTS, rows=list(found["entitlements"]),
            empty="Nothing by name.",
        ),
        Table(
            name="answers", title="Answers so far", columns=_ANSWERS, rows=_picked(found["answers"], _ANSWERS),
            empty="Nobody has answered yet.",
        ),
    )  # fmt: skip
    values = {
        "it": found, "may": person in found["may_answer"] or not found["may_answer"],
        "staged": [each for each in found["answers"] if each["undo_until"]],
    }  # fmt: skip
    return Filled(title=f"{found['kind'].replace('_', ' ')}: {found['agent']}", tables=tables, values=values)


def answer(look: Look, form: Mapping[str, str]) -> str:
    """Say something; it is carried out in a while, until when it can be taken back."""
    name, shown = look.path["question"], form.get("shown", "")
    body = {"said": form.get("said", ""), "note": form.get("note", ""), "shown": int(shown) if shown.isdigit() else 1}
    said = look.act("POST", f"/v1/reviews/{name}/answer", body)
    until = said["undo_until"]
    return f"You said {said['said']}." + (f" You can take it back until {until[11:16]} UTC." if until else "")


def undo(look: Look, form: Mapping[str, str]) -> str:
    """Take an answer back."""
    said = look.act("POST", f"/v1/reviews/answers/{form.get('answer', '')}/undo", {})
    waits = said["waits"]
    return "Taken back." if not waits else f"Taken back; what would widen waits for {', '.join(waits)}."


def _picked(rows: list[Mapping[str, Any]], columns: tuple[Column, ...]) -> list[dict[str, Any]]:
    return [{column.name: row.get(column.name) for column in columns} for row in rows]


PAGE = Page(path="/reviews", slug="reviews", template="plain.html", fill=fill)
QUESTION = Page(
    path="/reviews/{question}", slug="reviews", template="question.html", fill=question,
    acts=(Act(name="answer", carry=answer), Act(name="undo", carry=undo)),
)  # fmt: skip
