"""The error table, each row as cause -> symptom -> fix -> gone, on the gateway and in Dify."""

from fixtures.clients.chat import ChatReply, read_chat
from fixtures.clients.dify import REFUSED, AppReply, upstream_status
from fixtures.model.exchange import Exchange
from fixtures.model.guide import guide
from fixtures.model.requirement import requirement
from fixtures.steps.dify.base_url import WrongBase
from fixtures.steps.dify.documents import FailedImport
from fixtures.steps.dify.models import WrongKey
from fixtures.steps.dify.parameters import BadParameters, InconsistentNode
from fixtures.steps.dify.provider import MissingOption
from fixtures.steps.dify.sessions import WrongRole
from fixtures.steps.dify.tokens import BrokenApp, SharedToken
from fixtures.steps.gateway.token_limits import ExpiredToken


def said(reply: AppReply | ChatReply | Exchange) -> str:
    """What came back, in one line for a message."""
    return reply.summary() if isinstance(reply, Exchange) else reply.exchange.summary()


@requirement("ERR-01")
def test_a_member_without_rights_cannot_save_what_an_admin_can(wrong_role: WrongRole) -> None:
    role = wrong_role.member.get("role")
    admin = wrong_role.admin.get("role")
    assert wrong_role.gateway_models.get("data", 0, "id"), (
        f"expected a healthy gateway: {said(wrong_role.gateway_models)}"
    )
    assert role in ("normal", "editor", "dataset_operator"), f"expected a member without rights, the role is {role!r}"
    assert wrong_role.refused.status == 403, f"expected 403 for the member, got {said(wrong_role.refused)}"
    assert admin in ("owner", "admin"), f"expected an admin-capable account, the role is {admin!r}"
    assert wrong_role.saved.status == 201, f"expected the admin to save it, got {said(wrong_role.saved)}"


@requirement("ERR-02")
def test_the_option_is_found_under_its_own_name(missing_option: MissingOption) -> None:
    names = {name.lower() for name in guide().edition.provider_names}
    labels = {label.lower() for label in missing_option.offered.values()}
    assert missing_option.was_absent, f"expected no option at first, got {said(missing_option.absent)}"
    assert labels & names, f"expected a provider labelled one of {sorted(names)}, found {sorted(labels)}"
    assert missing_option.takes_base_url, "expected the provider's form to ask for a base URL (endpoint_url)"


@requirement("ERR-03")
def test_a_wrong_key_cannot_be_saved_and_the_right_one_can(wrong_key: WrongKey) -> None:
    refused = wrong_key.refused
    assert wrong_key.gateway_refusal.status == 401, f"expected 401 from the gateway: {said(wrong_key.gateway_refusal)}"
    assert refused.status in REFUSED, f"expected Dify to refuse the save, got {said(refused)}"
    assert upstream_status(refused.text) == 401, f"expected Dify to name the gateway's 401, got {said(refused)}"
    assert wrong_key.stored_nothing, f"expected the refused save to leave nothing, found {wrong_key.model}"
    assert wrong_key.saved.status == 201, f"expected the right key to be saved, got {said(wrong_key.saved)}"
    assert wrong_key.gateway_answer.get("data", 0, "id"), f"expected a model list: {said(wrong_key.gateway_answer)}"


@requirement("ERR-04")
def test_a_deleted_token_is_401_until_it_is_replaced(dead_token: BrokenApp) -> None:
    status = dead_token.failed.upstream_status
    assert dead_token.gateway_refusal.status == 401, f"expected 401: {said(dead_token.gateway_refusal)}"
    assert not dead_token.failed.ok, f"expected the app to fail, got {said(dead_token.failed)}"
    assert status == 401, f"expected Dify to name the gateway's 401, got {said(dead_token.failed)}"
    assert dead_token.gateway_answer.get("data", 0, "id"), f"expected a model list: {said(dead_token.gateway_answer)}"
    assert dead_token.mended.ok, f"expected an answer with the new token, got {said(dead_token.mended)}"


@requirement("ERR-04")
def test_an_expired_token_is_401_until_its_expiry_is_lifted(expired_token: ExpiredToken) -> None:
    refusal = expired_token.refusal
    assert expired_token.valid.get("data", 0, "id"), f"expected the token to work first: {said(expired_token.valid)}"
    assert refusal.status == 401, f"expected 401 for an expired token, got {said(refusal)}"
    assert expired_token.answer.get("data", 0, "id"), f"expected a model list: {said(expired_token.answer)}"


@requirement("ERR-05")
def test_a_model_off_the_whitelist_is_403_until_it_is_allowed(model_not_allowed: BrokenApp) -> None:
    refusal, answer = model_not_allowed.gateway_refusal, read_chat(model_not_allowed.gateway_answer)
    status = model_not_allowed.failed.upstream_status
    assert refusal.status == 403, f"expected 403 from the gateway, got {said(refusal)}"
    assert not model_not_allowed.failed.ok, f"expected the app to fail, got {said(model_not_allowed.failed)}"
    assert status == 403, f"expected Dify to name the gateway's 403, got {said(model_not_allowed.failed)}"
    assert answer.ok, f"expected an answer: {said(answer)}"
    assert model_not_allowed.mended.ok, f"expected an answer once allowed, got {said(model_not_allowed.mended)}"


@requirement("ERR-06")
def test_a_full_endpoint_path_is_404_until_the_base_url_is_right(wrong_base: WrongBase) -> None:
    assert wrong_base.path_answer.status == 404, f"expected 404 below a full path, got {said(wrong_base.path_answer)}"
    assert wrong_base.path_save.status in REFUSED, f"expected Dify to refuse it, got {said(wrong_base.path_save)}"
    assert upstream_status(wrong_base.path_save.text) == 404, f"expected Dify to name 404: {said(wrong_base.path_save)}"
    assert wrong_base.right_reply.ok, f"expected an answer on the base URL, got {said(wrong_base.right_reply)}"


@requirement("ERR-06")
def test_nothing_works_on_the_root_domain(wrong_base: WrongBase) -> None:
    # the guide says 404; New API answers 200 with its web page, and Dify may even save that
    root = wrong_base.root_answer
    reply = wrong_base.root_reply
    assert root.status == 404 or root.is_web_page, f"expected 404 or a web page on the root domain, got {said(root)}"
    assert wrong_base.root_save.status in REFUSED or (reply is not None and not reply.ok), (
        f"expected Dify to refuse the root domain or its app to say nothing, got {said(reply or wrong_base.root_save)}"
    )
    assert wrong_base.right_answer.get("data", 0, "id"), f"expected a model list: {said(wrong_base.right_answer)}"
    assert wrong_base.right_reply.ok, f"expected an answer on the base URL, got {said(wrong_base.right_reply)}"


@requirement("ERR-07")
def test_bad_parameters_break_an_app_and_the_baseline_mends_it(
    refused_parameters: ChatReply, failing_app: BadParameters
) -> None:
    status = refused_parameters.exchange.status
    assert status == 400, f"expected the gateway to pass on 400, got {said(refused_parameters)}"
    assert failing_app.failed.exchange.status in REFUSED, f"expected the app to fail, got {said(failing_app.failed)}"
    assert failing_app.failed.error, f"expected Dify to say why, got {said(failing_app.failed)}"
    assert failing_app.baseline.ok, f"expected the baseline model to answer, got {said(failing_app.baseline)}"
    assert failing_app.mended.ok, f"expected an answer without the parameters, got {said(failing_app.mended)}"


@requirement("ERR-08")
def test_an_import_without_embeddings_fails_until_they_are_allowed(failed_import: FailedImport) -> None:
    failed, retried = failed_import.failed, failed_import.retried
    found = retried.retrieved
    assert failed_import.chat.ok, f"expected chat to work all along, got {said(failed_import.chat)}"
    assert failed_import.gateway_refusal.status == 403, f"expected 403: {said(failed_import.gateway_refusal)}"
    assert failed.status == "error", f"expected the import to fail, it is {failed.status!r}"
    assert upstream_status(failed.error) == 403, f"expected Dify to name the gateway's 403, it says {failed.error!r}"
    assert failed_import.gateway_answer.get("data", 0, "embedding"), f"expected: {said(failed_import.gateway_answer)}"
    assert failed_import.validated.get("result") == "success", f"expected success: {said(failed_import.validated)}"
    assert retried.status == "completed", f"expected the retry to complete, it is {retried.status!r}: {retried.error}"
    assert any(retried.passage in text for text in found), f"expected {retried.passage!r}, retrieval gave {found}"


@requirement("ERR-09")
def test_costs_are_told_apart_only_once_tokens_are_split(shared_token: SharedToken) -> None:
    first, second = shared_token.first, shared_token.second
    shared = shared_token.shared_log.rows_like(second)
    split = shared_token.split_log.rows_of(shared_token.split)
    assert first.ok, f"expected the first app to answer, got {said(first)}"
    assert second.ok, f"expected the second app to answer, got {said(second)}"
    assert len(shared) == 2, f"expected two rows on the common token, either could be the app's; found {len(shared)}"
    assert shared_token.split.ok, f"expected the app to answer on its own token, got {said(shared_token.split)}"
    assert len(split) == 1, f"expected one row on the app's own token, found {len(split)}"


@requirement("ERR-09")
def test_a_narrow_whitelist_and_a_cap_stop_the_cost(shared_token: SharedToken) -> None:
    narrowed, capped = shared_token.narrowed.exchange, shared_token.capped.exchange
    assert shared_token.split.ok, f"expected the token to work before, got {said(shared_token.split)}"
    assert narrowed.status == 403, f"expected 403 for another model, got {said(narrowed)}"
    assert capped.status in (401, 403), f"expected 401 or 403 above the cap, got {said(capped)}"
    assert capped.get("error", "message"), f"expected the gateway to say why, got {said(capped)}"


@requirement("ERR-10")
def test_a_node_fails_on_the_model_and_works_on_the_baseline(
    refused_parameters: ChatReply, inconsistent_node: InconsistentNode
) -> None:
    failed, status = inconsistent_node.failed, refused_parameters.exchange.status
    assert status == 400, f"expected the gateway to pass on 400, got {said(refused_parameters)}"
    assert failed.exchange.status == 200, f"expected Dify to report the run, got {said(failed)}"
    assert failed.error, f"expected the run to fail, got {said(failed)}"
    assert inconsistent_node.baseline.ok, f"expected the baseline to answer, got {said(inconsistent_node.baseline)}"
    assert inconsistent_node.mended.ok, (
        f"expected the model to answer once mended, got {said(inconsistent_node.mended)}"
    )


@requirement("ERR-10")
def test_a_node_runs_the_model_that_it_was_saved_with(inconsistent_node: InconsistentNode) -> None:
    saved = {label: run.saved for label, run in inconsistent_node.runs.items()}
    ran = {label: run.model for label, run in inconsistent_node.runs.items()}
    assert ran == saved, f"expected the nodes to run the models that they were saved with, {saved}; Dify ran {ran}"
