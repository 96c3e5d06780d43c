"""RFC 9728 metadata and the 401 challenge. Every well-formed name answers alike: neither tells which servers exist."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, Final
from urllib.parse import urlsplit

_HTTP = re.compile(r"/http/[a-z0-9-]{1,63}\Z")
_MCP = re.compile(r"/(?:mcp/([a-z0-9-]{1,63})|servers/([a-z0-9-]{1,63})/mcp)\Z")
WELL_KNOWN: Final = "/.well-known/oauth-protected-resource"
_ALGORITHMS: Final = ["ES256", "Ed25519"]
_QUOTABLE = re.compile(r"[^\x20\x21\x23-\x5b\x5d-\x7e]")


def server_in(path: str) -> str | None:
    """The server that an endpoint's path names: `/mcp/NAME` or `/servers/NAME/mcp`."""
    match = _MCP.match(path)
    return (match[1] or match[2]) if match else None


@lru_cache(maxsize=1024)  # asked at every call, of the same few servers
def resources(base: str, server: str) -> frozenset[str]:
    """The audiences a token may have for `server`: the deployment, or any of the server's URLs; it is of one kind."""
    return frozenset({base, f"{base}/mcp/{server}", f"{base}/servers/{server}/mcp", f"{base}/http/{server}"})


def described(base: str, path: str) -> str | None:
    """The path of the resource whose metadata is asked for behind the well-known one; None if there is none such.

    RFC 9728 section 3.1 puts the well-known path between host and path, so the path of `base` comes before that of
    the endpoint; a proxy that strips the path of `base` leaves it out. Empty is the deployment itself.
    """
    own = urlsplit(base).path
    rest = path.removeprefix(own) if own and (path == own or path.startswith(own + "/")) else path
    return rest if rest == "" or server_in(rest) is not None or _HTTP.match(rest) else None


def well_known(base: str, path: str) -> str:
    """The URL of the metadata of the endpoint at `path` (RFC 9728 section 3.1)."""
    parts = urlsplit(base)
    return f"{parts.scheme}://{parts.netloc}{WELL_KNOWN}{parts.path}{path}"


def protected_resource(base: str, path: str) -> dict[str, Any]:
    """The metadata of the endpoint at `path` (RFC 9728 section 2)."""
    return {
        "resource": base + path,
        "authorization_servers": [base],
        "bearer_methods_supported": ["header"],
        "dpop_signing_alg_values_supported": _ALGORITHMS,
        "resource_name": "Remit",
    }


def challenge(base: str, path: str, *, error: str, description: str, scheme: str) -> list[str]:
    """The values of `WWW-Authenticate` (RFC 6750 section 3, RFC 9449 section 7.1, RFC 9728 section 5.1)."""
    where = f'resource_metadata="{well_known(base, path)}"'
    algorithms = f'algs="{" ".join(_ALGORITHMS)}"'
    if not error:
        return [f"Bearer {where}", f"DPoP {algorithms}, {where}"]
    said = f'error="{error}", error_description="{_QUOTABLE.sub(" ", description)}"'
    return [f"{scheme} {said}, {algorithms + ', ' if scheme == 'DPoP' else ''}{where}"]
