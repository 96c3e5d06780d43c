"""A sign-in leads back into the console and nowhere else, whatever a link says."""

from __future__ import annotations

from urllib.parse import unquote, urljoin, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.console.paths import PATH
from remit.console.returning import inside

PIECES = st.sampled_from(
    ["/console", "/", "//", "..", ".", "%2e", "%2E%2e", "%2f", "\\", "@", ":", "https:", "evil.example", "?", "#", "a",
     "login=x", "&", "%5c", "\t", "\n", " ", "sign-in", "sign-out", "static", "connected", "agents", "%00", "é"]
)  # fmt: skip


@given(st.lists(PIECES, max_size=8).map("".join) | st.text())
def test_whatever_it_says_it_leads_into_the_console(then: str) -> None:
    found = inside(then)
    parts = urlsplit(urljoin("https://remit.example/console/sign-in/back", found))
    assert (parts.scheme, parts.netloc) == ("https", "remit.example")
    assert parts.path == PATH or parts.path.startswith(f"{PATH}/")
    assert ".." not in unquote(parts.path).split("/")
    assert "login" not in parts.query.partition("=")[0] or found == then
    assert found.isascii()
    assert found.isprintable()
    assert inside(found) == found, "what it says once it says again"


@pytest.mark.parametrize(
    "then",
    ["/console", "/console/agents", "/console/agents?q=a%20b&sort=-risk&page=2", "/console/log/dec_x",
     "/console/agents/a%20name", "/console/authorize?client_id=https%3A%2F%2Fapp.example&state=x"],
)  # fmt: skip
def test_a_page_of_the_console_with_its_state_is_kept(then: str) -> None:
    assert inside(then) == then


@pytest.mark.parametrize(
    "then",
    [None, "", "console", "//console", "https://remit.example/console", "/consoles", "/v1/freezes", "/console/../v1",
     "/console/%2e%2e/v1", "/console/a/%2E./v1", "/console//evil.example", "/console/\\evil.example",
     "/console/%5cevil.example", "/console?login=secret", "/console/agents?q=x&login=secret", "/console?%6cogin=secret",
     "/console/sign-in?then=x", "/console/sign%2din", "/console/sign-in/back?code=x", "/console/sign-out",
     "/console/connected/mail?code=x", "/console/live/stream", "/console#x", "/console/a\nb", "/console/" + "a" * 9000],
)  # fmt: skip
def test_everything_else_leads_to_the_first_page(then: str | None) -> None:
    assert inside(then) == PATH
