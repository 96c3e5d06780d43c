"""What is written reads back as it was, exact numbers and all; and what `remit rightsize` prints."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from remit.cli import rightsize
from remit.cli.yaml_out import write
from remit.kernel.errors import Conflict, Malformed
from remit.server.yaml_text import read

texts = st.text(max_size=20) | st.sampled_from(
    [
        "NO",
        "yes",
        "null",
        "~",
        "012",
        "1e3",
        "1:30",
        "500.00",
        "2027-01-01",
        "- a",
        "a: b",
        "#x",
        "é\u2028",
        "\x7f",
        "😀",
    ]
)
numbers = st.integers(-(10**17), 10**17) | st.integers(-(10**17), 10**17).map(lambda n: Decimal(n).scaleb(-4))
values = st.recursive(
    texts | numbers | st.booleans(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts.filter(bool), inner, max_size=3),
    max_leaves=12,
)


def same(one: Any, other: Any) -> bool:
    if isinstance(one, dict):
        return isinstance(other, dict) and list(one) == list(other) and all(same(one[k], other[k]) for k in one)
    if isinstance(one, list):
        return isinstance(other, list) and len(one) == len(other) and all(map(same, one, other))
    return (
        one == other
        and isinstance(one, bool) == isinstance(other, bool)
        and isinstance(one, str) == isinstance(other, str)
    )


@given(st.lists(st.dictionaries(texts, values, min_size=1, max_size=3), min_size=1, max_size=3))
def test_what_is_written_is_read_back(documents: list[dict[str, Any]]) -> None:
    assert same([each.value for each in read(write(documents), file="x")], documents)


DOCUMENT = {
    "boundary": "bot-pay",
    "agent": "bot",
    "purpose": "pay",
    "allow": [
        {
            "action": "bank/send",
            "when": {"amount": {"max": "118.44", "min": "0"}, "cur": {"in": ["EUR", Decimal("1.5")]}},
        }
    ],
    "not_after": "2027-03-31",
}


def test_it_looks_as_people_write_it() -> None:
    assert write([DOCUMENT]) == (
        "boundary: bot-pay\n"
        "agent: bot\n"
        "purpose: pay\n"
        "allow:\n"
        "- action: bank/send\n"
        '  when: {amount: {max: "118.44", min: "0"}, cur: {in: [EUR, 1.5]}}\n'
        'not_after: "2027-03-31"\n'
    )


class Api:
    def __init__(self, answer: dict[str, Any]) -> None:
        self.answer = answer
        self.path = ""

    def get(self, path: str) -> dict[str, Any]:
        self.path = path
        return self.answer


def proposal(**more: Any) -> dict[str, Any]:
    row = {
        "action": "bank/send", "tier": "critical", "used": 7, "held_out": 3, "kept": True, "would_deny": 1,
        "when": DOCUMENT["allow"][0]["when"],  # type: ignore[index]
    }  # fmt: skip
    gone = {**row, "action": "bank/list", "kept": False, "when": {}, "would_deny": 0, "held_out": 0}
    denial = {
        "action": "bank/send", "time": "2026-11-24T12:00:00.000000Z", "code": "constraint_violated",
        "violations": [{"path": "/amount", "constraint": "max", "limit": "118.44", "actual": "400"}],
    }  # fmt: skip
    found = {
        "boundary": "bot-pay", "purpose": "pay", "version": 2, "rows": [row, gone], "denials": [denial],
        "would_deny": 1, "left_out": {}, "calls": {"learned": 7, "held_out": 3, "outside": 0, "arguments_unknown": 0},
        "actions": {"before": 2, "after": 1}, "weight": {"before": 41, "after": 40}, "document": DOCUMENT,
    }  # fmt: skip
    return {
        "log": {"entries": 20, "oldest": None, "whole": True},
        "imported": {"uses": 0, "whole": True, "without_purpose": 0},
        "proposals": [{**found, **more}],
    }


def run(monkeypatch: pytest.MonkeyPatch, answer: dict[str, Any], *arguments: str) -> Api:
    api = Api(answer)
    monkeypatch.setattr(rightsize, "connect", lambda _as: api)
    app = typer.Typer()
    rightsize.add(app)
    app(args=list(arguments), standalone_mode=False)
    return api


def test_a_proposal_is_a_table_and_the_next_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    out = tmp_path / "new.yaml"
    api = run(monkeypatch, proposal(), "bot", "--dial", "exact", "--hold-out", "40%", "--out", str(out))
    assert api.path == "/v1/agents/bot/rightsize?dial=exact&headroom=20&hold_out=40"
    said = capsys.readouterr()
    assert "amount max 118.44 min 0, cur in EUR|1.5" in said.out
    assert "removed" in said.out
    assert "denies   2026-11-24T12:00:00Z bank/send constraint_violated: amount 400" in said.err
    assert "would deny 1 of 3 held out" in said.err
    assert "remit diff DIR" in said.err
    assert out.read_text(encoding="utf-8") == write([DOCUMENT])
    with pytest.raises(Conflict, match="not overwritten"):
        run(monkeypatch, proposal(), "bot", "--out", str(out))


def test_what_was_never_used_is_said_to_end(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    run(monkeypatch, proposal(document=None), "bot", "--out", str(tmp_path / "none.yaml"))
    assert "nothing was used" in capsys.readouterr().err
    assert not (tmp_path / "none.yaml").exists()


def test_a_per_cent_is_a_whole_number(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Malformed):
        run(monkeypatch, proposal(), "bot", "--hold-out", "a third")
