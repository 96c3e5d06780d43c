"""The names of the formats of usage."""

from __future__ import annotations

from enum import StrEnum


class Format(StrEnum):
    """A format of usage."""

    NATIVE = "native"
    CLOUDTRAIL = "cloudtrail"
    OCSF = "ocsf"
    OTEL = "otel"
    CSV = "csv"
    JSONL = "jsonl"
