"""What a browser may do with a page of the console: run its own scripts, and nothing else.

Every page has a nonce of its own, and a script runs by that alone: what somebody smuggled into a page does not.
Nothing is inline. One script can make HTML of text (Trusted Types, the policy `htmx`): htmx, of what this server
answered, for elements that carry the page's nonce; a second policy of that name cannot be made.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Final

REPORTS: Final = "/console/csp"
PLAIN: Final[Mapping[str, str]] = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # with no-referrer a browser sends its own forms with Origin: null
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def nonce() -> str:
    """A new nonce, for one page."""
    return secrets.token_urlsafe(18)


def headers(nonce: str) -> dict[str, str]:
    """The headers of a page with that nonce."""
    policy = (
        f"default-src 'none'; script-src 'nonce-{nonce}' 'strict-dynamic'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
        f"require-trusted-types-for 'script'; trusted-types htmx; report-uri {REPORTS}"
    )
    return {"Content-Security-Policy": policy, **PLAIN}
