from __future__ import annotations

import pytest

from remit.enforcement.metadata import challenge, described, protected_resource, well_known

PLAIN, PATHED = "https://remit.example", "https://remit.example/a/b"


@pytest.mark.requirement("metadata:resource-path")
@pytest.mark.parametrize(
    ("base", "path", "where"),
    [
        (PLAIN, "/mcp/payments", "https://remit.example/.well-known/oauth-protected-resource/mcp/payments"),
        (PATHED, "/mcp/payments", "https://remit.example/.well-known/oauth-protected-resource/a/b/mcp/payments"),
        (PATHED, "", "https://remit.example/.well-known/oauth-protected-resource/a/b"),
        (PLAIN, "", "https://remit.example/.well-known/oauth-protected-resource"),
    ],
)
def test_metadata_stands_between_host_and_path(base: str, path: str, where: str) -> None:
    assert well_known(base, path) == where
    assert f'resource_metadata="{where}"' in challenge(base, path, error="", description="", scheme="DPoP")[0]
    asked = where.removeprefix("https://remit.example/.well-known/oauth-protected-resource")
    assert described(base, asked) == path
    assert protected_resource(base, path)["resource"] == base + path


@pytest.mark.parametrize("path", ["/mcp/payments", ""])
def test_a_proxy_that_strips_the_path_leaves_it_out(path: str) -> None:
    assert described(PATHED, path) == path


@pytest.mark.parametrize(
    "path", ["/", "/mcp", "/mcp/", "/a", "/a/b/", "/a/bc/mcp/payments", "/mcp/UPPER", "/x/mcp/payments"]
)
def test_nothing_else_has_metadata(path: str) -> None:
    assert described(PATHED, path) is None
