"""What the SDK says offline of a step up in an argument is what the server decides, however the step is written."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from remit.access import climbing as of_server
from remit.access.model import Bound, Rule
from remit.kernel.canonical import encode
from remit.kernel.names import ActionName
from remit.policy.arguments import compiled
from remit.policy.constraints import violations
from remit.policy.narrow import NO_STEP_UP, alternatives, narrowed
from remit.sdk import climbing, strict_json
from remit.sdk.mandate import Mandate

ACTION = ActionName("files/read")
PLACES = ["/srv/public/", "/srv/", "file:///srv/public/", "/a/..b/"]
DOTS = [
    "..", ".", "%2e%2e", "%2E.", "%252e%252e", "%c0%ae%c0%ae", "%c0%ae.", "%e0%80%ae.", "%u002e%u002e", "\u2025",
    "\uff0e.", ".\u200b.", ".\t.", "%2%65e", "...", "..a", "%c3%ae", "a", "", " .. ",
]  # fmt: skip
ENDS = ["/", "\\", "%2f", "%5c", "%c0%af", "..\\", ";", "?", "#", "", "x", "\u2215"]
PATHS = st.tuples(
    st.sampled_from([*PLACES, "/etc/", ""]), st.lists(st.sampled_from(DOTS) | st.sampled_from(ENDS), max_size=6)
).map(lambda parts: parts[0] + "".join(parts[1]))
MEMBERS: list[Any] = [
    {"type": "string"}, {}, {"type": "string", "pattern": "^."}, {"type": ["string", "null"], "description": "Which."},
    {"anyOf": [{"type": "string"}, {"type": "null"}]}, {"$ref": "#/$defs/Path"},
]  # fmt: skip
WHEN = st.one_of(
    st.sampled_from(PLACES).map(lambda place: Bound(argument="path", prefix=place)),
    st.sampled_from(PLACES).map(lambda place: Bound(argument="path", prefix=place, max_length=24)),
    st.just(Bound(argument="path", in_=("/srv/public/../private", "/srv/public/a"))),
    st.just(Bound(argument="path", max_length=12)),
    st.just(Bound(argument="other", prefix="/srv/")),
)
RULES = st.lists(WHEN, max_size=2).map(lambda when: Rule(action=ACTION, when=tuple(when)))


def mandate(schema: dict[str, Any], rules: list[Rule]) -> Mandate:
    """What an agent reads of it: over the wire."""
    others = alternatives(schema, rules)
    action = {
        "action": ACTION, "refused": None, "usable": True, "state": "active", "starts": None,
        "input_schema": narrowed(schema, rules), **({"alternatives": list(others)} if others else {}),
        "granted_by": [{"limits": [], "approval": [], "approval_each_call": False} for _ in rules],
    }  # fmt: skip
    claims = {"exp": 2, "freeze": {"frozen": False, "on": []}, "actions": [action]}
    return Mandate(strict_json.parse(encode(claims)), "")


@given(PATHS, PATHS, st.sampled_from(MEMBERS), st.lists(RULES, min_size=1, max_size=3))
@example(
    "/srv/public/../private",
    "",
    {"type": "string"},
    [Rule(action=ACTION, when=(Bound(argument="path", prefix="/srv/"),))],
)
def test_offline_and_at_the_server_the_answer_is_the_same(
    path: str, other: str, member: dict[str, Any], rules: list[Rule]
) -> None:
    schema = {"type": "object", "properties": {"path": member, "other": {}}, "$defs": {"Path": {"type": "string"}}}
    arguments = {"path": path, "other": other}
    decided = compiled(schema).is_valid(arguments) and any(not violations(rule, arguments) for rule in rules)
    assert mandate(schema, rules).allows(ACTION, arguments, now=1) == decided


@given(st.text() | PATHS | st.lists(st.sampled_from([*DOTS, *ENDS, "%", "25", "2e"]), max_size=8).map("".join))
def test_both_read_a_text_alike(text: str) -> None:
    assert climbing.climbs(text) == of_server.climbs(text)


@pytest.mark.parametrize("step", ["..", "%2e%2e", "%c0%ae%c0%ae", "\uff0e\uff0e"])
def test_the_agent_reads_what_to_change(step: str) -> None:
    rule = Rule(action=ACTION, when=(Bound(argument="path", prefix="/srv/"),))
    (said,) = violations(rule, {"path": f"/srv/{step}/etc"})
    assert (said.path, said.constraint, said.limit) == ("/path", "no_step_up", "/srv/")
    assert [each.constraint for each in violations(rule, {"path": f"/etc/{step}/srv"})] == ["prefix"]
    problems = mandate({"properties": {"path": {"type": "string"}}}, [rule]).problems(
        ACTION, {"path": f"/srv/{step}/etc"}, now=1
    )
    assert len(problems) == 1
    assert "step up" in problems[0]


def test_a_list_of_tools_says_it_to_the_model() -> None:
    schema = {"properties": {"path": {"type": "string", "description": "Which file."}, "n": {"type": "string"}}}
    bounds = (Bound(argument="path", prefix="/srv/"), Bound(argument="n", max_length=3))
    found = narrowed(schema, [Rule(action=ACTION, when=bounds)])["properties"]
    assert found["path"]["description"] == "Which file. A step up (.., however it is written) is refused."
    assert found["path"][NO_STEP_UP] is True
    assert NO_STEP_UP in climbing.KEYWORDS
    assert "description" not in found["n"]
