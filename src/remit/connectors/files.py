"""Files as chunks of bytes, gzip or not. A small file can not pretend to be an endless one."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from remit.kernel.errors import ConfigInvalid, Malformed, TooLarge

_CHUNK: Final = 1 << 18
_GZIP: Final = b"\x1f\x8b"
_TIMES: Final = 200  # real logs compress ten to fifty times
_AT_LEAST: Final = 64 << 20


def chunks(path: Path, *, progress: Callable[[int], None] = lambda _read: None) -> Iterator[bytes]:
    """The bytes of a file, unpacked. `progress` is told how many of the file's own bytes are read.

    Raises:
        ConfigInvalid: It cannot be read.
        Malformed: It is damaged gzip.
        TooLarge: It unpacks to 200 times its size and more.
    """
    try:
        with path.open("rb") as file:
            packed = file.read(len(_GZIP)) == _GZIP
            file.seek(0)
            most = max(_AT_LEAST, _TIMES * path.stat().st_size)
            done = 0
            source = gzip.GzipFile(fileobj=file) if packed else file
            while chunk := source.read(_CHUNK):
                done += len(chunk)
                if packed and done > most:
                    raise TooLarge(f"{path.name} unpacks to over {_TIMES} times its size", try_="unpack and look at it")
                progress(file.tell())
                yield chunk
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise Malformed(f"{path.name} is damaged gzip", detail=str(error), try_="fetch it again") from error
    except OSError as error:
        raise ConfigInvalid(f"{path} cannot be read", detail=str(error), try_="ls -l FILE") from error
