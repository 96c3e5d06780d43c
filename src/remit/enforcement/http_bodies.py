"""Bodies that Remit does not read, which some server may read as arguments all the same (pure).

A body that is no JSON holds no arguments here. For a server it may be another thing: a form's fields stand before the
path's for some (ASP.NET binds a parameter from the form first), before the query's for others (PHP, Rack), and not only
`multipart/form-data` is a form (Rack takes `multipart/mixed` and `multipart/related` too, formidable whatever has
`multipart` or `urlencoded` in it). Attack: `to=mallory` in a body, where a boundary bounds `to` in the path.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from typing import Final

from remit.policy.view import Grant

# RFC 9110 section 5.6.6, but for a value that is not quoted: boundaries often have `=` or `/` in them all the same.
_VALUE: Final = r'(?:[!#-+\--:<-\[\]-~]++|"[\t !#-\[\]-~]*+")'
_PARAMETERS = re.compile(rf"(?:;[ \t]*+(?:[!#$%&'*+.^_`|~0-9A-Za-z-]++={_VALUE}[ \t]*+)?+)*+\Z")
# Some servers look for these anywhere in a Content-Type.
_FORMS: Final = ("multipart", "urlencoded")
_TREES: Final = ("xml", "yaml", "x-yaml")
# What no server takes apart into fields, whatever its name: pictures, sounds, and bytes.
_OPAQUE_KINDS: Final = frozenset({"image", "audio", "video", "font", "model"})
_OPAQUE: Final = frozenset({"application/octet-stream", "application/pdf", "application/zip", "application/gzip"})


def well_formed(parameters: str) -> bool:
    """Whether what stands behind a media type, from its first `;` on, has one reading: no second type is in it."""
    return _PARAMETERS.match(parameters) is not None


def is_form(content_type: str) -> bool:
    """Whether some server reads a body of this Content-Type as a form."""
    said = content_type.lower()
    return any(each in said for each in _FORMS)


def has_fields(content_type: str) -> bool:
    """Whether some server reads a body of this Content-Type, as it was sent, as fields."""
    said = content_type.lower()
    return is_form(said) or "json" in said or _syntax(_media(said)) in _TREES


def opaque(media: str) -> bool:
    """Whether a media type, in lower case, says that its body is nothing but bytes."""
    return media.partition("/")[0] in _OPAQUE_KINDS or media in _OPAQUE


def constrains(grant: Grant) -> bool:
    """Whether an argument's value decides something: a bound, a budget, a threshold, an earlier step or a later one."""
    rule, noted = grant.rule, grant.noted
    earlier = () if rule.conditions is None else rule.conditions.requires_before
    if rule.when or rule.budget or rule.approval_above or any(step.same for step in earlier):
        return True
    return noted is not None and any(noted.results)


def unread(content_type: str, declared: Collection[str], grants: Iterable[Grant], *, argued: bool) -> bool:
    """Whether a body may hold what a rule is about, so that it cannot pass unread.

    A type of which nobody knows how servers read it passes only where the operation declares that very one.

    Args:
        content_type: As it was sent, and is forwarded.
        declared: The media types of the operation, and patterns such as `text/*`; the body's is among them.
        grants: Those by which the call may have been allowed.
        argued: Whether a policy of the organisation, or a person, judged the call by its arguments, too.
    """
    if not argued and not any(map(constrains, grants)):
        return False
    media = _media(content_type.lower())
    return has_fields(content_type) or not (opaque(media) or media in declared)


def _media(content_type: str) -> str:
    return content_type.partition(";")[0].strip()


def _syntax(media: str) -> str:
    """What a type is written in: of `application/atom+xml`, xml."""
    return media.rpartition("/")[2].rpartition("+")[2]
