"""What the entry of a token says of how its holder was attested (pure), so that a run can be tied to its workload."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from remit.attestation.model import Attested
from remit.attestation.trust import GENERIC

# Issuers of these are platforms, and whom they speak of are workloads. Who a generic issuer speaks of may be a person.
_MAY_BE_A_PERSON: Final = frozenset({GENERIC})


class Evidence(NamedTuple):
    """What stands in the public header, and what is sealed with the agent's key."""

    fields: dict[str, Any]
    sealed: dict[str, Any] | None


NONE: Final = Evidence({}, None)


def evidence(attested: Attested | None) -> Evidence:
    """What was proved beside the credential, which the entry names anyway.

    A local process's arguments may be anything, and so may the subject of an issuer that is no known platform: both
    are sealed. The entry commits to what is sealed, so that whoever opens it knows that it is what was said then.
    """
    if attested is None:
        return NONE
    if attested.process is not None:
        process = attested.process
        return Evidence({"pid": process.pid, "digest": process.digest}, {"argv": list(process.argv)})
    platform = attested.platform
    if platform is None:
        return NONE
    said = {"trust": platform.trust, "issuer": platform.issuer}
    subject = {} if platform.subject is None else {"sub": platform.subject}
    if platform.preset in _MAY_BE_A_PERSON and subject:
        return Evidence({"platform": said}, {"platform": subject})
    return Evidence({"platform": said | subject}, None)
