"""Bodies that nobody here reads: where a rule is about arguments, none passes in which a server may find some."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from remit.access.conditions import Conditions, Step
from remit.access.model import Bound, Boundary, BoundaryState, Budget, Rate, Rule
from remit.enforcement.http_bodies import constrains, has_fields, is_form, opaque, unread, well_formed
from remit.kernel.clock import Instant
from remit.kernel.names import ActionName, AgentName, BoundaryName, PurposeName
from remit.policy.sequence import Noted
from remit.policy.view import Grant

ACTION = ActionName("api:PUT /files/{name}")
BOUNDARY = Boundary(
    boundary=BoundaryName("b"), version=1, agent=AgentName("bot"), purpose=PurposeName("work"), rules={},
    not_after=Instant(1), state=BoundaryState.ACTIVE, approved_by=None, approved_at=None,
)  # fmt: skip


def granted(noted: Noted | None = None, **parts: Any) -> Grant:
    return Grant(BOUNDARY, Rule(action=ACTION, **parts), noted=noted)


BOUNDED = granted(when=(Bound(argument="name", prefix="a"),))
CONSTRAINING = [
    BOUNDED,
    granted(budget=Budget(argument="amount", max=Decimal(1), per="day")),
    granted(approval_above=(("amount", Decimal(1)),)),
    granted(conditions=Conditions(requires_before=(Step(action=ACTION, same=(("id", "id"),)),))),
    granted(Noted(results=((), ("id",)))),  # another rule asks that this came to ok for the same `id`
]
OTHER = [
    granted(), granted(rate=Rate(count=1, per="day")), granted(Noted(admission=True, results=((),))),
    granted(conditions=Conditions(requires_before=(Step(action=ACTION),), per_run=1)),
]  # fmt: skip
FORMS = [
    "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "multipart/mixed; boundary=x",
    "multipart/related; boundary=x", "multipart/byteranges", "MULTIPART/Form-Data", "application/foo-urlencoded",
    "text/csv; x=multipart; boundary=y",
]  # fmt: skip
STRUCTURED = [
    *FORMS, "text/x-json", "application/jsonrequest", "application/x-ndjson", "application/xml", "text/xml",
    "application/atom+xml", "application/yaml", "text/x-yaml",
]  # fmt: skip
SHEET = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
TOKEN = st.text("abcXYZ019.+-", min_size=1, max_size=10)
MEDIA = st.tuples(st.sampled_from(["text", "application", "multipart", "image", "x"]), TOKEN).map("/".join)


@pytest.mark.parametrize("content_type", STRUCTURED)
@pytest.mark.parametrize("rule", CONSTRAINING)
def test_what_some_server_takes_apart_does_not_pass_whatever_is_declared(content_type: str, rule: Grant) -> None:
    assert has_fields(content_type)
    media = content_type.partition(";")[0].lower()
    for declared in ([media], ["*/*"], ["multipart/*", media]):
        assert unread(content_type, declared, [*OTHER, rule], argued=False)
        assert not unread(content_type, declared, OTHER, argued=False)


@pytest.mark.parametrize("content_type", FORMS)
def test_forms_are_known_by_any_name(content_type: str) -> None:
    assert is_form(content_type)


@pytest.mark.parametrize("media", ["image/png", "video/mp4", "application/octet-stream", "application/pdf"])
def test_bytes_pass(media: str) -> None:
    assert opaque(media)
    assert not unread(f"{media}; x=y", ["*/*"], CONSTRAINING, argued=False)


@pytest.mark.parametrize("media", ["text/csv", "text/plain", SHEET, "application/vnd.acme"])
def test_what_nobody_knows_passes_only_by_its_own_name(media: str) -> None:
    assert not unread(media, [media], CONSTRAINING, argued=False)
    assert unread(media, ["*/*", media.partition("/")[0] + "/*"], CONSTRAINING, argued=False)


@given(MEDIA, st.lists(st.sampled_from(["*/*", "text/*", "application/*"])), st.sampled_from(CONSTRAINING))
@example("application/x", ["*/*"], BOUNDED)
def test_beside_a_bound_a_pattern_lets_nothing_through_but_bytes(media: str, declared: list[str], rule: Grant) -> None:
    assert opaque(media.lower()) or unread(media, declared, [rule], argued=False)


@given(MEDIA, st.lists(MEDIA))
def test_without_a_rule_about_arguments_nothing_is_asked(media: str, declared: list[str]) -> None:
    assert not any(map(constrains, OTHER))
    assert not unread(media, declared, OTHER, argued=False)
    assert not unread(media, declared, [], argued=False)


@pytest.mark.parametrize(
    "parameters",
    ["", ";", "; charset=utf-8", ";charset=utf-8 ; header=present", '; boundary="a b/(c)"', "; boundary====x==",
     '; type="application/xop+xml"; x=y', "; ", "; ;"],
)  # fmt: skip
def test_parameters_as_clients_write_them(parameters: str) -> None:
    assert well_formed(parameters)


@pytest.mark.parametrize(
    "parameters",
    ["; x=y, multipart/form-data; boundary=z", ";, multipart/form-data", "; x", "; x=", '; x="', '; x="a\\"b"',
     "; x=y z", "; x=\xe9", "; x =y", ";\x0bx=y", '; x="a"b'],
)  # fmt: skip
def test_parameters_of_two_readings(parameters: str) -> None:
    assert not well_formed(parameters)


def test_looking_at_parameters_takes_no_longer_than_they_are() -> None:
    assert not well_formed("; " * 50_000 + ",")
    assert not well_formed("; a=" * 50_000 + '"')


@given(MEDIA, st.lists(MEDIA, max_size=3))
def test_where_a_policy_reads_arguments_it_is_as_where_a_boundary_does(media: str, declared: list[str]) -> None:
    read = unread(media, declared, [BOUNDED], argued=False)
    assert [unread(media, declared, grants, argued=True) for grants in ([], OTHER, [BOUNDED])] == [read] * 3
