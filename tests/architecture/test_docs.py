"""The documents: their links lead somewhere, their pictures load nothing, and each code has its line and its page."""

import re
from pathlib import Path

import pytest

from remit.policy.model import Code
from remit.server.problem import STATUS

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
LINK = re.compile(r"\]\(([^)\s]+)\)")
# Answers of HTTP itself, and what is never told under its name.
NO_PAGE = {"method_not_allowed", "not_implemented", "unexpected", Code.NOT_VISIBLE, Code.REPLAYED_PROOF}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_within_the_repository_leads_somewhere(document: Path) -> None:
    links = [link for link in LINK.findall(document.read_text(encoding="utf-8")) if "://" not in link]
    files = {link.partition("#")[0] for link in links} - {""}
    assert [link for link in sorted(files) if not (document.parent / link).exists()] == []


def test_a_picture_loads_nothing_from_elsewhere() -> None:
    for picture in (ROOT / "docs").rglob("*.svg"):
        text = picture.read_text(encoding="utf-8")
        assert re.search(r"url\((?!#)|@import|href=[\"'](?!#)|<script|<image", text) is None, picture


def test_every_code_has_a_line_and_a_page() -> None:
    folder = ROOT / "docs" / "errors"
    listed = dict(
        re.findall(r"^- \[(\w+)\]\(\w+\.md\): (.+)$", (folder / "README.md").read_text("utf-8"), re.MULTILINE)
    )
    assert {*Code, *STATUS} - NO_PAGE <= set(listed)
    assert {path.stem for path in folder.glob("*.md")} == {*listed, "README"}
    for code, sentence in listed.items():
        assert (folder / f"{code}.md").read_text("utf-8").startswith(f"# {code}\n\n{sentence}\n"), code
