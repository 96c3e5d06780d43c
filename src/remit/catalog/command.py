"""What a document says of a server that is a command: its words, its environment, and the variable of its secret."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Final

from remit.kernel.errors import Malformed

_MAX_WORDS: Final = 64
_MAX_WORD: Final = 4096
_MAX_VARIABLES: Final = 64
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}\Z")  # POSIX.1-2024, XBD 8.1, and lower case as programs use it
# What Remit sets itself, and what would have another program run in the command's place.
_OWN: Final = frozenset({"HOME", "PWD", "LD_PRELOAD", "LD_AUDIT", "LD_LIBRARY_PATH"})
_SECRET: Final = re.compile(
    r"(?i)(?:^|_)(?:token|secret|passwd|password|passphrase|credentials?|api_?key|access_?key|private_?key|bearer)\Z"
)
_MIXED: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|-")


def secretish(name: str) -> bool:
    """Whether what stands under a key of this name is most likely a secret: `GITHUB_TOKEN`, `apiKey`."""
    return _SECRET.search(_MIXED.sub("_", name)) is not None or name.lower() in {"authorization", "cookie"}


def words(value: object) -> tuple[str, ...]:
    """The program and its arguments. It is started as it stands there: no shell reads it.

    Raises:
        Malformed: It is no list of texts, or its program is a relative path, which would mean another in each folder.
    """
    if not isinstance(value, list) or not 0 < len(value) <= _MAX_WORDS:
        raise Malformed(f"a list of 1 to {_MAX_WORDS} words is expected: the program and its arguments")
    for word in value:
        _text(word)
    program = value[0]
    if not program or ("/" in program and not PurePosixPath(program).is_absolute()):
        raise Malformed("the program is a name that PATH leads to, or an absolute path")
    return tuple(value)


def environment(value: object) -> tuple[tuple[str, str], ...]:
    """Its variables besides PATH, HOME and LANG, by name.

    Raises:
        Malformed: One is none, is Remit's own to set, or is named as a secret is: this document stands in clear.
    """
    if not isinstance(value, dict) or len(value) > _MAX_VARIABLES:
        raise Malformed("an object of variables is expected")
    for name, text in value.items():
        variable(name)
        _text(text)
        if secretish(name):
            raise Malformed(
                f"{name} is named as a secret is: say credential: {{secret: NAME, inject: {{env: {name}}}}}"
            )
    return tuple(sorted(value.items()))


def variable(value: object) -> str:
    """The name of a variable that may be set.

    Raises:
        Malformed: It is none.
    """
    if not isinstance(value, str) or not _NAME.match(value):
        raise Malformed("the name of an environment variable is expected")
    if value in _OWN or value.startswith("REMIT_"):
        raise Malformed(f"the variable {value} is not a document's to set")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str) or len(value) > _MAX_WORD or "\0" in value:
        raise Malformed(f"text of at most {_MAX_WORD} characters is expected")
    return value
