"""Reading a token request's body (pure): RFC 6749 section 3.2 and appendix B."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote_to_bytes

from remit.tokens.model import Form, OAuthError, TokenRefused

MAX_BODY: Final = 64 * 1024
MEDIA_TYPE: Final = "application/x-www-form-urlencoded"
_MAX_PARAMETERS: Final = 64
_REPEATABLE: Final = frozenset({"resource"})  # RFC 8707 section 2
_BAD_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")


def parse_form(body: bytes, *, media_type: str) -> Form:
    """The parameters of a request, each with its values in order.

    Parameters without a value are treated as omitted (RFC 6749 section 3.2).

    Raises:
        TokenRefused: invalid_request: another media type, not UTF-8, too many parameters, or one
            included more than once (two readers could pick different ones).
    """
    # RFC 9110 section 5.3: several fields, or one that a proxy made of them, are joined by a comma.
    if "," in media_type or media_type.partition(";")[0].strip().lower() != MEDIA_TYPE:
        raise _invalid(f"the body must be {MEDIA_TYPE}")
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _invalid("the body is not UTF-8") from error
    if _BAD_ESCAPE.search(text):
        raise _invalid("the body is not well-formed")
    pairs = [part.partition("=") for part in text.split("&") if part]
    if len(pairs) > _MAX_PARAMETERS:
        raise _invalid("too many parameters")
    values: dict[str, list[str]] = {}
    for raw_name, _, raw_value in pairs:
        if raw_value:
            values.setdefault(_decode(raw_name), []).append(_decode(raw_value))
    if any(len(several) > 1 and name not in _REPEATABLE for name, several in values.items()):
        raise _invalid("a parameter is included more than once")
    return {name: tuple(several) for name, several in values.items()}


def one(form: Form, name: str) -> str | None:
    """The value of a parameter that may be given once; None if it was not given."""
    values = form.get(name, ())
    return values[0] if values else None


def _decode(text: str) -> str:
    if "%" not in text and "+" not in text:
        return text
    try:
        return unquote_to_bytes(text.replace("+", " ")).decode("utf-8")
    except UnicodeDecodeError as error:
        raise _invalid("the body is not UTF-8") from error


def _invalid(description: str) -> TokenRefused:
    return TokenRefused(OAuthError.INVALID_REQUEST, description)
