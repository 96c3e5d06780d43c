"""`remit policy test`: the tests that stand beside policies. It needs no server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from remit.cli import tree
from remit.cli.exits import Exit
from remit.cli.output import data_json, data_text, talk
from remit.kernel.clock import SystemClock
from remit.kernel.errors import ConfigInvalid
from remit.policy.case import Suite
from remit.server.documents import Document, Findings, read


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What a directory says, and the tests in it."""

    documents: list[Document]
    suites: list[Suite]

    @property
    def policies(self) -> Mapping[str, str]:
        """The policy files: name to text."""
        return {document.name: document.value for document in self.documents if document.kind == "policy"}


def given(directory: Path) -> Given:
    """Read DIR.

    Raises:
        ConfigInvalid: A file or key that is not understood, with file and line.
    """
    findings = Findings()
    documents = read(tree.read(directory).documents, findings)
    findings.finish()
    return Given(documents=documents, suites=[_suite(path, directory) for path in _test_files(directory)])


def run(directory: Path, *, json: bool) -> int:
    """Run the tests of DIR and tell how they ended."""
    from remit.policy.cedar import CedarEngine  # noqa: PLC0415 - the engine is loaded by the commands that need it
    from remit.server.policy_check import row  # noqa: PLC0415 - as above
    from remit.server.policy_trial import run  # noqa: PLC0415 - as above

    found = given(directory)
    if not found.suites:
        raise ConfigInvalid(f"{directory} holds no tests", try_="add policies/NAME.test.yaml")
    results, untouched = run(found.documents, found.suites, CedarEngine(), now=SystemClock().now())
    failed = [each for each in results if not each.passed]
    if json:
        data_json({"tests": [row(each) for each in results], "failed": len(failed), "untouched": untouched})
        return Exit.TESTS if failed else Exit.OK
    for each in failed:
        case = each.case
        data_text(f"✗ {case.file}:{case.line}: {case.name}", style="red")
        data_text(f"  expected {_said(case.expect, case.policy)}")
        data_text(f"  got      {_said(each.got, each.policy)}" + (f": {each.said}" if each.said else ""))
    data_text(f"{len(results) - len(failed)} passed, {len(failed)} failed")
    if untouched:
        talk(f"decided by no test: {', '.join(untouched)}", style="yellow")
    return Exit.TESTS if failed else Exit.OK


def _said(answer: str, policy: str | None) -> str:
    return f"{answer} by {policy}" if policy else answer


def _test_files(directory: Path) -> list[Path]:
    folder = directory / "policies"
    return sorted(path for path in folder.iterdir() if path.name.endswith(tree.TESTS)) if folder.is_dir() else []


def _suite(path: Path, directory: Path) -> Suite:
    from remit.server.policy_check import suite_in  # noqa: PLC0415 - as above

    file = path.relative_to(directory).as_posix()
    try:
        return suite_in(path.read_text(encoding="utf-8"), file=file)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigInvalid(f"{file}: cannot be read as UTF-8 text", detail=str(error)) from error
