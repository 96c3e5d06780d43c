from dataclasses import replace

from remit.access.model import Purpose, PurposeState
from remit.agents.binding import Binding
from remit.agents.model import Agent, AgentState, SenderConstraint
from remit.agents.risk import Risk
from remit.agents.signals import Noticed, Signal, own
from remit.kernel.clock import DAY, SECOND, Instant, Micros
from remit.kernel.names import AgentName, BoundaryName, OwnerName, PurposeName
from remit.server import health
from remit.server.health import Status

NOW = Instant(1_800_000_000 * SECOND)
FAR = Instant(NOW + 365 * DAY)
AGENT = Agent(
    agent=AgentName("bot"), owner=OwnerName("dana"), version="1", purposes=(PurposeName("pay"),), max_instances=1,
    sender_constraint=SenderConstraint.DPOP, not_after=FAR, max_run=Micros(1), keys=(), state=AgentState.ACTIVE,
)  # fmt: skip
PURPOSE = Purpose(
    purpose=PurposeName("pay"), statement="", actions=(), data_classes=(), not_after=FAR, state=PurposeState.ACTIVE
)


def test_a_clock_that_went_back_fails() -> None:
    assert health.clock(now=NOW, last_signed=None).status is Status.OK
    assert health.clock(now=NOW, last_signed=Instant(NOW - 1)).status is Status.OK
    assert health.clock(now=NOW, last_signed=Instant(NOW + 2 * SECOND)).status is Status.FAIL


def test_a_database_that_is_silent_or_full_fails() -> None:
    def said(*, healthy: bool = True, age: float = 0.1, disk: int | None = 1 << 40) -> Status:
        return health.database(dialect="sqlite", healthy=healthy, contact_age=age, disk_free=disk).status

    assert said() is Status.OK
    assert said(disk=None) is Status.OK
    assert said(healthy=False) is Status.FAIL
    assert said(age=5.1) is Status.FAIL
    assert said(disk=1 << 20) is Status.FAIL
    assert said(disk=100 << 20) is Status.WARN


def test_a_log_that_is_not_signed_fails() -> None:
    assert health.log(size=None, signed=None, failure=None, now=NOW).status is Status.OK
    assert health.log(size=4, signed=Instant(NOW - DAY), failure=None, now=NOW).status is Status.OK
    assert health.log(size=4, signed=NOW, failure="damaged", now=NOW).status is Status.FAIL


def test_a_server_that_cannot_be_listed_or_changed_its_tools_is_shown() -> None:
    def said(*, failed: Instant | None = None, waiting: int = 0) -> health.Check:
        return health.server("crm", failed_since=failed, error="refused", waiting=waiting, tools=3, now=NOW)

    observed = health.server("crm", failed_since=None, error="", waiting=0, tools=3, now=NOW, observed=True)
    assert (observed.status, "only observed" in observed.detail) == (health.Status.WARN, True)

    assert said().status is Status.OK
    assert said(failed=NOW).status is Status.WARN
    assert said(waiting=1).try_ == "remit server review crm"


def test_posture_names_who_can_be_robbed_and_what_ends() -> None:
    assert [check.status for check in health.posture([AGENT], {}, [PURPOSE], now=NOW)] == [Status.OK]
    found = health.posture(
        [replace(AGENT, sender_constraint=SenderConstraint.NONE)],
        {BoundaryName("b"): Instant(NOW + DAY)},
        [replace(PURPOSE, not_after=NOW)],
        now=NOW,
    )
    assert [(check.check, check.detail.split(" within")[0].split(":")[0]) for check in found] == [
        ("sender_constraint none", "bot"),
        ("ended", "purpose pay"),
        ("ending", "boundary b"),
    ]


def test_what_is_over_anyway_is_no_finding() -> None:
    gone = replace(AGENT, state=AgentState.RETIRED, sender_constraint=SenderConstraint.NONE, not_after=NOW)
    assert [check.status for check in health.posture([gone], {}, [], now=NOW)] == [Status.OK]
    assert len(health.posture([gone] * 9, {}, [], now=NOW)) == 1


def test_many_findings_are_counted() -> None:
    many = [replace(AGENT, agent=AgentName(f"bot-{n}"), sender_constraint=SenderConstraint.NONE) for n in range(8)]
    (found,) = health.posture(many, {}, [], now=NOW)
    assert "and 3 more" in found.detail


def test_an_agent_with_a_secret_is_a_finding() -> None:
    binding = Binding("client_secret", {"scrypt": "ln=15,r=8,p=1$x$y"})
    (found,) = health.posture([replace(AGENT, bindings=(binding,))], {}, [PURPOSE], now=NOW)
    assert (found.check, found.status, found.detail.split(":")[0]) == ("client_secret", Status.WARN, "bot")


def test_a_key_at_two_places_is_a_finding_for_each_copy_until_a_person_says_that_it_is_over() -> None:
    noticed = tuple(Noticed(Signal.INSTANCE_CONFLICT, own(name), Instant(1)) for name in ("copy-a", "copy-b"))
    other = Noticed(Signal.ANOMALY, "", Instant(1))
    one, two = health.cloned([("calm", Risk()), ("odd", Risk(noticed=(other,))), ("bot", Risk(noticed=noticed))])
    assert (one.check, one.status) == ("instance_conflict", Status.WARN)
    assert one.detail == "bot: the key of instance copy-a is used from two places at once"
    assert "remit freeze instance copy-b" in two.try_
    assert "remit agent signal bot instance_conflict --about 'remit: copy-b' --over" in two.try_
