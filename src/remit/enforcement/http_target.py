"""A request's path and query, read one way and written anew (pure).

What is decided is what is forwarded: nothing of the bytes that came goes upstream. One percent-decoding; whatever two
readers may take for a separator, a step up, or another decoding is refused (RFC 3986 section 7.3).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final
from urllib.parse import quote

from remit.access.climbing import climbs
from remit.kernel.errors import Malformed

_MAX_PATH: Final = 8192
_MAX_QUERY: Final = 16_384
_MAX_PAIRS: Final = 1000
_MAX_SEGMENTS: Final = 128
# What has one reading without any looking: unreserved characters (RFC 3986 section 2.3), no segment that begins with a
# dot, each field with its `=`. Most requests are so; a test holds the rest of this module to the same answers.
_PLAIN_PATH = re.compile(rb"(?:/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*/?\Z")
_FIELD: Final = rb"[A-Za-z0-9._~-]+=[A-Za-z0-9._~-]*"
_PLAIN_QUERY = re.compile(_FIELD + rb"(?:&" + _FIELD + rb")*\Z")
_UNRESERVED = re.compile(r"[A-Za-z0-9._~-]*\Z")
_RAW = re.compile(r"[\x21-\x7e]*\Z")
_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_SECOND = re.compile(r"%[0-9A-Fa-f]{2}")  # what is left after one decoding and would be taken apart by another
_SEPARATORS: Final = frozenset("/\\;")
_STEPS: Final = frozenset({".", ".."})
# pchar (RFC 3986 section 3.3) beside what is unreserved, without `;`, which begins a parameter for some servers.
_PATH_SAFE: Final = "!$&'()*+,=:@"
_HIDDEN: Final = frozenset({"Cc", "Cs", "Zl", "Zp", "Cf"})


def path(raw: bytes) -> tuple[str, ...]:
    """The segments of a path, decoded; the last is empty where it ends in `/`.

    Raises:
        Malformed: It has no one reading.
    """
    if raw and len(raw) <= _MAX_PATH and _PLAIN_PATH.match(raw) and raw.count(b"/") <= _MAX_SEGMENTS:
        return tuple(raw.decode("ascii")[1:].split("/"))
    return _path_read(raw)


def _path_read(raw: bytes) -> tuple[str, ...]:
    text = _plain(raw, most=_MAX_PATH, what="path")
    if not text.startswith("/"):
        raise Malformed("the path must begin with /")
    if _SEPARATORS & set(text.replace("/", "")) or "#" in text:
        raise Malformed("the path holds a character that readers take apart differently")
    segments = tuple(_decoded(part) for part in text[1:].split("/"))
    if len(segments) > _MAX_SEGMENTS:
        raise Malformed("the path has too many segments")
    if "" in segments[:-1]:
        raise Malformed("the path has an empty segment")
    for segment in segments:
        _check(segment)
    return segments


def query(raw: bytes) -> list[tuple[str, str]]:
    """The pairs of a query, decoded, in their order; `+` is a space (HTML's form encoding).

    Raises:
        Malformed: It has no one reading.
    """
    if not raw:
        return []
    if len(raw) <= _MAX_QUERY and _PLAIN_QUERY.match(raw) and raw.count(b"&") < _MAX_PAIRS:
        pairs = [field.partition("=") for field in raw.decode("ascii").split("&")]
        return [(name, value) for name, _, value in pairs]
    return _query_read(raw)


def _query_read(raw: bytes) -> list[tuple[str, str]]:
    text = _plain(raw, most=_MAX_QUERY, what="query")
    if {";", "\\", "#"} & set(text):
        raise Malformed("the query holds a character that readers take apart differently")
    parts = [part for part in text.split("&") if part]
    if len(parts) > _MAX_PAIRS:
        raise Malformed("the query has too many fields")
    pairs = []
    for part in parts:
        name, _, value = part.replace("+", " ").partition("=")
        pair = _decoded(name), _decoded(value)
        if not pair[0] or any(unicodedata.category(char) in {"Cc", "Cs"} for char in pair[0]) or "\x00" in pair[1]:
            raise Malformed("a field of the query has no name, or a control character in it")
        pairs.append(pair)
    return pairs


def written_path(segments: Sequence[str], *, strict: bool = False) -> str:
    """The path of `segments`, encoded. `strict`: all that is not unreserved, as AWS signs it."""
    safe = "" if strict else _PATH_SAFE
    return "/" + "/".join([_written(segment, safe) for segment in segments])


def written_query(pairs: Iterable[tuple[str, str]]) -> str:
    """The query of `pairs`, without `?`: everything but what is unreserved is encoded."""
    return "&".join([f"{_written(name, '')}={_written(value, '')}" for name, value in pairs])


def _written(part: str, safe: str) -> str:
    return part if _UNRESERVED.match(part) else quote(part, safe=safe)


def below(base: str, segments: Sequence[str]) -> tuple[str, ...]:
    """The segments of a path below that of a server's base URL, whose own trailing slash does not count."""
    return (*_own(base), *segments)


@lru_cache(maxsize=1024)  # the same few servers are called all the time
def _own(base: str) -> tuple[str, ...]:
    own = base.partition("://")[2].partition("/")[2].rstrip("/")
    return tuple(own.split("/")) if own else ()


def local(location: str, *, base: str, here: str) -> str | None:
    """A redirect's target as it leads here: a path below the same server's base; None if it leads elsewhere.

    Args:
        location: The value of `Location`.
        base: The server's base URL.
        here: The path under which this server is reached here.
    """
    scheme, _, rest = base.partition("://")
    host, _, own = rest.rstrip("/").partition("/")
    origin = f"{scheme}://{host}"
    where = location[len(origin) :] if location.startswith(f"{origin}/") else location
    raw, mark, asked = where.partition("?")
    under = f"/{own}" if own else ""
    if not raw.startswith(f"{under}/"):
        return None
    try:
        found = written_path(path(raw[len(under) :].encode("ascii")))
        pairs = written_query(query(asked.encode("ascii")))
    except (Malformed, UnicodeEncodeError):
        return None
    return here + found + (f"?{pairs}" if mark and pairs else "")


def _plain(raw: bytes, *, most: int, what: str) -> str:
    if len(raw) > most:
        raise Malformed(f"the {what} is too long")
    text = raw.decode("latin-1")
    if not _RAW.match(text) or _ESCAPE.search(text):
        raise Malformed(f"the {what} is not encoded as RFC 3986 says")
    return text


def _decoded(part: str) -> str:
    if "%" not in part:
        return part
    octets = bytearray()
    at = 0
    while at < len(part):
        if part[at] == "%":
            octets.append(int(part[at + 1 : at + 3], 16))
            at += 3
        else:
            octets.append(ord(part[at]))
            at += 1
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError:
        raise Malformed("what is encoded is not UTF-8") from None


def _check(segment: str) -> None:
    """Refuse a decoded segment that some reader would take for something else."""
    alike = segment if segment.isascii() else unicodedata.normalize("NFKC", segment)
    if alike.strip() in _STEPS or climbs(segment):  # some file systems do not read white space at a name's ends
        raise Malformed("the path has a segment . or ..")
    if _SEPARATORS & set(alike) or _SEPARATORS & set(segment):
        raise Malformed("the path holds an encoded separator")
    if _SECOND.search(alike):
        raise Malformed("the path is encoded twice")
    if any(unicodedata.category(char) in _HIDDEN for char in segment):
        raise Malformed("the path holds a control character")
