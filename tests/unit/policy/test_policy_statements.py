"""Cedar text is split at the semicolons that end policies, and nothing of it is lost."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from remit.policy.statements import Statement, statements

TEXT = st.text(alphabet='";/\\ \n\rax', max_size=40)


def ends(text: str) -> list[int]:
    """Behind each semicolon that is neither in a string nor in a comment, character by character."""
    found, at, within = [], 0, ""
    while at < len(text):
        if within == "string":
            within, at = ("" if text[at] == '"' else within), at + (text[at] == "\\")
        elif within == "comment":
            within = "" if text[at] == "\n" else within
        elif text[at] == '"':
            within = "string"
        elif text.startswith("//", at):
            within = "comment"
        elif text[at] == ";":
            found.append(at + 1)
        at += 1
    return found


@given(TEXT)
@example('a;// b;"\n"c;"')
@example("a // b;")
@example('a "b;')
def test_it_is_split_where_it_ends_and_nothing_is_lost(text: str) -> None:
    found, expected = list(statements(text)), ends(text)
    assert len(found) in {len(expected), len(expected) + 1}
    assert [each.end for each in found[:-1]] == expected[: len(found) - 1 if found else 0]
    assert [each.start for each in found] == [0, *(each.end for each in found[:-1])][: len(found)]
    assert not found or found[-1].end == len(text)
    for each in found:
        behind = len(text[: each.end]) if each is not found[-1] or len(found) > len(expected) else expected[-1]
        assert text[each.start : behind].endswith(each.text)
        assert each.line == 1 + text.count("\n", 0, behind - len(each.text))


@given(st.lists(st.sampled_from(["\n", "  \n", "// a;\n", ' // "b;\n']), max_size=5))
def test_comments_and_blanks_are_no_statement(lines: list[str]) -> None:
    assert not list(statements("".join(lines)))


@pytest.mark.parametrize("behind", ["", "\n", "\n// the end; really", "// no more;"])
def test_what_stands_behind_the_last_goes_with_it(behind: str) -> None:
    first, second = "permit (principal, action, resource);", "forbid (principal, action, resource);"
    text = f"// two\n{first}\n\n  // the other\n{second}{behind}"
    assert list(statements(text)) == [
        Statement(2, first, 0, 7 + len(first)),
        Statement(5, second, 7 + len(first), len(text)),
    ]
