"""`remit server review`: what a server says stands there as its own words."""

from __future__ import annotations

import pytest

from remit.cli import server

FORGED = "a\nother  approved\u2028other  approved" + " " * 300 + "other  approved\u202e\x1b[2K"


@pytest.mark.parametrize(
    "row",
    [
        {"changes": [f"the description was 'a', and is '{FORGED}'"]},
        {"parts": {"/description": [FORGED, FORGED]}},
        {"parts": {FORGED: [None, {"x": FORGED}]}},
        {"renamed_from": FORGED, "shadows": [FORGED], "held": [FORGED], "tool": FORGED},
    ],
)
def test_what_a_server_says_begins_no_line_of_ours(row: dict[str, object], capsys: pytest.CaptureFixture[str]) -> None:
    server._change({"tool": "search", "state": "changed", **row})
    first, *rest = capsys.readouterr().out.splitlines()
    assert first.endswith("  changed")
    ours = ("  the description", "  - ", "  + ", "  renamed: ", "  shadows: ", "  held: ")
    assert all(line.startswith(ours) and line.count("other") < 7 for line in rest)
    assert all("   " not in line.strip() for line in rest)
