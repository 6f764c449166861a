"""What answers and refusals cost."""

import pytest

from fixtures.clients.gateway import listed
from fixtures.model.requirement import requirement
from fixtures.steps.gateway.charges import QuotaCap

pytestmark = pytest.mark.audit


@requirement("WIRE-41")
def test_an_answer_is_charged_to_the_token(quota_cap: QuotaCap) -> None:
    assert quota_cap.roomy.ok, f"expected an answer to charge, got {quota_cap.roomy.exchange.summary()}"
    assert quota_cap.charged > 0, (
        f"expected the used quota to grow by what the remaining one loses: "
        f"{quota_cap.before.summary()}, then {quota_cap.after.summary()}"
    )


@requirement("WIRE-41")
def test_a_refusal_is_not_charged(quota_cap: QuotaCap) -> None:
    charged = quota_cap.charged_for_refusal
    assert listed(quota_cap.known), f"expected the capped token's key to be known, got {quota_cap.known.summary()}"
    assert quota_cap.capped.exchange.status in (401, 403), (
        f"expected a refusal, got {quota_cap.capped.exchange.summary()}"
    )
    assert charged == 0, f"expected no charge for a refused request, {charged} units were used"


@requirement("WIRE-41")
def test_the_charge_is_the_log_s(quota_cap: QuotaCap) -> None:
    logged, charged = quota_cap.logged, quota_cap.charged
    assert logged == [charged], f"expected one answer of {charged} units in the token's log, found {logged}"
