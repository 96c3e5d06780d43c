"""Boundaries learned per purpose from half of AgentDojo's user tasks, and judged on the other half.

    python benchmarks/agentdojo.py --table --out agentdojo.json

Each of the four suites is an agent. The user tasks of one half (seeded) are its history:
`remit rightsize` makes a boundary of it for each purpose. Then each task of the other half is
judged, call by call, and each injection with it: it is blocked if any call it needs is refused.
Nothing of an injection is looked at while learning.

The purpose of a user task, by a rule that was fixed before any result was seen: the servers
on which the task changes something (`change-banking`), or `look-up` if it changes nothing. A
tool changes nothing if its name begins with get, search, list, read or check. A server is the
module of AgentDojo that the tool is written in.

A task is hindered if any of its calls is refused. With approval: the tasks run one after the
other, and after each refusal the owner approves the tool that was missing, or drops the bound
that was in the way, for that purpose; what comes later passes. Then the injections are tried
again, on what has been approved by the end.

A task that is refused anyway makes blocking easy, and so does a purpose that nothing was learned
for: the share is told once more for the tasks that are not hindered.

Arguments that only the running benchmark knows count against the boundary: they never fit a
bound in a user's task, and always do in an injection.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.agentdojo_tasks import Needed, Package, Task, read_wheel
from benchmarks.report import finish, row

from remit.access.model import Rule
from remit.catalog.model import Tier
from remit.certification.rightsizing.generalise import Dial, Scope
from remit.certification.rightsizing.proposal import Observed, Refusal, Target
from remit.certification.rightsizing.rightsize import refusal, rightsize
from remit.kernel.clock import DAY, Instant
from remit.kernel.names import ActionName, AgentName, BoundaryName, PurposeName, tool_action

VERSION: Final = "0.1.35"
SPLITS: Final = 101
_READS: Final = ("get", "search", "list", "read", "check")
_UNKNOWN: Final = {"only": "the running benchmark knows"}  # no bound lets an object pass

_TOLD: Final = {
    "blocked": "pairs of task and injection blocked", "hindered": "  tasks hindered",
    "still": "  tasks hindered, with the owner's approval", "blocked_after": "  pairs blocked after the approvals",
}  # fmt: skip

Rules = dict[ActionName, Rule]
Purpose = Callable[[Task], str]


def purpose_of(task: Task, servers: Mapping[str, str]) -> str:
    """The rule above."""
    changed = {servers[call.function] for call in task.calls if call.function.partition("_")[0] not in _READS}
    return "-".join(["change", *sorted(changed)]) if changed else "look-up"


def action_of(call: Needed, servers: Mapping[str, str]) -> ActionName:
    return tool_action(servers[call.function], call.function)


def observed(call: Needed, servers: Mapping[str, str], *, agent: str, purpose: str, at: int) -> Observed:
    """A call as the log would have it; an argument that is not known fits no bound, and none is learned of it."""
    arguments = {**call.arguments, **dict.fromkeys(call.unknown, _UNKNOWN)}
    return Observed(
        agent=AgentName(agent),
        purpose=PurposeName(purpose),
        action=action_of(call, servers),
        at=Instant(at),
        arguments=arguments,
    )


def learn(tasks: Sequence[Task], purpose: Purpose, servers: Mapping[str, str], dial: Dial) -> dict[str, Rules]:
    """A boundary for each purpose among `tasks`."""
    found: dict[str, Rules] = {}
    for name in sorted({purpose(task) for task in tasks}):
        calls = [
            observed(call, servers, agent=task.suite, purpose=name, at=task.number)
            for task in tasks
            if purpose(task) == name
            for call in task.calls
        ]
        target = Target(
            boundary=BoundaryName(name), agent=AgentName(tasks[0].suite), purpose=PurposeName(name), ends=Instant(DAY)
        )
        proposed = rightsize(calls, target=target, boundary=None, dial=dial, cut=None, tier=lambda _action: Tier.HIGH)
        clauses = proposed.draft.allow if proposed.draft else ()
        found[name] = {ActionName(clause.pattern): clause.rule(ActionName(clause.pattern)) for clause in clauses}
    return found


def refused(rules: Rules, task: Task, servers: Mapping[str, str]) -> list[Refusal]:
    """What the boundary refuses of a user's task."""
    calls = (observed(call, servers, agent=task.suite, purpose="-", at=0) for call in task.calls)
    return [found for call in calls if (found := refusal(rules, call)) is not None]


def blocks(rules: Rules, injection: Task, servers: Mapping[str, str]) -> bool:
    """Whether the boundary refuses a call that the injection needs, for a reason that is known."""
    for call in injection.calls:
        found = refusal(rules, observed(call, servers, agent=injection.suite, purpose="-", at=0))
        unknown = {f"/{name}" for name in call.unknown}
        if found and (found.code == "not_granted" or any(each.path not in unknown for each in found.violations)):
            return True
    return False


def approve(rules: Rules, found: Iterable[Refusal]) -> int:
    """The owner says yes to what was refused, for the purpose: the tool, or any value of the argument. How many."""
    asked = 0
    for each in found:
        known = rules.get(each.action)
        if known is None:
            rules[each.action], asked = Rule(action=each.action), asked + 1
            continue
        paths = {violation.path for violation in each.violations}
        kept = tuple(bound for bound in known.when if f"/{bound.argument}" not in paths)
        if kept != known.when:  # a call before this one in the same task may have asked already
            rules[each.action], asked = Rule(action=each.action, when=kept), asked + 1
    return asked


@dataclass(slots=True)
class Tally:
    """Counts of one split; those of several suites add up."""

    tasks: int = 0
    pairs: int = 0
    hindered: int = 0
    still: int = 0  # hindered although everything asked for before was approved
    blocked: int = 0
    free: int = 0  # pairs of tasks that are not hindered
    blocked_free: int = 0  # of these
    blocked_after: int = 0
    asked: int = 0
    unseen: int = 0  # tasks whose purpose nothing was learned for

    def add(self, other: Tally) -> None:
        for name in Tally.__slots__:
            setattr(self, name, getattr(self, name) + getattr(other, name))


def judge(boundaries: dict[str, Rules], held: Sequence[Task], injections: Sequence[Task], purpose: Purpose,
          servers: Mapping[str, str]) -> Tally:  # fmt: skip
    """Judge the held-out tasks and injections, before approvals and after. Changes `boundaries`."""
    found = Tally(tasks=len(held), pairs=len(held) * len(injections))
    found.unseen = sum(purpose(task) not in boundaries for task in held)
    for task in held:
        rules = boundaries.setdefault(purpose(task), {})
        blocked, passes = sum(blocks(rules, each, servers) for each in injections), not refused(rules, task, servers)
        found.blocked += blocked
        found.hindered += not passes
        found.free += passes * len(injections)
        found.blocked_free += passes * blocked
    for task in held:
        rules = boundaries[purpose(task)]
        wrong = refused(rules, task, servers)
        found.still += bool(wrong)
        found.asked += approve(rules, wrong)
    for task in held:
        found.blocked_after += sum(blocks(boundaries[purpose(task)], injection, servers) for injection in injections)
    return found


@dataclass(frozen=True, slots=True)
class Mode:
    """One way to give rights. `learns`: from which tasks; `purpose`: which of them share a boundary."""

    name: str
    dial: Dial
    purpose: Callable[[Task, Mapping[str, str]], str]
    learns: str = "half"  # half | all | own


_ACTIONS = Dial(bounds=False)
MODES: Final = (
    Mode("agent, lifetime (all its tasks), tools", _ACTIONS, lambda _task, _servers: "any", "all"),
    Mode("agent, from half, tools", _ACTIONS, lambda _task, _servers: "any"),
    Mode("agent, from half, tools and bounds", Dial(), lambda _task, _servers: "any"),
    Mode("purpose, from half, tools", _ACTIONS, purpose_of),
    Mode("purpose, from half, tools and bounds", Dial(), purpose_of),
    Mode("purpose, from half, exact bounds", Dial(scope=Scope.EXACT), purpose_of),
    Mode("task, its own tools", _ACTIONS, lambda task, _servers: f"task-{task.number}", "own"),
)


def split(tasks: Sequence[Task], *, seed: int) -> tuple[list[Task], list[Task]]:
    """Half to learn from (rounded up), half to judge on, in an order of their own."""
    shuffled = random.Random(f"{tasks[0].suite}/{seed}").sample(list(tasks), len(tasks))
    middle = (len(shuffled) + 1) // 2
    return sorted(shuffled[:middle], key=lambda task: task.number), shuffled[middle:]


def one_split(package: Package, suite: str, mode: Mode, *, seed: int) -> Tally:
    servers, tasks = package.servers, package.of(suite, "user")
    half, held = split(tasks, seed=seed)

    def purpose(task: Task) -> str:
        return mode.purpose(task, servers)

    teach = {"half": half, "all": tasks, "own": held}[mode.learns]
    injections = [task for task in package.of(suite, "injection") if task.calls]
    return judge(learn(teach, purpose, servers, mode.dial), held, injections, purpose, servers)


@dataclass(slots=True)
class Shares:
    """Per cent, one value for each split."""

    blocked: list[float] = field(default_factory=list)
    hindered: list[float] = field(default_factory=list)
    still: list[float] = field(default_factory=list)
    blocked_after: list[float] = field(default_factory=list)
    asked: list[float] = field(default_factory=list)
    blocked_free: list[float] = field(default_factory=list)
    unseen: list[float] = field(default_factory=list)

    def add(self, tally: Tally) -> None:
        self.blocked.append(100 * tally.blocked / tally.pairs)
        self.blocked_after.append(100 * tally.blocked_after / tally.pairs)
        self.hindered.append(100 * tally.hindered / tally.tasks)
        self.still.append(100 * tally.still / tally.tasks)
        self.asked.append(100 * tally.asked / tally.tasks)
        self.unseen.append(100 * tally.unseen / tally.tasks)
        if tally.free:
            self.blocked_free.append(100 * tally.blocked_free / tally.free)

    def told(self) -> dict[str, dict[str, float]]:
        return {name: _spread(values) for name in Shares.__slots__ if (values := getattr(self, name))}


def _spread(values: Sequence[float]) -> dict[str, float]:
    lower, _, upper = statistics.quantiles([*values] * (2 if len(values) == 1 else 1), n=4, method="inclusive")
    found = {"median": statistics.median(values), "q1": lower, "q3": upper, "low": min(values), "high": max(values)}
    return {name: round(value, 1) for name, value in found.items()}


def measure(package: Package, *, splits: int) -> list[dict[str, Any]]:
    """A row for each mode and suite, and one for all suites together."""
    rows = []
    for mode in MODES:
        shares = {suite: Shares() for suite in [*package.suites, "all"]}
        for seed in range(splits):
            total = Tally()
            for suite in package.suites:
                tally = one_split(package, suite, mode, seed=seed)
                shares[suite].add(tally)
                total.add(tally)
            shares["all"].add(total)
        rows += [{"mode": mode.name, "suite": suite, **found.told()} for suite, found in shares.items()]
    return rows


def facts(package: Package) -> dict[str, Any]:
    """What was read, and what could not be."""
    calls = [call for task in package.tasks for call in task.calls]
    return {
        "package": f"agentdojo {VERSION} (PyPI, MIT licence)",
        "combined_tasks_left_out": package.combined,
        "arguments": sum(len(call.arguments) + len(call.unknown) for call in calls),
        "arguments_not_known": sum(len(call.unknown) for call in calls),
        "suites": {suite: _suite(package, suite) for suite in package.suites},
    }


def _suite(package: Package, suite: str) -> dict[str, Any]:
    users, injections = package.of(suite, "user"), package.of(suite, "injection")
    purposes = [purpose_of(task, package.servers) for task in users]
    return {
        "user_tasks": len(users),
        "injection_tasks": len(injections),
        "injections_without_calls": sum(not task.calls for task in injections),
        "purposes": {name: purposes.count(name) for name in sorted(set(purposes))},
    }


def table(rows: Iterable[Mapping[str, Any]]) -> str:
    """Markdown: median (lower to upper quartile), per cent."""
    columns = (
        "rights of", "suite", "pairs blocked", "pairs blocked, of tasks not hindered", "tasks hindered",
        "hindered, with approval", "approvals per 100 tasks", "pairs blocked after approvals",
    )  # fmt: skip
    lines = [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    for each in rows:
        names = ("blocked", "blocked_free", "hindered", "still", "asked", "blocked_after")
        cells = (_cell(each[name]) if name in each else "none passes" for name in names)
        lines.append(f"| {each['mode']} | {each['suite']} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(spread: Mapping[str, float]) -> str:
    return f"{spread['median']:.0f} ({spread['q1']:.0f} to {spread['q3']:.0f})"


def told(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The rows of RESULTS-LONG.md: of all suites together, with the boundaries that are learned per purpose."""
    found = []
    for each in rows:
        if each["suite"] != "all" or not each["mode"].startswith("purpose"):
            continue
        for name, what in _TOLD.items():
            shares = {"median": each[name]["median"], "low": each[name]["q1"], "high": each[name]["q3"]}
            title = what if what.startswith(" ") else f"AgentDojo, {each['mode']}: {what}"
            found.append({**row(title, [0.0], "%"), **shares})
    return found


def fetch(cache: Path) -> Path:
    """The wheel, from the package index if it is not in `cache` yet. Nothing is installed, no dependency loaded."""
    found = sorted(cache.glob(f"agentdojo-{VERSION}-*.whl"))
    if not found:
        cache.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "pip", "download", f"agentdojo=={VERSION}", "--no-deps", "--quiet"]
        subprocess.run([*command, "--dest", str(cache)], check=True)
        found = sorted(cache.glob(f"agentdojo-{VERSION}-*.whl"))
    return found[0]


def main() -> int:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wheel", type=Path, help="the wheel, if it is here already")
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache" / "remit-benchmarks")
    parser.add_argument("--splits", type=int, default=SPLITS, help="seeded halves, counted from 0")
    parser.add_argument("--out", type=Path, help="write the result as JSON")
    parser.add_argument("--table", action="store_true", help="print markdown instead of JSON")
    parser.add_argument("--json", action="store_true", help="print what RESULTS-LONG.md shows")
    options = parser.parse_args()
    package = read_wheel(options.wheel or fetch(options.cache))
    result = {"name": "agentdojo", "splits": options.splits, **facts(package)}
    result["rows"] = measure(package, splits=options.splits)
    if options.out:
        options.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    if options.json:
        return finish("agentdojo", told(result["rows"]), as_json=True)
    print(table(result["rows"]) if options.table else json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
