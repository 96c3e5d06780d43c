from __future__ import annotations

import pytest

from remit.tokens.dpop import normalise


@pytest.mark.parametrize(
    ("url", "same"),
    [
        ("http://remit.test", "http://remit.test/"),
        ("HTTP://Remit.Test:80/", "http://remit.test/"),
        ("https://remit.test:443/a", "https://remit.test/a"),
        ("https://remit.test:444/a", "https://remit.test:444/a"),
        ("http://remit.test/a?b=c#d", "http://remit.test/a"),
        ("http://remit.test/%7ea/%2f", "http://remit.test/~a/%2F"),
        ("http://[::1]:8470/mcp/a", "http://[::1]:8470/mcp/a"),
        ("http://remit.test/A", "http://remit.test/A"),
        ("http://remit.test/a/../b", "http://remit.test/a/../b"),
    ],
)
def test_two_spellings_of_one_uri(url: str, same: str) -> None:
    assert normalise(url) == same


@pytest.mark.parametrize(
    "url",
    [
        "",
        "/a",
        "remit.test/a",
        "ftp://remit.test/a",
        "http://",
        "http://a@remit.test/",
        "http://remit.test:x/",
        "http://[::1/",
    ],
)
def test_what_is_no_absolute_http_uri_matches_nothing(url: str) -> None:
    assert normalise(url) is None
