"""What a refused key is told as: by the token's record and by what the suite did, never by the refusal's words."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fixtures.judging.diagnosis import Finding, seen
from fixtures.model.exchange import Chunk, Exchange, Request, Response

pytestmark = pytest.mark.selftest

KEY = "{{CRAZYROUTER_API_KEY}}"
NOW = 1_795_000_000.0
INVALID = {"error": {"code": "", "message": "Invalid token (request id: a)", "type": "new_api_error"}}


def asked(path: str, status: int, answer: Any, *, side: str = "gateway", method: str = "GET", **more: Any) -> Exchange:
    """One exchange at NOW; `key` is who asks, `body` what is sent, `after` how many seconds later."""
    headers = (("Authorization", f"Bearer {more.get('key', KEY)}"),)
    body = json.dumps(more["body"]) if "body" in more else None
    request = Request(method, f"https://pair.example{path}", headers, body)
    chunks = (Chunk(0.1, json.dumps(answer).encode()),)
    response = Response(status, (("Content-Type", "application/json"),), chunks)
    return Exchange("Ask", side, request, NOW + more.get("after", 0), 0.1, response)


def record(**changes: Any) -> Exchange:
    """The record of the key's token, read with the access token."""
    token = {"name": "dify-prod", "key": "{{CRAZYROUTER_API_KEY|masked}}", "status": 1, "expired_time": -1}
    data = {**token, "remain_quota": 5, "unlimited_quota": False, **changes}
    return asked("/api/token/7", 200, {"success": True, "data": data}, key="{{CRAZYROUTER_ACCESS_TOKEN}}")


REFUSED = asked("/v1/models", 401, INVALID)


def found(*exchanges: Exchange) -> Finding:
    """The finding of these exchanges."""
    finding = seen(exchanges)
    assert finding is not None
    return finding


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
    finding = found(record(**changes), REFUSED)
    assert (finding.layer, finding.row, finding.seen) == ("token", "ERR-04", True)
    assert "token dify-prod" in finding.cause
    assert words in finding.cause


def test_the_key_s_own_usage_says_why_too() -> None:
    usage = {"name": "mine", "total_available": 0, "unlimited_quota": False, "expires_at": 0}
    finding = found(asked("/api/usage/token/", 200, {"code": True, "data": usage}), REFUSED)
    assert finding.cause == "the token mine has used up its quota"


def test_a_refusal_without_a_record_is_only_likely_what_the_guide_says() -> None:
    finding = found(REFUSED)
    assert (finding.layer, finding.row, finding.seen) == ("token", "ERR-04", False)


@pytest.mark.parametrize("language", ["Invalid token", "无效的令牌", "Ungültiges Token", ""])
def test_the_words_of_a_refusal_change_nothing(language: str) -> None:
    refused = asked("/v1/models", 401, {"error": {"message": language}})
    assert found(record(status=2), refused) == found(record(status=2), REFUSED)


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_access_token_is_named_by_its_settings(status: int) -> None:
    finding = found(asked("/api/user/self", status, {"success": False, "code": "AUTH_UNAUTHORIZED"}))
    assert finding.fix == "check CRAZYROUTER_ACCESS_TOKEN and CRAZYROUTER_USER_ID"


MODELS = "/console/api/workspaces/current/model-providers/p/models/credentials"
QUOTED = "API request failed with status code 401: {}"


def test_dify_s_old_key_is_told_from_a_dead_one() -> None:
    replaced = asked(
        MODELS, 200, {"result": "success"}, side="dify", method="PUT", body={"credentials": {"api_key": KEY}}
    )
    answered = asked("/v1/models", 200, {"object": "list", "data": [{"id": "m"}]}, after=1)
    failed = asked("/v1/chat-messages", 400, {"message": QUOTED}, side="dify", method="POST", body={}, after=2)
    finding = found(replaced, answered, failed)
    assert (finding.layer, finding.row) == ("dify_provider", "ERR-04")
    assert finding.cause.startswith("Dify goes on with the replaced key")
    assert found(replaced, failed).layer == "token", "where the gateway was not seen to answer the new key"


def test_a_limit_of_the_gateway_s_own_api_says_when_it_opens() -> None:
    limited = asked("/api/token/batch/keys", 429, {})
    assert limited.response is not None
    headers = (*limited.response.headers, ("Retry-After", "1200"))
    finding = found(Exchange("Ask", "gateway", limited.request, NOW, 0.0, Response(429, headers, ())))
    assert "20 in 20 minutes" in finding.cause
    assert "opens again at 11:26 UTC" in finding.cause
