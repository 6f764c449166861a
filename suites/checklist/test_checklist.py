"""The verification checklist: what must be true before anyone trusts Dify on this gateway."""

import pytest

from fixtures.clients.dify import AppReply
from fixtures.clients.gateway import UNITS_PER_USD, Token, TokenUsage, says_ok
from fixtures.model.profiles import Profile
from fixtures.model.requirement import requirement
from fixtures.steps.dify.apps import FirstApp
from fixtures.steps.dify.documents import Import
from fixtures.steps.dify.embeddings import SavedEmbedding
from fixtures.steps.dify.log import GatewayLog
from fixtures.steps.dify.models import SavedModel
from fixtures.steps.gateway.tokens import EnvironmentKey
from fixtures.wire.redaction import gives_away

pytestmark = pytest.mark.smoke


@requirement("CHK-01")
def test_the_provider_holds_the_model(saved_model: SavedModel) -> None:
    names = saved_model.saved_names
    assert saved_model.model in names, f"expected {saved_model.model} in Model Provider, found {sorted(names)}"


@requirement("CHK-01", see="")
def test_dify_shows_the_key_masked(saved_model: SavedModel, provider_token: Token) -> None:
    shown = saved_model.readback.get("credentials", "api_key", default="")
    parts = [form for answer in saved_model.answers for form in gives_away(answer.text, provider_token.key)]
    assert shown, f"expected a masked key in what is saved, got {saved_model.readback.summary()}"
    assert not parts, f"expected the key masked in all that Dify shows of its models, it stands there as {parts}"


@requirement("CHK-02")
def test_dify_keeps_the_base_url(saved_model: SavedModel) -> None:
    expected = saved_model.expected_base_url
    assert saved_model.base_url == expected, f"expected the base URL {expected}, Dify has {saved_model.base_url!r}"


@requirement("CHK-03")
def test_apps_can_choose_the_llm(saved_model: SavedModel) -> None:
    status = saved_model.status
    assert status == "active", f"expected {saved_model.model} active in the list of LLMs, it is {status or 'absent'!r}"


@requirement("CHK-03")
def test_the_app_uses_the_saved_model(first_app: FirstApp) -> None:
    shown = first_app.configured_model
    assert shown == first_app.model, f"expected the app on {first_app.model}, its configuration says {shown!r}"


@requirement("CHK-04")
def test_the_first_app_request_succeeds(first_app_reply: AppReply) -> None:
    assert first_app_reply.ok, f"expected an answer, got {first_app_reply.exchange.summary()}"
    assert says_ok(first_app_reply.text), f"expected OK and nothing else, the app said {first_app_reply.text!r}"


@requirement("CHK-05", see="")
def test_the_request_is_in_the_gateway_log_once(first_app_reply: AppReply, gateway_log: GatewayLog) -> None:
    rows = gateway_log.rows_of(first_app_reply)
    assert len(rows) == 1, (
        f"expected exactly one log row for {gateway_log.model} with {first_app_reply.usage}, found {len(rows)}; "
        f"its rows are {gateway_log.in_words}: {gateway_log.exchange.summary()}"
    )


@requirement("CHK-06")
def test_knowledge_bases_can_choose_the_embedding_model(saved_embedding: SavedEmbedding) -> None:
    available = saved_embedding.available
    assert saved_embedding.model in available, f"expected {saved_embedding.model} active, found {sorted(available)}"


@requirement("CHK-06", see="")
def test_the_knowledge_base_can_use_its_embedding_model(imported_document: Import) -> None:
    available, told = imported_document.embedding_available, imported_document.knowledge_base
    assert available is True, f"expected embedding_available true, got {available!r}: {told and told.summary()}"


@requirement("CHK-06", see="")
def test_an_imported_document_is_found(imported_document: Import) -> None:
    found = imported_document.retrieved
    assert any(imported_document.passage in text for text in found), (
        f"expected the passage {imported_document.passage!r}, retrieval gave {found}"
    )


@requirement("CHK-06")
def test_the_document_is_indexed(imported_document: Import) -> None:
    status, segments = imported_document.status, imported_document.segments
    assert status == "completed", f"expected indexing to complete, it is {status!r}: {imported_document.error}"
    assert segments >= 1, (
        f"expected the document in segments, it has {segments}: {imported_document.indexing.summary()}"
    )


@requirement("CHK-07", see="")
def test_the_token_has_the_planned_whitelist(token_usage: TokenUsage, profile: Profile) -> None:
    planned = frozenset(profile.plan.token.models)
    assert token_usage.ok, f"expected the token's limits, got {token_usage.exchange.summary()}"
    assert token_usage.models == planned, (
        f"expected a whitelist of {sorted(planned)}, the token has {sorted(token_usage.models or ['no whitelist'])}"
    )


@requirement("CHK-07", see="ERR-09")
def test_the_token_has_the_planned_quota_cap(token_usage: TokenUsage, profile: Profile) -> None:
    planned = profile.plan.token.quota_cap_usd
    granted = token_usage.granted / UNITS_PER_USD
    assert not token_usage.unlimited, f"expected a cap of {planned} USD, the token is unlimited"
    assert 0 < granted <= planned, f"expected a cap of at most {planned} USD, the token was granted {granted} USD"


@requirement("CHK-08")
def test_each_environment_key_works(environment_keys: list[EnvironmentKey]) -> None:
    dead = [f"{key.environment}: {key.models.summary()}" for key in environment_keys if not key.works]
    assert not dead, f"expected every environment's key to list models, these do not: {dead}"


@requirement("CHK-08")
def test_the_environments_have_different_keys(environment_keys: list[EnvironmentKey]) -> None:
    names = [key.environment for key in environment_keys]
    different = {key.key for key in environment_keys if key.works}
    assert len(different) == 3, f"expected three different working keys, of {names} there are {len(different)}"
