"""AWS Signature Version 4 (pure): the headers that sign a request.

Implements "Create a signed AWS API request" of the AWS IAM user guide (Signature Version 4) for a request whose body
is whole. The canonical request is made of what goes over the wire, which is encoded already: in each of its parts
whatever is not unreserved (RFC 3986) is percent-encoded.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote

from remit.kernel.clock import SECOND, Instant
from remit.vault.outgoing import Outgoing

_ALGORITHM: Final = "AWS4-HMAC-SHA256"
_UNENCODED_TWICE: Final = frozenset({"s3", "s3-outposts", "s3express", "s3-object-lambda"})
# The caller's own word on these would be signed as ours.
OWN: Final = frozenset({"x-amz-date", "x-amz-content-sha256", "x-amz-security-token"})
_SIGNED: Final = frozenset({"host", "content-type", "content-md5"})


def signed(
    request: Outgoing, secret: bytes, *, access_key_id: str, region: str, service: str, now: Instant
) -> dict[str, str]:
    """The headers to add to `request`: Authorization and what it is about.

    Args:
        request: As it leaves, apart from these headers; its own of the names in `OWN` must be left out by the caller.
        secret: The secret access key.
        access_key_id: Such as `AKIA...`.
        region: Such as `eu-central-1`.
        service: As AWS names it in signatures, such as `execute-api`.
        now: When it is signed; AWS takes it for five minutes.
    """
    when = datetime.fromtimestamp(now // SECOND, UTC).strftime("%Y%m%dT%H%M%SZ")
    digest = hashlib.sha256(request.body).hexdigest()
    added = {"X-Amz-Date": when}
    if service in _UNENCODED_TWICE:
        added["X-Amz-Content-Sha256"] = digest
    headers = _canonical_headers({**request.headers, **added, "Host": request.host})
    names = ";".join(sorted(headers))
    asked = "\n".join(
        (
            request.method,
            request.path if service in _UNENCODED_TWICE else quote(request.path, safe="/-_.~"),
            _canonical_query(request.query),
            *(f"{name}:{headers[name]}" for name in sorted(headers)),
            "",
            names,
            digest,
        )
    )
    scope = f"{when[:8]}/{region}/{service}/aws4_request"
    to_sign = "\n".join((_ALGORITHM, when, scope, hashlib.sha256(asked.encode()).hexdigest()))
    key = b"AWS4" + secret
    for part in (when[:8], region, service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, to_sign.encode(), "sha256").hex()
    said = f"{_ALGORITHM} Credential={access_key_id}/{scope}, SignedHeaders={names}, Signature={signature}"
    return {**added, "Authorization": said}


def _canonical_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Those that are signed, by lower-case name: white space around and runs of it inside a value mean nothing."""
    lowered = {name.lower(): " ".join(value.split()) for name, value in headers.items()}
    return {name: value for name, value in lowered.items() if name in _SIGNED or name.startswith("x-amz-")}


def _canonical_query(query: str) -> str:
    """The pairs in byte order; one without a value has an empty one."""
    pairs = [part.partition("=") for part in query.split("&") if part]
    return "&".join(f"{name}={value}" for name, _, value in sorted(pairs))
