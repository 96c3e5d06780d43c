"""The API's description (OpenAPI 3.1), made from the doors themselves. `docs/openapi.json` is this, checked in."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from remit.server.door import Door
from remit.server.problem import STATUS

_PATH_PARAMETER = re.compile(r"\{([a-z]+)(?::[a-z]+)?\}")
_AUTHORIZE: Final = (
    "response_type", "response_mode", "client_id", "redirect_uri", "scope", "state", "code_challenge",
    "code_challenge_method", "dpop_jkt", "resource", "authorization_details",
)  # fmt: skip
# What is no door: answered by another room's routes, or before any router. (method, path, summary, who may ask); the
# path says what is read of the query string, as `{?first,count}` (RFC 6570 section 3.2.8).
ELSEWHERE: Final = (
    ("get", "/v1/audit/checkpoint", "The newest signed checkpoint of the log", "operator"),
    ("get", "/v1/audit/key", "The log's verifier key", "operator"),
    ("get", "/v1/audit/tile/{path}", "A tile of the log's hash tree (C2SP tlog-tiles)", "operator"),
    ("get", "/v1/audit/entries{?first,count}", "Consecutive entries of the log", "operator"),
    ("get", "/v1/audit/export{?first,count,size}", "Entries of the log, each with its inclusion proof", "operator"),
    ("get", "/v1/audit/payloads{?first,count}", "Whether sealed payloads are those that entries commit to", "operator"),
    ("get", "/v1/audit/state", "Whether the current state is what the log's newest entries say", "operator"),
    (
        "get",
        f"/oauth2/authorize{{?{','.join(_AUTHORIZE)}}}",
        "Ask a person whether a client may act as their agent (RFC 6749, RFC 7636)",
        "anyone",
    ),
    ("post", "/oauth2/introspect", "What a token is worth now (RFC 7662)", "pep"),
    ("post", "/oauth2/revoke", "End a token of mine (RFC 7009)", "assertion"),
    ("post", "/oauth2/token", "Issue an access token to an agent (RFC 6749, RFC 9449)", "assertion"),
    ("get", "/oauth2/jwks", "The keys that verify access tokens (RFC 7517)", "anyone"),
    ("get", "/ssf/jwks", "The keys that verify security event tokens (RFC 7517, RFC 8417)", "anyone"),
    (
        "get",
        "/v1/secrets/{name}/connected{?code,state,iss,error}",
        "Where another system sends a person back (RFC 6749)",
        "anyone",
    ),
    ("get", "/.well-known/oauth-authorization-server", "Metadata of the authorization server (RFC 8414)", "anyone"),
    ("get", "/.well-known/authzen-configuration", "What there is of the AuthZEN API", "anyone"),
    ("post", "/access/v1/evaluation", "Decide an agent's call, or what is asked of types of one's own", "asker"),
    ("post", "/access/v1/evaluations", "Decide several, in order (OpenID AuthZEN 1.0)", "pep"),
    ("post", "/access/v1/search/subject", "Who may", "pep"),
    ("post", "/access/v1/search/resource", "On what one may", "pep"),
    ("post", "/access/v1/search/action", "What one may do", "pep"),
    ("post", "/access/v1/requests", "Ask that a person lets a denied call pass (AuthZEN access requests)", "asker"),
    ("get", "/access/v1/requests/{request}", "What became of what I asked for", "asker"),
    ("post", "/access/v1/requests/{request}/cancel", "Take back what I asked for", "asker"),
    ("post", "/v1/outcomes", "What became of a call I asked about", "asker"),
    ("get", "/v1/enforcement/stream", "State changes and freezes as they are made (server-sent events)", "pep"),
    ("post", "/v1/enforcement/ack", "The epoch that I have applied", "pep"),
    ("get", "/.well-known/oauth-protected-resource", "Metadata of the deployment as a resource (RFC 9728)", "anyone"),
    (
        "get",
        "/.well-known/oauth-protected-resource/mcp/{server}",
        "Metadata of a gateway endpoint (RFC 9728)",
        "anyone",
    ),
    (
        "get",
        "/.well-known/oauth-protected-resource/http/{server}",
        "Metadata of an HTTP API behind the gateway (RFC 9728)",
        "anyone",
    ),
    *(
        (method, "/http/{server}/{path}", "An HTTP API, governed: path, query and body as the API takes them", "agent")
        for method in ("get", "head", "post", "put", "patch", "delete", "options")
    ),
    ("post", "/mcp/{server}", "MCP, governed: streamable HTTP of both protocol eras", "agent"),
    ("post", "/servers/{server}/mcp", "The same under a path that ends in /mcp", "agent"),
    ("post", "/ext_authz/{server}/{path}", "Whether Envoy lets a request go on (every method)", "envoy"),
    ("post", "/v1/me/can", "What the answer to a call of mine would be", "agent"),
    ("get", "/v1/me", "Who I am: my token, who answers for me, how I was let in, for whom I act", "agent"),
    ("get", "/v1/me/mandate{?format}", "What I may do now, signed (?format=json: plain)", "agent"),
    ("get", "/schemas/mandate.json", "The JSON Schema of mandates", "anyone"),
    ("get", "/errors/{code}", "What a code means, and what to do about it", "anyone"),
    ("get", "/openapi.json", "This description", "anyone"),
    ("get", "/healthz", "The process runs", "anyone"),
    ("get", "/readyz", "Calls are taken", "anyone"),
    ("get", "/metrics", "Prometheus metrics", "anyone"),
)
_SECURITY: Final[Mapping[str, list[dict[str, list[str]]]]] = {
    "anyone": [],
    "assertion": [],
    "agent": [{"agent": []}],
    "asker": [{"agent": []}, {"pep": []}],
    "operator": [{"operator": []}],
    "pep": [{"pep": []}],
    "envoy": [{"agent": [], "envoy": []}],
}
_PROBLEM: Final = {
    "type": "object",
    "required": ["type", "title", "status", "code"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string", "enum": sorted(STATUS)},
        "try": {"type": "string"},
        "problems": {"type": "array", "items": {"type": "object"}},
    },
}


def document(doors: Iterable[Door]) -> dict[str, Any]:
    """The description of an API with these doors."""
    paths: dict[str, dict[str, Any]] = {}
    for door in doors:
        path = _PATH_PARAMETER.sub(r"{\1}", door.path)
        paths.setdefault(path, {})[door.method.lower()] = _operation(door, path)
    for method, template, summary, who in ELSEWHERE:
        path, query = asked(template)
        described = {"summary": summary, "security": _SECURITY[who], "responses": _responses(200, who)}
        parameters = _parameters(path, query)
        paths.setdefault(path, {})[method] = {**described, **({"parameters": parameters} if parameters else {})}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Remit", "version": "1", "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"}},
        "paths": {path: dict(sorted(paths[path].items())) for path in sorted(paths)},
        "components": {
            "schemas": {"Problem": _PROBLEM},
            "securitySchemes": {
                "operator": {"type": "http", "scheme": "bearer", "description": "The admin token or a personal one"},
                "pep": {"type": "http", "scheme": "bearer", "description": "An enforcement point's token"},
                "envoy": {"type": "apiKey", "in": "header", "name": "Remit-Point"},
                "agent": {"type": "http", "scheme": "DPoP", "description": "An access token of /oauth2/token"},
            },
        },
    }


def asked(template: str) -> tuple[str, tuple[str, ...]]:
    """The path of a line of `ELSEWHERE`, and the names of the query string that are read there."""
    path, _, names = template.partition("{?")
    return path, tuple(names.removesuffix("}").split(",")) if names else ()


def _operation(door: Door, path: str) -> dict[str, Any]:
    found: dict[str, Any] = {
        "summary": door.summary,
        "security": _SECURITY["operator"],
        "responses": _responses(door.status, "operator"),
    }
    if parameters := _parameters(path, door.query):
        found["parameters"] = parameters
    if door.body == "json":
        content: dict[str, Any] = {"application/json": {"schema": _schema(door.fields)}}
        found["requestBody"] = {"required": True, "content": content}
    elif door.body == "bytes":
        content = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
        found["requestBody"] = {"required": True, "content": content}
    return found


def _schema(fields: Mapping[str, str]) -> dict[str, Any]:
    required = [name for name, kind in fields.items() if not kind.endswith("?")]
    properties = {name: {"type": kind.removesuffix("?")} for name, kind in fields.items()}
    schema = {"type": "object", "additionalProperties": False, "properties": properties}
    return {**schema, **({"required": required} if required else {})}


def _parameters(path: str, query: Iterable[str]) -> list[dict[str, Any]]:
    inside = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in _PATH_PARAMETER.findall(path)
    ]
    return inside + [{"name": name, "in": "query", "schema": {"type": "string"}} for name in query]


def _responses(status: int, who: str) -> dict[str, Any]:
    found: dict[str, Any] = {str(status): {"description": "Done"}}
    if who == "operator":
        problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
        found["default"] = {"description": "A problem; see `code`", "content": problem}
    return found
