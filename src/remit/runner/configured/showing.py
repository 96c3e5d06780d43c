"""How a configured server is reached, without anything that may be secret; and where secrets most likely stand (pure).

A file of a client is full of keys, in places that nobody made for keys: in a path, in a host's name, in a script for
a shell. What is shown is therefore not what looks like no key, but what is plainly words.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from remit.runner.configured.plain_words import MASK, in_host, masked, path, plain

Secretish = Callable[[str], bool]

_VARIABLE: Final = re.compile(r"\$\{[^}]*\}|\$[A-Za-z_][A-Za-z0-9_]*")  # read from elsewhere: nothing stands here
# What issuers put in front of their secrets, and the parts of a JWT.
_LOOKS: Final = re.compile(
    r"(?:\b(?:sk|pk|rk|ghp|gho|ghs|ghu|github_pat|glpat|xox[a-z]|npm|pypi|hf|AKIA|ASIA|ya29)[-_.A-Za-z0-9]{12,})|eyJ[\w-]{8,}\.eyJ"
)
# A part of a path or a host that is most likely a key by itself: whoever has such a URL has what is behind it.
_KEY: Final = re.compile(r"(?=[^0-9]*[0-9])(?=[^A-Za-z]*[A-Za-z])[A-Za-z0-9_~=%:.+-]{16,}\Z")
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*(?=://)")
_PORT: Final = re.compile(r"(?::[0-9]{1,5})?\Z")
_OPERATORS: Final = frozenset({"&&", "||", "|", ";", "&"})
_USERS: Final = frozenset({"-u", "--user", "--proxy-user"})  # of curl: NAME:PASSWORD
_LONGEST: Final = 120


def shown(command: Sequence[str], url: str, secretish: Secretish) -> str:
    """The command of a server, or its URL where it has none, with `***` for all that may be secret."""
    if not command:
        return _url(url) if _SCHEME.match(url) else "a URL"
    return " ".join(_words(command, secretish))


def in_words(words: Sequence[str], secretish: Secretish) -> list[int]:
    """Which words of a command, counted from 0 after the program, most likely hold a secret."""
    return [at - 1 for at in range(1, len(words)) if _holds(words, at, secretish)]


def in_url(url: str, secretish: Secretish) -> list[str]:
    """Where in a URL a secret most likely stands: `host`, `password`, `path`, or a name of its query."""
    try:
        parts = urlsplit(url)
        query = parse_qsl(parts.query)
    except ValueError:
        return []
    found = [plain(key) for key, value in query if held(key, value, secretish)]
    found += ["password"] if parts.password or _cut(parts.netloc, url) else []
    found += ["host"] if any(_keyish(each) for each in parts.netloc.rpartition("@")[2].split(".")) else []
    return found + (["path"] if any(_keyish(each) for each in parts.path.split("/")) else [])


def held(key: str, value: object, secretish: Secretish) -> bool:
    """Whether a value under a key is a secret that stands there in clear."""
    if not isinstance(value, str) or not _VARIABLE.sub("", value).replace("Bearer", "").strip():
        return False
    return secretish(key) or _LOOKS.search(value) is not None


def _keyish(part: str) -> bool:
    return _KEY.match(part) is not None or _LOOKS.search(part) is not None


def _holds(words: Sequence[str], at: int, secretish: Secretish) -> bool:
    word = words[at]
    if at and _script(word):
        inside = _tokens(word)
        hidden = [hide for _, hide in _of_script(word, secretish)]
        return any(hidden) or any(_holds(inside, each, secretish) for each in range(len(inside)))
    found = _SCHEME.search(word)
    return _hidden(words, at, secretish) or (found is not None and in_url(word[found.start() :], secretish) != [])


def _hidden(words: Sequence[str], at: int, secretish: Secretish) -> bool:
    """Whether a word of a command is, or holds, a secret: by its own look, or by the flag it belongs to."""
    word, before = words[at], words[at - 1] if at else ""
    key, equals, value = word.lstrip("-").partition("=")
    if equals and held(key, value, secretish):
        return True
    if before.startswith("-") and not word.startswith("-") and held(before.lstrip("-"), word, secretish):
        return True
    if before in _USERS and ":" in word:
        return True
    key, colon, value = word.partition(":")
    return bool(colon and held(key.strip(), value, secretish)) or _LOOKS.search(word) is not None


def _words(words: Sequence[str], secretish: Secretish) -> Iterator[str]:
    for at, word in enumerate(words):
        if at and _script(word):
            told = [said for said, _ in _of_script(word, secretish)]
            yield " ".join(
                each for each, before in zip(told, ["", *told], strict=False) if (each, before) != (MASK, MASK)
            )
        elif (at and _hidden(words, at, secretish)) or len(word) > _LONGEST:
            yield MASK
        else:
            yield _word(word)


def _script(word: str) -> bool:
    return len(word.split()) > 1


def _tokens(word: str) -> list[str]:
    return [token.strip("'\"`();") for token in word.split()]


def _of_script(script: str, secretish: Secretish) -> Iterator[tuple[str, bool]]:
    """A shell's words, and which are hidden: after the name of a secret all, up to where its value ends for sure."""
    hiding, tokens = False, _tokens(script)
    for at, (token, raw) in enumerate(zip(tokens, script.split(), strict=True)):
        key, says, value = token.lstrip("-").replace(":", "=").partition("=")
        named = secretish(key) and (bool(says) or token.startswith("-"))
        hiding = hiding and not token.startswith("-") and token not in _OPERATORS
        if hiding or (named and says) or _hidden(tokens, at, secretish) or len(token) > _LONGEST:
            yield MASK, True
        else:
            yield _word(token), False
        whole = value and not any(raw.count(quote) % 2 for quote in "'\"")
        hiding = hiding or (named and not whole)


def _word(word: str) -> str:
    """One word: its URL as URLs are shown, else what of it is plainly words."""
    found = _SCHEME.search(word)
    if found is not None:
        return masked(word[: found.start()]) + _url(word[found.start() :])
    before, at, after = word.rpartition("@")
    if at and ":" in before:  # NAME:PASSWORD@HOST
        return f"{MASK}@{masked(after)}"
    return masked(word)


def _url(url: str) -> str:
    """Scheme, host, the parts of the path that are plainly words, and the names in the query."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "a URL"
    query = "&".join(f"{plain(each.partition('=')[0])}={MASK}" for each in parts.query.split("&") if each)
    return f"{plain(parts.scheme)}://{_host(parts.netloc, url)}{path(parts.path)}" + (f"?{query}" if query else "")


def _host(netloc: str, url: str) -> str:
    host = netloc.rpartition("@")[2]
    port = _PORT.search(host)
    if port is None or _cut(netloc, url):
        return MASK
    return in_host(host[: port.start()]) + port[0]


def _cut(netloc: str, url: str) -> bool:
    """Whether a password with `/`, `?` or `#` in it may have ended what was read as the host before its `@`."""
    return ":" in netloc and "@" not in netloc and "@" in url.partition(netloc)[2]
