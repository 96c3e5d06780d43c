from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.kernel.errors import ConfigInvalid
from remit.policy import organisation
from remit.policy.model import Code
from remit.policy.schema import for_catalog
from remit.policy.view import PurposeRecord

if TYPE_CHECKING:
    from tests.unit.policy.conftest import Build

GOOD = """// a comment; with a semicolon
@id("one")
permit (principal, action, resource) when { context.run == "a;b // \\" ;" };

// another
forbid (principal, action, resource) unless { true }; forbid (principal, action, resource) when { false };
// the end
"""


def test_policies_are_split_at_their_own_semicolons(build: Build) -> None:
    read = organisation.read({"a.cedar": GOOD}, build.engine)
    assert [(policy.id, policy.line) for policy in read.policies] == [("one", 2), ("a:2", 6), ("a:3", 6)]
    assert [policy.forbids for policy in read.policies] == [False, True, True]


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("permit (principal, action, resource);\n\nforbid (principal, action resource);", "a.cedar:3"),
        ("permit (principal, action, resource)", "a.cedar:1"),
        ("// fine\npermit (principal == ?principal, action, resource);", "a.cedar:2"),
        ('@id("x") permit (principal, action, resource);\n@id("x") forbid (principal, action, resource);', "a.cedar:2"),
        ('permit (principal, action, resource) when { "unended };', "a.cedar:1"),
    ],
)
def test_a_policy_that_cannot_be_read_is_named_by_file_and_line(build: Build, text: str, where: str) -> None:
    with pytest.raises(ConfigInvalid) as caught:
        organisation.read({"a.cedar": text}, build.engine)
    assert caught.value.public.startswith(where)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ('forbid (principal, action == Remit::Action::"payments/nope", resource);', "payments/nope"),
        ("forbid (principal, action, resource) when { context.nope };", "nope"),
        ('forbid (principal, action, resource) when { context.input.amount.greaterThan(decimal("1.0")) };', "amount"),
        ("forbid (principal is Nope, action, resource);", "Nope"),
        ('forbid (principal, action, resource) when { 1 + "a" == 2 };', "Long"),
    ],
)
def test_a_policy_that_does_not_validate_is_named_by_file_and_line(build: Build, text: str, word: str) -> None:
    read = organisation.read({"b.cedar": "permit (principal, action, resource);\n\n" + text}, build.engine)
    with pytest.raises(ConfigInvalid) as caught:
        organisation.check(read, for_catalog([build.server()]), build.engine)
    assert caught.value.public.startswith("b.cedar:3: ")
    assert word in caught.value.public


@pytest.mark.parametrize(
    "text",
    [
        'forbid (principal, action in Remit::Action::"tier:critical", resource) when { context.input has amount && context.input.amount.greaterThan(decimal("1.0")) };',  # noqa: E501 - one policy
        'forbid (principal in Remit::Owner::"dana", action in Remit::Action::"server:payments", resource);',
        'forbid (principal, action, resource) when { context.purpose.data_classes.contains("financial") };',
        'forbid (principal, action, resource) when { context.now.toTime() < duration("6h") };',
        'forbid (principal, action == Remit::Action::"payments:tools/list", resource == Remit::Server::"payments");',
        'forbid (principal, action, resource) when { principal.owner == Remit::Owner::"lee" };',
        'forbid (principal, action == Remit::Action::"payments/transfer", resource) when { context.input has payee && context.input.payee has iban && context.input.payee.iban like "DE*" };',  # noqa: E501 - one policy
        'forbid (principal, action == Remit::Action::"payments/transfer", resource) when { context.input has tags && context.input.tags.contains("x") && context.input has count && context.input.count > 2 };',  # noqa: E501 - one policy
    ],
)
def test_what_an_organisation_would_write_validates_and_decides_without_error(build: Build, text: str) -> None:
    organisation.check(organisation.read({"a.cedar": text}, build.engine), for_catalog([build.server()]), build.engine)
    arguments = {"amount": 1, "currency": "EUR", "payee": {"iban": "FR1"}, "tags": ["y"], "count": 1}
    denial = build.ask(build.call(arguments), build.view(policies=text)).answer.denial
    assert denial is None or denial.code == "forbidden_by_policy"


def test_the_digest_names_the_files_and_their_text() -> None:
    one = organisation.digest({"a": "x", "b": "y"})
    assert one == organisation.digest({"b": "y", "a": "x"})
    assert one != organisation.digest({"a": "xb", "": "y"})
    assert organisation.Organisation().digest != one
    assert organisation.Organisation().digest == organisation.digest({})


def test_a_purpose_that_changed_is_asked_about_as_it_is_now(build: Build) -> None:
    """What Cedar reads of a purpose is kept between calls; it must not outlive the purpose it was read from."""
    policy = 'forbid (principal, action, resource) when { context.purpose.data_classes.contains("personal") };'
    view = build.view(policies=policy)
    changed = build.purpose(data_classes=("financial", "personal"))
    later = dataclasses.replace(view, purposes={**view.purposes, changed.purpose: PurposeRecord(changed)})
    list_invoices, method = build.call({}, tool="list_invoices"), build.method("tools/list")
    for _ in range(2):
        for asked in (list_invoices, method):
            assert build.ask(asked, view).answer.allowed
            denial = build.ask(asked, later).answer.denial
            assert denial is not None
            assert denial.code is Code.FORBIDDEN_BY_POLICY


def test_other_policies_have_an_index_of_their_own(build: Build) -> None:
    """An index of what stood there before would pass over a forbid."""
    files = {"a.cedar": "permit (principal, action, resource);", "b.cedar": "forbid (principal, action, resource);"}
    both = organisation.read(files, build.engine)
    only = dataclasses.replace(both, policies=both.policies[1:])
    asked = organisation.scope(agent="bot", owner="dana", server="s", action="s/t", groups=())
    assert list(only.applying(asked)) == [organisation.PREFIX + "b:1"]


DECLARED = {
    "D": {
        "entityTypes": {"User": {"memberOfTypes": ["Group"]}, "Group": {}},
        "actions": {"see": {"appliesTo": {"principalTypes": ["User"], "resourceTypes": ["Group"]}}},
    }
}
LOOKS = 'D::User::"bo" in D::Group::"bad"'


@pytest.mark.parametrize(
    ("scope", "fits"),
    [
        ("principal, action, resource", False),
        ('principal, action in Remit::Action::"server:payments", resource', False),
        ("principal is Remit::Agent, action, resource", False),
        ("principal, action, resource is Remit::Server", False),
        ("principal is D::User, action, resource", True),
        ('principal, action == D::Action::"see", resource', True),
        ('principal in D::Group::"all", action, resource', True),
        ('principal, action, resource == D::Group::"all"', True),
    ],
)
def test_a_forbid_that_would_never_stop_an_agent_is_refused(build: Build, scope: str, fits: bool) -> None:  # noqa: FBT001 - a parameter
    """It is valid, everybody believes in it, and Cedar passes it over: what it asks about is not there."""
    read = organisation.read({"a.cedar": f"forbid ({scope}) when {{ {LOOKS} }};"}, build.engine)
    catalog = {**for_catalog([build.server()]), **DECLARED}
    if fits:
        organisation.check(read, catalog, build.engine)
        return
    with pytest.raises(ConfigInvalid, match="is not looked at when an agent's call is decided"):
        organisation.check(read, catalog, build.engine)


PIECES = [
    "permit (principal, action, resource);",
    'forbid (principal, action, resource) when { context.run == "a; // b" };',
    '@title("\\" ;")\nforbid (principal, action, resource) // not ; yet\n unless { context has now };',
]
BETWEEN = ["", "\n", " ", "// a comment;\n", '// "\n\n', "\r\n", "// ends \r"]


@given(st.lists(st.tuples(st.sampled_from(BETWEEN), st.sampled_from(PIECES)), max_size=40), st.sampled_from(BETWEEN))
def test_a_file_read_in_stretches_is_each_of_its_policies(
    build: Build, parts: list[tuple[str, str]], behind: str
) -> None:
    """However many the engine reads at once, and whatever stands between them."""
    text = "".join(before + policy for before, policy in parts) + behind
    if "\r" in text.replace("\r\n", "") and parts:
        return  # of these, the test below
    found = organisation.read({"a.cedar": text}, build.engine).policies
    assert [policy.cedar for policy in found] == [
        build.engine.read(policy)["staticPolicies"]["policy0"] for _, policy in parts
    ]
    known = {policy.text: policy.cedar for policy in found[::2]}
    assert organisation.read({"a.cedar": text}, build.engine, known=known).policies == found


@pytest.mark.parametrize("many", [1, 20])
@pytest.mark.parametrize("hidden", ["// \r permit (principal, action, resource);\n", "// \r forbid (\n"])
def test_nothing_hides_behind_a_carriage_return(build: Build, hidden: str, many: int) -> None:
    """Attack: to the engine a comment ends there, and to whoever splits the file it goes on."""
    with pytest.raises(ConfigInvalid, match=r"^a\.cedar"):
        organisation.read({"a.cedar": PIECES[0] * many + hidden + PIECES[1]}, build.engine)


def test_a_stretch_does_not_end_where_only_the_engine_sees_a_comment(build: Build) -> None:
    """Attack: as many policies are found in each stretch as there are, and in the file there is one fewer."""
    turned = '// \r @a("\nx") forbid (principal, action, resource); // " ;'
    assert build.engine.count(turned) == 1
    with pytest.raises(ConfigInvalid, match=r"^a\.cedar: the file cannot be split"):
        organisation.read({"a.cedar": PIECES[0] * 15 + turned + PIECES[0]}, build.engine)
