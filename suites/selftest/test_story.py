"""The story of a run: what is told of evidence, how sure, and what speaks against it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fixtures.judging.causes import CAUSES, DENIED, WHERE, Cause, Sign, Symptom
from fixtures.judging.facts import Facts, whose
from fixtures.judging.observation import MODELS, Came, Observation, innermost, observe, went_well
from fixtures.judging.story import Told, observed, retold, tell
from fixtures.judging.suppositions import Supposition, predicts, smallest, suppositions
from fixtures.model.exchange import Breakdown, Chunk, Ended, Exchange, Response
from fixtures.model.guide import guide
from fixtures.model.key import Key
from fixtures.model.terms import Certainty, Kind, Layer
from fixtures.model.verdict import Evidence, Verdict
from fixtures.steps.gateway.chat import COUNTING
from fixtures.steps.gateway.structured import SCHEMA
from fixtures.steps.gateway.tools import CITIES_QUESTION, CITY_TOOL, TIME_TOOL
from fixtures.wire.act import EITHER_WAY
from fixtures.wire.tape import RECORD_AGAIN, write
from suites.selftest.stories import (
    CHAT,
    EVENTS,
    KEY,
    NOW,
    PROFILE,
    QUESTION,
    WORDS,
    asked,
    choice,
    completion,
    echoed,
    plain,
    story,
    streamed,
    told,
    verdict,
)

pytestmark = pytest.mark.selftest

INVALID = {"error": {"code": "", "message": "Invalid token (request id: a)", "type": "new_api_error"}}
REFUSED = asked("/v1/models", 401, INVALID)
LISTED = asked("/v1/models", 200, {"object": "list", "data": [{"id": "gpt-5.4"}]}, after=1)
CREDENTIALS = "/console/api/workspaces/current/model-providers/p/models/credentials"


ANSWERED = asked(CHAT, 200, completion(), body=QUESTION)


def app(status: int, answer: Any, **more: Any) -> Exchange:
    """An answer of Dify's service API to a chat."""
    return asked("/v1/chat-messages", status, answer, side="dify", body={"query": "Reply only OK"}, **more)


def quoted(status: int, said: str = "{}") -> Exchange:
    """Dify quotes what the gateway answered it."""
    return app(
        400, {"code": "invalid_param", "message": f"API request failed with status code {status}: {said}"}, after=3
    )


# --- keys --------------------------------------------------------------------------------------------


def record(**changes: Any) -> Exchange:
    """The record of the key's token, read with the access token."""
    token = {"name": "dify-prod", "key": "{{CRAZYROUTER_API_KEY|masked}}", "status": 1, "expired_time": -1}
    data = {**token, "remain_quota": 5, "unlimited_quota": False, **changes}
    return asked("/api/token/7", 200, {"success": True, "data": data}, key="{{CRAZYROUTER_ACCESS_TOKEN}}")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"status": 2}, "is disabled"),
        ({"expired_time": 1_600_000_000}, "expired on 2020-09-13"),
        ({"remain_quota": 0}, "has used up its quota"),
        ({"remain_quota": -2313}, "has used up its quota"),
        ({"remain_quota": 0, "unlimited_quota": True}, "although its record says that it is on"),
        ({"expired_time": int(NOW) + 60}, "although its record says that it is on"),
    ],
)
def test_the_record_says_why_a_key_is_refused(changes: dict[str, Any], words: str) -> None:
    found = told(record(**changes), REFUSED)
    assert (found.layer, found.guide_row, found.certainty) == ("token", "ERR-04", Certainty.SEEN)
    assert "token dify-prod" in found.cause
    assert words in found.cause


def test_the_key_s_own_usage_says_why_too() -> None:
    usage = {"name": "mine", "total_available": 0, "unlimited_quota": False, "expires_at": 0}
    found = told(asked("/api/usage/token/", 200, {"code": True, "data": usage}), REFUSED)
    assert found.cause == "the token mine has used up its quota"


def test_a_refusal_without_a_record_is_only_likely_what_the_guide_says() -> None:
    found = told(REFUSED)
    assert (found.layer, found.guide_row, found.certainty) == ("token", "ERR-04", Certainty.LIKELY)
    assert found.headline.startswith("the gateway refuses CRAZYROUTER_API_KEY with 401: Invalid token; likely: ")


@pytest.mark.parametrize("language", ["Invalid token", "无效的令牌", "Ungültiges Token", ""])
def test_the_words_of_a_refusal_change_nothing(language: str) -> None:
    refused = asked("/v1/models", 401, {"error": {"message": language}})
    assert told(record(status=2), refused).cause == told(record(status=2), REFUSED).cause


def test_a_key_that_is_answered_elsewhere_is_not_called_dead() -> None:
    found = told(record(), REFUSED, LISTED)
    assert found.cause.startswith("the gateway refuses at one time a key that it answers at another: 401 to 1 of 2")


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_access_token_is_named_by_its_settings(status: int) -> None:
    found = told(asked("/api/user/self", status, {"success": False, "code": "AUTH_UNAUTHORIZED"}))
    assert found.fix == "check CRAZYROUTER_ACCESS_TOKEN and CRAZYROUTER_USER_ID"


def test_a_limit_of_the_gateway_s_own_api_says_when_it_opens() -> None:
    found = told(asked("/api/token/batch/keys", 429, {}, headers=(("Retry-After", "1200"),)))
    assert "20 in 20 minutes" in found.cause
    assert "opens again at 11:26 UTC" in found.cause


# --- Dify and the gateway below it -------------------------------------------------------------------


def saved(method: str = "PUT") -> Exchange:
    """Dify takes the key."""
    body = {"credentials": {"api_key": KEY, "endpoint_url": "https://gw.example/v1"}}
    return asked(CREDENTIALS, 200, {"result": "success"}, side="dify", method=method, body=body)


def test_dify_s_old_key_is_told_from_a_dead_one() -> None:
    found = told(saved(), LISTED, quoted(401))
    assert (found.layer, found.guide_row) == ("dify_provider", "ERR-04")
    assert found.cause.startswith("Dify goes on with the replaced key")


def test_dify_refused_with_a_key_that_the_suite_is_answered_with_is_no_dead_key() -> None:
    found = told(saved("POST"), LISTED, quoted(401))
    assert found.cause.startswith("the gateway refuses Dify with 401, and takes the key that Dify was given elsewhere")


def test_dify_refused_with_a_key_that_nobody_is_answered_with_has_a_dead_key() -> None:
    assert told(saved(), quoted(401)).layer == "token"


def test_a_host_that_is_not_the_gateway_s_is_dify_s_own_trouble() -> None:
    said = "HTTPSConnectionPool(host='openaipublic.example', port=443): Max retries exceeded"
    found = told(saved("POST"), app(400, {"message": said}))
    assert (found.layer, "another host" in found.cause) == ("dify_app", True)


def test_the_gateway_s_own_host_out_of_dify_s_reach_is_the_network_s() -> None:
    said = "HTTPSConnectionPool(host='gw.example', port=443): Max retries exceeded"
    assert told(saved("POST"), app(400, {"message": said})).layer == "network"


WRONG_MODEL = guide().rows["ERR-07"].cause


@pytest.mark.parametrize(
    ("exchange", "layer"),
    [
        (app(500, {"message": "Internal Server Error"}), "dify_app"),
        (app(429, {"message": "Too many requests. Please try again later."}), "dify_app"),
        (app(403, {"code": "forbidden", "message": "App's API service has been disabled."}), "dify_app"),
        (asked("/console/api/apps", 500, {"message": "boom"}, side="dify"), "dify_app"),
        (asked("/v1/datasets", 500, {"message": "boom"}, side="dify"), "dify_knowledge"),
        (asked("/console/api/login", 500, {"message": "boom"}, side="dify"), "dify_role"),
    ],
)
def test_what_dify_says_is_quoted_and_never_seen_as_a_wrong_model_name(exchange: Exchange, layer: str) -> None:
    found = told(exchange, row="CHK-04")
    assert found.layer == layer
    assert found.cause != WRONG_MODEL
    assert exchange.get("message") in found.cause


def test_what_fails_in_the_gateway_explains_what_dify_says_nothing_about() -> None:
    empty = asked(
        CHAT,
        200,
        completion(choices=[{"index": 0, "message": {"content": None}, "finish_reason": "stop"}]),
        body=QUESTION,
    )
    silent = app(200, {"event": "message", "message_id": "m", "answer": ""})
    found = story([empty, silent], [verdict("CHK-04")])
    assert [each.layer for each in found] == ["relay"]
    assert found[0].cause.startswith("content null: ")


def test_what_dify_answers_empty_while_the_gateway_is_well_is_dify_s() -> None:
    found = told(ANSWERED, app(200, {"event": "message", "message_id": "m", "answer": ""}), row="CHK-04")
    assert (found.layer, found.cause) == ("dify_app", "Dify calls an empty answer a success")


# --- base URL ----------------------------------------------------------------------------------------

NOT_FOUND = asked(CHAT, 404, {"error": {"message": "Invalid URL (POST /v1/v1)"}}, body=QUESTION)


def test_a_base_url_below_which_nothing_answers_is_wrong() -> None:
    found = told(NOT_FOUND, asked("/v1/models", 404, {"error": {"message": "Invalid URL"}}))
    assert (found.layer, found.guide_row) == ("base_url", "ERR-06")
    assert "https://gw.example/v1" in found.cause


def test_a_base_url_below_which_other_paths_answer_is_not_called_wrong() -> None:
    found = told(NOT_FOUND, LISTED)
    assert found.layer == "relay"
    assert "though other paths below its base URL answer" in found.cause


def test_a_web_page_for_some_requests_is_not_the_base_url_s() -> None:
    page = asked(CHAT, 200, "<!doctype html><html></html>", body=QUESTION, type="text/html")
    assert told(page, LISTED).layer == "network"
    assert told(page, replace(page, request=LISTED.request)).layer == "base_url"


def test_the_guide_s_words_name_this_run_s_base_url() -> None:
    refusal = asked("/v1/chat/completions/chat/completions", 200, {"status": "ok"}, provoked="ERR-06")
    models = asked("/v1/models", 500, {"error": {"message": "down"}})
    found = story(
        [refusal, models], [verdict("WIRE-01", "expected a list", see=("ERR-06",), kind=Kind.UNDECIDED, at="none")]
    )
    assert guide().edition.base_url not in found[0].fix
    assert "https://gw.example/v1" in found[0].fix


# --- likely ------------------------------------------------------------------------------------------


def test_the_guide_s_word_is_likely_where_nothing_denies_it() -> None:
    found = told(record(), row="CHK-02", reason="expected the base URL A, Dify has B")
    assert (found.guide_row, found.certainty) == ("ERR-06", Certainty.LIKELY)
    assert found.headline.startswith("expected the base URL A, Dify has B; likely: ")


def test_what_was_read_denies_the_guide_s_word() -> None:
    found = told(LISTED, row="CHK-02", reason="expected the base URL A, Dify has B")
    assert (found.guide_row, found.certainty) == ("", Certainty.UNEXPLAINED)
    assert found.headline == "expected the base URL A, Dify has B (unexplained)"


def test_a_cap_that_was_read_denies_that_there_is_none() -> None:
    assert told(record(), row="CHK-07", reason="no whitelist", see=("ERR-09",)).guide_row == ""
    assert told(record(unlimited_quota=True), row="CHK-07", reason="no cap", see=("ERR-09",)).guide_row == "ERR-09"


def test_every_denial_is_of_an_error_row() -> None:
    assert set(DENIED) <= {row for row in guide().rows if row.startswith("ERR-")}


# --- words -------------------------------------------------------------------------------------------

LONG = "The channel for this model refuses the request because " + "of a reason that takes its time, " * 9


@pytest.mark.parametrize(
    ("text", "inner"),
    [
        ("plain words", "plain words"),
        ('{"error": {"message": "no channel (request id: 2026)", "type": "x"}}', "no channel"),
        (json.dumps({"message": 'API request failed: {"error": {"message": "quota"}}'}), "quota"),
        ("Error code: 401 - {'error': {'code': '', 'message': 'Invalid token'}}", "Invalid token"),
        (json.dumps({"message": 'req_id: 1f PluginInvokeError: {"args":{"description":"[models] Error: said '
                     '{\\"error\\":{\\"message\\":\\"deep\\"}}"}}'}), "deep"),
        ('{"detail": [{"msg": "field required"}]}', "field required"),
        (json.dumps({"error": {"message": LONG}}), LONG.strip()),
        ('{"message": [], "errors": [{"code": 7}, {"msg": " late "}]}', "late"),
        ('{"data": []}', '{"data": []}'),
        ('Error: {\\"error\\": {\\"message\\": \\"quoted\\"}}', "quoted"),
        ('{"message": "two\nlines"}', "two lines"),
        ("said {'cause': {'code': 1}, 'message': 'outer'}.", "outer"),
        ("", "an empty body"),
    ],
)  # fmt: skip
def test_the_innermost_message_is_quoted_whole(text: str, inner: str) -> None:
    assert innermost(text) == inner


def test_one_fault_is_told_once_whatever_was_asked_and_whichever_id_it_carries() -> None:
    down = [
        asked(CHAT, 503, {"error": {"message": f"no channel (request id: {n})"}}, body=QUESTION, why=f"Ask {n}")
        for n in range(5)
    ]
    found = story(down, [verdict("WIRE-30"), verdict("WIRE-04"), verdict("CHK-04")])
    assert [each.layer for each in found] == ["relay"]
    assert "503 to 5 of 5 chat requests" in found[0].cause
    assert len(found[0].verdicts) == 3


def test_three_profiles_with_one_fault_have_one_cause_that_names_them() -> None:
    down = asked(CHAT, 503, {"error": {"message": "no channel"}}, body=QUESTION)
    tapes, verdicts = {}, []
    for profile in ("a", "b", "c"):
        key = Key(profile, "short_chat")
        tapes[key] = observe(key, [replace(down, tape=key, number=1)])
        read = Evidence("live", "", ((f"{key}#1", ""),))
        verdicts.append(replace(verdict("WIRE-30", profile=profile), evidence=read))
    (found,) = tell(verdicts, tapes)
    assert found.to_data()["profiles"] == ["a", "b", "c"]


def test_answers_of_another_request_are_told_by_the_id_that_they_share() -> None:
    other = {**QUESTION, "messages": [{"role": "user", "content": "Count"}]}
    old = completion(choices=choice(message={"content": "an older answer"}))
    found = told(asked(CHAT, 200, old, body=QUESTION), asked(CHAT, 200, old, body=other))
    assert found.cause == "another request's answer: 2 answers to different questions have the id c"


def test_ids_that_answers_share_tell_nothing_where_they_are_no_ids() -> None:
    other = {**QUESTION, "messages": [{"role": "user", "content": "Count"}]}
    for id in ("", 7, None):
        old = completion(id=id, choices=choice(message={"content": "an older answer"}))
        found = story([asked(CHAT, 200, old, body=each) for each in (QUESTION, other)], [verdict("WIRE-30")])
        assert "other answer" in {each.cause.partition(":")[0] for each in found}


def test_several_answers_that_others_got_before_are_one_cause() -> None:
    tools = {**QUESTION, "tools": [{"type": "function", "function": {"name": "weather"}}]}
    bodies = {"c": (QUESTION, {**QUESTION, "temperature": 0}), "d": (tools, {**tools, "temperature": 0})}
    old = choice(message={"content": "an older answer"})
    exchanges = [asked(CHAT, 200, completion(id=id, choices=old), body=body) for id in bodies for body in bodies[id]]
    (found,) = story(exchanges, [verdict("WIRE-30")])
    assert found.cause.startswith("another request's answer: 2 answers to different questions have the id ")


def test_a_post_that_a_cache_answers_is_told_as_that() -> None:
    stale = app(200, {"event": "message", "message_id": "m", "answer": "42"}, headers=(("X-Cache", "HIT"),))
    none = asked("/api/log/self", 200, {"success": True, "data": {"items": []}})
    found = story([stale, none], [verdict("CHK-04"), verdict("CHK-05")])
    assert [each.layer for each in found] == ["network"]


@pytest.mark.parametrize("listed", [[], [{"model": "m", "status": "disabled"}]])
def test_a_saved_model_that_cannot_be_chosen_is_seen(listed: list[dict[str, str]]) -> None:
    model = {"model": "m", "model_type": "llm", "credentials": {"api_key": KEY}}
    save = asked(CREDENTIALS, 201, {"result": "success"}, side="dify", body=model)
    models = "/console/api/workspaces/current/models/model-types/llm"
    found = told(save, asked(models, 200, {"data": [{"models": listed}]}, side="dify"), row="CHK-03")
    assert (found.layer, found.certainty) == ("dify_model", Certainty.SEEN)


def readback(**credentials: str) -> tuple[Exchange, Exchange]:
    """Dify takes a model and reads it back."""
    taken = {"api_key": "sk-{{gpt-5.4/provider_token.dify}}", "endpoint_url": "https://gw.example/v1"}
    save = asked(CREDENTIALS, 201, {"result": "success"}, side="dify", body={"model": "m", "credentials": taken})
    shown = {**taken, "api_key": "{{gpt-5.4/provider_token.dify|masked}}", **credentials}
    return save, asked(f"{CREDENTIALS}?model=m", 200, {"credentials": shown}, side="dify", after=1)


def test_what_dify_keeps_as_it_took_it_is_well() -> None:
    assert told(*readback()).certainty is Certainty.UNEXPLAINED


def test_what_dify_refused_to_take_is_not_looked_for_in_what_it_shows() -> None:
    body = {"model": "m", "credentials": {"api_key": "{{OTHER}}", "endpoint_url": "https://other.example"}}
    save, shown = readback()
    refused = asked(CREDENTIALS, 400, {"message": "no"}, side="dify", body=body)
    assert [each.cause for each in story([save, refused, shown], [verdict("CHK-02")])] == [
        "Dify refuses what is saved or tested in Model Provider: no"
    ]


def test_a_model_that_is_shown_as_a_key_may_be_is_another() -> None:
    path, model = "/console/api/apps/1", {"model": {"name": "deepseek-chat"}}
    put = asked(f"{path}/model-config", 200, {"result": "success"}, side="dify", body=model)
    shown = asked(path, 200, {"model_config": {"model": {"name": "deep***chat"}}}, side="dify", after=1)
    found = told(put, shown, row="CHK-03")
    assert found.cause == "Dify shows deep***chat as the app's model, and took deepseek-chat"


def test_another_base_url_than_dify_took_explains_what_dify_cannot_read() -> None:
    garbage = app(400, {"message": "Expecting value: line 1 column 1 (char 0)"}, after=2)
    found = story([*readback(endpoint_url="https://gw.example"), garbage], [verdict("CHK-02"), verdict("CHK-04")])
    assert [(each.layer, each.guide_row) for each in found] == [("base_url", "ERR-06")]


def test_another_key_than_dify_took_is_seen_by_its_mask() -> None:
    found = told(*readback(api_key="{{CRAZYROUTER_API_KEY|masked}}"), row="CHK-05")
    assert found.cause == "Dify shows CRAZYROUTER_API_KEY as the key, and took the token dify"


def test_a_key_that_dify_shows_hides_nothing_of_what_it_shows_later() -> None:
    save, shown = readback(api_key="sk-{{gpt-5.4/provider_token.dify}}")
    other = readback(endpoint_url="https://other.example")[1]
    assert [each.layer for each in story([save, shown, other], [verdict("CHK-02")])] == ["base_url", "dify_provider"]


def test_an_app_on_another_model_explains_the_row_that_is_missing() -> None:
    path, model = "/console/api/apps/1", {"model": {"name": "m"}}
    put = asked(f"{path}/model-config", 200, {"result": "success"}, side="dify", body=model)
    shown = asked(path, 200, {"model_config": {"model": {"name": "other"}}}, side="dify", after=1)
    none = asked("/api/log/self", 200, {"success": True, "data": {"items": []}}, after=2)
    found = story([put, shown, none], [verdict("CHK-03"), verdict("CHK-05")])
    assert [each.cause for each in found] == ["Dify shows other as the app's model, and took m"]


def test_a_node_that_ran_another_model_is_named() -> None:
    graph = {"workflow": {"graph": {"nodes": [{"data": {"type": "start"}}, {"data": {"model": {"name": "m"}}}]}}}
    imported = asked(
        "/console/api/apps/imports", 200, {"app_id": "1"}, side="dify", body={"yaml_content": json.dumps(graph)}
    )
    record = {"data": [{"node_type": "start"}, {"node_type": "llm", "process_data": {"model_name": "other"}}]}
    ran = asked("/console/api/apps/1/workflow-runs/2/node-executions", 200, record, side="dify", after=1)
    found = told(imported, ran, row="ERR-10")
    assert (found.cause, found.layer) == ("Dify shows other as the node's model, and took m", "dify_model")


def test_a_key_that_dify_shows_is_named_by_whose_it_is() -> None:
    found = told(*readback(api_key="sk-{{gpt-5.4/provider_token.dify}}"), row="CHK-01")
    assert (found.cause, found.layer) == ("Dify shows the key of the token dify to: Ask", "dify_provider")


def test_a_knowledge_base_without_its_embedding_model_says_which() -> None:
    shown = {"embedding_available": False, "embedding_model": "e"}
    found = told(asked("/v1/datasets/1", 200, shown, side="dify"), row="CHK-06")
    assert (found.cause, found.guide_row) == ("Dify says that the knowledge base cannot use e", "ERR-08")


NO_CHANNEL = {"error": {"code": "model_not_found", "message": "No available channel for model m under group vip"}}


@pytest.mark.parametrize(
    ("answered", "layer"), [([], "relay"), (["{{OTHER}}"], "token"), (["{{OTHER}}", KEY], "relay")], ids=str
)
def test_a_group_without_a_channel_is_the_token_s_where_only_other_keys_are_answered(
    answered: list[str], layer: str
) -> None:
    refused = asked(CHAT, 503, NO_CHANNEL, body=QUESTION)
    well = [asked(CHAT, 200, completion(), body=QUESTION, key=key, after=1) for key in answered]
    assert told(refused, *well).layer == layer


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ((("Date", "Tue, 18 Nov 2026 09:26:40 GMT"),), "the gateway's clock is "),
        ((("Age", "5400"), ("Date", "Tue, 18 Nov 2026 09:26:40 GMT")), "answer from a cache: the log is answered"),
        ((), "the gateway's log has no row for what was answered"),
    ],
)
def test_a_log_that_shows_no_row_says_why_where_it_can(headers: Any, words: str) -> None:
    none = asked("/api/log/self", 200, {"success": True, "data": {"items": []}}, headers=headers)
    assert told(none, row="CHK-05").cause.startswith(words)


def test_workflows_that_hang_while_apps_answer_are_dify_s() -> None:
    answered = app(200, {"event": "message", "message_id": "m", "answer": "OK"})
    hung = replace(
        asked("/v1/workflows/run", 200, "", side="dify", body={}, after=1),
        response=None,
        breakdown=Breakdown("timeout", "timed out"),
    )
    assert told(answered, hung).layer == "dify_app"
    assert told(hung).layer == "network"


def test_a_redirect_explains_what_dify_is_refused_below_it() -> None:
    moved = asked(CHAT, 301, "", body=QUESTION)
    found = story(
        [moved, quoted(404, '{"error": {"message": "Invalid URL (GET /v1/chat/completions)"}}')], [verdict("CHK-04")]
    )
    assert [each.guide_row for each in found] == ["ERR-06"]
    assert "is redirected" in found[0].cause


# --- who says no: the gateway, its vendor, or what stands between ------------------------------------------

OF_NEW_API = (("X-Oneapi-Request-Id", "1"),)
NO_SUCH = {
    "error": {"message": "The model x does not exist", "type": "invalid_request_error", "code": "model_not_found"}
}
NONE_SERVES = {"error": {"message": "No available channel for model gpt-5.4", "type": "new_api_error"}}
ABROAD = {"error": {"message": "Country not supported", "type": "request_forbidden"}}
OFF_THE_LIST = {"error": {"message": "This token has no access to model gpt-5.4", "type": "new_api_error"}}


@pytest.mark.parametrize(
    ("status", "answer", "cause"),
    [
        (404, NO_SUCH, "the vendor behind the gateway does not know what it is asked for gpt-5.4"),
        (503, NONE_SERVES, "the gateway has no channel for gpt-5.4"),
        (403, ABROAD, "the suite is answered 403 to 1 of 1 chat request, not in New API's own words"),
        (403, OFF_THE_LIST, "CRAZYROUTER_API_KEY may not call gpt-5.4"),
    ],
)
def test_a_vendor_s_refusal_is_not_told_as_the_gateway_s_own(status: int, answer: dict[str, Any], cause: str) -> None:
    found = told(asked(CHAT, status, answer, body=QUESTION, headers=OF_NEW_API))
    assert found.cause.startswith(cause), found.cause


def embedding_refused(url: str, status: int = 404) -> Exchange:
    """Dify tells the bare status that the gateway gave its test of an embedding model."""
    said = {"code": "invalid_param", "message": f"{status} Client Error: No for url: {url}"}
    sent = {"model": "e", "model_type": "text-embedding"}
    return asked(CREDENTIALS, 400, said, side="dify", body=sent, after=3)


def test_a_404_below_the_base_url_that_the_suite_asks_is_no_wrong_base_url() -> None:
    found = told(ANSWERED, embedding_refused("https://gw.example/v1/embeddings"), row="CHK-06")
    assert found.layer == "relay", f"expected the gateway's channel, got {found.headline}"


def test_a_404_elsewhere_is_a_wrong_base_url() -> None:
    found = told(ANSWERED, embedding_refused("https://gw.example/v1/v1/embeddings"), row="CHK-06")
    assert found.guide_row == "ERR-06", f"expected the base URL, got {found.headline}"


def test_a_bare_status_of_dify_s_is_told_in_the_words_that_the_gateway_gave_the_suite() -> None:
    used_up = {"error": {"message": "You exceeded your current quota", "type": "insufficient_quota"}}
    own = asked("/v1/embeddings", 429, used_up, body={"model": "e", "input": ["a"]}, headers=OF_NEW_API)
    found = told(own, embedding_refused("https://gw.example/v1/embeddings", 429), row="CHK-06")
    assert found.cause.startswith("the vendor behind the gateway has no quota left for it: You exceeded"), found.cause


def test_a_redirect_of_the_management_api_is_no_wrong_base_url() -> None:
    found = told(asked("/api/user/self", 302, "", headers=(("Location", "https://login.example/"),)))
    assert (found.layer, found.guide_row) == ("token", ""), found.headline
    assert found.cause.endswith("is redirected (302) to https://login.example/")


def test_a_refusal_with_the_status_of_a_success_is_one_cause_whatever_was_refused() -> None:
    wrong_key = asked("/v1/models", 200, {"code": 401, "message": "Invalid token", "data": None}, provoked="ERR-04")
    no_path = asked("/v1/nothing", 200, {"code": 404, "message": "Invalid URL", "data": None}, provoked="ERR-06")
    (found,) = story([wrong_key, no_path], [verdict("WIRE-23"), verdict("WIRE-26")])
    assert found.cause == "refusals come with status 200: Ask: Invalid token", found.cause


def test_a_good_key_that_is_refused_is_not_to_be_made_anew_at_once() -> None:
    found = told(record(), REFUSED)
    assert found.fix.startswith("look for one node of several"), found.fix


def test_what_dify_shows_of_the_gateway_s_flaw_is_told_as_the_flaw() -> None:
    parts = [{"type": "text", "text": "OK"}]
    choice = {"index": 0, "message": {"role": "assistant", "content": parts}, "finish_reason": "stop"}
    flawed = asked(CHAT, 200, completion(choices=[choice]), body=QUESTION)
    shown = app(200, {"event": "message", "message_id": "m", "answer": str(parts)}, after=2)
    found = told(flawed, shown, row="CHK-04")
    assert found.cause.startswith("content in parts"), found.cause


def test_a_row_of_another_time_or_token_is_not_told_as_no_row() -> None:
    none = asked("/api/log/self?token_name=dify", 200, {"success": True, "data": {"items": []}})
    some = asked("/api/log/self?request_id=1", 200, {"success": True, "data": {"items": [{"type": 2}]}})
    words = "the gateway's log has no row for what was answered"
    assert told(none, row="CHK-05").cause == f"{words} (asked for token_name=dify)"
    assert told(replace(none, request=asked("/api/log/self", 200, {}).request), row="CHK-05").cause == words
    assert told(none, some, row="CHK-05").cause.startswith(
        "the gateway's log has rows of this run, and none as asked for"
    )


def test_what_a_stopped_run_did_not_come_to_is_one_line() -> None:
    found = story(
        [ANSWERED], [verdict(row, outcome="not_run", kind=Kind.NONE) for row in ("CHK-01", "CHK-02", "CHK-03")]
    )
    assert [each.cause for each in found] == ["3 checks were planned, and the run ended before"]


# --- parsimony ---------------------------------------------------------------------------------------


def test_two_faults_are_two_causes() -> None:
    slow = asked(CHAT, 503, {"error": {"message": "overloaded"}}, body=QUESTION)
    empty = asked("/v1/embeddings", 200, {"object": "list", "data": []}, body={"model": "e", "input": ["a"]})
    found = story([slow, empty, LISTED], [verdict("WIRE-30"), verdict("WIRE-20")])
    assert ["overloaded" in each.cause or "no vectors" in each.cause for each in found] == [True, True]


def test_what_alone_predicts_a_symptom_is_told() -> None:
    key = Key(PROFILE, "short_chat")
    exchanges = [replace(REFUSED, tape=key, number=1), replace(NOT_FOUND, tape=key, number=2)]
    facts = Facts({key: observe(key, exchanges)})
    chosen = smallest(suppositions(facts), set(facts.symptoms))
    assert {each.cause.id for each in chosen} == {"key dead", "the base URL is wrong"}


def test_causes_have_names_of_their_own_and_no_catch_all_without_a_condition() -> None:
    assert len({cause.id for cause in CAUSES}) == len(CAUSES)
    assert [cause.id for cause in CAUSES if not (cause.shows.came or cause.shows.flaws)] == []


def test_a_gateway_s_refusal_is_no_dify_layer_and_the_reverse() -> None:
    of_dify = [
        cause.id for cause in CAUSES if cause.shows.side == "gateway" and cause.layer.rank >= Layer.DIFY_ROLE.rank
    ]
    assert of_dify == []


# --- protocol ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("exchange", "name"),
    [
        (replace(plain(), request=streamed(EVENTS).request), "no stream"),
        (plain(choices=choice(message={"role": "assistant", "content": None})), "content null"),
        (plain(choices=choice(message={"content": [{"type": "text", "text": "OK"}]})), "content in parts"),
        (plain(choices=choice(message={"content": ""})), "empty answer"),
        (plain(choices=[]), "no choices"),
        (plain(choices=choice(finish_reason=None)), "finish_reason missing"),
        (plain(choices=choice(finish_reason="length")), "finish_reason wrong"),
        (plain(choices=choice(message={"content": "How can I help?"})), "other answer"),
        (plain(usage=None), "usage absent"),
        (plain(usage={**completion()["usage"], "total_tokens": 99}), "usage does not add up"),
        (plain(model="gpt-4o-mini"), "other model"),
        (plain(error={"message": "overloaded"}), "error inside 200"),
        (streamed(EVENTS[:-1]), "[DONE] missing"),
        (streamed([*EVENTS, "[DONE]"]), "[DONE] doubled"),
        (streamed(EVENTS[:2]), "truncated answer"),
        (streamed([*EVENTS[:3], "[DONE]"]), "usage absent"),
        (streamed(EVENTS, "application/json"), "wrong content type"),
        (streamed([EVENTS[0], "{cut", *EVENTS[1:]]), "broken JSON"),
    ],
)
def test_a_protocol_fault_has_its_name(exchange: Exchange, name: str) -> None:
    found = told(exchange)
    assert found.cause.startswith(f"{name}: "), found.cause
    assert found.certainty is Certainty.SEEN


def test_an_answer_that_is_compressed_unasked_has_its_name() -> None:
    packed = plain()
    assert packed.response is not None
    headers = (*packed.response.headers, ("Content-Encoding", "gzip"))
    found = told(replace(packed, response=replace(packed.response, headers=headers)))
    assert found.cause.startswith("compressed unasked: ")


@pytest.mark.parametrize(
    ("exchange", "name"),
    [
        (echoed(WORDS[:3]), "truncated answer: the answer breaks off after"),
        (echoed([*WORDS[:2], *WORDS[1:]]), "doubled chunks"),
        (echoed(["".join(WORDS[:n]) for n in range(1, 7)]), "cumulative chunks"),
        (echoed([*WORDS[:2], *WORDS[3:]]), "a piece of the answer missing"),
        (echoed(["No."]), "other answer"),
        (echoed(WORDS, prompt=900), "usage implausible"),
    ],
)
def test_a_fault_of_a_stream_s_content_has_its_name(exchange: Exchange, name: str) -> None:
    found = told(exchange)
    assert found.cause.startswith(name), found.cause


def test_a_stream_that_broke_off_shows_how_far_it_came() -> None:
    whole = echoed(WORDS)
    assert whole.response is not None
    pieces = tuple(Chunk(0.1, line.encode() + b"\n\n") for line in whole.text.split("\n\n")[:4])
    found = told(replace(whole, response=Response(200, whole.response.headers, pieces, Ended.CUT)))
    assert found.layer == "network"
    assert "cut after 4 chunks" in found.cause


def test_what_is_well_is_no_symptom() -> None:
    key = Key(PROFILE, "short_chat")
    well = [ANSWERED, LISTED, record(), streamed(EVENTS), echoed(WORDS)]
    assert [each.came for each in observe(key, well) if each.is_ill] == []


# --- what blind trials found --------------------------------------------------------------------------

COUNTED = {"model": "gpt-5.4", "messages": [{"role": "user", "content": COUNTING}]}


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
@pytest.mark.parametrize(
    ("text", "flaw"),
    [
        (" ".join(map(str, range(1, 30))), "max_tokens ignored"),
        (" ".join(map(str, range(1, 17))) + " Buy more numbers at the shop", "other answer"),
    ],
)
def test_an_advertisement_behind_a_capped_answer_is_no_ignored_cap(name: str, text: str, flaw: str) -> None:
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "length"}
    answer = asked(CHAT, 200, completion(choices=[choice]), body={**COUNTED, name: 16})
    assert told(answer, row="WIRE-17").cause.startswith(flaw)


def test_a_cache_that_answers_what_must_be_refused_is_told_as_one() -> None:
    hit = (("cf-aig-cache-status", "HIT"),)
    cached = asked(CHAT, 200, completion(), body=QUESTION, headers=hit, provoked="ERR-04", why="Chat with a wrong key")
    found = told(cached, row="WIRE-23")
    assert (found.layer, found.cause.partition(":")[0]) == ("network", "answer from a cache")


@pytest.mark.parametrize(
    ("said", "layer"),
    [
        ("The number of apps has reached the limit of your subscription.", "dify_app"),
        ("You don't have the permission to access this.", "dify_role"),
    ],
)
def test_a_403_of_an_owner_is_no_missing_role(said: str, layer: str) -> None:
    owner = asked("/console/api/workspaces/current", 200, {"role": "owner"}, side="dify")
    refused = asked("/console/api/apps", 403, {"code": "forbidden", "message": said}, side="dify", body={}, after=1)
    found = told(owner, refused, row="CHK-04")
    assert (found.layer, found.guide_row) == (layer, "")
    assert said in found.cause


def test_a_403_of_an_unknown_role_may_be_one() -> None:
    refused = asked("/console/api/apps", 403, {"message": "You don't have the permission."}, side="dify", body={})
    assert told(refused, row="CHK-04").guide_row == "ERR-01"


def test_a_model_that_is_refused_and_not_listed_is_one_cause() -> None:
    listed = asked("/v1/models", 200, {"object": "list", "data": [{"id": "other"}]})
    refused = asked(CHAT, 400, {"error": {"message": "gpt-5.4 has not been priced yet"}}, body=QUESTION, after=1)
    found = story([listed, refused], [verdict("WIRE-02"), verdict("WIRE-30")])
    assert [each.layer for each in found] == ["relay"]
    assert "has not been priced yet" in found[0].cause


def test_a_model_that_is_answered_and_not_listed_is_named() -> None:
    listed = asked("/v1/models", 200, {"object": "list", "data": [{"id": "other"}]})
    found = told(listed, ANSWERED, row="WIRE-02")
    assert found.cause == "the model list of CRAZYROUTER_API_KEY lacks gpt-5.4"


def test_all_models_that_a_list_lacks_are_named_and_none_that_was_asked_for_in_vain() -> None:
    listed = asked("/v1/models", 200, {"object": "list", "data": [{"id": "other"}]})
    asked_for = [asked(CHAT, 200, completion(model=each), body={**QUESTION, "model": each}) for each in ("b", "a")]
    in_vain = asked(CHAT, 404, {}, body={**QUESTION, "model": "none"}, provoked="WIRE-28")
    nameless = asked(CHAT, 200, completion(), body={"messages": QUESTION["messages"]})
    found = told(listed, *asked_for, in_vain, nameless, row="WIRE-02")
    assert found.cause == "the model list of CRAZYROUTER_API_KEY lacks a and b"


def test_a_list_that_is_ill_in_itself_or_was_brought_about_lacks_nothing() -> None:
    odd = asked("/v1/models", 200, {"object": "lists", "data": [{"id": "other"}]})
    assert told(odd, ANSWERED, row="WIRE-02").cause.startswith("no list: ")
    brought = asked("/v1/models", 200, {"object": "list", "data": [{"id": "other"}]}, provoked=EITHER_WAY)
    assert told(brought, ANSWERED, row="WIRE-02").certainty is not Certainty.SEEN


def test_a_byte_order_mark_is_named() -> None:
    marked = "\ufeff" + json.dumps({"object": "list", "data": [{"id": "gpt-5.4"}]})
    assert told(asked("/v1/models", 200, marked), row="WIRE-01").cause.startswith("byte order mark")


def test_vectors_of_another_model_are_named() -> None:
    vectors = {
        "model": "small",
        "data": [{"index": 0, "embedding": [1.0]}],
        "usage": {"prompt_tokens": 1, "total_tokens": 1},
    }
    found = told(asked("/v1/embeddings", 200, vectors, body={"model": "large", "input": ["a"]}), row="WIRE-07")
    assert found.cause.startswith("other model: large was asked for, and the vectors are of small")


def test_an_account_without_a_channel_is_one_cause() -> None:
    empty = asked("/v1/models", 200, {"object": "list", "data": []})
    refused = asked(CHAT, 503, NO_CHANNEL, body=QUESTION, after=1)
    found = story([empty, refused], [verdict("CHK-08"), verdict("CHK-04")])
    assert ["group vip" in each.cause for each in found] == [True]


def test_a_token_that_was_read_to_have_no_whitelist_leaves_no_model_out() -> None:
    usage = asked("/api/usage/token/", 200, {"code": True, "data": {"model_limits_enabled": False}})
    found = told(usage, row="CHK-07", reason="expected a whitelist, the token has none", see=("ERR-05",))
    assert (found.certainty, found.likely) == (Certainty.UNEXPLAINED, "")


def test_a_cache_before_dify_is_told_and_not_what_it_repeats() -> None:
    stuck = {"data": [{"indexing_status": "splitting"}]}
    path = "/v1/datasets/1/documents/2/indexing-status"
    repeated = asked(path, 200, stuck, side="dify", headers=(("X-Cache", "HIT"), ("Age", "40")))
    found = told(repeated, row="CHK-06")
    assert (found.layer, found.cause.partition(":")[0]) == ("network", "answer from a cache")


def test_dify_s_own_500_is_not_laid_on_the_embedding_model() -> None:
    path = "/v1/datasets/1/document/create-by-text"
    found = told(asked(path, 500, {"message": "Internal Server Error"}, side="dify", body={}), row="CHK-06")
    assert (found.layer, found.likely) == ("dify_knowledge", "")


def test_a_key_whose_record_is_good_is_not_dead_where_only_dify_is_refused() -> None:
    save = asked(CREDENTIALS, 201, {}, side="dify", body={"model": "m", "credentials": {"api_key": KEY}})
    found = told(save, record(), quoted(401), row="CHK-04")
    assert found.layer == "dify_provider"


def embedded(given: Any, vectors: Sequence[Any], *, provoked: str = "", **options: Any) -> Exchange:
    """Vectors for texts, or for a text as tokens."""
    data = [{"index": n, "embedding": vector} for n, vector in enumerate(vectors)]
    answer = {"data": data, "usage": {"prompt_tokens": 1, "total_tokens": 1}}
    body = {"model": "e", "input": given, **options}
    return asked("/v1/embeddings", 200, answer, body=body, provoked=provoked)


def test_vectors_in_another_order_are_named_by_their_places() -> None:
    batch, alone = embedded(["a", "b"], [[0.0, 1.0], [1.0, 0.0]]), embedded(["a"], [[1.0, 0.0]])
    seen = "vectors out of order: the vector of text 1 of a batch stands in place 2"
    assert told(batch, alone, row="WIRE-21").cause.startswith(seen)
    assert told(batch, embedded(["c"], [[1.0, 0.0]]), row="WIRE-21").certainty is Certainty.UNEXPLAINED


def test_a_text_with_another_s_vector_is_named() -> None:
    batch, alone = embedded(["a", "b", "c"], [[0.0, 1.0], [0.6, 0.8], [0.0, 1.0]]), embedded(["c"], [[1.0, 0.0]])
    assert "text 3 of a batch has the vector of text 1" in told(batch, alone, row="WIRE-54").cause


def test_two_texts_that_are_the_same_have_the_same_vector_by_right() -> None:
    batch, alone = embedded(["a", "b", "a"], [[1.0, 0.0], [0.6, 0.8], [1.0, 0.0]]), embedded(["a"], [[1.0, 0.0]])
    assert told(batch, alone, row="WIRE-54").certainty is Certainty.UNEXPLAINED


@pytest.mark.parametrize(("texts", "layer"), [(["a", "b"], "relay"), (["a", "a"], "protocol")])
def test_one_vector_for_several_texts_is_the_vendor_s_content(texts: list[str], layer: str) -> None:
    found = told(embedded(texts, [[0.6, 0.8], [0.6, 0.8]]), row="WIRE-54")
    assert (found.layer, "2 different texts have one vector" in found.cause) == (layer, layer == "relay")


def test_base64_that_agrees_with_a_batch_is_not_blamed_for_a_vector_that_differs_alone() -> None:
    packed = embedded(["a"], [PACKED], encoding_format="base64", provoked="either way")
    batch, alone = embedded(["a", "b"], [[1.0, 0.0], [0.6, 0.8]]), embedded(["a"], [[0.0, 1.0]])
    assert told(packed, batch, alone, row="WIRE-53").certainty is Certainty.UNEXPLAINED


PACKED = "AACAPwAAAAA="
"""1.0 and 0.0 as float32 in base64."""


@pytest.mark.parametrize(
    ("vector", "words"),
    [
        ([1.0, 0.0], "encoding_format ignored: a vector is a list of numbers"),
        ("AACAPwAAAA", "base64 broken: a vector is no base64 of float32 numbers"),
        ("P4AAAAAAAAA=", "base64 broken: base64 of 2 numbers is not the 2 floats"),
        (PACKED, "expected OK, got nothing"),
    ],
)
def test_base64_is_held_against_the_floats(vector: Any, words: str) -> None:
    packed = embedded(["a"], [vector], encoding_format="base64", provoked="either way")
    found = told(packed, embedded(["a"], [[1.0, 0.0]]), row="WIRE-53")
    assert found.cause.startswith(words)


def test_the_tokens_of_a_text_are_one_text() -> None:
    one, two = ([[1.0, 0.0]] * number for number in (1, 2))
    assert told(embedded([7, 8], one), row="WIRE-59").certainty is Certainty.UNEXPLAINED
    assert "2 vectors for 1 texts" in told(embedded([7, 8], two, provoked="either way"), row="WIRE-59").cause


# --- what had to be refused ---------------------------------------------------------------------------


def answered_unrefused(path: str, row: str, status: int = 200, **more: Any) -> Exchange:
    """An answer with content where the refusal of a row was brought about."""
    content = {"data": [{"indexing_status": "completed"}], "answer": "OK", "message_id": "m"}
    return asked(path, status, content, provoked=row, why=f"Bring {row} about", **more)


def in_dify(path: str, row: str, status: int = 200, **more: Any) -> Exchange:
    """The same of Dify."""
    return answered_unrefused(path, row, status, side="dify", **more)


@pytest.mark.parametrize(
    ("exchange", "layer", "row"),
    [
        (answered_unrefused("/v1/models", "ERR-04"), "token", "ERR-04"),
        (answered_unrefused(CHAT, "WIRE-28", body=QUESTION), "relay", "ERR-07"),
        (answered_unrefused(CHAT, "WIRE-27", body=QUESTION), "protocol", ""),
        (in_dify(CREDENTIALS, "ERR-04", 201, body={"model": "m"}), "dify_provider", "ERR-04"),
        (in_dify(CREDENTIALS, "ERR-01", 201, body={"model": "m"}), "dify_role", "ERR-01"),
        (in_dify("/console/api/datasets/1/indexing-status", "ERR-05"), "dify_knowledge", "ERR-05"),
        (in_dify("/v1/chat-messages", "ERR-09", body={"query": "?"}), "dify_app", "ERR-09"),
    ],
    ids=str,
)
def test_what_had_to_be_refused_is_told_by_its_row_where_it_was_answered(
    exchange: Exchange, layer: str, row: str
) -> None:
    found = told(exchange)
    assert (found.layer, found.guide_row, found.certainty) == (layer, row, Certainty.SEEN)
    assert found.cause == f"this was answered and must be refused: {exchange.why}"
    assert found.fix == WHERE[Layer(layer)]


def test_one_row_s_missing_refusals_are_one_cause_on_the_lowest_layer() -> None:
    taken = in_dify(CREDENTIALS, "ERR-04", 201, body={"model": "m"})
    listed = answered_unrefused("/v1/models", "ERR-04", after=1)
    (found,) = story([taken, listed], [verdict("ERR-04")])
    assert (found.layer, found.cause) == ("token", f"this was answered and must be refused: {taken.why}")


def test_two_rows_missing_refusals_are_two_causes() -> None:
    both = [answered_unrefused(CHAT, row, body=QUESTION) for row in ("ERR-04", "ERR-05")]
    assert [each.guide_row for each in story(both, [verdict("WIRE-30")])] == ["ERR-04", "ERR-05"]


# --- profiles ----------------------------------------------------------------------------------------


def in_profiles(exchanges: Mapping[str, Sequence[Exchange]], vendors: Sequence[str] = ()) -> list[Told]:
    """The story of a run with a step of each profile, and a failed check on each; vendors follow no guide."""
    tapes, verdicts = {}, []
    for profile, own in exchanges.items():
        key = Key(profile, "short_chat")
        tapes[key] = observe(key, [replace(each, tape=key, number=number) for number, each in enumerate(own, 1)])
        read = Evidence("live", "", tuple((each.id, "") for each in tapes[key]))
        verdicts.append(replace(verdict("WIRE-30", profile=profile), evidence=read))
    return tell(verdicts, tapes, vendors)


def refused_at_times(key: str, well: int = 1) -> list[Exchange]:
    """A key that is refused once, and answered so many times; of two keys A comes first."""
    answered = [asked("/v1/models", 200, LISTED.json(), key=key, after=9) for _ in range(well)]
    return [asked("/v1/models", 401, INVALID, key=key, after=int(key == "{{B}}")), *answered]


def test_profiles_with_keys_of_their_own_and_one_fault_have_one_cause_that_counts_all() -> None:
    (found,) = in_profiles({"a": refused_at_times("{{A}}", 1), "b": refused_at_times("{{B}}", 2)})
    assert "401 to 2 of 5 models requests with A: " in found.cause
    assert [each.profile for each in found.verdicts] == ["a", "b"]


def test_two_keys_of_one_profile_are_two_causes() -> None:
    found = in_profiles({"a": [*refused_at_times("{{A}}"), *refused_at_times("{{B}}")]})
    assert len(found[0].verdicts) == 1
    assert [each.cause.partition("401")[2] for each in found] == [
        " to 1 of 2 models requests with A: Invalid token",
        " to 1 of 2 models requests with B: Invalid token",
    ]


def test_profiles_with_different_faults_have_a_cause_each() -> None:
    down = asked("/v1/embeddings", 503, {"error": {"message": "no room"}}, body={"model": "e", "input": ["a"]})
    found = in_profiles({"a": refused_at_times("{{A}}"), "b": [down]})
    assert [(each.layer, [of.profile for of in each.verdicts]) for each in found] == [
        ("token", ["a"]),
        ("relay", ["b"]),
    ]


# --- the smallest set --------------------------------------------------------------------------------

SIGN = Sign()


def supposed(explains: str, name: str = "", generic: bool = False, scope: tuple[str, ...] = ()) -> Supposition:
    """A cause supposed for symptoms, each of one letter."""
    own = tuple(Symptom(ANSWER, letter) for letter in explains)
    cause = Cause(name or f"explains {explains}", Layer.RELAY, SIGN, "", "", generic=generic)
    return Supposition(cause, scope, frozenset(own), own, 0)


(ANSWER,) = observe(Key(PROFILE, "short_chat"), [ANSWERED])


def names(found: list[Supposition]) -> list[str]:
    """What the causes that were chosen explain."""
    return ["".join(each.flaw for each in one.in_order) for one in found]


@pytest.mark.parametrize(
    ("causes", "wanted", "expected"),
    [
        (["a", "ab"], "ab", ["ab"]),
        (["ab", "bc", "cd", "da"], "abcd", ["ab", "cd"]),
        (["ab", "cd", "ac", "bd", "e"], "abcde", ["e", "ab", "cd"]),
        (["bcde", "abc", "def", "a", "f"], "abcdef", ["abc", "def"]),
        (["bcdegh", "abc", "def", "ghi", "a", "f", "i"], "abcdefghi", ["abc", "def", "ghi"]),
        (["abx", "cdx", "ab"], "abcd", ["cdx", "abx"]),
        (["ab", "bc", "ca"], "abc", ["ab", "bc"]),
        (["a", "b"], "", []),
        (["a", "b"], "a", ["a"]),
        (["a"], "ab", ["a"]),
        ([], "ab", []),
    ],
    ids=str,
)
def test_the_fewest_causes_are_told_that_explain_all(causes: list[str], wanted: str, expected: list[str]) -> None:
    chosen = smallest([supposed(each) for each in causes], {Symptom(ANSWER, letter) for letter in wanted})
    assert names(chosen) == expected


def test_what_another_explains_and_more_besides_is_not_told_though_it_stands_first() -> None:
    causes = [supposed("a", "stopped"), supposed("d"), supposed("abc"), supposed("bcd")]
    assert names(smallest(causes, {Symptom(ANSWER, letter) for letter in "abcd"})) == ["abc", "bcd"]


def test_where_more_than_three_are_needed_the_one_that_explains_most_is_told_first() -> None:
    rings = [ring[n] + ring[(n + 1) % 3] for ring in ("abc", "def", "ghi") for n in range(3)]
    wanted = {Symptom(ANSWER, letter) for letter in "abcdefghi"}
    chosen = smallest([supposed(each) for each in ["adg", *rings]], wanted)
    assert names(chosen)[0] == "adg"
    assert wanted <= set().union(*(each.symptoms for each in chosen))
    assert len(chosen) == 4, names(chosen)
    causes = ["bcdeghjk", "abc", "def", "ghi", "jkl", "a", "f", "i", "l"]
    chosen = smallest([supposed(each) for each in causes], {Symptom(ANSWER, letter) for letter in "abcdefghijkl"})
    assert names(chosen)[0] == "bcdeghjk", "all combinations of four would take seconds"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (supposed("ab", "lost"), supposed("ab", "unreached")),
        (supposed("ab", "unreached", generic=True), supposed("ab", "lost")),
        (supposed("ab", "lost", scope=("side", "want")), supposed("ab", "lost", scope=("side",))),
        (supposed("ab", "allowed"), supposed("ab", "protocol")),
    ],
    ids=["that stands first", "no catch-all", "the more general", "of the table"],
)
def test_of_two_that_explain_the_same_one_is_told(one: Supposition, other: Supposition) -> None:
    assert smallest([one, other], one.symptoms) == [other]
    assert smallest([other, one], one.symptoms) == [other]


# --- what came of a request --------------------------------------------------------------------------

INDEXING = "/v1/datasets/1/documents/2/indexing-status"
HTML = "<!doctype html><html></html>"
SAYS = {"message_id": "m", "answer": "OK"}


def shown(exchange: Exchange) -> Observation:
    """What one exchange shows."""
    (found,) = observe(Key(PROFILE, "short_chat"), [exchange])
    return found


def came(exchange: Exchange) -> Came:
    """What came of one exchange."""
    return shown(exchange).came


def of_dify(path: str, status: int = 200, answer: Any = None, **more: Any) -> Exchange:
    """An answer of Dify's, where nothing else is given to a request with a body."""
    return asked(path, status, answer or {}, side="dify", **{"body": {"query": "Say something"}, **more})


@pytest.mark.parametrize(
    ("exchange", "expected"),
    [
        (asked("/v1/models", 300, {}), Came.MOVED),
        (asked("/v1/models", 399, {}), Came.MOVED),
        (asked("/v1/models", 400, {}), Came.REFUSED),
        (asked("/v1/models", 200, HTML), Came.PAGE),
        (asked("/v1/models", 404, HTML), Came.PAGE),
        (asked("/api/user/self", 200, {"success": False}), Came.REFUSED),
        (asked("/api/user/self", 200, {"success": True}), Came.WELL),
        (asked("/v1/models", 200, {"error": {"message": "down"}}), Came.REFUSED),
        (asked(CHAT, 200, completion(error={"message": "down"}), body=QUESTION), Came.FLAWED),
        (of_dify("/console/api/x/validate", 200, {"result": "error"}), Came.REFUSED),
        (of_dify("/console/api/x/validate", 200, {"result": "success"}), Came.WELL),
        (of_dify(INDEXING, 200, {"data": [{"indexing_status": "error"}]}), Came.REFUSED),
        (of_dify(INDEXING, 200, {"data": [{"indexing_status": "completed"}]}), Came.WELL),
        (of_dify("/v1/workflows/run", 200, {"data": {"status": "failed", "error": "no"}}), Came.REFUSED),
        (of_dify("/v1/datasets", 200, {"error": "a name", "success": False}), Came.WELL),
        (of_dify("/console/api/workspaces/current", 405), Came.WELL),
        (of_dify("/console/api/other", 405), Came.REFUSED),
        (of_dify("/v1/chat-messages", 500, provoked="either way"), Came.WELL),
        (asked(CHAT, 400, {"error": {}}, body=QUESTION, provoked="either way"), Came.REFUSED),
        (asked(CHAT, 500, {"error": {}}, body=QUESTION, provoked="either way"), Came.REFUSED),
        (asked(CHAT, 200, completion(), body=QUESTION, provoked="either way"), Came.WELL),
        (asked(CHAT, 200, completion(choices=[]), body=QUESTION, provoked="either way"), Came.FLAWED),
    ],
    ids=lambda each: each if isinstance(each, Came) else f"{each.request.path} {each.status} {each.text}",
)
def test_what_came_of_a_request(exchange: Exchange, expected: Came) -> None:
    assert came(exchange) is expected


@pytest.mark.parametrize("name", ["object", "data", "choices", "success"])
def test_an_answer_with_content_was_allowed_where_a_refusal_was_due(name: str) -> None:
    assert came(asked("/v1/models", 200, {name: True}, provoked="ERR-04")) is Came.ALLOWED


@pytest.mark.parametrize(
    ("path", "status", "answer", "expected"),
    [
        ("/v1/models", 200, {"status": "ok"}, Came.WELL),
        ("/v1/models", 200, ["data"], Came.WELL),
        ("/v1/models", 201, {"data": []}, Came.WELL),
        ("/v1/models", 200, HTML, Came.WELL),
        ("/v1/models", 404, HTML, Came.WELL),
        ("/v1/models", 400, HTML, Came.WELL),
        ("/v1/models", 401, HTML, Came.PAGE),
        ("/v1/models", 403, HTML, Came.PAGE),
        ("/v1/models", 429, HTML, Came.PAGE),
        ("/v1/models", 499, HTML, Came.WELL),
        ("/v1/models", 500, HTML, Came.PAGE),
        ("/v1/models", 599, HTML, Came.PAGE),
        ("/v1/models", 600, HTML, Came.WELL),
        ("/v1/models", 302, {}, Came.MOVED),
        ("/v1/models", 401, {}, Came.WELL),
        ("/v1/models", 429, {}, Came.WELL),
        ("/v1/models", 503, {}, Came.WELL),
        ("/v1/models", 519, {}, Came.WELL),
        ("/v1/models", 520, {}, Came.REFUSED),
        ("/v1/models", 599, {}, Came.REFUSED),
        ("/v1/models", 600, {}, Came.WELL),
    ],
)
def test_a_refusal_that_was_due_is_well_unless_it_comes_from_before_the_gateway(
    path: str, status: int, answer: Any, expected: Came
) -> None:
    assert came(asked(path, status, answer, provoked="ERR-04")) is expected


@pytest.mark.parametrize(
    ("exchange", "expected"),
    [
        (LISTED, True),
        (asked("/v1/models", 200, {"status": "ok"}), False),
        (asked("/v1/models", 200, {"data": [], "error": {"message": "down"}}), False),
        (asked("/v1/models", 401, {"data": []}), False),
    ],
)
def test_an_api_s_answer_has_content_and_is_no_refusal(exchange: Exchange, expected: bool) -> None:
    assert went_well(exchange) is expected


def test_a_stream_is_content_where_a_refusal_was_due() -> None:
    assert came(replace(streamed(EVENTS), provoked="ERR-05")) is Came.ALLOWED


@pytest.mark.parametrize(
    ("path", "status", "answer", "expected"),
    [
        ("/v1/chat-messages", 500, {"message": "boom"}, Came.REFUSED),
        ("/v1/chat-messages", 400, HTML, Came.PAGE),
        ("/v1/chat-messages", 400, {"message": "no"}, Came.WELL),
        ("/v1/chat-messages", 200, SAYS, Came.ALLOWED),
        ("/v1/chat-messages", 200, {**SAYS, "answer": ""}, Came.FLAWED),
        ("/v1/workflows/run", 200, {"data": {"status": "failed", "error": "no"}}, Came.WELL),
        (CREDENTIALS, 201, {}, Came.ALLOWED),
        (CREDENTIALS, 200, {}, Came.WELL),
        ("/console/api/apps", 201, {}, Came.WELL),
        (f"{CREDENTIALS}/validate", 200, {"result": "success"}, Came.ALLOWED),
        (f"{CREDENTIALS}/validate", 200, {"result": "error"}, Came.WELL),
        (INDEXING, 200, {"data": [{"indexing_status": "completed"}]}, Came.ALLOWED),
        (INDEXING, 200, {"data": [{"indexing_status": "error"}]}, Came.WELL),
        ("/v1/datasets", 200, {}, Came.WELL),
    ],
)
def test_what_dify_takes_or_says_although_a_refusal_was_due_was_allowed(
    path: str, status: int, answer: Any, expected: Came
) -> None:
    assert came(of_dify(path, status, answer, provoked="ERR-05")) is expected


def test_a_refusal_that_dify_hides_is_told_with_what_was_asked() -> None:
    found = told(of_dify("/v1/chat-messages", 200, {**SAYS, "answer": ""}, provoked="ERR-05", why="Ask in vain"))
    assert found.layer == "dify_app"
    assert found.cause == "Dify hides the gateway's refusal: it answers 200 and nothing to: Ask in vain"


@pytest.mark.parametrize(
    ("exchange", "said"),
    [
        (of_dify(INDEXING, 200, {"data": [{"indexing_status": "error", "error": "no vector"}]}), "no vector"),
        (of_dify("/v1/workflows/run", 200, {"data": {"status": "failed", "error": "no node"}}), "no node"),
        (of_dify("/v1/chat-messages", 400, {"code": "bad", "message": "no app"}), "no app"),
        (of_dify("/v1/datasets", 400, {"id": 500 * "x", "error": {"message": "no room"}}), "no room"),
        (asked(CHAT, 400, {"id": 500 * "x", "error": {"message": "no model"}}, body=QUESTION), "no model"),
        (asked(CHAT, 400, {"error": {"message": "no model"}}, body=QUESTION), "no model"),
    ],
    ids=str,
)
def test_what_was_refused_is_quoted_in_the_words_of_who_refused_it(exchange: Exchange, said: str) -> None:
    (found,) = observe(Key(PROFILE, "short_chat"), [exchange])
    assert found.said == said


@pytest.mark.parametrize(
    ("ended", "came", "words"),
    [
        (Ended.CUT, Came.LOST, "broke off an answer before its end"),
        (Ended.TIMEOUT, Came.LOST, "did not end an answer in time"),
        (Ended.TOO_LARGE, Came.UNREADABLE, "sends more than the 10 MB that any answer holds"),
        (Ended.DECODING, Came.UNREADABLE, "sends an answer that cannot be decoded"),
    ],
)
def test_an_answer_that_did_not_come_whole_is_not_read(ended: Ended, came: Came, words: str) -> None:
    assert NULL.response is not None
    found = shown(replace(NULL, response=replace(NULL.response, ended=ended)))
    assert (found.came, found.flaws) == (came, ())
    assert found.said.startswith(f"gw.example {words}: {ended}")


def test_an_answer_where_a_refusal_was_in_order_too_is_well_and_what_is_well_says_nothing() -> None:
    found = shown(asked("/v1/models", 200, {"object": "list", "data": [{"id": "gpt-5.4"}]}, provoked=EITHER_WAY))
    assert (found.came, found.flaws) == (Came.WELL, ())
    assert shown(ANSWERED).said == ""


def test_only_an_answer_of_dify_s_quotes_the_gateway() -> None:
    said = {"error": {"message": "Error code: 401"}}
    direct = shown(asked(CHAT, 400, said, body=QUESTION))
    assert (direct.asker, direct.status) == ("the suite", 400)
    hung = replace(app(400, said), response=None, breakdown=Breakdown("timeout", "after status code 401"))
    assert (shown(hung).asker, shown(hung).status) == ("the suite", 0)


def test_what_is_asked_without_a_key_has_none() -> None:
    login = asked("/console/api/login", 200, {"result": "success"}, side="dify", body={})
    assert shown(replace(login, request=replace(login.request, headers=()))).key == ""


def test_of_a_poll_the_last_answer_counts_and_what_was_lost() -> None:
    status = [{"data": [{"indexing_status": each}]} for each in ("waiting", "indexing", "completed")]
    polls = [replace(of_dify(INDEXING, 200, each), poll=1) for each in status]
    lost = replace(polls[0], response=None, breakdown=Breakdown("timeout", "timed out"))
    other = replace(polls[0], poll=2)
    found = observe(Key(PROFILE, "short_chat"), [lost, *polls, other, ANSWERED])
    assert [each.exchange for each in found] == [lost, polls[2], other, ANSWERED]


def test_an_attempt_that_was_retried_does_not_count_unless_it_was_lost() -> None:
    lost = replace(ANSWERED, response=None, breakdown=Breakdown("timeout", "timed out"), superseded=True)
    found = observe(Key(PROFILE, "short_chat"), [replace(REFUSED, superseded=True), lost, ANSWERED])
    assert [each.exchange for each in found] == [lost, ANSWERED]


# --- how it is told ----------------------------------------------------------------------------------


def test_the_report_s_data_of_a_cause_has_all_that_is_told() -> None:
    found = told(record(status=2), REFUSED)
    assert found.to_data() == {
        "headline": "the token dify-prod is disabled",
        "layer": "token",
        "guide_row": "ERR-04",
        "cause": "the token dify-prod is disabled",
        "likely": "",
        "fix": "make a new token and put its key in the old one's place, whole",
        "certainty": "seen",
        "profiles": [PROFILE],
        "explains": [{"requirement": "WIRE-30", "check": "a_check", "profile": PROFILE, "outcome": "fail"}],
    }


def test_a_verdict_takes_over_what_the_story_tells_of_it() -> None:
    key = Key(PROFILE, "short_chat")
    tapes = {key: observe(key, [replace(REFUSED, tape=key, number=1)])}
    red = replace(verdict("WIRE-30"), evidence=Evidence("live", "", ((f"{key}#1", ""),)))
    green = verdict("WIRE-01", outcome="pass")
    told_of = tell([red, green], tapes)
    (again, same) = retold([red, green], told_of)
    assert same is green
    (cause,) = told_of
    assert cause.likely
    assert (again.layer, again.guide_row, again.cause) == ("token", "ERR-04", cause.likely)
    assert (again.fix, again.certainty) == (cause.fix, Certainty.LIKELY)
    (seen,) = retold([red], [replace(cause, likely="")])
    assert seen.cause == "the gateway refuses CRAZYROUTER_API_KEY with 401: Invalid token"


@pytest.mark.parametrize(
    ("changes", "layer", "cause", "fix"),
    [
        (
            {"outcome": "not_run"},
            Layer.SETTINGS,
            "2 checks were planned, and the run ended before",
            "run again, to the end",
        ),
        ({"kind": Kind.MISSING}, Layer.SETTINGS, "so it is", "give it, or select less"),
        (
            {"kind": Kind.CRASH},
            Layer.PROTOCOL,
            "so it is",
            "mend the check, or report this: it says nothing of the pair",
        ),
        ({"kind": Kind.RECORDING}, Layer.RECORDING, RECORD_AGAIN, "tox run -e record (README, Recordings)"),
    ],
    ids=["not run", "missing", "crash", "recording"],
)
def test_what_says_nothing_of_the_pair_is_told_once_with_what_to_do(
    changes: dict[str, Any], layer: Layer, cause: str, fix: str
) -> None:
    verdicts = [verdict("WIRE-01", "so it is", **changes), verdict("WIRE-26", "so it is", **changes)]
    (found,) = story([LISTED], verdicts)
    assert (found.layer, found.guide_row, found.certainty) == (layer, "", Certainty.SEEN)
    assert (found.cause, found.fix) == (cause, fix)
    assert [each.requirement for each in found.verdicts] == ["WIRE-01", "WIRE-26"]


def test_one_check_that_was_not_run_is_told_as_one() -> None:
    assert told(LISTED, outcome="not_run").cause == "1 check was planned, and the run ended before"


@pytest.mark.parametrize("kind", [Kind.MISSING, Kind.CRASH])
def test_two_reasons_of_one_kind_are_told_apart(kind: Kind) -> None:
    found = story([LISTED], [verdict("WIRE-01", "one", kind=kind), verdict("WIRE-01", "other", kind=kind)])
    assert sorted(each.cause for each in found) == ["one", "other"]


def test_steps_of_one_name_that_ended_without_an_exchange_are_told_together() -> None:
    ended = [verdict("WIRE-01", "no", kind=Kind.STEP, failed_step=f"{of}/embed", see=()) for of in ("a", "b")]
    other = verdict("WIRE-26", "no", kind=Kind.STEP, failed_step="a/list", see=())
    assert sorted(len(each.verdicts) for each in story([LISTED], [*ended, other])) == [1, 2]


def test_steps_that_ended_at_the_same_request_are_told_together() -> None:
    at = f"{PROFILE}/short_chat#1"
    ended = [verdict("WIRE-01", "no", kind=Kind.STEP, failed_step=f"a/{of}", at=at, see=()) for of in ("embed", "list")]
    assert [len(each.verdicts) for each in story([LISTED], ended)] == [2]


def test_what_rests_on_the_model_list_alone_is_told_together_whatever_its_layer() -> None:
    rows = [verdict("WIRE-01", "no", see=()), verdict("WL-01", "no", see=())]
    assert [len(each.verdicts) for each in story([LISTED], rows)] == [2]
    assert [len(each.verdicts) for each in story([LISTED, ANSWERED], rows)] == [1, 1]


def test_what_rests_on_the_log_is_the_log_s_where_rows_of_several_layers_do() -> None:
    log = asked("/api/log/self", 200, {"success": True, "data": {"items": [{"id": 1}]}})
    rows = [verdict("WIRE-01", "no", see=()), verdict("WL-01", "no", see=())]
    (found,) = story([log], rows)
    assert (found.layer, found.fix, found.certainty) == (Layer.LOG, WHERE[Layer.LOG], Certainty.UNEXPLAINED)
    (alone,) = story([log], rows[:1])
    assert alone.layer == Layer.PROTOCOL
    (none,) = story([], [verdict("CHK-05", "no", see=()), verdict("TIP-03", "no", see=())])
    assert none.layer == Layer.LOG


def test_a_row_of_the_guide_s_errors_is_its_own_row_where_nothing_explains_it() -> None:
    found = told(LISTED, row="ERR-09", reason="no cap")
    assert (found.guide_row, found.certainty, found.fix) == ("ERR-09", Certainty.UNEXPLAINED, WHERE[Layer.QUOTA])


def test_the_guide_s_cause_and_fix_are_told_where_they_are_likely() -> None:
    found = told(record(), row="CHK-02", reason="no")
    error = guide().rows["ERR-06"]
    assert (found.likely, found.layer) == (error.cause, "base_url")
    assert found.fix == error.fix
    refused = app(422, {"message": "Error code: 400 - unsupported parameter: temperature"})
    asked_wrongly = told(refused, row="CHK-04")
    error = guide().rows["ERR-07"]
    assert (asked_wrongly.guide_row, asked_wrongly.certainty) == ("ERR-07", Certainty.LIKELY)
    assert (asked_wrongly.likely, asked_wrongly.fix) == (error.cause, error.fix)


def test_a_cause_whose_likely_rows_are_denied_is_told_as_seen() -> None:
    refused = app(422, {"message": "Error code: 400 - unsupported parameter: temperature"}, after=2)
    ran = asked("/v1/workflows/run", 200, {"data": {"status": "succeeded", "outputs": {"answer": "OK"}}},
                side="dify", body={})  # fmt: skip
    found = told(refused, app(200, SAYS), ran, row="CHK-04")
    assert (found.guide_row, found.likely, found.certainty) == ("", "", Certainty.SEEN)
    assert found.fix == "take that parameter out of the app or node"


def test_what_was_brought_about_may_have_come_for_the_reason_of_the_rest() -> None:
    down = asked("/v1/models", 503, {"error": {"message": "overloaded"}})
    brought = asked("/v1/models", 503, {"error": {"message": "overloaded"}}, provoked="ERR-05", after=1)
    empty = asked("/v1/models", 200, {"object": "list", "data": []}, after=2)
    key = Key(PROFILE, "short_chat")
    for ill, provoked in ((down, brought), (empty, replace(empty, provoked="EITHER"))):
        tape = [replace(each, tape=key, number=number) for number, each in enumerate((ill, provoked), 1)]
        rests = [
            replace(verdict(row), evidence=Evidence("live", "", ((f"{key}#{number}", ""),)))
            for number, row in enumerate(("WIRE-01", "ERR-05"), 1)
        ]
        observations = observe(key, tape)
        observations[1] = replace(observations[1], came=Came.WELL, flaws=())
        (found,) = tell(rests, {key: observations})
        assert [each.requirement for each in found.verdicts] == ["ERR-05", "WIRE-01"]


MANY = [asked(CHAT, 503, {"error": {"message": "no room"}}, body={**QUESTION, "model": model}) for model in ("a", "b")]


@pytest.mark.parametrize(
    ("exchanges", "cause"),
    [
        (MANY[:1], "the gateway's address answers the suite 503 to 1 of 1 chat request: no room"),
        (MANY, "the gateway's address answers the suite 503 to 2 of 2 chat requests: no room"),
        ([MANY[0], ANSWERED], "the gateway's address answers the suite 503 to 1 of 1 chat request of a: no room"),
        ([asked(CHAT, 503, NO_CHANNEL, body={**QUESTION, "model": "m"})],
         "the gateway has no channel for m: No available channel for model m under group vip"),
        ([asked("/v1/embeddings", 503, NO_CHANNEL, body={})],
         "the gateway has no channel for the embedding model: No available channel for model m under group vip"),
        ([asked(CHAT, 503, NO_CHANNEL, body={})],
         "the gateway has no channel for the model: No available channel for model m under group vip"),
        ([asked("/api/user/self", 429, {"message": "slow"})],
         "the gateway's limit for this address on calls of its management API is used up"
         " (1 of 1 such calls of this run)"),
        ([asked("/api/usage/token/", 429, {"message": "slow"})],
         "the gateway's limit for this address on calls that tell keys, usage or a key's log"
         " (New API: 20 in 20 minutes) is used up (1 of 1 such calls of this run)"),
        ([asked("/api/log/self?p=1?2", 200, {"success": True, "data": {"items": []}}, why="Ask for it", after=1),
          asked("/api/log/self", 200, {"success": True, "data": {"items": [{"id": 1}]}})],
         "the gateway's log has rows of this run, and none as asked for: Ask for it (p=1?2)"),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)  # fmt: skip
def test_a_cause_quotes_what_was_seen(exchanges: list[Exchange], cause: str) -> None:
    assert told(*exchanges).cause == cause


def test_two_models_of_one_fault_are_both_named() -> None:
    quota = {"error": {"message": "billing"}}
    refused = [asked(CHAT, 403, quota, body={**QUESTION, "model": model}) for model in ("a", "b")]
    assert told(*refused).cause == "the vendor behind the gateway has no quota left for it: billing"
    off = [asked(CHAT, 403, {"error": {"message": "not yours"}}, body={**QUESTION, "model": m}) for m in ("a", "b")]
    assert told(*off).cause == "CRAZYROUTER_API_KEY may not call a and b: not yours"


def lost(path: str = "/v1/models", after: float = 0, **more: Any) -> Exchange:
    """A request whose answer did not come."""
    broken = Breakdown("timeout", "timed out")
    return replace(asked(path, 200, "", after=after, **more), response=None, breakdown=broken)


@pytest.mark.parametrize(
    ("exchanges", "words"),
    [
        ([lost()], "1 of 1 GET /v1/models lost once sent: timed out"),
        ([lost(), lost(after=1)], "every GET /v1/models is lost at its first attempt: timed out"),
        ([lost(), lost("/v2/models", 1)],
         "every GET /v1/models and GET /v2/models is lost at its first attempt: timed out"),
        ([lost(), lost(after=1), LISTED], "2 of 3 GET /v1/models lost once sent: timed out"),
    ],
)  # fmt: skip
def test_what_was_lost_is_counted_by_what_was_asked(exchanges: list[Exchange], words: str) -> None:
    assert told(*exchanges).cause == words


# --- what is asked of the facts ----------------------------------------------------------------------

NOT_YOURS = asked(CHAT, 403, {"error": {"message": "not yours"}}, body=QUESTION, after=5)
MAY_NOT = "CRAZYROUTER_API_KEY may not call gpt-5.4: not yours"
ALTHOUGH = "the gateway refuses the suite gpt-5.4 with 403, although the token's whitelist allows it: not yours"
EMPTY_WELL = asked("/console/api/apps", 200, {"id": "1"}, side="dify")


@pytest.mark.parametrize(
    ("read", "cause"),
    [
        ([], MAY_NOT),
        ([LISTED], ALTHOUGH),
        ([EMPTY_WELL, LISTED], ALTHOUGH),
        ([asked("/v1/models", 200, LISTED.json(), key="{{OTHER}}")], MAY_NOT),
        ([asked("/v1/models", 200, {"object": "list", "data": [{"id": "another"}]})], MAY_NOT),
        ([record(model_limits_enabled=False)], ALTHOUGH),
        ([record(model_limits_enabled=True)], MAY_NOT),
        ([record(model_limits_enabled=False, key="{{OTHER|masked}}")], MAY_NOT),
    ],
    ids=["nothing", "a list", "a list after Dify", "another key's", "without it", "off", "on", "another token's"],
)
def test_a_model_is_off_the_whitelist_unless_what_was_read_says_otherwise(read: list[Exchange], cause: str) -> None:
    assert told(*read, NOT_YOURS).cause == cause


ONE_API = (("X-Oneapi-Request-Id", "1"),)


@pytest.mark.parametrize(
    ("kind", "headers", "layer"),
    [("invalid_api_key", ONE_API, "relay"), ("invalid_api_key", (), "token"),
     ("new_api_error: invalid_api_key", ONE_API, "token")],
)  # fmt: skip
def test_a_vendor_s_refusal_is_told_from_new_api_s_own_by_its_type(kind: str, headers: Any, layer: str) -> None:
    refused = asked(CHAT, 401, {"error": {"message": "no", "type": kind}}, body=QUESTION, headers=headers)
    found = told(refused)
    assert found.layer == layer
    assert ("vendor behind the gateway refuses" in found.cause) == (layer == "relay")


@pytest.mark.parametrize(
    ("read", "words"),
    [
        ([record(status=2), record(after=1)], "although its record says"),
        ([replace(record(status=2), sent_at=NOW - 9), record()], "although its record says"),
        ([replace(record(), sent_at=NOW - 9), replace(record(status=2), sent_at=NOW - 5)], "is disabled"),
        ([replace(record(status=2), sent_at=NOW)], "is disabled"),
        ([record(status=2), replace(record(), sent_at=NOW + 1)], "is disabled"),
    ],
    ids=["both before", "one on each side", "the last before", "at once", "at once, and later"],
)
def test_the_first_record_after_a_refusal_says_why_else_the_last_before(read: list[Exchange], words: str) -> None:
    late = replace(REFUSED, sent_at=NOW + 0.5) if words.startswith("although") else REFUSED
    assert words in told(*[replace(each, sent_at=each.sent_at) for each in read], late).cause


def knowledge(status: int, said: str) -> Exchange:
    """Dify's knowledge base quotes what the gateway answered it."""
    return asked(INDEXING, 400, {"message": f"Error code: {status} - {said}"}, side="dify")


EMBEDDED = {"model": "e", "model_type": "text-embedding", "credentials": {"api_key": "{{OTHER}}"}}


@pytest.mark.parametrize(
    ("exchanges", "cause"),
    [
        ([quoted(503)], "the gateway's address answers Dify 503 to 1 of 1 chat request: "),
        ([quoted(503), knowledge(503, "{}"), app(200, SAYS)],
         "the gateway's address answers Dify 503 to 2 of 3 chat, embeddings requests: "),
        ([quoted(503), ANSWERED], "the gateway's address answers Dify 503 to 1 of 1 chat request: "),
        ([knowledge(503, "{}")], "the gateway's address answers Dify 503 to 1 of 1 embeddings request: "),
        ([asked(f"{CREDENTIALS}/validate", 400, {"message": "Error code: 503"}, side="dify", body=EMBEDDED)],
         "the gateway's address answers Dify 503 to 1 of 1 embeddings request: "),
        ([asked(f"{CREDENTIALS}/validate", 400, {"message": "Error code: 503"}, side="dify",
                body={**EMBEDDED, "model_type": "llm"})],
         "the gateway's address answers Dify 503 to 1 of 1 chat request: "),
        ([asked(CHAT, 503, {}, body=QUESTION), quoted(503)],
         "the gateway's address answers the suite 503 to 2 of 2 chat requests: "),
        ([asked(f"{CREDENTIALS}/validate", 400, {"message": "Error code: 403 - no"}, side="dify", body=EMBEDDED)],
         "OTHER may not call the embedding model: "),
        ([ANSWERED, asked("/v1/chat-messages", 400, {"message": "Error code: 403 - no"}, side="dify", body={})],
         "the key may not call gpt-5.4: "),
    ],
)  # fmt: skip
def test_what_dify_quotes_is_counted_as_the_gateway_s(exchanges: list[Exchange], cause: str) -> None:
    assert told(*exchanges).cause.startswith(cause)


@pytest.mark.parametrize(
    ("kind", "listed", "cause", "layer"),
    [
        ("llm", [{"model": "m", "status": "disabled"}], "m is 'disabled'", "dify_model"),
        ("llm", [], "m is 'absent'", "dify_model"),
        ("text-embedding", [{"model": "other", "status": "active"}], "m is 'absent'", "dify_knowledge"),
    ],
)
def test_a_saved_model_that_cannot_be_chosen_is_named(
    kind: str, listed: list[dict[str, str]], cause: str, layer: str
) -> None:
    model = {"model": "m", "model_type": kind, "credentials": {"api_key": KEY}}
    save = asked(CREDENTIALS, 201, {"result": "success"}, side="dify", body=model)
    path = "/console/api/workspaces/current/models/model-types"
    other = asked(f"{path}/rerank", 200, {"data": []}, side="dify", after=1)
    shown = asked(f"{path}/{kind}", 200, {"data": [{"models": listed}]}, side="dify", after=2)
    (found,) = story([save, other, shown], [verdict("CHK-03")])
    assert (found.cause, found.layer) == (f"{cause} in Dify's list of models to choose from", layer)


def test_only_what_dify_saved_must_stand_in_its_list() -> None:
    model = {"model": "m", "model_type": "llm", "credentials": {"api_key": KEY}}
    path = "/console/api/workspaces/current/models/model-types/llm"
    none = asked(path, 200, {"data": []}, side="dify", after=2)
    tested = asked(f"{CREDENTIALS}/validate", 200, {"result": "success"}, side="dify", body=model)
    assert told(tested, none, row="CHK-03").certainty is not Certainty.SEEN
    refused = asked(CREDENTIALS, 400, {"message": "no"}, side="dify", body=model)
    assert len(story([refused, none], [verdict("CHK-03")])) == 1


def test_a_list_of_models_that_dify_does_not_give_lacks_none() -> None:
    model = {"model": "m", "model_type": "llm", "credentials": {"api_key": KEY}}
    save = asked(CREDENTIALS, 201, {"result": "success"}, side="dify", body=model)
    path = "/console/api/workspaces/current/models/model-types/llm"
    down = asked(path, 500, {"message": "boom"}, side="dify", after=2)
    assert told(save, down, row="CHK-03").cause.startswith("Dify itself fails with 500 in Model Provider")


def test_a_saved_model_that_is_active_is_well() -> None:
    model = {"model": "m", "model_type": "llm", "credentials": {"api_key": KEY}}
    save = asked(CREDENTIALS, 201, {"result": "success"}, side="dify", body=model)
    shown = {"data": [{"models": [{"model": "m", "status": "active"}]}]}
    path = "/console/api/workspaces/current/models/model-types/llm"
    assert told(save, asked(path, 200, shown, side="dify"), row="CHK-03").certainty is not Certainty.SEEN


@pytest.mark.parametrize(
    ("saved_host", "said", "layer"),
    [
        ("gw.example:8443", "HTTPSConnectionPool(host='gw.example', port=8443): Max retries exceeded", "network"),
        ("[::1]:8443", "HTTPSConnectionPool(host='[::1]', port=8443): Max retries exceeded", "network"),
        ("gw.example", "Max retries exceeded: https://gw.example/v1", "network"),
        ("gw.example", 'Max retries exceeded: \\"https://gw.example\\"', "network"),
        ("gw.example", "Max retries exceeded", "network"),
        ("gw.example", "Max retries exceeded: https://other.example/v1", "dify_app"),
    ],
)
def test_the_gateway_s_host_is_known_with_its_port_and_without(saved_host: str, said: str, layer: str) -> None:
    body = {"credentials": {"api_key": KEY, "endpoint_url": f"https://{saved_host}/v1"}}
    save = asked(CREDENTIALS, 200, {"result": "success"}, side="dify", method="POST", body=body)
    assert told(save, app(400, {"message": said}, after=1)).layer == layer


def test_a_verdict_that_read_nothing_ill_rests_on_the_steps_that_these_needed() -> None:
    ill, well = Key(PROFILE, "short_chat"), Key(PROFILE, "list_models")
    others = [Key("another", "short_chat"), Key(PROFILE, "embed")]
    tapes = {key: observe(key, [replace(REFUSED, tape=key, number=1)]) for key in (ill, *others)}
    tapes[well] = observe(well, [replace(EMPTY_WELL, tape=well, number=1)])
    read = Evidence("live", "", ((f"{well}#1", ""),))
    facts = Facts(tapes)
    needs = replace(verdict("WIRE-30", steps=("short_chat",)), evidence=read)
    for each in (needs, replace(needs, evidence=Evidence("live", ""))):
        assert {symptom.observation.tape for symptom in facts.below(each)} == {ill}
    ended = replace(needs, failed_step=f"{others[1]}.yaml")
    assert {symptom.observation.tape for symptom in facts.below(ended)} == {others[1]}
    assert facts.below(replace(needs, failed_step="another/embed.yaml")) == frozenset()


# --- what Dify shows of the gateway's faults ---------------------------------------------------------

SILENT = app(200, {"event": "message", "message_id": "m", "answer": ""}, after=7)
GARBAGE = app(400, {"message": "Expecting value: line 1 column 1 (char 0)"}, after=7)
FOUND_NOTHING = asked("/v1/datasets/1/retrieve", 200, {"records": []}, side="dify", body={"query": "?"}, after=7)
SWITCHED_OFF = app(403, {"code": "forbidden", "message": "switched off"}, after=7)
NULL = plain(choices=choice(message={"role": "assistant", "content": None}))
NO_VECTORS = asked("/v1/embeddings", 200, {"object": "list", "data": []}, body={"model": "e", "input": ["a"]})
BOTH_LISTED = asked("/v1/models", 200, {"object": "list", "data": [{"id": "gpt-5.4"}, {"id": "e"}]}, after=1)
NO_LIST = asked("/v1/models", 404, {"error": {"message": "Invalid URL"}})
FROM_A_CDN = asked("/v1/models", 522, {"message": "no origin"})
KEY_AT_TIMES = [asked(CHAT, 401, INVALID, body=QUESTION), replace(ANSWERED, sent_at=NOW + 1)]
OF_ANOTHER = asked(
    CHAT, 200, completion(model="other", choices=NULL.get("choices")), body={**QUESTION, "model": "other"}
)


@pytest.mark.parametrize(
    ("ill", "in_dify", "number"),
    [
        ([NULL], SILENT, 1),
        ([NULL], GARBAGE, 1),
        ([NO_VECTORS, BOTH_LISTED], FOUND_NOTHING, 1),
        ([NO_LIST], FOUND_NOTHING, 1),
        ([NO_LIST], SILENT, 1),
        ([FROM_A_CDN], SILENT, 1),
        ([lost("/v1/embeddings", body={"model": "e"})], FOUND_NOTHING, 1),
        ([NULL], FOUND_NOTHING, 2),
        ([NULL], SWITCHED_OFF, 2),
        ([NULL], quoted(503), 2),
        ([NULL], quoted(503, "Expecting value"), 2),
        ([asked("/console/api/apps", 302, "", side="dify")], SILENT, 2),
        ([NO_VECTORS, BOTH_LISTED], SILENT, 2),
        ([lost("/v1/embeddings", body={"model": "e"})], SILENT, 2),
        ([plain(usage=None)], SILENT, 2),
        ([OF_ANOTHER, ANSWERED, ANSWERED], SILENT, 2),
        (KEY_AT_TIMES, SILENT, 2),
        ([answered_unrefused(CHAT, "ERR-05", body=QUESTION)], SILENT, 2),
    ],
)
def test_the_gateway_s_fault_explains_in_dify_what_it_reaches_there_and_no_more(
    ill: list[Exchange], in_dify: Exchange, number: int
) -> None:
    found = story([*ill, in_dify], [verdict("WIRE-30")])
    assert len(found) == number, [each.cause for each in found]


def test_one_profile_s_fault_does_not_explain_what_dify_shows_of_another() -> None:
    assert [each.layer for each in in_profiles({"a": [NULL], "b": [SILENT]})] == ["relay", "dify_app"]


def test_what_a_flaw_brings_with_it_is_told_with_it_in_answers_of_the_same_kind() -> None:
    broken_off, without = streamed(EVENTS[:2]), streamed([*EVENTS[:3], "[DONE]"])
    (found,) = story([broken_off, without], [verdict("WIRE-30")])
    assert found.cause.startswith("truncated answer: ")
    assert len(story([broken_off, plain(usage=None)], [verdict("WIRE-30")])) == 2
    assert len(story([broken_off, streamed(EVENTS, "application/json")], [verdict("WIRE-30")])) == 2


def test_a_catch_all_is_not_told_of_what_a_cause_of_its_own_explains() -> None:
    refused = [asked(CHAT, 503, NO_CHANNEL, body=QUESTION), asked(CHAT, 503, {"error": "overloaded"}, body=QUESTION)]
    assert len(story(refused, [verdict("WIRE-30")])) == 2


def test_two_flaws_are_two_causes() -> None:
    found = story([plain(choices=choice(message={"content": ""})), plain(model="gpt-4o-mini")], [verdict("WIRE-30")])
    assert sorted(each.cause.partition(":")[0] for each in found) == ["empty answer", "other model"]


def test_a_dead_key_is_told_beside_one_that_is_refused_at_times() -> None:
    exchanges = [*refused_at_times("{{A}}"), asked("/v1/models", 401, INVALID, key="{{B}}", after=1)]
    assert [each.cause.partition(" with 401")[0] for each in story(exchanges, [verdict("WIRE-30")])] == [
        "the gateway refuses at one time a key that it answers at another: 401 to 1 of 2 models requests with A: "
        "Invalid token",
        "the gateway refuses B",
    ]


def test_an_evidence_folder_shows_the_steps_tapes_that_can_be_read(tmp_path: Path) -> None:
    key, broken, cleanup = Key(PROFILE, "short_chat"), Key(PROFILE, "long_chat"), Key(PROFILE, "clean-up")
    for each in (key, broken, cleanup):
        write(tmp_path / each.file, each, [REFUSED])
    (tmp_path / broken.file).write_text("no tape", "utf-8")
    found = observed(tmp_path)
    assert list(found) == [key]
    assert [each.came for each in found[key]] == [Came.REFUSED]
    assert [(each.id, each.tape) for each in found[key]] == [(f"{key}#1", key)]


def test_only_what_a_check_read_denies_that_there_is_no_cap_and_all_of_its_profile_the_rest() -> None:
    steps = {Key(PROFILE, "short_chat"): LISTED, Key(PROFILE, "list_models"): record(), Key("b", "embed"): LISTED}
    tapes = {key: observe(key, [replace(each, tape=key, number=1)]) for key, each in steps.items()}
    facts = Facts(tapes)
    first, capped, _ = (observations[0] for observations in tapes.values())
    assert facts.undenied(("ERR-09",), [first]) == "ERR-09"
    assert facts.undenied(("ERR-09",), [capped]) == ""
    assert facts.undenied(("ERR-04", "ERR-09"), [capped]) == ""
    assert Facts({key: tapes[key] for key in list(tapes)[1:]}).undenied(("ERR-04",), [capped]) == "ERR-04"


def test_each_model_is_held_against_what_dify_took_for_it() -> None:
    exchanges = []
    for number, model in enumerate(("m", "n")):
        taken = {"api_key": KEY, "endpoint_url": f"https://{model}.example/v1/"}
        body = {"model": model, "credentials": taken}
        exchanges.append(asked(CREDENTIALS, 201, {"result": "success"}, side="dify", body=body, after=number))
    masked = {"api_key": "{{CRAZYROUTER_API_KEY|masked}}", "endpoint_url": "https://m.example/v1"}
    read = asked(f"{CREDENTIALS}?model=m", 200, {"credentials": masked}, side="dify", after=3)
    assert told(*exchanges, read).certainty is not Certainty.SEEN
    swapped = {**masked, "endpoint_url": "https://n.example/v1"}
    wrong = asked(f"{CREDENTIALS}?model=m", 200, {"credentials": swapped}, side="dify", after=3)
    assert told(*exchanges, wrong).cause == (
        "Dify shows https://n.example/v1 as the base URL, and took https://m.example/v1"
    )


@pytest.mark.parametrize(("text", "flaws"), [("O", {"other answer"}), ("OK", {"finish_reason wrong"})])
def test_a_length_that_cut_an_answer_off_is_the_truth(text: str, flaws: set[str]) -> None:
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "length"}
    found = story([asked(CHAT, 200, completion(choices=[choice]), body=QUESTION)], [verdict("WIRE-05")])
    assert {each.cause.partition(":")[0] for each in found} == flaws


# --- profiles that do not follow the guide -----------------------------------------------------------


def test_of_vendors_what_was_seen_is_told_as_it_is_without_the_guide_s_row() -> None:
    dead = {profile: [record(status=2), REFUSED] for profile in ("a", "b")}
    (by_the_guide,) = in_profiles(dead)
    assert by_the_guide.guide_row == "ERR-04"
    assert in_profiles(dead, ["a", "b", "c"]) == [replace(by_the_guide, guide_row="")]


def test_of_vendors_nothing_is_likely_by_the_guide() -> None:
    (found,) = in_profiles({"a": [REFUSED]}, ["a"])
    assert found.headline == "the gateway refuses CRAZYROUTER_API_KEY with 401: Invalid token"
    assert (found.guide_row, found.likely, found.fix) == ("", "", WHERE[Layer.TOKEN])
    assert found.certainty is Certainty.SEEN


def test_a_cause_that_a_vendor_shares_with_a_profile_of_the_guide_keeps_its_row() -> None:
    (found,) = in_profiles({"a": [REFUSED], "b": [REFUSED]}, ["a"])
    assert (found.guide_row, found.certainty) == ("ERR-04", Certainty.LIKELY)


# --- what a supposition predicts ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scope", "others", "expected"),
    [
        ((), [REFUSED], True),
        ((), [LISTED], False),
        ((), [], False),
        ((), [LISTED, REFUSED], True),
        (("key",), [asked("/v1/models", 401, INVALID)], True),
        (("key",), [asked("/v1/models", 401, INVALID, key="{{B}}")], True),
        (("key",), [asked("/v1/models", 401, INVALID, key="{{C}}")], False),
        (("key", "status"), [asked("/v1/models", 403, INVALID)], False),
        (("key",), [LISTED, asked("/v1/models", 401, INVALID, key="{{C}}")], False),
    ],
)
def test_a_supposition_predicts_what_looks_so_and_agrees_in_its_scope_with_what_shows_it(
    scope: tuple[str, ...], others: list[Exchange], expected: bool
) -> None:
    step = Key(PROFILE, "short_chat")
    own = tuple(map(Symptom, observe(step, [REFUSED, asked("/v1/models", 401, INVALID, key="{{B}}")])))
    cause = Cause("no", Layer.TOKEN, Sign((Came.REFUSED,)), "", "")
    refused = Supposition(cause, scope, frozenset(own), own, 0)
    assert predicts(refused, map(Symptom, observe(step, others)), Facts({})) is expected


def test_a_supposition_of_a_flaw_predicts_that_flaw_alone() -> None:
    empty, other = supposed("a", scope=("flaw",)), supposed("b")
    assert predicts(empty, [*other.symptoms, *empty.symptoms], Facts({}))
    assert not predicts(empty, other.symptoms, Facts({}))


def test_what_was_brought_about_elsewhere_may_have_come_for_the_reason_of_the_rest() -> None:
    def rows_told(ill: Exchange, brought: Exchange) -> list[list[str]]:
        exchanges = {Key(PROFILE, "list_models"): ill, Key(PROFILE, "short_chat"): brought}
        tapes = {key: observe(key, [replace(each, tape=key, number=1)]) for key, each in exchanges.items()}
        rests = [
            replace(verdict(row, see=()), evidence=Evidence("live", "", ((f"{key}#1", ""),)))
            for row, key in zip(("WIRE-01", "ERR-05"), exchanges, strict=True)
        ]
        return [[each.requirement for each in one.verdicts] for one in tell(rests, tapes)]

    together, apart = [["ERR-05", "WIRE-01"]], [["WIRE-01"], ["ERR-05"]]
    down = asked("/v1/models", 503, {"error": {"message": "overloaded"}})
    assert rows_told(down, replace(down, provoked="ERR-05")) == together
    assert rows_told(down, asked("/v1/models", 401, INVALID, provoked="ERR-05")) == apart
    assert rows_told(down, LISTED) == apart
    said = "\u5f53\u524d\u5206\u7ec4\u4e0b\u65e0\u53ef\u7528\u6e20\u9053"
    chinese = asked(CHAT, 503, {"error": {"message": said}}, body=QUESTION)
    assert rows_told(chinese, replace(chinese, provoked="ERR-05")) == together
    empty = asked("/v1/models", 200, {"object": "list", "data": []})
    assert rows_told(empty, replace(empty, provoked=EITHER_WAY)) == together
    assert rows_told(empty, asked("/v1/models", 200, {"data": {}}, provoked=EITHER_WAY)) == apart


# --- which key, and whether it is good ---------------------------------------------------------------


def looked_at(*exchanges: Exchange) -> tuple[Facts, Observation]:
    """What a run of one step shows, and the last of its exchanges."""
    key = Key(PROFILE, "short_chat")
    observations = observe(key, [replace(each, tape=key, number=number) for number, each in enumerate(exchanges, 1)])
    return Facts({key: observations}), observations[-1]


def taken(key: str, status: int = 201, **more: Any) -> Exchange:
    """Dify is given a key."""
    body = {"model": "m", "credentials": {"api_key": key}}
    return asked(more.pop("path", CREDENTIALS), status, {"result": "success"}, side="dify", body=body, **more)


REFUSED_IN_DIFY = quoted(401)


@pytest.mark.parametrize(
    ("before", "key"),
    [
        ([], ""),
        ([taken("{{A}}")], "{{A}}"),
        ([taken("{{A}}"), taken("{{B}}", after=1)], "{{B}}"),
        ([taken("{{A}}"), taken("{{B}}", 200, method="PUT", after=1)], "{{B}}"),
        ([taken("{{A}}"), taken("{{B}}", 200, method="PATCH", after=1)], "{{A}}"),
        ([taken("{{A}}"), taken("{{B}}", path=f"{CREDENTIALS}/validate", after=1)], "{{A}}"),
        ([taken("{{A}}"), replace(taken("{{B}}", after=1), side="gateway")], "{{A}}"),
        ([taken("{{A}}"), taken("{{B}}", 199, after=1)], "{{A}}"),
        ([taken("{{A}}"), taken("{{B}}", 200, after=1)], "{{B}}"),
        ([taken("{{A}}"), taken("{{B}}", 299, after=1)], "{{B}}"),
        ([taken("{{A}}"), taken("{{B}}", 300, after=1)], "{{A}}"),
        ([taken("{{A}}"), taken("{{B}}", after=4)], "{{A}}"),
        ([taken("{{A}}"), replace(taken("{{B}}", after=2), elapsed=1.0)], "{{B}}"),
        ([taken("{{A}}"), replace(taken("{{B}}", after=2), elapsed=2.0)], "{{A}}"),
    ],
)
def test_dify_asks_with_the_key_that_it_took_last(before: list[Exchange], key: str) -> None:
    facts, refused = looked_at(*before, REFUSED_IN_DIFY)
    assert facts.key_of(refused) == key


def test_dify_asks_with_the_key_of_its_profile_or_of_all_and_with_one_that_is_given_at_once() -> None:
    def key_after(profile: str, refused: Exchange = REFUSED_IN_DIFY) -> str:
        first, last = Key(profile, "save_models"), Key(PROFILE, "short_chat")
        exchanges = {first: taken("{{A}}"), last: refused}
        tapes = {key: observe(key, [replace(each, tape=key, number=1)]) for key, each in exchanges.items()}
        return Facts(tapes).key_of(tapes[last][0])

    assert [key_after(profile) for profile in (PROFILE, "shared", "another")] == ["{{A}}", "{{A}}", ""]
    tested = {"model": "m", "credentials": {"api_key": "{{B}}"}}
    said = {"message": "Error code: 401 - no"}
    assert key_after(PROFILE, asked(f"{CREDENTIALS}/validate", 400, said, side="dify", body=tested, after=3)) == "{{B}}"


@pytest.mark.parametrize(
    ("exchanges", "expected"),
    [
        ([REFUSED], True),
        ([record(), REFUSED], True),
        ([asked("/console/api/apps", 401, {}, side="dify")], False),
        ([taken(KEY, 200), REFUSED_IN_DIFY], True),
        ([taken(KEY), REFUSED_IN_DIFY], False),
        ([taken(KEY), taken("{{B}}", 200, method="PUT", after=1), REFUSED_IN_DIFY], True),
        ([taken(KEY), record(), REFUSED_IN_DIFY], False),
        ([taken(KEY), record(status=2), REFUSED_IN_DIFY], True),
        ([taken(KEY), record(expired_time=int(NOW) + 2), REFUSED_IN_DIFY], True),
        ([taken(KEY), record(expired_time=int(NOW) + 9), REFUSED_IN_DIFY], False),
        ([taken(KEY, 200), record(), REFUSED_IN_DIFY], False),
        ([taken(KEY), record(), record(status=2, after=1), REFUSED_IN_DIFY], True),
    ],
)
def test_a_key_may_be_dead_unless_only_dify_is_refused_and_the_key_was_seen_to_be_good(
    exchanges: list[Exchange], expected: bool
) -> None:
    facts, refused = looked_at(*exchanges)
    assert facts.may_be_dead(refused) is expected


OF_THE_GATEWAY = Sign(side="gateway", wants=(MODELS,))


@pytest.mark.parametrize(
    ("name", "well"),
    [("status", Sign()), ("asker", Sign()), ("side", Sign()), ("host", OF_THE_GATEWAY), ("status", OF_THE_GATEWAY)],
)
def test_what_went_well_has_another_status_asker_or_host_than_what_did_not(name: str, well: Sign) -> None:
    facts, refused = looked_at(LISTED, app(200, SAYS), REFUSED_IN_DIFY)
    cause = Cause("no", Layer.TOKEN, Sign((Came.REFUSED,)), "", "", well=well)
    assert facts.well(cause, (name,), [Symptom(refused)]) == 1


def test_a_key_is_called_by_the_setting_or_the_token_whose_it_is() -> None:
    assert whose(KEY) == whose("sk-{{CRAZYROUTER_API_KEY|masked}}") == "CRAZYROUTER_API_KEY"
    assert whose("{{CRAZYROUTER_API_KEY_of_mine}}") == "CRAZYROUTER_API_KEY_of_mine"
    assert whose("sk-{{gpt-5.4/provider_token.dify}}") == "the token dify"
    assert whose("") == "the key"


@pytest.mark.parametrize(
    ("exchange", "side", "want", "model"),
    [
        (REFUSED, "gateway", "models", ""),
        (ANSWERED, "gateway", "chat", "gpt-5.4"),
        (REFUSED_IN_DIFY, "gateway", "chat", ""),
        (app(200, SAYS), "dify", "app", ""),
    ],
)
def test_who_answered_is_the_gateway_too_where_dify_quotes_it(
    exchange: Exchange, side: str, want: str, model: str
) -> None:
    facts, seen = looked_at(exchange)
    assert (facts.side_of(seen), facts.want_of(seen), facts.model_of(seen)) == (side, want, model)


def test_dify_took_a_new_key_where_it_took_it_in_this_step_and_the_gateway_answers_it() -> None:
    def took(*exchanges: Exchange, before: Exchange | None = None) -> bool:
        first, last = Key(PROFILE, "save_models"), Key(PROFILE, "short_chat")
        steps = {first: [before] if before else [], last: exchanges}
        tapes = {
            key: observe(key, [replace(each, tape=key, number=number) for number, each in enumerate(own, 1)])
            for key, own in steps.items()
        }
        return Facts(tapes).took_a_new_key(tapes[last][-1])

    assert took(saved(), LISTED, REFUSED_IN_DIFY)
    assert not took(saved("POST"), LISTED, REFUSED_IN_DIFY)
    assert not took(saved(), asked("/v1/models", 200, LISTED.json(), key="{{B}}"), REFUSED_IN_DIFY)
    assert not took(LISTED, REFUSED_IN_DIFY, before=saved())
    renamed = asked("/console/api/apps/1", 200, {"id": "1"}, side="dify", method="PUT", body={"name": "n"})
    assert not took(renamed, LISTED, REFUSED_IN_DIFY, before=saved())
    assert not took(
        saved(), LISTED, asked(f"{CREDENTIALS}/validate", 400, REFUSED_IN_DIFY.json(), side="dify", after=3)
    )
    with_b = asked("/v1/models", 200, LISTED.json(), key="{{B}}")
    assert not took(saved(), taken("{{B}}", after=1), with_b, REFUSED_IN_DIFY)


def test_a_model_is_answered_with_other_keys_only_where_it_is_that_model_and_never_this_key() -> None:
    refused = asked(CHAT, 503, NO_CHANNEL, body=QUESTION, after=3)
    with_another = asked(CHAT, 200, completion(), body=QUESTION, key="{{OTHER}}")
    list_of_another = asked("/v1/models", 200, LISTED.json(), key="{{OTHER}}")
    for exchanges, expected in (
        ([with_another], True),
        ([with_another, LISTED], True),
        ([with_another, ANSWERED], False),
        ([list_of_another], False),
        ([], False),
    ):
        facts, seen = looked_at(*exchanges, refused)
        assert facts.answers_other_keys_only(seen) is expected


def test_what_was_allowed_does_not_explain_what_was_refused() -> None:
    exchanges = {
        Key(PROFILE, "list_models"): answered_unrefused("/v1/models", "ERR-04"),
        Key(PROFILE, "short_chat"): asked(CHAT, 503, {}, body=QUESTION, provoked="ERR-05"),
    }
    tapes = {key: observe(key, [replace(each, tape=key, number=1)]) for key, each in exchanges.items()}
    rests = [replace(verdict("WIRE-30"), evidence=Evidence("live", "", ((f"{key}#1", ""),))) for key in exchanges]
    assert [each.verdicts for each in tell(rests, tapes)] == [(rests[0],), (rests[1],)]


# --- the order in which it is told -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "then"),
    [
        ([verdict("WIRE-01", "seen", kind=Kind.MISSING)], [verdict("WIRE-26", "unsure", see=())]),
        ([verdict("WIRE-01", "seen", kind=Kind.MISSING, outcome="blocked")], [verdict("WIRE-26", "unsure", see=())]),
        ([verdict("WIRE-26", "unsure", see=())], [verdict("WIRE-01", "seen", kind=Kind.MISSING, outcome="unverified")]),
        ([verdict("WIRE-26", "unsure", see=())], [verdict("WIRE-01", "seen", kind=Kind.MISSING, outcome="warn")]),
        ([verdict("WIRE-01", "twice", kind=Kind.MISSING)] * 2, [verdict("WIRE-01", "once", kind=Kind.MISSING)]),
        ([verdict("WIRE-26", "low", see=())], [verdict("WIRE-01", "high", see=())]),
    ],
)
def test_failures_are_told_before_warnings_then_what_was_seen_then_what_explains_most(
    first: list[Verdict], then: list[Verdict]
) -> None:
    expected = [first[0].reason, then[0].reason]
    assert [each.cause for each in story([], [*first, *then])] == expected
    assert [each.cause for each in story([], [*then, *first])] == expected


def test_nothing_is_likely_of_a_check_that_judged_nothing() -> None:
    for kind in (Kind.TRANSPORT, Kind.OFF_TAPE, Kind.NONE):
        found = told(record(), row="CHK-02", reason="no", kind=kind)
        assert (found.certainty, found.likely) == (Certainty.UNEXPLAINED, "")


def test_of_a_cause_without_a_verdict_of_its_own_those_are_told_that_it_explains_too() -> None:
    key, other = Key(PROFILE, "short_chat"), Key(PROFILE, "list_models")
    ill = [plain(choices=choice(message={"content": ""})), plain(model="gpt-4o-mini")]
    tapes = {
        key: observe(key, [replace(each, tape=key, number=number) for number, each in enumerate(ill, 1)]),
        other: observe(other, [replace(LISTED, tape=other, number=1)]),
    }
    rests = [replace(verdict("WIRE-30"), evidence=Evidence("live", "", ((f"{of}#1", ""),))) for of in (key, other)]
    assert [each.verdicts for each in tell(rests, tapes)] == [(rests[0],), (rests[0],), (rests[1],)]


def test_models_of_profiles_with_one_fault_are_all_named() -> None:
    def down(model: str) -> list[Exchange]:
        other = asked(CHAT, 200, completion(model="other"), body={**QUESTION, "model": "other"})
        return [asked(CHAT, 503, {"error": {"message": "no"}}, body={**QUESTION, "model": model}), other]

    (found,) = in_profiles({"a": down("m"), "b": down("n")})
    assert found.cause == "the gateway's address answers the suite 503 to 2 of 2 chat requests of m and n: no"


# --- tools and structured output -----------------------------------------------------------------------


def called(*calls: tuple[Any, Any, Any], finish: str = "tool_calls") -> dict[str, Any]:
    """A chat completion with these tool calls: an id, a name and arguments each."""
    made = [{"id": i, "type": "function", "function": {"name": n, "arguments": a}} for i, n, a in calls]
    message = {"role": "assistant", "content": None, "tool_calls": made}
    return completion(choices=[{"index": 0, "message": message, "finish_reason": finish}])


def spoken(text: str, finish: str = "stop") -> dict[str, Any]:
    """A chat completion that says a text."""
    return completion(
        choices=[{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": finish}]
    )


def with_tools(question: str, choice: Any = None) -> dict[str, Any]:
    """A question with both tools, and a tool_choice."""
    body = {**QUESTION, "messages": [{"role": "user", "content": question}], "tools": [CITY_TOOL, TIME_TOOL]}
    return body if choice is None else {**body, "tool_choice": choice}


NAMED = {"type": "function", "function": {"name": "get_time"}}
LISBON, OSLO = ('{"city": "Lisbon"}', '{"city": "Oslo"}')


@pytest.mark.parametrize(
    ("body", "answer", "layer", "cause"),
    [
        (with_tools("x", "none"), called(("a", "get_time", OSLO)), "relay", "tool_choice ignored: tool_choice is none"),
        (
            with_tools("x", "required"),
            spoken("Hi"),
            "relay",
            "tool_choice ignored: a tool call was forced, it answered",
        ),
        (with_tools("x"), spoken("Hi"), "relay", "no usable tool call: a tool was offered"),
        (with_tools("x", "auto"), spoken("Hi"), "relay", "no usable tool call: a tool was offered"),
        (
            with_tools("x", NAMED),
            called(("a", "get_weather", OSLO)),
            "relay",
            "tool_choice ignored: the call of get_time was forced, and ['get_weather'] was called",
        ),
        (with_tools("x", NAMED), called(("a", "get", OSLO)), "protocol", "unknown tool called"),
        (
            with_tools(CITIES_QUESTION, "required"),
            called(("a", "get_weather", OSLO)),
            "relay",
            "tool calls missing: of two tool calls that were asked for, none is for Lisbon",
        ),
        (
            with_tools(CITIES_QUESTION, "required"),
            called(("a", "get_weather", LISBON), ("a", "get_weather", OSLO)),
            "protocol",
            "tool call ids missing",
        ),
        (
            with_tools(CITIES_QUESTION, "required"),
            called(("a", "get_weather", LISBON), ("b", "get_weather", '{"city": "Os')),
            "protocol",
            "tool arguments broken",
        ),
        (
            with_tools(CITIES_QUESTION, "required"),
            called(("a", "get_weather", LISBON), ("b", "get_weather", '{"city": "Rome"}')),
            "protocol",
            "tool arguments off the schema: a tool call's arguments do not fit the tool: 'Rome' is not one of",
        ),
    ],
)
def test_what_is_wrong_with_a_tool_call_is_named(
    body: dict[str, Any], answer: dict[str, Any], layer: str, cause: str
) -> None:
    (found,) = story([asked(CHAT, 200, answer, body=body)], [verdict("WIRE-44")])
    assert (found.layer, found.certainty) == (layer, Certainty.SEEN)
    assert found.cause.startswith(cause), found.cause


def test_a_tool_call_says_that_it_is_a_function() -> None:
    answer = called(("a", "get_weather", OSLO))
    del answer["choices"][0]["message"]["tool_calls"][0]["type"]
    assert told(asked(CHAT, 200, answer, body=with_tools("x"))).cause.startswith("tool call type missing")


@pytest.mark.parametrize("finish", ["stop", "tool_calls"])
def test_a_forced_call_may_end_with_stop(finish: str) -> None:
    forced = asked(CHAT, 200, called(("a", "get_weather", OSLO), finish=finish), body=with_tools("x", "required"))
    assert came(forced) is Came.WELL


def test_a_call_that_nobody_forced_ends_with_tool_calls() -> None:
    free = asked(CHAT, 200, called(("a", "get_weather", OSLO), finish="stop"), body=with_tools("x", "auto"))
    assert told(free).cause.startswith("finish_reason wrong")


def streamed_calls(*pieces: tuple[int, str, str], ends: int = 1) -> Exchange:
    """A stream of tool calls: an index, an id and arguments for each piece; `ends` times a finish_reason."""

    def chunk(delta: Any, finish: Any = None) -> str:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        whole = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "gpt-5.4", "choices": [choice]}
        return f"data: {json.dumps(whole)}\n\n"

    events = [chunk({"role": "assistant", "content": None})]
    for index, id, arguments in pieces:
        opening = {"id": id, "type": "function"} if id else {}
        function = {"arguments": arguments, **({"name": "get_weather"} if id else {})}
        events.append(chunk({"tool_calls": [{"index": index, **opening, "function": function}]}))
    events += [chunk({}, "tool_calls")] * ends
    body = {**with_tools(CITIES_QUESTION, "required"), "stream": True}
    return asked(CHAT, 200, "".join(events) + "data: [DONE]\n\n", body=body, type="text/event-stream")


def test_streamed_calls_that_share_an_index_are_one_cause() -> None:
    (found,) = story([streamed_calls((0, "a", LISBON), (0, "b", OSLO))], [verdict("WIRE-48")])
    assert (found.layer, found.cause.partition(":")[0]) == ("protocol", "tool call indices shared")


@pytest.mark.parametrize("ends", [1, 2])
def test_a_stream_of_calls_may_say_its_end_on_the_last_piece_too(ends: int) -> None:
    assert came(streamed_calls((0, "a", LISBON), (1, "b", ""), (1, "", OSLO), ends=ends)) is Came.WELL


def shaped(kind: str, answer: Any, status: int = 200) -> Exchange:
    """An answer to a request that wants JSON and may be refused."""
    given = {"type": kind, **({"json_schema": {"schema": SCHEMA}} if kind == "json_schema" else {})}
    body = {**QUESTION, "messages": [{"role": "user", "content": "x"}], "response_format": given}
    return asked(CHAT, status, answer, body=body, provoked=EITHER_WAY)


@pytest.mark.parametrize(
    ("exchange", "cause"),
    [
        (shaped("json_object", spoken("Sure: {}")), "response_format ignored: json_object was asked for"),
        (shaped("json_object", spoken("[]")), "response_format ignored"),
        (shaped("json_object", spoken("```json\n{}\n```")), "JSON fenced"),
        (shaped("json_object", spoken('{"a": ', "length")), "answer's JSON broken"),
        (shaped("json_schema", spoken('{"city": "Lisbon"}')), "schema broken: the answer does not keep to the schema"),
        (shaped("json_schema", spoken("")), "empty answer"),
        (shaped("json_schema", {"detail": "no"}, 400), "the gateway's address answers the suite 400"),
        (shaped("json_schema", {"error": {"message": "no"}}, 500), "the gateway's address answers the suite 500"),
    ],
)
def test_what_is_wrong_with_structured_output_is_named(exchange: Exchange, cause: str) -> None:
    (found,) = story([exchange], [verdict("WIRE-51")])
    assert (found.layer, found.certainty) == ("relay", Certainty.SEEN)
    assert found.cause.startswith(cause), found.cause


@pytest.mark.parametrize(
    "exchange",
    [
        shaped("json_object", spoken('\n{"a": 1}\n')),
        shaped("json_schema", spoken('{"city": "Rome", "weather": {"degrees": 1, "sky": "snow"}}')),
        shaped("json_schema", {"error": {"message": "response_format is not supported"}}, 400),
    ],
)
def test_structured_output_that_is_obeyed_or_refused_is_well(exchange: Exchange) -> None:
    assert came(exchange) is Came.WELL


def test_the_answer_after_several_results_must_hold_each() -> None:
    results = [{"role": "tool", "tool_call_id": id, "content": text} for id, text in (("a", "17 degrees"), ("b", "23"))]
    body = {**QUESTION, "messages": [{"role": "user", "content": "x"}, *results]}
    assert told(asked(CHAT, 200, spoken("It is 17."), body=body)).cause.startswith("other answer")
    assert came(asked(CHAT, 200, spoken("17 and 23."), body=body)) is Came.WELL
