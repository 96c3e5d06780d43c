from __future__ import annotations

from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.tokens.form import one, parse_form
from remit.tokens.model import TokenRefused

FORM = "application/x-www-form-urlencoded"


@given(st.dictionaries(st.text(min_size=1), st.text(min_size=1), max_size=20))
def test_what_was_encoded_is_read_back(parameters: dict[str, str]) -> None:
    form = parse_form(urlencode(parameters).encode(), media_type=FORM)
    assert {name: one(form, name) for name in form} == parameters


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    try:
        parse_form(body, media_type=FORM)
    except TokenRefused as refused:
        error = refused.error
    else:
        return
    assert error == "invalid_request"


@pytest.mark.parametrize("body", [b"a=1&a=1", b"a=1&%61=2", b"a=1&b=2&a=", b"scope=x&scope=y"])
def test_a_parameter_stands_once(body: bytes) -> None:
    if body.endswith(b"a="):  # a parameter without a value is one that was not sent
        assert one(parse_form(body, media_type=FORM), "a") == "1"
        return
    with pytest.raises(TokenRefused, match="more than once"):
        parse_form(body, media_type=FORM)


def test_a_resource_may_stand_several_times() -> None:
    assert parse_form(b"resource=a&resource=b", media_type=FORM)["resource"] == ("a", "b")


@pytest.mark.parametrize("body", [b"a=%", b"a=%zz", b"a=%f", b"a=%ff", b"a=\xff", b"%=1"])
def test_what_is_not_well_formed_is_refused(body: bytes) -> None:
    with pytest.raises(TokenRefused):
        parse_form(body, media_type=FORM)


@pytest.mark.parametrize("media_type", [FORM, f"{FORM}; charset=utf-8", FORM.upper()])
def test_the_media_type_may_have_parameters(media_type: str) -> None:
    assert one(parse_form(b"a=b+c", media_type=media_type), "a") == "b c"
