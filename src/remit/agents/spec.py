"""An agent's document. `jwk_file` was replaced by the public key itself before the document was sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from remit.agents.binding import READERS, Binding
from remit.agents.bindings import client_metadata, client_secret, id_jag, mtls  # noqa: F401 - they add readers
from remit.agents.bindings import oidc as oidc_bindings  # noqa: F401 - it adds its readers
from remit.agents.model import Agent, AgentState, SenderConstraint
from remit.kernel.clock import DAY, HOUR, Micros
from remit.kernel.errors import ConfigInvalid, Malformed
from remit.kernel.names import AgentName, OwnerName, PurposeName
from remit.keys.jose import public_key
from remit.keys.jwk import JoseInvalid
from remit.people import document
from remit.people.document import Fields

_KEYS = {
    "agent",
    "owner",
    "version",
    "purposes",
    "max_instances",
    "max_children",
    "max_widening",
    "sender_constraint",
    "not_after",
    "max_run",
    "attest",
    "delegates",
}
_MEMBERS = frozenset({"kty", "crv", "x", "y", "kid", "alg", "use", "key_ops"})
_MAX_VERSION = 64
_MAX_INSTANCES = 100_000
_MAX_CHILDREN = 1000
_MAX_WIDENING = 1_000_000
_DEFAULT_INSTANCES = 20
_LONGEST_RUN = Micros(365 * DAY)
_DEFAULT_RUN = Micros(8 * HOUR)
_MAX_PURPOSES = 100
_MAX_METHODS = 20
_MAX_UID = 2**32 - 2  # 2**32 - 1 means "no user" to the kernel


def agent(spec: object) -> Agent:
    """The agent that a document describes; applying it makes it active.

    `max_instances` is enforced where tokens are issued, `max_widening` where boundaries are approved.
    `max_instances` and `max_children` are enforced where tokens are issued (20 where it says nothing).

    Raises:
        SpecInvalid: The document has problems.
    """
    fields = Fields(spec, known=_KEYS)
    purpose = document.name("a purpose")
    name = fields.take("agent", document.name("an agent"))
    owner = fields.take("owner", document.name("an owner"))
    version = fields.maybe("version", document.text(most=_MAX_VERSION), "1")
    purposes = fields.take("purposes", document.distinct(document.items(purpose, most=_MAX_PURPOSES)))
    instances = fields.maybe("max_instances", document.whole(1, _MAX_INSTANCES), _DEFAULT_INSTANCES)
    children = fields.maybe("max_children", document.whole(0, _MAX_CHILDREN), None)
    widening = fields.maybe("max_widening", document.whole(0, _MAX_WIDENING), None)
    constraint = fields.maybe("sender_constraint", document.choice("dpop", "mtls", "none"), "dpop")
    not_after = fields.take("not_after", document.end)
    max_run = fields.maybe("max_run", document.duration(most=_LONGEST_RUN), _DEFAULT_RUN)
    methods = fields.take("attest", document.items(_method, most=_MAX_METHODS)) or ()
    delegates = fields.maybe("delegates", document.distinct(document.items(document.name("an agent"), most=100)), ())
    bindings = tuple(method for method in methods if isinstance(method, Binding))
    keys = tuple(method for method in methods if not isinstance(method, (int, Binding)))
    uids = tuple(method for method in methods if isinstance(method, int))
    if len({public_key(key).thumbprint for key in keys}) != len(keys):
        fields.problem("attest", "a key stands here twice")
    if len(set(uids)) != len(uids):
        fields.problem("attest", "a uid stands here twice")
    if len({each.credential for each in bindings}) != len(bindings):
        fields.problem("attest", "a method stands here twice with the same conditions")
    if name in (delegates or ()):
        fields.problem("delegates", "an agent acts for itself without saying so")
    fields.finish()
    return Agent(
        agent=AgentName(name),
        owner=OwnerName(owner),
        version=version,
        purposes=tuple(map(PurposeName, purposes)),
        max_instances=instances,
        sender_constraint=SenderConstraint(constraint),
        not_after=not_after,
        max_run=max_run,
        keys=keys,
        state=AgentState.ACTIVE,
        uids=uids,
        bindings=bindings,
        delegates=tuple(map(AgentName, delegates or ())),
        max_children=children if children is not None else _DEFAULT_INSTANCES if delegates else 0,
        max_widening=widening,
    )


def _method(value: object) -> Mapping[str, Any] | int | Binding:
    """One way to attest: `{private_key_jwt: {jwk: {...}}}`, read as the key, `{local_process: {uid: N}}`, as N, or
    another method, as a binding.
    """
    fields = Fields(value, known={"private_key_jwt", "local_process", *READERS})
    named = [each for each in ("local_process", *READERS) if fields.has(each)]
    if len(named) + fields.has("private_key_jwt") > 1:
        fields.problem(named[0], "each method is an item of its own")
    found: Mapping[str, Any] | int | Binding
    if named and named[0] == "local_process":
        found = fields.take("local_process", _local_process)
    elif named:
        found = Binding(named[0], fields.take(named[0], READERS[named[0]]) or {})
    else:
        found = fields.take("private_key_jwt", _private_key_jwt)
    fields.finish()
    return found


def _local_process(value: object) -> int:
    fields = Fields(value, known={"uid"})
    uid = fields.take("uid", document.whole(0, _MAX_UID))
    fields.finish()
    return uid


def _private_key_jwt(value: object) -> Mapping[str, Any]:
    if isinstance(value, dict) and "jwk_file" in value:
        raise ConfigInvalid("jwk_file names a file on the caller's machine; send the public key as jwk")
    fields = Fields(value, known={"jwk"})
    key = fields.take("jwk", _jwk)
    fields.finish()
    return key


def _jwk(value: object) -> Mapping[str, Any]:
    """A public key that is strictly one (RFC 7517); a private member refuses it, for it is no secret any more."""
    if not isinstance(value, dict):
        raise Malformed("a JWK is expected")
    try:
        public_key(cast("dict[str, Any]", value))
    except JoseInvalid as error:
        raise ConfigInvalid(error.public) from error
    if unknown := sorted(set(value) - _MEMBERS):
        raise ConfigInvalid(f"the JWK member {unknown[0]} is not taken"[:120])
    return value
