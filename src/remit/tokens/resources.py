"""Which resources a token may be asked for (pure): RFC 8707."""

from __future__ import annotations

import re
from collections.abc import Sequence

from remit.tokens.model import OAuthError, TokenRefused

_MAX_RESOURCES = 16
_PATH = re.compile(r"/mcp/[a-z0-9-]{1,63}|/servers/[a-z0-9-]{1,63}/mcp|/http/[a-z0-9-]{1,63}|/proxy")
_SERVER = re.compile(rf"(?:{_PATH.pattern})\Z")
_ALIAS = re.compile(r"/(?:servers/([a-z0-9-]{1,63})/mcp|http/([a-z0-9-]{1,63}))\Z")


def audience(resources: Sequence[str], *, base: str, exactly_one: bool) -> tuple[str, ...]:
    """The audience for the `resources` asked for: `{base}`, or its `/mcp/NAME`, `/servers/NAME/mcp`, `/http/NAME`.

    Any well-formed NAME is taken: whether such a server exists is not for this endpoint to
    tell, and every call is decided anyway. With none asked for, the audience is `{base}`.

    Args:
        resources: The `resource` parameters.
        base: This deployment's own URL, without a trailing slash.
        exactly_one: Whether the token is a plain bearer token, which must name one place to be used at.

    Raises:
        TokenRefused: invalid_target.
    """
    if exactly_one and len(resources) != 1:
        raise TokenRefused(OAuthError.INVALID_TARGET, "a token that is bound to no key needs exactly one resource")
    if len(resources) > _MAX_RESOURCES:
        raise TokenRefused(OAuthError.INVALID_TARGET, "too many resources")
    for resource in resources:
        # String comparison, never URL parsing: two parsers that differ would be a way to a foreign audience.
        here = resource.startswith(base)
        if not here or not (resource == base or _PATH.fullmatch(resource, len(base))):
            raise TokenRefused(OAuthError.INVALID_TARGET, "the resource is not one of this deployment's")
    return tuple(dict.fromkeys(resources)) or (base,)


def same(resources: Sequence[str]) -> tuple[str, ...]:
    """What is the same for the same resources, in whatever order and by whichever of a server's names.

    The deployment itself opens all of it, so what is named beside it counts for nothing: else whoever adds a made-up
    server asks for what nobody else asks for.
    """
    if len(resources) == 1:  # mostly
        return (_ALIAS.sub(_by_one_name, resources[0]),)
    if whole := [each for each in resources if _SERVER.search(each) is None]:
        return (whole[0],)
    return tuple(sorted({_ALIAS.sub(_by_one_name, each) for each in resources}))


def _by_one_name(alias: re.Match[str]) -> str:
    return f"/mcp/{alias[1] or alias[2]}"
