"""`remit policy format` and `lint`: policy files on this machine. They need no server."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from remit.cli.exits import Exit
from remit.cli.options import Json
from remit.cli.output import data_json, data_text, talk
from remit.kernel.errors import ConfigInvalid

if TYPE_CHECKING:
    from remit.cli.policy_tests import Given

Where = Annotated[Path, typer.Argument(metavar="[DIR]", help="The directory that holds policies/. [.]")]
_WIDTH, _INDENT = 120, 2


def format_(
    directory: Where = Path(),
    check: Annotated[bool, typer.Option("--check", help="Change nothing; exit 9 if a file is not formatted.")] = False,
    json: Json = False,
) -> int:
    """Write the policy files of DIR in Cedar's own format."""
    import cedarpy  # noqa: PLC0415 - the engine is loaded by the commands that need it

    changed = []
    for path in _cedar_files(directory):
        before = _read(path)
        try:
            after = cedarpy.format_policies(before, _WIDTH, _INDENT) if before.strip() else before
        except ValueError as error:
            raise ConfigInvalid(
                f"{path.name}: it cannot be read: {error}", try_=f"remit policy lint {directory}"
            ) from error
        if after != before:
            changed.append(path)
            if not check:
                _write(path, after)
    if json:
        data_json({"changed": [path.name for path in changed], "written": not check})
    else:
        for path in changed:
            data_text(f"{'not formatted' if check else 'formatted'}: {path.name}")
        talk(f"{len(changed)} of {len(_cedar_files(directory))} files {'differ' if check else 'changed'}")
    return Exit.DIFFERS if check and changed else Exit.OK


def cases(directory: Where = Path(), json: Json = False) -> int:
    """Run the tests beside the policies of DIR (policies/*.test.yaml). Exit 4 if one fails."""
    from remit.cli import policy_tests  # noqa: PLC0415 - the engine is loaded by the commands that need it

    return policy_tests.run(directory, json=json)


def lint(directory: Where = Path(), json: Json = False) -> int:
    """Say what a careful reader would of the policies of DIR. Exit 3 for errors; warnings alone exit 0."""
    from remit.cli.policy_tests import given  # noqa: PLC0415 - the engine is loaded by the commands that need it
    from remit.policy.cedar import CedarEngine  # noqa: PLC0415 - as above
    from remit.policy.lint import Severity, lint  # noqa: PLC0415 - as above

    found = given(directory)
    engine = CedarEngine()
    findings = lint(found.policies, engine, _known(found, engine))
    errors = sum(each.severity is Severity.ERROR for each in findings)
    if json:
        rows = [{"try" if name == "try_" else name: value for name, value in asdict(each).items()} for each in findings]
        data_json({"findings": rows, "errors": errors, "warnings": len(findings) - errors})
    else:
        for each in findings:
            style = "red" if each.severity is Severity.ERROR else "yellow"
            named = f"{each.policy}: " if each.policy else ""
            place = f"{each.file}:{each.line}" if each.line else each.file
            data_text(f"{place}: {each.severity.value}: {named}{each.what} ({each.rule})", style=style)
            data_text(f"  because  {each.because}")
            data_text(f"  try      {each.try_}")
        talk(f"{errors} errors, {len(findings) - errors} warnings in {len(found.policies)} files")
    return Exit.CONFIG if errors else Exit.OK


def _known(found: Given, engine: Any) -> Any:  # noqa: ANN401 - an engine; lint.Known: of modules that are loaded later
    """What the directory says there is. Of what it says nothing, nothing is known: it may be elsewhere."""
    from remit.policy.lint import Known  # noqa: PLC0415 - as above
    from remit.server.own_trial import declared_in  # noqa: PLC0415 - as above
    from remit.server.policy_trial import catalog  # noqa: PLC0415 - as above

    names: dict[str, set[str]] = {}
    for document in found.documents:
        names.setdefault(document.kind, set()).add(document.name)
    tools = catalog(found.documents, found.suites) if any(suite.tools for suite in found.suites) else []
    declared = declared_in(found.documents, engine).schema
    return Known(
        agents=names.get("agent"), owners=names.get("owner"), names=names.get("server"), servers=tools,
        declared=declared,
    )  # fmt: skip


def _cedar_files(directory: Path) -> list[Path]:
    folder = directory / "policies"
    if not folder.is_dir():
        raise ConfigInvalid(f"{directory} holds no policies/", try_="remit policy format DIR")
    return sorted(path for path in folder.iterdir() if path.suffix == ".cedar" and not path.name.startswith("."))


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigInvalid(f"{path.name}: cannot be read as UTF-8 text", detail=str(error)) from error


def _write(path: Path, text: str) -> None:
    """In one step: an editor or a crash must not see half a file."""
    aside = path.with_name(f".{path.name}.new")
    aside.write_text(text, encoding="utf-8")
    aside.chmod(path.stat().st_mode)
    aside.replace(path)
