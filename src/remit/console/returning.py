"""Where a sign-in leads back to: a page of the console and nothing else (pure).

What a link says in `then` is anybody's word. An address elsewhere would make Remit's own name the bait of a phishing
page (RFC 9700 section 4.11), and one that signs in, out or takes an answer would do so without a person's wish.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import parse_qsl, unquote

from remit.console.paths import CONNECTED, PATH, SIGN_IN

_LONGEST: Final = 8192
_PLAIN: Final = re.compile(r"/[\x21\x23-\x5b\x5d-\x7e]*\Z")  # no space, quote or backslash, which browsers mend
_DOES: Final = (SIGN_IN, f"{PATH}/sign-out", f"{PATH}/static", f"{PATH}/csp", f"{PATH}/live/stream", CONNECTED)


def inside(then: str | None) -> str:
    """`then` if it is a page of the console, else the console's first page.

    Args:
        then: Path and query as they are written, or nothing.
    """
    if not then or len(then) > _LONGEST or not _PLAIN.match(then) or "#" in then:
        return PATH
    path, _, query = then.partition("?")
    # A browser takes `%2e%2e` for `..`, and what follows may lead out of the console.
    segments = unquote(path).split("/")
    if (
        not (path == PATH or path.startswith(f"{PATH}/"))
        or any(each in {".", "..", ""} for each in segments[1:])
        or "\\" in unquote(path)
    ):
        return PATH
    if any(unquote(path) == does or unquote(path).startswith(f"{does}/") for does in _DOES):
        return PATH
    if any(name == "login" for name, _ in parse_qsl(query, keep_blank_values=True)):
        return PATH  # somebody else's link would sign this person in as somebody else
    return then
