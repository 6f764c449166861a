"""A seeded fault as a user sees it: on the recording, and on a live host through the proxy."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from fixtures.model.exchange import Chunk, Exchange, Request, Response
from fixtures.model.terms import Layer
from fixtures.proof.catalogue import catalogue
from fixtures.proof.change import VOCABULARY, Place, changed, matches
from fixtures.proof.null_hosts import Handler, served
from suites.selftest.conftest import CANARY, ROOT, SECRETS, Suite

pytestmark = pytest.mark.selftest

STREAM = b'data: {"id":"a","choices":[{"delta":{"content":"\xe4\xba\x8c"}}]}\n\ndata: [DONE]\n\n'


def exchange(body: bytes = b'{"data":[{"id":"gpt-5.4"}]}', media_type: str = "application/json") -> Exchange:
    """An answer of the gateway."""
    request = Request("GET", "https://gw.example/v1/models", (("Authorization", "Bearer sk-x"),))
    response = Response(200, (("Content-Type", media_type),), (Chunk(0.1, body),))
    return Exchange("List", "gateway", request, 1.0, 0.1, response=response)


def test_a_place_is_met_only_where_all_of_it_is() -> None:
    assert matches(Place(side="gateway", path="/v1/models", status=200), exchange())
    assert not matches(Place(side="dify", path="/v1/models"), exchange())
    assert not matches(Place(path="/models"), exchange())
    assert not matches(Place(says="claude"), exchange())


def test_json_operations_reach_every_member() -> None:
    after = changed(exchange(), [{"json": [{"double": "data/0"}, {"set": "data/*/id", "to": "other"}]}])
    assert after.json() == {"data": [{"id": "other"}, {"id": "other"}]}


def test_an_operation_on_what_is_absent_changes_nothing() -> None:
    assert changed(exchange(), [{"json": [{"remove": "usage/total"}, {"double": "items/0"}]}]) == exchange()


def test_stream_operations_work_on_whole_events() -> None:
    stream = exchange(STREAM, "text/event-stream")
    without = changed(stream, [{"drop_events": "[DONE]"}])
    assert without.response is not None
    assert [event.is_done for event in without.response.events()] == [False]


def test_a_fault_can_quote_the_key_that_was_sent() -> None:
    assert "sk-x" in changed(exchange(), [{"json": [{"set": "error", "to": "bad key <key>"}]}]).text


def test_the_vocabulary_is_used_and_known() -> None:
    used = {name for fault in catalogue().values() for change in fault.change for name in change}
    assert used <= set(VOCABULARY)


def test_a_seeded_recording_is_never_conformant(suite: Suite) -> None:
    run = suite("-m", "smoke", "--fault=log-row-missing")
    kinds = {verdict["evidence"]["kind"] for verdict in run.report["verdicts"]}
    assert run.exit_code == 1
    assert run.headline.startswith("RECORDED SEEN: seeded log-row-missing: the gateway's log has no row")
    assert kinds == {"seeded"}


def test_a_variation_is_not_seen(suite: Suite) -> None:
    run = suite("-m", "smoke", "--fault=vary-key-order")
    assert run.exit_code == 0, run.output
    assert run.headline == "RECORDED NOT SEEN: seeded vary-key-order"


def test_an_unknown_fault_names_the_nearest(suite: Suite) -> None:
    run = suite("-m", "smoke", "--fault=log-row-mising")
    assert run.exit_code == pytest.ExitCode.USAGE_ERROR
    assert "did you mean log-row-missing?" in run.output


def models(request: Handler) -> None:
    """A host that lists one model for a good key and refuses any other."""
    good = request.headers.get("Authorization") == f"Bearer {SECRETS['CRAZYROUTER_API_KEY']}"
    ids = ["gpt-5.4", "text-embedding-3-large", "text-embedding-3-small"]
    body = {"object": "list", "data": [{"id": id} for id in ids]} if good else {"error": {"message": "no"}}
    request.reply(200 if good else 401, "application/json", json.dumps(body).encode(), {"X-Oneapi-Request-Id": "r"})


def test_the_proxy_seeds_a_live_host(suite: Suite) -> None:
    with served(models) as url:
        given = {"CRAZYROUTER_BASE_URL": f"{url}/v1", "CRAZYROUTER_API_KEY": SECRETS["CRAZYROUTER_API_KEY"]}
        live = ("--pair=live", "--profile=gpt-5.4", "suites/gateway/test_models.py")
        well = suite(*live, env=given)
        seeded = suite(*live, "--fault=models-doubled", env=given)
    assert well.exit_code == 0, well.output
    assert seeded.exit_code == 1, seeded.output
    assert seeded.verdicts["WIRE-03", "each_model_has_an_id_of_its_own", "gpt-5.4"] == "fail"
    assert seeded.headline.startswith("LIVE SEEN: seeded models-doubled")


def test_the_proxy_finds_a_key_by_its_name_and_shows_none(suite: Suite, tmp_path: Path) -> None:
    with served(models) as url:
        given = {"CRAZYROUTER_BASE_URL": f"{url}/v1", "CRAZYROUTER_API_KEY": SECRETS["CRAZYROUTER_API_KEY"]}
        live = ("--pair=live", "--profile=gpt-5.4", "suites/gateway/test_models.py")
        run = suite(*live, "--fault=given-key-refused", env=given)
    outputs = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert set(run.verdicts.values()) == {"fail"}
    assert not any(CANARY.encode() in data for data in [*outputs, run.output.encode()])


def test_the_layers_are_the_same_everywhere() -> None:
    config = (ROOT / "reports" / "allure" / "allurerc.mjs").read_text("utf-8")
    listed = re.findall(r'^  "([a-z_]+)",$', config, re.MULTILINE)
    assert listed == list(Layer)
