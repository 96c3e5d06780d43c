"""Policy files in a form, and back: what somebody edits is in the form alone, until it is observed. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

TESTS: Final = "console.test.yaml"  # what the tests of the form are called in findings
_FOLDER, _ENDING = "policies/", ".cedar"
_GONE: Final = "// this file is left out\n"
_MOST_FILES: Final = 200


@dataclass(frozen=True, slots=True)
class Draft:
    """What the form holds: files by name, tests as YAML, and the version that it began from (`new`: from nothing)."""

    files: Mapping[str, str]
    tests: str = ""
    began: str = "new"

    def documents(self, standing: Mapping[str, str]) -> list[dict[str, Any]]:
        """What is otherwise than `standing`, as documents; a file that is left out as one that says nothing."""
        differs = {name: text for name, text in self.files.items() if standing.get(name) != text}
        differs |= {name: _GONE for name in standing if name not in self.files}
        return [{"kind": "policy", "file": name, "line": 1, "text": text} for name, text in sorted(differs.items())]


def draft(form: Mapping[str, str], *, began: str) -> Draft:
    """Read the form: `name.N` and `text.N`, where no `drop.N` says to leave the file out.

    Of two files with one name, the later is called otherwise: nothing that somebody wrote is lost.
    """
    files: dict[str, str] = {}
    for at in range(_MOST_FILES):
        name, text = form.get(f"name.{at}", "").strip(), lines_of(form.get(f"text.{at}", ""))
        if not name and not text.strip():
            continue
        if f"drop.{at}" in form:
            continue
        name = named(name or "unnamed")
        files[name if name not in files else f"{name.removesuffix(_ENDING)}-{at}{_ENDING}"] = text
    return Draft(files, lines_of(form.get("tests", "")), began)


def named(name: str) -> str:
    """A file's name as `remit apply` would have it: below `policies/`, ending in `.cedar`."""
    name = name if "/" in name else _FOLDER + name
    return name if name.endswith(_ENDING) else name + _ENDING


def lines_of(text: str) -> str:
    """A text area's lines as files have them: a browser sends CR LF."""
    return text.replace("\r\n", "\n").replace("\r", "\n")
