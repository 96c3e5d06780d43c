"""What is wrong with policies that somebody writes, and how their tests end: beside the catalog and what is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

from remit.kernel.clock import Instant
from remit.kernel.errors import ConfigInvalid
from remit.people.document import SpecInvalid
from remit.policy.case import Suite, suite
from remit.policy.declared.model import Declaration
from remit.policy.lint import Finding, Known, Severity, lint
from remit.policy.ports import Engine
from remit.policy.view import View
from remit.server import policy_trial, yaml_text
from remit.server.documents import Document
from remit.server.policy_trial import Result

_REFUSED: Final = "it would be refused as a whole when it is observed or applied"


def suite_in(text: str, *, file: str) -> Suite:
    """The tests of one file.

    Raises:
        ConfigInvalid: It is not understood; names file and line.
    """
    found = yaml_text.read(text, file=file)
    if len(found) != 1:
        raise ConfigInvalid(f"{file}:1: one object with tests is expected")
    document = found[0]
    try:
        return suite(document.value, file=file, lines=document.lines)
    except SpecInvalid as error:
        lines = [f"{file}:{_line(document.lines, each.field, document.line)}: {each}" for each in error.problems]
        raise ConfigInvalid(lines[0], detail="\n".join(lines[1:])) from error


def findings(files: Mapping[str, str], view: View, engine: Engine) -> list[dict[str, Any]]:
    """What a careful reader would say of policy files beside what is registered, as JSON values."""
    known = Known(
        agents=set(view.agents), owners=set(view.owners), names=set(view.servers),
        servers=[record.server for record in view.servers.values()], declared=view.declared.schema,
    )  # fmt: skip
    return [_finding(each) for each in lint(files, engine, known)]


def refused(error: ConfigInvalid, found: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What validation says of the whole set, unless a finding says it of the same line already."""
    place, _, what = error.public.partition(": ")
    file, _, line = place.rpartition(":")
    file, number = (file, int(line)) if line.isascii() and line.isdigit() else (place, 0)
    if any(each["severity"] == Severity.ERROR.value and each["file"] == file for each in found):
        return []
    said = {"severity": "error", "rule": "refused", "file": file, "line": number, "policy": ""}
    return [{**said, "what": what or error.public, "because": _REFUSED, "try": error.try_ or "remit policy lint DIR"}]


def tried(
    files: Mapping[str, str],
    tests: Mapping[str, str],
    declared: Mapping[str, Declaration],
    engine: Engine,
    *,
    now: Instant,
) -> dict[str, Any]:
    """How tests end, as `remit policy test --json` tells it.

    Raises:
        ConfigInvalid: A test or policy cannot be read; names file and line.
    """
    documents = [Document(kind="policy", name=name, value=text, file=name, line=1) for name, text in files.items()]
    documents += [
        Document(kind=each.part.value, name=name, value=each.text, file=name, line=1) for name, each in declared.items()
    ]
    suites = [suite_in(text, file=name) for name, text in sorted(tests.items())]
    results, untouched = policy_trial.run(documents, suites, engine, now=now)
    return {
        "tests": [row(each) for each in results],
        "failed": sum(not each.passed for each in results),
        "untouched": untouched,
    }


def row(result: Result) -> dict[str, Any]:
    """One test as JSON values."""
    case = result.case
    return {
        "name": case.name,
        "file": case.file,
        "line": case.line,
        "passed": result.passed,
        "expected": case.expect,
        "expected_policy": case.policy,
        "got": result.got,
        "policy": result.policy,
        "title": result.said,
    }


def _finding(each: Finding) -> dict[str, Any]:
    said = asdict(each)
    return {**{name: value for name, value in said.items() if name != "try_"}, "try": each.try_}


def _line(lines: Mapping[str, int], field: str, first: int) -> int:
    """The line of a field, or of the nearest key around it."""
    path = field.split(".")
    while path and ".".join(path) not in lines:
        path.pop()
    return lines.get(".".join(path), first) if path else first
