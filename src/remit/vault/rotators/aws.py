"""An AWS access key of an IAM user. AWS chooses both halves, and a user has two keys at most.

A key that was made and not recorded cannot be used, because nobody has its secret. It is deleted where it can only be
that one: no other key is unknown here, and it was made while an attempt asked for one. What else is in the way is for
people, who may have made it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from remit.kernel.clock import MINUTE, SECOND, Clock, Instant
from remit.kernel.errors import Malformed
from remit.keys.secret import Secret
from remit.outbound.model import endpoint
from remit.people import document
from remit.people.document import Fields, SpecInvalid
from remit.vault.model import Material, SecretUnavailable
from remit.vault.rotator import Doubtful, Plan, Refused, Send, Unclear
from remit.vault.rotators.aws_query import Query, SaidNo
from remit.vault.rotators.patience import SECONDS, within

_USER: Final = re.compile(r"[\w+=,.@-]{1,64}\Z", re.ASCII)  # CreateUser, parameter UserName
_REGION: Final = re.compile(r"[a-z]{2,4}(?:-[a-z]+){1,3}-[0-9]{1,2}\Z")
_KEY_ID: Final = re.compile(r"[A-Z0-9]{16,128}\Z")
REGION: Final = "us-east-1"
_MOST: Final = 2  # access keys of a user
_SPREADS: Final = MINUTE
"""For how long after its rotation began a new key may be unknown here and there (IAM is eventually consistent)."""
_BEHIND: Final = MINUTE
"""How far IAM's clock may be behind this one: what it says was made so long before a rotation may be that one's."""
_UNKNOWN: Final = frozenset({"InvalidClientTokenId", "InvalidAccessKeyId"})
_ABSENT: Final = "NoSuchEntity"
# Where IAM's one address is, by partition, and the region that its signatures name.
_IAM: Final = {
    "cn": ("https://iam.cn-north-1.amazonaws.com.cn/", "cn-north-1", "amazonaws.com.cn"),
    "us-gov": ("https://iam.us-gov.amazonaws.com/", "us-gov-west-1", "amazonaws.com"),
    "": ("https://iam.amazonaws.com/", "us-east-1", "amazonaws.com"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """As they stand in a secret's document under `aws`. `endpoint_url`: of IAM and STS alike; empty: AWS's own."""

    user: str
    admin: str
    region: str
    endpoint_url: str


@dataclass(frozen=True, slots=True)
class Key:
    """One access key as IAM lists it."""

    id: str
    made: Instant  # whole seconds


def read(settings: Mapping[str, Any]) -> Settings:
    """The settings.

    Raises:
        SpecInvalid: They have problems.
    """
    fields = Fields(settings, known={"user", "admin", "region", "endpoint_url"})
    found = Settings(
        user=fields.take("user", _matching(_USER, "the name of an IAM user")),
        admin=fields.take("admin", document.name("a secret")),
        region=fields.maybe("region", _matching(_REGION, "a region such as eu-central-1"), REGION),
        endpoint_url=fields.maybe("endpoint_url", _url, ""),
    )
    fields.finish()
    return found


@dataclass(frozen=True, slots=True)
class Unknown:
    """Keys of which no version has the id and that may be no older than the rotation.

    `own`: the one that an attempt of it made and did not record. `doubtful`: those that may be a person's.
    """

    own: Key | None = None
    doubtful: tuple[Key, ...] = ()


def unknown(keys: tuple[Key, ...], plan: Plan) -> Unknown:
    """What is unknown among a user's keys, and whether it is this rotation's own. Pure.

    AWS takes no mark, and says the id of a key with its making alone. So one is taken for its own only where it is the
    only unknown one, and was made within the time that an attempt had. Attack on any wider rule: a key that a person
    makes by hand while a rotation runs, and has in use, is deleted.
    """
    known = {each.get("access_key_id") for each in plan.known}
    if plan.current is not None:
        known.add(plan.current.attributes.get("access_key_id"))
    strange = [each for each in keys if each.id not in known]
    young = tuple(each for each in strange if each.made >= _seconds(plan.started) - _BEHIND)
    if len(strange) == 1 and any(_seconds(began) <= each.made < end for each in young for began, end in plan.asked):
        return Unknown(own=strange[0])
    return Unknown(doubtful=young)


def _seconds(at: Instant) -> int:
    """As precisely as IAM says it."""
    return at // SECOND * SECOND


def iam_url(region: str) -> str:
    """Where IAM is for a region, if settings say no `endpoint_url`. Pure."""
    return _partition(region)[0]


class AwsAccessKey:
    """Implements `Rotator`.

    Args:
        send: Sends a request.
        clock: For signatures, and for how long a new key may be unknown.
        seconds: For all that one step asks.
    """

    def __init__(self, send: Send, clock: Clock, *, seconds: float = SECONDS) -> None:
        self._send = send
        self._clock = clock
        self._seconds = seconds

    def propose(self, plan: Plan) -> None:
        """AWS chooses. Raises Refused: which key calls use now is not known."""
        _settings(plan)
        if plan.current is not None and not plan.current.attributes.get("access_key_id"):
            raise Refused(
                "which access key calls use is not known: set the current version with its access_key_id",
                try_=f"remit secret set {plan.secret} --attribute access_key_id=AKIA...",
            )

    async def create(self, plan: Plan, proposed: Material | None) -> Material:  # noqa: ARG002 - the port's
        """A new key, after what is left over of this rotation was deleted. Raises Refused, Unclear."""
        self.propose(plan)
        user, admin = _settings(plan).user, _admin(plan)
        async with within(self._seconds):
            iam = self._iam(plan)
            keys = await _keys(iam, admin, user)
            found = unknown(keys, plan)
            if found.doubtful:
                raise Refused(_doubt(user, found.doubtful))
            if found.own is not None:
                await _deleted(iam, admin, user, found.own.id)
            if len(staying := [each.id for each in keys if each != found.own]) >= _MOST:
                known = {each.get("access_key_id") for each in plan.known}
                strange = [each for each in staying if each not in known] or staying
                raise Refused(
                    f"{user} has two access keys, and AWS allows no third: if nothing uses {strange[0]}, delete it"
                )
            return _made(await iam.ask(admin, "CreateAccessKey", {"UserName": user}))

    async def verify(self, plan: Plan, new: Material) -> None:
        """Ask STS who it is. Raises Refused: it does not work, or is somebody else's; Unclear."""
        settings = _settings(plan)
        young = self._clock.now() < plan.started + _SPREADS
        try:
            async with within(self._seconds):
                said = await self._sts(plan).ask(new, "GetCallerIdentity", {})
        except SaidNo as error:
            if error.why in _UNKNOWN and young:
                raise Unclear("the new access key is not known everywhere yet") from None
            raise
        arn = said.say("Arn")
        if not arn:
            raise Unclear("GetCallerIdentity: no answer that could be understood")
        # arn:aws:iam::123456789012:user/PATH/NAME
        if ":user/" not in arn or arn.rpartition("/")[2] != settings.user:
            raise Refused(f"the new access key is not {settings.user}'s")

    async def revoke(self, plan: Plan, old: Material) -> None:
        """Deactivate and delete it, or what an attempt left unrecorded. Raises Refused, Unclear, Doubtful."""
        user, admin = _settings(plan).user, _admin(plan)
        key_id = old.attributes.get("access_key_id")
        if key_id and plan.current is not None and plan.current.attributes.get("access_key_id") == key_id:
            raise Refused(f"calls use {key_id}")
        async with within(self._seconds):
            iam = self._iam(plan)
            if not key_id:
                found = unknown(await _keys(iam, admin, user), plan)
                if found.doubtful:
                    raise Doubtful(_doubt(user, found.doubtful))
                key_id = None if found.own is None else found.own.id
            if key_id:
                await _deleted(iam, admin, user, key_id)

    async def gone(self, plan: Plan, old: Material) -> bool:
        """Whether IAM does not list it. Raises Refused, Unclear."""
        async with within(self._seconds):
            keys = await _keys(self._iam(plan), _admin(plan), _settings(plan).user)
        if key_id := old.attributes.get("access_key_id"):
            return all(each.id != key_id for each in keys)
        return unknown(keys, plan) == Unknown()

    def _iam(self, plan: Plan) -> Query:
        settings = _settings(plan)
        url, region, _ = _partition(settings.region)
        return self._query("iam", settings.endpoint_url or url, region)

    def _sts(self, plan: Plan) -> Query:
        settings = _settings(plan)
        *_, suffix = _partition(settings.region)
        return self._query("sts", settings.endpoint_url or f"https://sts.{settings.region}.{suffix}/", settings.region)

    def _query(self, service: str, url: str, region: str) -> Query:
        return Query(send=self._send, clock=self._clock, url=url, service=service, region=region)


async def _keys(iam: Query, admin: Material, user: str) -> tuple[Key, ...]:
    """All keys of the user."""
    said = await iam.ask(admin, "ListAccessKeys", {"UserName": user, "MaxItems": "100"})
    members = said.one("AccessKeyMetadata")
    if members is None or said.say("IsTruncated") == "true":
        raise Unclear("ListAccessKeys: no answer that could be understood")
    found: list[Key] = []
    for each in members.inside:
        try:
            made = datetime.fromisoformat(each.say("CreateDate"))
        except ValueError:
            made = None
        key_id = each.say("AccessKeyId")
        if made is None or made.tzinfo is None or not _KEY_ID.match(key_id):
            raise Unclear("ListAccessKeys: a key without an id or a time")
        found.append(Key(key_id, Instant(int(made.timestamp()) * SECOND)))
    return tuple(found)


async def _deleted(iam: Query, admin: Material, user: str, key_id: str) -> None:
    """First inactive: deleted or not, nothing is signed with it any more."""
    which = {"UserName": user, "AccessKeyId": key_id}
    for action, fields in (("UpdateAccessKey", {**which, "Status": "Inactive"}), ("DeleteAccessKey", which)):
        try:
            await iam.ask(admin, action, fields)
        except SaidNo as error:
            if error.why != _ABSENT:
                raise


def _doubt(user: str, keys: tuple[Key, ...]) -> str:
    names = " and ".join(each.id for each in keys)
    return f"{names} of {user}: made by this rotation or by a person, which is not known: if nothing uses it, delete it"


def _made(said: Any) -> Material:  # noqa: ANN401 - an element
    key_id, value = said.say("AccessKey", "AccessKeyId"), said.say("AccessKey", "SecretAccessKey")
    if not _KEY_ID.match(key_id) or not value:
        raise Unclear("CreateAccessKey: no answer that could be understood")
    return Material(value=Secret(value), attributes={"access_key_id": key_id})


def _admin(plan: Plan) -> Material:
    name = _settings(plan).admin
    try:
        return plan.admin(name)
    except SecretUnavailable as error:
        raise Unclear(f"{name} is not there to sign in with", detail=error.public) from error


def _settings(plan: Plan) -> Settings:
    try:
        return read(plan.settings)
    except SpecInvalid as error:
        raise Refused(f"its settings: {error.public}") from error


def _partition(region: str) -> tuple[str, str, str]:
    return next(found for begins, found in _IAM.items() if region.startswith(f"{begins}-") or not begins)


def _url(value: object) -> str:
    url = document.text(most=1024)(value)
    endpoint(url)
    if any(char in url for char in "?#"):
        raise Malformed("an address without a query is expected")
    return url


def _matching(pattern: re.Pattern[str], what: str) -> Any:  # noqa: ANN401 - reads one field
    def read_one(value: object) -> str:
        if not isinstance(value, str) or not pattern.match(value):
            raise Malformed(f"{what} is expected")
        return value

    return read_one
