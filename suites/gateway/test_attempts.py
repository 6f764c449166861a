"""Whether each request is answered when it is asked for the first time: nobody asks twice for the suite's users."""

import pytest

from fixtures.judging.attempts import read_attempts
from fixtures.judging.observation import went_well
from fixtures.model.exchange import Exchange
from fixtures.model.requirement import requirement

pytestmark = pytest.mark.audit


@requirement("WIRE-42")
def test_each_request_is_answered_at_its_first_attempt(wire_exchanges: list[Exchange]) -> None:
    attempts = read_attempts(wire_exchanges)
    assert not attempts.never, (
        f"expected an answer to some first attempt, none to any {' or '.join(attempts.never)}: {attempts.told}"
    )
    assert len(attempts.lost) < 2, f"expected answers to all first attempts, lost {len(attempts.lost)}: {attempts.told}"
    assert any(map(went_well, wire_exchanges)), f"expected an API's answer to one of {len(wire_exchanges)} requests"
    attempts.note()
