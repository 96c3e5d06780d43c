"""The file of `--key-provider`: which PKCS#11 token, or which transit key, opens a database."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from remit.kernel.errors import ConfigInvalid, Malformed
from remit.keys.held import TokenKey, TransitKey

KeyProvider = Annotated[
    Path | None,
    typer.Option(
        "--key-provider", metavar="FILE", help="What opens it is a PKCS#11 token, or a transit key: see FILE."
    ),
]
_MOST = 64 * 1024


def key_provider(file: Path | None, *others: object) -> TokenKey | TransitKey | None:
    """What the file says; None without one. `others` are the options that say something else opens it.

    It is no secret, but who may write to it says which library is loaded, and who is sent a token.

    Raises:
        Malformed: One of the others is there too.
        ConfigInvalid: With file and line.
        KeyfileMissing, KeyfileUnsafe: There is none, or others may write to it.
    """
    if file is None:
        return None
    if any(each is not None for each in others):
        raise Malformed("one thing opens a database, not two", try_="leave --keyfile and --passphrase-... away")
    from remit.keys.owned_file import read_steady  # noqa: PLC0415 - likewise
    from remit.people.document import SpecInvalid  # noqa: PLC0415 - likewise
    from remit.server import yaml_text  # noqa: PLC0415 - few commands read one
    from remit.server.key_provider import chosen  # noqa: PLC0415 - likewise

    path = file.absolute()
    content = read_steady(path, what="key provider", most=_MOST)
    try:
        documents = yaml_text.read(content.decode("utf-8"), file=str(file))
    except UnicodeDecodeError as error:
        raise ConfigInvalid(f"{file} is not UTF-8 text") from error
    if len(documents) != 1:
        raise ConfigInvalid(f"{file}: one object is expected")
    try:
        return chosen(documents[0].value, folder=path.parent)
    except SpecInvalid as error:
        first = error.problems[0]
        line = documents[0].lines.get(first.field, documents[0].line)
        more = error.detail if len(error.problems) > 1 else ""
        raise ConfigInvalid(f"{file}:{line}: {first}", detail=more) from error
