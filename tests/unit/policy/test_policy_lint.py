from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from remit.policy import guards, organisation
from remit.policy.lint import Finding, Known, Severity, lint

if TYPE_CHECKING:
    from tests.unit.policy.conftest import Build

NAMED = '@id("x")\n@title("Y")\n'
SCOPE = '(principal, action == Remit::Action::"payments/transfer", resource)'


def found(build: Build, *texts: str, known: Known | None = None) -> list[Finding]:
    files = {f"{name}.cedar": text for name, text in zip("abc", texts, strict=False)}
    return lint(files, build.engine, known or Known())


def rules(build: Build, text: str, known: Known | None = None) -> set[str]:
    return {each.rule for each in found(build, NAMED + text, known=known)}


def test_nothing_is_said_of_a_good_policy(build: Build) -> None:
    assert found(build, NAMED + f"forbid {SCOPE};") == []


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("forbid (principal, action, resource);", "unscoped"),
        (f"permit {SCOPE};", "permit_alone"),
        (f"forbid {SCOPE} when {{ context.input.amount == 1 }};", "may_be_missing"),
        (f"forbid {SCOPE} when {{ context.input.n + 1 > 2 }};", "may_overflow"),
        (f'forbid {SCOPE} when {{ decimal(context.run) == decimal("1.0") }};', "may_not_parse"),
        (f"forbid {SCOPE} when {{ false }};", "never_applies"),
        (f"forbid {SCOPE} unless {{ true }};", "never_applies"),
        ('forbid (principal == Remit::Owner::"dana", action, resource);', "never_applies"),
        ('forbid (principal in Remit::Server::"payments", action, resource);', "never_applies"),
        ('forbid (principal, action, resource == Remit::Agent::"a");', "never_applies"),
        ('forbid (principal, action == Remit::Action::"tier:low", resource);', "never_applies"),
        ("forbid (principal, action resource);", "unreadable"),
    ],
)  # fmt: skip
def test_what_surprises_is_said(build: Build, text: str, rule: str) -> None:
    assert rule in rules(build, text)


def test_every_finding_says_where_why_and_what_to_do(build: Build) -> None:
    (first, second, *_) = found(build, "// c\n\nforbid (principal, action, resource);")
    assert [(each.file, each.line, each.severity) for each in (first, second)] == [("a.cedar", 3, Severity.WARNING)] * 2
    assert all(each.because and each.try_ and each.what for each in (first, second))


def test_the_same_id_in_two_files_is_an_error(build: Build) -> None:
    (finding,) = found(build, NAMED + f"forbid {SCOPE};", NAMED + f"forbid {SCOPE};")
    assert (finding.rule, finding.severity, finding.file) == ("same_id", Severity.ERROR, "b.cedar")
    (finding,) = found(build, (NAMED + f"forbid {SCOPE};\n") * 2)
    assert (finding.rule, finding.line) == ("same_id", 4)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ('forbid (principal == Remit::Agent::"nobody", action, resource);', "there is no agent nobody"),
        ('forbid (principal in Remit::Owner::"nobody", action, resource);', "there is no owner nobody"),
        ('forbid (principal, action, resource == Remit::Server::"files");', "there is no server files"),
        ('forbid (principal, action in Remit::Action::"server:files", resource);', "there is no server files"),
        ('forbid (principal, action == Remit::Action::"files/read", resource);', "there is no server files"),
    ],
)
def test_a_name_that_does_not_exist_is_an_error_only_where_names_are_known(build: Build, text: str, what: str) -> None:
    known = Known(agents={"bot"}, owners={"dana"}, names={"payments"})
    assert what in {each.what for each in found(build, NAMED + text, known=known)}
    assert "never_applies" not in rules(build, text)


def test_where_tools_are_known_policies_are_type_checked(build: Build) -> None:
    known = Known(servers=(build.server(),))
    assert rules(build, f"forbid {SCOPE} when {{ context.input.nope == 1 }};", known) == {"invalid"}
    assert rules(build, f'forbid {SCOPE} when {{ context.run == "x" }};', known) == set()


@pytest.mark.parametrize(
    ("condition", "missing"),
    [
        ("when { context.input has a && context.input.a == 1 }", []),
        ("when { context.input.a == 1 && context.input has a }", ["context.input.a"]),
        ("when { !(context.input has a) || context.input.a == 1 }", []),
        ("when { context.input has a || context.input.a == 1 }", ["context.input.a"]),
        ("when { context.input has a } when { context.input.a == 1 }", []),
        ("unless { context.input has a } unless { context.input.a == 1 }", ["context.input.a"]),
        ("unless { !(context.input has a) } when { context.input.a == 1 }", []),
        ("when { if context.input has a then context.input.a == 1 else true }", []),
        ("when { if context.input has a then true else context.input.a == 1 }", ["context.input.a"]),
        ("when { context.input has a && context.input.a has b && context.input.a.b == 1 }", []),
        ("when { context.input has a && context.input.a.b == 1 }", ["context.input.a.b"]),
        ("when { [context.input.a, 2].contains(2) }", ["context.input.a"]),
        ('when { context.run == "context.input.a" && context.purpose.name == "x" }', []),
        ("when { (context.input has a && context.input has b) && context.input.a == context.input.b }", []),
        ("when { (context.input has a || context.input has b) && context.input.a == 1 }", ["context.input.a"]),
    ],
)
def test_a_read_is_guarded_by_has(build: Build, condition: str, missing: list[str]) -> None:
    (policy,) = organisation.read({"a.cedar": f"forbid {SCOPE} {condition};"}, build.engine).policies
    assert guards.missing(policy.cedar) == missing


def test_what_is_written_out_does_not_overflow(build: Build) -> None:
    text = f'forbid {SCOPE} when {{ 1 + 2 == 3 && decimal("1.0") == decimal("2.0") }};'
    (policy,) = organisation.read({"a.cedar": text}, build.engine).policies
    assert not guards.overflows(policy.cedar)
    assert guards.made_from_text(policy.cedar) == []


def test_many_policies_keep_their_text_and_line(build: Build) -> None:
    """The engine numbers what it reads at once; a policy must not get another's text."""
    text = "".join(
        f'// {n}\n@id("p{n}")\nforbid (principal, action, resource) when {{ {n} == 0 }};\n' for n in range(99)
    )
    for policy in organisation.read({"a.cedar": text}, build.engine).policies:
        number = int(policy.id.removeprefix("p"))
        assert policy.line == 3 * number + 2
        assert f"{{ {number} == 0 }}" in policy.text
        assert policy.cedar["conditions"][0]["body"]["=="]["left"] == {"Value": number}
