"""What is said of policies that are wrong: the line once, and of a test file's fields theirs."""

from __future__ import annotations

import pytest

from remit.kernel.errors import ConfigInvalid
from remit.server.policy_check import refused, suite_in

WRONG = """\
tests:
  - name: one
    agent: bot
    action: payments/transfer
    expect: deny
  - name: two
    agent: "not a name!"
    action: payments/transfer
    expect: deny
"""


def test_what_validation_says_has_its_file_and_line_unless_a_finding_has_it_already() -> None:
    error = ConfigInvalid("policies/a.cedar:7: it is wrong", try_="do better")
    said = refused(error, [])
    assert [(each["file"], each["line"], each["what"], each["try"]) for each in said] == [
        ("policies/a.cedar", 7, "it is wrong", "do better")
    ]
    assert said[0]["severity"] == "error"
    assert said[0]["because"]
    assert refused(error, [{"severity": "error", "file": "policies/a.cedar"}]) == []
    assert len(refused(error, [{"severity": "warning", "file": "policies/a.cedar"}])) == 1
    assert len(refused(error, [{"severity": "error", "file": "policies/b.cedar"}])) == 1
    assert refused(ConfigInvalid("no place at all"), [])[0]["what"] == "no place at all"


def test_a_test_that_is_wrong_names_its_line() -> None:
    with pytest.raises(ConfigInvalid, match=r"x\.yaml:7: "):
        suite_in(WRONG, file="x.yaml")
    assert len(suite_in(WRONG.replace('"not a name!"', "bot"), file="x.yaml").cases) == 2
    with pytest.raises(ConfigInvalid, match=r"x\.yaml:1: "):
        suite_in("[]", file="x.yaml")
