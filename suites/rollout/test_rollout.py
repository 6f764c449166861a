"""Prerequisites, base URL, quick start, models, tokens, tips and FAQ: the rows that no model changes."""

import re
from urllib.parse import urlsplit

from fixtures.clients.chat import ChatReply
from fixtures.clients.dify import REFUSED, AppReply, Session
from fixtures.clients.gateway import CONSUMED, UNITS_PER_USD, Token, TokenUsage, listed, read_log, says_ok
from fixtures.model.exchange import Exchange
from fixtures.model.guide import guide
from fixtures.model.profiles import Profile
from fixtures.model.requirement import requirement
from fixtures.steps.dify.apps import FirstApp
from fixtures.steps.dify.base_url import WrongBase
from fixtures.steps.dify.documents import Import
from fixtures.steps.dify.log import GatewayLog, Traffic
from fixtures.steps.dify.models import SavedModel
from fixtures.steps.gateway.base_url import BaseUrls
from fixtures.steps.gateway.charges import QuotaCap
from fixtures.steps.gateway.embeddings import Embeddings
from fixtures.steps.gateway.token_limits import IpRestriction, SplitTokens, Whitelist
from fixtures.steps.gateway.tokens import EnvironmentKey

EDITION = guide().edition
NOT_ALLOWED = 403


# --- prerequisites and whitelist ----------------------------------------------------------------------


@requirement("PRE-01")
def test_the_account_answers(models_list: Exchange) -> None:
    assert listed(models_list), f"expected the account's key to list models, got {models_list.summary()}"


@requirement("PRE-02", see="")
def test_the_token_is_a_token_with_a_name(token_usage: TokenUsage) -> None:
    assert token_usage.ok, f"expected the gateway to know the token, got {token_usage.exchange.summary()}"
    assert token_usage.name.strip(), "expected the token to have a name that says whose it is, it has none"


@requirement("PRE-03")
def test_dify_is_a_stable_version(dify_session: Session) -> None:
    version = dify_session.version
    assert re.fullmatch(r"[1-9]\d*\.\d+\.\d+", version), f"expected a stable version of Dify, it is {version!r}"


@requirement("PRE-04")
def test_a_verified_chat_model_is_allowed(models_list: Exchange) -> None:
    assert EDITION.chat in listed(models_list), f"expected {EDITION.chat} allowed, found {sorted(listed(models_list))}"


@requirement("WL-01")
def test_the_starting_whitelist_is_allowed(models_list: Exchange) -> None:
    missing = set(EDITION.starting_whitelist) - set(listed(models_list))
    assert not missing, (
        f"expected the starting whitelist, {sorted(missing)} are missing from {sorted(listed(models_list))}"
    )


# --- base URL -----------------------------------------------------------------------------------------


@requirement("URL-01")
def test_the_base_url_is_the_api(base_urls: BaseUrls) -> None:
    assert listed(base_urls.right), f"expected a model list below the base URL, got {base_urls.right.summary()}"


@requirement("URL-02")
def test_the_root_domain_is_not_the_api(base_urls: BaseUrls) -> None:
    root = base_urls.root
    assert listed(base_urls.right), f"expected a model list below the base URL, got {base_urls.right.summary()}"
    assert root.is_web_page or root.status == 404, f"expected a web page or 404 below the root, got {root.summary()}"


@requirement("URL-03")
def test_a_full_endpoint_path_is_not_the_api(base_urls: BaseUrls) -> None:
    path = base_urls.full_path
    assert listed(base_urls.right), f"expected a model list below the base URL, got {base_urls.right.summary()}"
    assert path.status == 404, f"expected 404 below a full endpoint path, got {path.summary()}"


# --- quick start --------------------------------------------------------------------------------------


@requirement("QS-01", see="ERR-05")
def test_the_token_for_dify_allows_chat_and_one_embedding_model(
    provider_token_models: Exchange, profile: Profile
) -> None:
    expected = {EDITION.chat, profile.chat_model, profile.embedding_models["default"]}
    found = listed(provider_token_models)
    assert expected <= set(found), f"expected the token to allow {sorted(expected)}, it allows {sorted(found)}"


@requirement("QS-02")
def test_the_account_is_admin_capable(workspace: Exchange) -> None:
    role = workspace.get("role")
    assert role in ("owner", "admin"), f"expected the role owner or admin, got {role!r}: {workspace.summary()}"


@requirement("QS-03")
def test_dify_accepts_key_and_base_url(validated_provider: Exchange) -> None:
    result = validated_provider.get("result")
    assert result == "success", f"expected Dify's test to succeed, got {validated_provider.summary()}"


@requirement("QS-04", see="")
def test_one_chat_model_and_one_simple_app_come_first(saved_model: SavedModel, first_app: FirstApp) -> None:
    assert saved_model.status == "active", f"expected the chat model active, it is {saved_model.status!r}"
    assert first_app.mode == "chat", f"expected a simple chat app, Dify says it is {first_app.mode!r}"


@requirement("QS-05", see="")
def test_the_first_prompt_is_answered_and_logged(first_app_reply: AppReply, gateway_log: GatewayLog) -> None:
    rows = gateway_log.rows_of(first_app_reply)
    assert says_ok(first_app_reply.text), f"expected OK, got {first_app_reply.exchange.summary()}"
    assert rows, f"expected the request in the gateway's log, got {gateway_log.exchange.summary()}"


# --- embeddings and models ----------------------------------------------------------------------------


def dify_tests(validations: dict[str, Exchange], model: str) -> None:
    """Assert that Dify's own test of an embedding model succeeded."""
    answer = validations[model]
    assert answer.get("result") == "success", f"expected Dify's test of {model} to succeed, got {answer.summary()}"


@requirement("EMB-01")
def test_dify_accepts_the_default_embedding_model(validated_embeddings: dict[str, Exchange]) -> None:
    dify_tests(validated_embeddings, EDITION.embedding)


@requirement("EMB-02")
def test_dify_accepts_the_lower_cost_embedding_model(validated_embeddings: dict[str, Exchange]) -> None:
    dify_tests(validated_embeddings, EDITION.low_cost_embedding)


@requirement("EMB-03")
def test_chat_then_embeddings_then_documents(
    traffic: Traffic, first_app_reply: AppReply, imported_document: Import
) -> None:
    chat, embedding = traffic.first(traffic.chat), traffic.first(traffic.embedding)
    answered, imported = first_app_reply.answered_at, imported_document.made_at  # by Dify's clock, not the gateway's
    assert 0 < chat <= embedding, f"expected the log's first chat before its first embedding: {chat}, {embedding}"
    assert 0 < answered <= imported, f"expected Dify's answer at {answered} before its document at {imported}"


def answers(replies: dict[str, ChatReply], model: str) -> None:
    """Assert that a recommended chat model answered."""
    reply = replies[model]
    assert reply.ok, f"expected {model} to answer, got {reply.exchange.summary()}"
    assert says_ok(reply.text), f"expected OK from {model}, it said {reply.text!r}"


@requirement("MOD-01", see="")
def test_the_default_chat_model_answers(recommended_replies: dict[str, ChatReply]) -> None:
    answers(recommended_replies, EDITION.chat)


@requirement("MOD-02", see="")
def test_the_stronger_chat_model_answers(recommended_replies: dict[str, ChatReply]) -> None:
    answers(recommended_replies, EDITION.stronger_chat)


@requirement("MOD-03", see="")
def test_the_fallback_chat_model_answers(recommended_replies: dict[str, ChatReply]) -> None:
    answers(recommended_replies, EDITION.fallback_chat)


def embeds(embeddings: dict[str, Exchange], model: str) -> None:
    """Assert that a recommended embedding model gave a vector."""
    vectors = Embeddings.vectors(embeddings[model])
    assert [len(vector) > 1 for vector in vectors] == [True], (
        f"expected a vector from {model}, got {embeddings[model].summary()}"
    )


@requirement("MOD-04", see="")
def test_the_default_embedding_model_answers(recommended_embeddings: dict[str, Exchange]) -> None:
    embeds(recommended_embeddings, EDITION.embedding)


@requirement("MOD-05", see="")
def test_the_lower_cost_embedding_model_answers(recommended_embeddings: dict[str, Exchange]) -> None:
    embeds(recommended_embeddings, EDITION.low_cost_embedding)


# --- tokens -------------------------------------------------------------------------------------------


@requirement("TOK-01")
def test_nothing_but_dify_is_seen_on_the_token(token_rows: Exchange, profile: Profile) -> None:
    rows = read_log(token_rows)
    foreign = {row.model for row in rows if row.type == CONSUMED} - set(profile.plan.token.models)
    assert rows, f"expected rows of the token in the log, got {token_rows.summary()}"
    assert not foreign, f"expected only the planned models on the token, its log shows {sorted(foreign)}"


@requirement("TOK-02", see="")
def test_the_whitelist_is_enforced_in_every_way_of_asking(whitelist: Whitelist) -> None:
    refused = {
        "plain": whitelist.plain.exchange,
        "streamed": whitelist.streamed.exchange,
        "embedding": whitelist.embedding,
    }
    open_ways = {way: answer.summary() for way, answer in refused.items() if answer.status != NOT_ALLOWED}
    assert whitelist.allowed.ok, f"expected the allowed model to answer, got {whitelist.allowed.exchange.summary()}"
    assert not open_ways, f"expected 403 for models off the whitelist, got {open_ways}"


@requirement("TOK-02", see="")
def test_the_model_list_is_the_whitelist(models_list: Exchange, token_usage: TokenUsage) -> None:
    allowed = sorted(token_usage.models or [])
    assert listed(models_list), f"expected a model list, got {models_list.summary()}"
    assert sorted(listed(models_list)) == allowed, (
        f"expected the whitelist {allowed}, found {sorted(listed(models_list))}"
    )


@requirement("TOK-03")
def test_the_address_restriction_is_enforced(ip_restriction: IpRestriction) -> None:
    foreign = ip_restriction.foreign
    assert listed(ip_restriction.free), f"expected models before it was bound, got {ip_restriction.free.summary()}"
    assert foreign.status == NOT_ALLOWED, f"expected 403 from a foreign address, got {foreign.summary()}"
    assert listed(ip_restriction.unbound), f"expected models once unbound, got {ip_restriction.unbound.summary()}"


@requirement("TOK-04")
def test_the_quota_cap_is_enforced(quota_cap: QuotaCap) -> None:
    capped = quota_cap.capped.exchange
    assert listed(quota_cap.known), f"expected the capped token's key to be known, got {quota_cap.known.summary()}"
    assert capped.status in (401, 403), f"expected a refusal below one request's price, got {capped.summary()}"
    assert quota_cap.roomy.ok, f"expected an answer below the raised cap, got {quota_cap.roomy.exchange.summary()}"


@requirement("TOK-05")
def test_each_environment_has_its_own_token(environment_keys: list[EnvironmentKey]) -> None:
    keys = {key.environment: key.key for key in environment_keys if key.works}
    assert len(set(keys.values())) == 3, f"expected three working tokens that differ, {sorted(keys)} work"


@requirement("TOK-06", see="")
def test_chat_and_embeddings_can_be_split(split_tokens: SplitTokens) -> None:
    embedding, chat = split_tokens.embedding_by_chat, split_tokens.chat_by_embedding.exchange
    own = split_tokens.embedding_by_embedding
    assert split_tokens.chat_by_chat.ok, f"expected chat, got {split_tokens.chat_by_chat.exchange.summary()}"
    assert own.get("data", 0, "embedding"), f"expected an embedding, got {own.summary()}"
    assert embedding.status == NOT_ALLOWED, f"expected 403 for an embedding on the chat token: {embedding.summary()}"
    assert chat.status == NOT_ALLOWED, f"expected 403 for chat on the embedding token: {chat.summary()}"


# --- tips ---------------------------------------------------------------------------------------------


@requirement("TIP-01")
def test_the_baseline_is_dify_s_default_model(default_model: Exchange) -> None:
    model = default_model.get("data", "model")
    assert model == EDITION.chat, f"expected {EDITION.chat} as Dify's default chat model, it is {model!r}"


@requirement("TIP-02")
def test_the_first_import_is_small(imported_document: Import) -> None:
    assert imported_document.status == "completed", f"expected a completed import, it is {imported_document.status!r}"
    assert 1 <= imported_document.segments <= 10, f"expected 1 to 10 segments, found {imported_document.segments}"


@requirement("TIP-03")
def test_chat_and_embedding_traffic_are_seen_apart(traffic: Traffic, profile: Profile) -> None:
    chat, embedding = {row.model for row in traffic.chat}, {row.model for row in traffic.embedding}
    expected = profile.embedding_models["default"]
    assert chat == {profile.chat_model}, f"expected chat rows of {profile.chat_model} only, found {sorted(chat)}"
    assert embedding == {expected}, f"expected embedding rows of {expected} only, found {sorted(embedding)}"


@requirement("TIP-04")
def test_environments_have_tight_caps(environment_usage: dict[str, TokenUsage], profile: Profile) -> None:
    unlimited = [name for name, usage in environment_usage.items() if usage.unlimited or not usage.ok]
    caps = {name: usage.granted / UNITS_PER_USD for name, usage in environment_usage.items()}
    plan = {name: environment.quota_cap_usd for name, environment in profile.plan.environments.items()}
    above = [name for name, cap in caps.items() if cap > min(plan[name], caps["production"])]
    assert not unlimited, f"expected a cap on every environment's token, none on {unlimited}"
    assert not above, f"expected caps of at most {plan} USD and none above production's, they are {caps} USD"


@requirement("TIP-05")
def test_the_log_tells_what_caused_the_usage(traffic: Traffic, provider_token: Token) -> None:
    rows = [*traffic.chat, *traffic.embedding]
    unnamed = [row for row in rows if not (row.token_name and row.model and row.created_at > 0 and row.quota > 0)]
    foreign = {row.token_name for row in rows if provider_token.name} - {provider_token.name}
    assert rows, f"expected log rows of Dify's traffic, got {traffic.chat_log.summary()}"
    assert not unnamed, f"expected token, model, time and quota in each row, missing in {unnamed[:2]}"
    assert not foreign, f"expected rows of {provider_token.name} only, found {sorted(foreign)}"


# --- FAQ ----------------------------------------------------------------------------------------------


@requirement("FAQ-01")
def test_the_base_url_has_the_guide_s_path(saved_model: SavedModel, models_list: Exchange) -> None:
    path, expected = urlsplit(saved_model.base_url).path, urlsplit(EDITION.base_url).path
    assert path == expected, f"expected a base URL that ends in {expected}, Dify has {saved_model.base_url!r}"
    assert listed(models_list), f"expected a model list below it, got {models_list.summary()}"


@requirement("FAQ-02")
def test_dify_gets_nothing_from_the_root_domain(wrong_base: WrongBase) -> None:
    reply = wrong_base.root_reply
    silent = wrong_base.root_save.status in REFUSED or (reply is not None and not reply.ok)
    assert silent, (
        f"expected nothing from the root domain, got {reply.text if reply else wrong_base.root_save.summary()}"
    )
    assert wrong_base.right_reply.ok, f"expected an answer on the base URL: {wrong_base.right_reply.exchange.summary()}"


@requirement("FAQ-03", see="")
def test_an_app_answered_before_embeddings_were_added(traffic: Traffic) -> None:
    chat, embedding = traffic.first(traffic.chat), traffic.first(traffic.embedding)
    assert 0 < chat <= embedding, f"expected the log's first chat before its first embedding: {chat}, {embedding}"


@requirement("FAQ-06")
def test_development_and_production_have_different_tokens(environment_keys: list[EnvironmentKey]) -> None:
    keys = {key.environment: key.key for key in environment_keys if key.works}
    different = {keys[name] for name in ("development", "production") if name in keys}
    assert len(different) == 2, f"expected two working tokens that differ, {sorted(keys)} work"
