"""`remit usage import`: files of one source, read in whichever format, and sent."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from remit.certification.usage.line import instant_of
from remit.cli.output import data_text, talk
from remit.cli.usage_send import Sender, Sent, bar
from remit.cli.wire import connect
from remit.connectors.format import Format
from remit.connectors.mapping import EMPTY, Mapping, mapping_of
from remit.kernel.clock import DAY, parse_date_end
from remit.kernel.errors import ConfigInvalid, Malformed
from remit.server.yaml_text import read as read_yaml

_FIRST = 5


def send(
    files: Sequence[Path],
    source: str,
    format_: Format | None,
    map_: Path | None,
    covers: Sequence[str],
    as_: str | None,
) -> tuple[Sent, bool]:
    """Send the files; what became of them, and whether their windows were taken.

    Raises:
        ConfigInvalid: The mapping cannot be read.
        Malformed: A window or a file is none.
    """
    mapping, spans = _mapping(map_), [_span(each) for each in covers]
    sender = Sender(connect(as_), source)
    with bar(files) as of:
        for path in files:
            sender.file(path, mapping, format_, of(path))
        sender.flush()
    covered = bool(spans) and not sender.sent.lost
    if covered:
        sender.cover(spans)
    return sender.sent, covered


def show(source: str, sent: Sent) -> None:
    """For a person."""
    data_text(
        f"{source}: {sent.taken} taken, {sent.duplicates} known already, {sent.refused} refused, "
        f"{sent.passed.total()} passed over; use of {len(sent.moved)} entitlements moved"
    )
    for each in sent.first[:_FIRST]:
        talk(f"  refused  {each['file']}:{each['line']}: {each['reason']}")
    if sent.refused > _FIRST:
        talk(f"  refused  and {sent.refused - _FIRST} more; --json shows the first of them")
    for why, count in sorted(sent.passed.items()):
        talk(f"  passed   {count} {why}")
    for agent, count in sorted(sent.unknown.items()):
        talk(f"  unknown  {count} of {agent}, which is not registered")
    for each in sent.shadows[:_FIRST]:
        talk(f"  shadow   {each['count']} of {each['agent']} using {each['action']}: without any decision of Remit")
    if sent.shadow_count > _FIRST:
        talk(f"  shadow   {sent.shadow_count} findings; remit coverage shows more")
    for (agent, action), count in sorted(sent.unattributed.items()):
        talk(f"  purpose  {count} of {agent} using {action}: not exactly one of its purposes has it")


def _mapping(path: Path | None) -> Mapping:
    if path is None:
        return EMPTY
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigInvalid(f"{path} cannot be read", detail=str(error)) from error
    documents = read_yaml(text, file=path.name)
    if len(documents) != 1:
        raise ConfigInvalid(f"{path.name} is one object: a mapping")
    return mapping_of(documents[0].value, where=path.name)


def _span(text: str) -> tuple[int, int]:
    start, dots, until = text.partition("..")
    if not dots:
        raise Malformed("--covers is FROM..UNTIL", try_="--covers 2026-10-01..2026-11-01")
    return _moment(start), _moment(until)


def _moment(text: str) -> int:
    return instant_of(text) if "T" in text else parse_date_end(text) - DAY
