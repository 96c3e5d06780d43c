"""What a page's policy lets a browser do, word by word: each of them is one that somebody could take out unnoticed."""

from __future__ import annotations

from remit.console import csp
from remit.console.http import POLICY


def said(policy: str) -> dict[str, str]:
    return {name: value for name, _, value in (each.strip().partition(" ") for each in policy.split(";"))}


def test_a_page_runs_its_own_scripts_and_makes_html_by_htmx_alone() -> None:
    assert said(csp.headers("word")["Content-Security-Policy"]) == {
        "default-src": "'none'", "script-src": "'nonce-word' 'strict-dynamic'", "style-src": "'self'",
        "img-src": "'self' data:", "connect-src": "'self'", "form-action": "'self'", "base-uri": "'none'",
        "frame-ancestors": "'none'", "require-trusted-types-for": "'script'", "trusted-types": "htmx",
        "report-uri": "/console/csp",
    }  # fmt: skip


def test_a_page_without_scripts_of_its_own_makes_no_html_at_all() -> None:
    assert said(POLICY) == {
        "default-src": "'none'", "script-src": "'self'", "style-src": "'self'", "connect-src": "'self'",
        "img-src": "'self'", "form-action": "'self'", "base-uri": "'none'", "frame-ancestors": "'none'",
        "require-trusted-types-for": "'script'", "trusted-types": "'none'",
    }  # fmt: skip


def test_what_a_page_says_is_kept_nowhere_and_told_nobody() -> None:
    headers = csp.headers("word")
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cross-Origin-Opener-Policy"] == headers["Cross-Origin-Resource-Policy"] == "same-origin"
