"""The formats by name, and which one a file has by its first bytes."""

from __future__ import annotations

import re
from collections.abc import Mapping as AnyMapping
from typing import Final

from remit.connectors import cloudtrail, lines, ocsf, otel, table
from remit.connectors.format import Format
from remit.connectors.mapping import Mapping
from remit.connectors.model import Connector
from remit.kernel.errors import Malformed

LOOK: Final = 1 << 16  # bytes that show it


CONNECTORS: Final[AnyMapping[Format, Connector]] = {
    Format.NATIVE: lines.read,
    Format.CLOUDTRAIL: cloudtrail.read,
    Format.OCSF: ocsf.read,
    Format.OTEL: otel.read,
    Format.CSV: table.read_csv,
    Format.JSONL: table.read_jsonl,
}
_OTEL: Final = re.compile(rb'\s*\{\s*"resourceSpans"\s*:')
_OCSF: Final = re.compile(rb'\s*[\[{].*"class_uid"\s*:', re.DOTALL)
_NATIVE: Final = re.compile(rb'\s*\{[^\n]*"kind"\s*:[^\n]*(\n|\Z)')


def guess(first: bytes, mapping: Mapping, *, name: str) -> Format:
    """The format of a file that begins with `first`.

    Raises:
        Malformed: None of those that are known.
    """
    if cloudtrail.STARTS.match(first):
        return Format.CLOUDTRAIL
    if _OTEL.match(first):
        return Format.OTEL
    is_json = first.lstrip()[:1] in {b"{", b"["}
    if mapping.table is not None:
        return Format.JSONL if is_json else Format.CSV
    if _OCSF.match(first):
        return Format.OCSF
    if is_json and _NATIVE.match(first):
        return Format.NATIVE
    raise Malformed(
        f"the format of {name} is not known",
        detail="it does not begin like one of " + ", ".join(Format),
        try_="--format NAME, or --map FILE for a table",
    )
