"""`remit review`: what only a person can decide, and who has seen the boundaries in force."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from remit.cli.exits import Exit
from remit.cli.options import As, Json, examples, group
from remit.cli.output import data_json, data_text, facts, foreign, nothing, table, talk
from remit.cli.pages import see
from remit.cli.wire import connect, segment
from remit.kernel.errors import Malformed

app = group("Questions that only people decide: what was used, what each answer takes away, what is recommended.")
Question = Annotated[str, typer.Argument(metavar="QUESTION", help="qst_...")]
Note = Annotated[str, typer.Option("--note", metavar="TEXT", help="Why; it stands in the log.")]
AsShown = Annotated[
    int, typer.Option("--as-shown", metavar="N", min=1, help="What `show` printed, where the question changed or grew.")
]
_SHORT = 8
_LISTS = frozenset({"entitlements", "joined", "changed"})  # facts that are shown by themselves


@app.command("list", epilog=examples("remit review list", "remit review list --all --json"))
def list_(
    person: Annotated[str | None, typer.Option("--person", metavar="NAME", help="Somebody else's queue.")] = None,
    everybody: Annotated[bool, typer.Option("--all", help="Every open question.")] = False,
    json: Json = False,
    as_: As = None,
) -> int:
    """List open questions, oldest first: yours, or with --all everybody's."""
    query = "?all=true" if everybody else f"?person={segment(person)}" if person else ""
    answer = connect(as_).get(f"/v1/reviews{query}")
    if json:
        data_json(answer)
    elif not answer["questions"]:
        nothing("open questions", next_="remit review quality" if everybody else "remit review list --all")
    else:
        columns = ("question", "kind", "agent", "action", "tier", "due", "stage", "assigned", "recommendation")
        table(columns, [[row[name] for name in columns] for row in answer["questions"]])
        talk(f"  try      remit review show {answer['questions'][0]['question']}")
    return Exit.OK


@app.command("show", epilog=examples("remit review show qst_01...", "remit review show qst_01... --json"))
def show(question: Question, json: Json = False, as_: As = None) -> int:
    """Show one question: what is known, what each answer would take away, a recommendation and its reason."""
    answer = connect(as_).get(f"/v1/reviews/{segment(question)}")
    if json:
        data_json(answer)
        return Exit.OK
    names = ("question", "kind", "agent", "about", "action", "tier", "state", "stage", "assigned", "asked", "due")
    facts({name: answer[name] for name in names})
    data_text("")
    known = {name: value for name, value in answer["facts"].items() if value is not None and name not in _LISTS}
    table(("fact", "value"), sorted(known.items()))
    data_text("")
    for each in answer["facts"].get("changed", ()):
        data_text(f"since it was asked: {each}", style="bold")
    if answer["kind"] != "boundary_due" and len(answer["entitlements"]) > 1:
        columns = ("action", "purpose", "stands", "against")
        table(("asked about", *columns[1:]), [[each[name] for name in columns] for each in answer["entitlements"]])
        data_text("")
    effects = [_effect(said, effect) for said, effect in answer["preview"].items() if said in answer["choices"]]
    if effects:  # of a doubted record nothing is taken away
        table(("answer", "takes away", "uses in 90 d", "would be denied in 30 d", "days since last use"), effects)
        data_text("")
    data_text(f"recommended: {answer['recommendation']} ({answer['reason']})", style="bold")
    for each in answer["answers"]:
        data_text(f"  {each['at']}  {each['by']} said {each['said']} ({each['state']}) {foreign(each['note'])}")
    if answer["state"] == "open":
        talk(f"  try      {_next(answer)}")
    return Exit.OK


def _next(shown: dict[str, Any]) -> str:
    """The command that answers what was just shown, and nothing that joins it after."""
    command = f"remit review {shown['recommendation']} {shown['question']}"
    if shown["serial"] == 1:
        return command
    as_shown = f"--as-shown {shown['serial']}"
    return f"{command}, or another with {as_shown}" if shown["recommendation"] == "ask" else f"{command} {as_shown}"


def _effect(said: str, effect: dict[str, Any]) -> list[object]:
    idle = "never used" if effect["idle_days"] is None and effect["count"] else effect["idle_days"]
    return [said, ", ".join(effect["actions"]) or "nothing", effect["uses_90"], effect["would_be_denied_30"], idle]


@app.command("keep", epilog=examples("remit review keep qst_01...", "remit review keep qst_01... --note 'month end'"))
def keep(question: Question, note: Note = "", as_shown: AsShown = 1, json: Json = False, as_: As = None) -> int:
    """Keep it: a person vouches for it for a time, or has looked at the boundary."""
    return _say("keep", question, note, as_shown=as_shown, json=json, as_=as_)


@app.command("narrow", epilog=examples("remit review narrow qst_01...", "remit review narrow qst_01... --json"))
def narrow(question: Question, note: Note = "", as_shown: AsShown = 1, json: Json = False, as_: As = None) -> int:
    """Take away what is not used, and keep the rest."""
    return _say("narrow", question, note, as_shown=as_shown, json=json, as_=as_)


@app.command(
    "end", epilog=examples("remit review end qst_01...", "remit review end qst_01... --note 'project is over'")
)
def end(question: Question, note: Note = "", as_shown: AsShown = 1, json: Json = False, as_: As = None) -> int:
    """End it: the boundary, or the entitlement within it."""
    return _say("end", question, note, as_shown=as_shown, json=json, as_=as_)


@app.command("ask", epilog=examples("remit review ask qst_01... lee --note 'still yours?'", "... --as dana"))
def ask(
    question: Question,
    person: Annotated[str, typer.Argument(metavar="PERSON")],
    note: Annotated[str, typer.Option("--note", metavar="TEXT", help="What is to be found out.")],
    json: Json = False,
    as_: As = None,
) -> int:
    """Ask somebody, who then decides; the time to decide runs on."""
    return _say("ask", question, note, to=person, json=json, as_=as_)


@app.command("trust", epilog=examples("remit review trust qst_01...", "remit review trust qst_01... --json"))
def trust(question: Question, note: Note = "", as_shown: AsShown = 1, json: Json = False, as_: As = None) -> int:
    """Believe a server's record of use: what is idle lapses, of a few agents first."""
    return _say("trust", question, note, as_shown=as_shown, json=json, as_=as_)


@app.command("distrust", epilog=examples("remit review distrust qst_01...", "... --note 'the feed was down'"))
def distrust(question: Question, note: Note = "", as_shown: AsShown = 1, json: Json = False, as_: As = None) -> int:
    """Do not believe it: idle clocks stand still until the record is whole."""
    return _say("distrust", question, note, as_shown=as_shown, json=json, as_=as_)


def _say(said: str, question: str, note: str, *, to: str = "", as_shown: int = 1, json: bool, as_: str | None) -> int:
    body = {"said": said, "note": note, **({"to": to} if to else {"shown": as_shown})}
    answer = connect(as_).post(f"/v1/reviews/{segment(question)}/answer", body)
    if json:
        data_json(answer)
    elif answer["state"] == "staged":
        data_text(f"staged: {said}, {answer['answer']}")
        talk(f"  done at {answer['undo_until']}; until then: remit review undo {answer['answer']}")
    elif answer["state"] == "applied":
        what = f": took away {', '.join(answer['taken'])}" if answer["taken"] else f" {answer['to'] or ''}".rstrip()
        data_text(f"done: {said}{what}")
        talk(f"  try      remit review undo {answer['answer']}" if said != "ask" else "  try      remit review list")
    else:
        data_text(f"{answer['state']}: {answer['because'] or said}", style="yellow")
        talk(f"  try      remit review show {question}")
    return Exit.OK


@app.command("undo", epilog=examples("remit review undo ans_01...", "remit review undo ans_01... --as dana"))
def undo(
    answer: Annotated[str, typer.Argument(metavar="ANSWER", help="ans_...")], json: Json = False, as_: As = None
) -> int:
    """Take an answer back. What it took away already waits for its owner's approval: it would widen."""
    found = connect(as_).post(f"/v1/reviews/answers/{segment(answer)}/undo", {})
    if json:
        data_json(found)
    else:
        data_text(f"undone: {found['said']}, {found['answer']}")
        for name in found["waits"]:
            talk(f"  its earlier version waits, because it widens: remit boundary approve {name}")
        if not found["waits"]:
            talk(f"  try      remit review show {found['question']}")
        see("reviews", found["question"])
    return Exit.APPROVAL if found["waits"] else Exit.OK


@app.command("quality", epilog=examples("remit review quality", "remit review quality --json"))
def quality(json: Json = False, as_: As = None) -> int:
    """Show how people reviewed in the last 90 days: pace, share of keep, and made-up questions that they caught."""
    answer = connect(as_).get("/v1/reviews/quality")
    if json:
        data_json(answer)
    elif not answer["reviewers"]:
        nothing("answers", next_="remit review list")
    else:
        columns = ("person", "answers", "a minute", "keep", "made up", "caught", "time to answer")
        table(columns, [_figures(row) for row in answer["reviewers"]])
    return Exit.OK


def _figures(row: dict[str, Any]) -> list[object]:
    wait = row["median_wait"]
    pace = row["per_minute"]
    return [
        row["person"],
        row["answers"],
        None if pace is None else f"{pace // 1000}.{pace % 1000 // 100}",
        _percent(row["keep_share"]),
        row["canaries"],
        _percent(row["catch_rate"]),
        None if wait is None else _lasted(wait // 1_000_000),
    ]


def _percent(millionths: int | None) -> str | None:
    return None if millionths is None else f"{millionths // 10_000} %"


def _lasted(seconds: int) -> str:
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= length:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"


@app.command(
    "acknowledge", epilog=examples("remit review acknowledge", "remit review acknowledge --digest 1f2e3d4c...")
)
def acknowledge(
    digest: Annotated[
        str | None, typer.Option("--digest", metavar="HEX", help="The digest that was looked at, or 8 of it.")
    ] = None,
    note: Note = "",
    json: Json = False,
    as_: As = None,
) -> int:
    """Say as a named person that you have seen every boundary in force: shown first, then typed."""
    api = connect(as_)
    found = api.get("/v1/reviews/acknowledgement")
    if not json or digest is None:
        _show_set(found)
    typed = digest if digest is not None else _typed(found["digest"])
    answer = api.post("/v1/reviews/acknowledgements", {"digest": typed, "note": note})
    if json:
        data_json(answer)
    else:
        data_text(f"acknowledged: {answer['boundaries']} boundaries, {answer['digest'][:_SHORT]}, by {answer['by']}")
        talk("  try      remit review acknowledgements")
    return Exit.OK


def _show_set(found: dict[str, Any]) -> None:
    """What is signed, on stderr."""
    before = found["before"]
    since = (
        f"since {before['by']} acknowledged {before['digest'][:_SHORT]} at {before['at']}"
        if before
        else "and nobody acknowledged any before"
    )
    talk(f"{found['boundaries']} boundaries in force, digest {found['digest']}")
    for what in ("added", "changed", "ended"):
        for name in found[what]:
            talk(f"  {what.ljust(8)} {name}")
    if not any(found[what] for what in ("added", "changed", "ended")):
        talk(f"  nothing changed {since}")
    else:
        talk(f"  {since}; look at one with: remit boundary show NAME")


def _typed(digest: str) -> str:
    """What a person types, having seen the set; nobody signs unseen."""
    if not sys.stdin.isatty():
        raise Malformed("the digest that was looked at is needed", try_="remit review acknowledge --digest HEX")
    return str(typer.prompt(f"Type the first {_SHORT} characters of the digest ({digest[:2]}...)", err=True)).strip()


@app.command("acknowledgements", epilog=examples("remit review acknowledgements", "... --json"))
def acknowledgements(json: Json = False, as_: As = None) -> int:
    """List who acknowledged which set of boundaries, newest first."""
    answer = connect(as_).get("/v1/reviews/acknowledgements")
    if json:
        data_json(answer)
    elif not answer["acknowledgements"]:
        nothing("acknowledgements", next_="remit review acknowledge")
    else:
        columns = ("at", "by", "boundaries", "digest", "note")
        table(columns, [[row[name] for name in columns] for row in answer["acknowledgements"]])
    return Exit.OK
