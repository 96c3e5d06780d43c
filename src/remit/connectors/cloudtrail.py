"""AWS CloudTrail log files: `{"Records": [...]}`, as JSON or gzip.

Fields: https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html
and https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-user-identity.html
A log file says nothing of what it leaves out (object reads, without data events), so when the record was complete
comes from whoever imports it. What a call was about (`requestParameters`) is not kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from collections.abc import Mapping as AnyMapping
from typing import Any, Final

from remit.certification.usage.ingest import Line
from remit.certification.usage.line import event_of
from remit.certification.usage.model import Kind, RefusedLine
from remit.connectors.lines import TOO_LONG
from remit.connectors.mapping import Mapping
from remit.connectors.model import Passed, Read, begun
from remit.connectors.stream import head, values
from remit.kernel.canonical import parse
from remit.kernel.errors import ConfigInvalid, Malformed

STARTS: Final = re.compile(rb'\s*\{\s*"Records"\s*:\s*\[')
_LOOK: Final = 256
_DEPTH: Final = 2  # a record stands in a list in an object
_WHAT, _TRY = "a CloudTrail log file", 'a log file is {"Records": [...]}, or that as .json.gz'
# What services answer to a caller that has no permission; EC2 puts `Client.` before it.
DENIALS: Final = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "NotAuthorized"})
_CALL: Final = "AwsApiCall"
_KEPT: Final = {"awsRegion": "region", "recipientAccountId": "account", "errorCode": "error", "requestID": "request"}


def read(chunks: Iterable[bytes], mapping: Mapping, source: str) -> Iterator[Read]:
    """The calls of a log file, by those whom the mapping's `identities` name.

    Raises:
        Malformed: It is no log file, or is cut off; what was read before stands.
        ConfigInvalid: The mapping names nobody.
    """
    if not mapping.identities:
        raise ConfigInvalid(
            "CloudTrail names principals, and no mapping says which agents they are",
            try_="--map FILE, with identities: {'arn:aws:sts::*:assumed-role/ROLE/*': AGENT}",
        )
    first, again = head(chunks, _LOOK)
    if STARTS.match(first) is None:
        raise Malformed(f"this is not {_WHAT}", detail="it does not begin with a list of Records", try_=_TRY)
    return begun(_read(again, mapping, source), what=_WHAT, try_=_TRY)


def _read(chunks: Iterable[bytes], mapping: Mapping, source: str) -> Iterator[Read]:
    for number, body in values(chunks, depth=_DEPTH):
        if body is None:
            yield RefusedLine(number, TOO_LONG)
            continue
        try:
            yield _one(number, parse(body), mapping, source)
        except Malformed as error:
            yield RefusedLine(number, error.public)


def _one(number: int, said: Any, mapping: Mapping, source: str) -> Read:  # noqa: ANN401 - any JSON value
    if not isinstance(said, dict) or not isinstance(said.get("userIdentity"), dict):
        raise Malformed("a record has a userIdentity")
    if said.get("eventType", _CALL) != _CALL:
        return Passed(number, "no call of an API")
    if (agent := mapping.agent(principals(said["userIdentity"]))) is None:
        return Passed(number, "by no agent of the mapping")
    service, name, code = said.get("eventSource"), said.get("eventName"), said.get("errorCode")
    if not isinstance(service, str) or not isinstance(name, str):
        raise Malformed("a record has an eventSource and an eventName")
    line = {
        "kind": kind_of(code if isinstance(code, str) else ""),
        "at": said.get("eventTime"),
        "id": said.get("eventID"),
        "agent": agent,
        "action": f"{server_of(service, mapping)}/{name}",
    }
    kept = {ours: said[theirs] for theirs, ours in _KEPT.items() if isinstance(said.get(theirs), str)}
    return Line(number, event_of(line | kept, source=source))


def principals(identity: AnyMapping[str, Any]) -> list[str]:
    """Every name of who called: of the session, of the role behind it, of the user."""
    session = identity.get("sessionContext")
    issuer = session.get("sessionIssuer") if isinstance(session, dict) else None
    issued = issuer if isinstance(issuer, dict) else {}
    names = (identity.get("arn"), issued.get("arn"), identity.get("principalId"), identity.get("userName"))
    return [name for name in names if isinstance(name, str)]


def server_of(service: str, mapping: Mapping) -> str:
    """`s3.amazonaws.com` is `aws-s3`, unless the mapping says otherwise."""
    mapped = mapping.server((service,))
    return mapped or "aws-" + service.removesuffix(".amazonaws.com").replace(".", "-").lower()


def kind_of(code: str) -> Kind:
    """What an error code of AWS makes of a call; without one it succeeded."""
    if not code:
        return Kind.USE
    return Kind.DENIAL if code.rpartition(".")[2] in DENIALS else Kind.ERROR
