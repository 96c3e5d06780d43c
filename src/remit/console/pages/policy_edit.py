"""The editor: a set of policies is written, checked, tested, compared, tried on the past, and observed.

What is written stands in the form alone until it is observed, so an error loses nothing; see `Page.keeps`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from remit.console.desk import Look
from remit.console.editing import TESTS, Draft, draft
from remit.console.lines import changed
from remit.console.pages.led import Led
from remit.console.pages.model import Act, Filled, Page
from remit.console.pages.policy_sets import semantic, semantic_table, standing
from remit.console.paths import PATH
from remit.console.tally import CHANGES, Tally, tally
from remit.kernel.errors import Conflict, RemitError

_SETS: Final = "/v1/policy-sets"
_LONGEST: Final = 2 << 20  # bytes of the form: a file has up to 256 KiB, and a form writes many characters as three
_STARTED: Final = "policies/new.cedar"
_MOVED: Final = "what is in force moved meanwhile"


@dataclass(frozen=True, slots=True)
class _Shown:
    """What the page shows below the text."""

    checked: Mapping[str, Any] | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    error: RemitError | None = None
    note: str = ""


def fill(look: Look) -> Filled:
    """The files of a version, or an empty one."""
    version = look.path["version"]
    texts = {} if version == "new" else look.get(f"{_SETS}/{version}")["texts"]
    return _page(Draft(texts or {_STARTED: ""}, began=version), _Shown())


def keeps(look: Look, form: Mapping[str, str]) -> Filled:
    """What somebody wrote when they were signed in otherwise: nothing was done with it."""
    said = "You were signed out meanwhile, so nothing was done. What you wrote is here: look at it, and press again."
    return _page(_draft(look, form), _Shown(note=said))


def check(look: Look, form: Mapping[str, str]) -> Filled:
    """Say what is wrong."""
    return _on(look, form, lambda _draft: {})


def test(look: Look, form: Mapping[str, str]) -> Filled:
    """Run the tests, which `_on` has done."""
    return _on(look, form, lambda _draft: {"tested": True})


def compare(look: Look, form: Mapping[str, str]) -> Filled:
    """Say how it differs from what is in force, in words and line by line."""

    def found(of: Draft) -> dict[str, Any]:
        version, files = standing(look)
        said = semantic(look, of, files)
        return {
            "in_force": version, "changes": changed(files, of.files), "verdict": said["verdict"],
            "semantic": semantic_table(said),
        }  # fmt: skip

    return _on(look, form, found)


def simulate(look: Look, form: Mapping[str, str]) -> Filled:
    """Decide a part of the log again as this would have it; the next part when the form is sent again."""

    def found(of: Draft) -> dict[str, Any]:
        so_far = tally(form.get("tally", "")) if form.get("act") == "on" else Tally()
        body: dict[str, Any] = {"documents": of.documents(standing(look)[1]), "from": so_far.next or 0}
        body |= {name: form[name] for name in ("since", "agent") if form.get(name)}
        if not body["documents"]:
            return {"tally": None}
        said = look.act("POST", "/v1/policies/simulate", body)
        seen = f"{said['base']} {said['candidate']}"
        if so_far.seen not in {"", seen}:
            raise Conflict(_MOVED, try_="simulate again from the beginning")
        so_far.seen = seen
        so_far.take(said)
        end = _end(look)
        if so_far.next is not None and 0 < end <= so_far.next:
            so_far.next = None  # there was no more when this began
        return {"tally": so_far, "end": end, "since": form.get("since", ""), "agent": form.get("agent", "")}

    return _on(look, form, found)


def observe(look: Look, form: Mapping[str, str]) -> Filled | Led:
    """Put it beside what is in force."""
    of = _draft(look, form)
    try:
        said = look.act("POST", _SETS, {"files": dict(of.files)})
    except RemitError as error:
        return _page(of, _Shown(error=error, checked=_checked(look, of)))
    return Led(
        to=f"{PATH}/policies/versions/{said['version']}",
        said=f"Version {said['version']} is observed: it forbids nothing, and what it would turn is counted here.",
    )


def _on(look: Look, form: Mapping[str, str], found: Callable[[Draft], Mapping[str, Any]]) -> Filled:
    """Check what the form holds, go on with `found` where nothing is wrong, and show all of it with the text."""
    of = _draft(look, form)
    try:
        checked = _check(look, of)
        values = {} if checked["errors"] else found(of)
    except RemitError as error:
        return _page(of, _Shown(error=error, checked=_checked(look, of)))
    return _page(of, _Shown(checked=checked, values=values))


def _checked(look: Look, of: Draft) -> Mapping[str, Any] | None:
    try:
        return _check(look, of)
    except RemitError:
        return None


def _check(look: Look, of: Draft) -> Mapping[str, Any]:
    """What is wrong. The page asks while somebody types: that they may not is shown, and not recorded each time."""
    return look.desk.ask(look.session.operator, "POST", "/v1/policies/check", body=_body(of), aside=True)


def _draft(look: Look, form: Mapping[str, str]) -> Draft:
    return draft(form, began=look.path["version"])


def _body(of: Draft) -> dict[str, Any]:
    return {"files": dict(of.files), "tests": {TESTS: of.tests} if of.tests.strip() else {}}


def _end(look: Look) -> int:
    """How many entries there are: a simulation goes through all of them."""
    newest = (look.maybe("/v1/decisions", limit="100") or {"entries": []})["entries"]
    placed = (each["index"] for each in newest if each["index"] is not None)  # the newest have no place yet
    return next(placed, -1) + 1


def _page(of: Draft, said: _Shown) -> Filled:
    values: dict[str, Any] = {
        "files": list(of.files.items()), "tests": of.tests, "began": of.began, "checked": said.checked,
        "error": said.error, "note": said.note, "marks": _marks(said.checked), "changes_of": CHANGES,
        "semantic": None, "changes": None, "verdict": "", "in_force": "", "tested": False, "tally": None, "end": 0,
        "simulated": "tally" in said.values, "since": "", "agent": "",
    }  # fmt: skip
    began = "a new set" if of.began == "new" else f"from version {of.began}"
    return Filled(title=f"Edit policies ({began})", values=values | dict(said.values), refused=said.error)


def _marks(checked: Mapping[str, Any] | None) -> dict[str, list[int]]:
    """The lines with findings, by file."""
    found: dict[str, list[int]] = {}
    for each in (checked or {"findings": ()})["findings"]:
        if each["line"]:
            found.setdefault(each["file"], []).append(each["line"])
    return found


EDIT: Final = Page(
    path="/policies/versions/{version}/edit", slug="policies", template="policy_edit.html", fill=fill, keeps=keeps,
    most=_LONGEST,
    acts=(
        Act(name="check", carry=check),
        Act(name="test", carry=test),
        Act(name="compare", carry=compare),
        Act(name="simulate", carry=simulate),
        Act(name="on", carry=simulate),
        Act(name="observe", carry=observe, grave=True),
    ),
)  # fmt: skip
