from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from remit.kernel.clock import DAY, SECOND, Instant
from remit.kernel.names import AgentName, OwnerName, PurposeName
from remit.people.consent import LONGEST, Consent, ConsentState, ends

NOON = Instant(1_795_608_000_000_000)
TIMES = st.integers(NOON - 100 * DAY, NOON + 1000 * DAY).map(Instant)
GIVEN = Consent(
    consent="con_1", person=OwnerName("dana"), agent=AgentName("editor-bot"), client="my-editor",
    purpose=PurposeName("pay-invoices"), resources=("http://remit.test",), given=NOON,
    until=Instant(NOON + DAY), state=ConsentState.GIVEN,
)  # fmt: skip


@given(TIMES, TIMES)
def test_no_consent_outlives_agent_purpose_or_ninety_days(agent: Instant, purpose: Instant) -> None:
    end = ends(NOON, agent_ends=agent, purpose_ends=purpose)
    assert end <= min(agent, purpose, NOON + LONGEST)
    assert end % SECOND == 0
    assert min(agent, purpose, NOON + LONGEST) - end < SECOND


@given(TIMES)
def test_it_holds_until_its_end_or_its_withdrawal(now: Instant) -> None:
    assert GIVEN.live(now) == (now < GIVEN.until)
    assert not replace(GIVEN, state=ConsentState.WITHDRAWN).live(now)
