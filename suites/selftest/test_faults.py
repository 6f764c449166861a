"""A seeded fault as a user sees it: on the recording, and on a live host through the proxy."""

from __future__ import annotations

import http.client
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from fixtures.model.datafile import DataError
from fixtures.model.exchange import Chunk, Exchange, Request, Response
from fixtures.model.terms import Layer
from fixtures.proof.__main__ import clean_environment
from fixtures.proof.catalogue import SCHEMA, catalogue, load_catalogue
from fixtures.proof.change import VOCABULARY, Place, changed, matches
from fixtures.proof.null_hosts import Handler, echo, served
from fixtures.proof.proxy import FaultProxy
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


def test_the_schema_has_the_vocabulary() -> None:
    change = json.loads(SCHEMA.read_text("utf-8"))["properties"]["faults"]["items"]["properties"]["change"]
    assert tuple(change["items"]["properties"]) == VOCABULARY


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("{statuss: 404}", "unknown key 'statuss' (did you mean status?)"),
        ("{json: [{sett: data, to: 1}]}", "unknown key 'sett' (did you mean set?)"),
        ("{events: {which: every, json: [{remove: id}]}}", "faults[0].change[0].events.which is 'every'"),
        ("{delay: long}", "faults[0].change[0].delay is 'long'; write a number instead"),
    ],
)
def test_an_unknown_change_names_line_and_nearest_when_it_is_loaded(tmp_path: Path, change: str, words: str) -> None:
    fault = f"harmless: false\nfaults:\n  - id: one\n    wrong: something is\n    where: {{}}\n    change: [{change}]\n"
    (tmp_path / "odd.yaml").write_text(fault, "utf-8")
    with pytest.raises(DataError, match=r"odd\.yaml:6: ") as caught:
        load_catalogue(tmp_path)
    assert words in str(caught.value)


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


def test_the_list_of_faults_is_sorted_and_tells_variations_apart() -> None:
    command = [sys.executable, "-m", "pytest", "--fault=list"]
    done = subprocess.run(command, cwd=ROOT, env=clean_environment(), capture_output=True, text=True, check=False)
    faults, variations = done.stdout.removeprefix("faults:\n").split("harmless variations:\n")
    listed = [[line.strip().partition(": ")[0] for line in part.splitlines()] for part in (faults, variations)]
    known = catalogue().values()
    assert done.returncode == 0
    assert listed == [sorted(each.id for each in known if each.harmless == harmless) for harmless in (False, True)]


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


@pytest.fixture
def proxy() -> Iterator[str]:
    """A proxy before a host that echoes bodies, with a fault that has no place there; gives the URL."""
    with served(echo) as url:
        proxy = FaultProxy(url, "gateway", catalogue()["models-doubled"])
        yield proxy.url
        proxy.close()


BINARY = bytes(range(256))


def test_the_proxy_passes_a_binary_body_on(proxy: str) -> None:
    assert httpx.post(proxy, content=BINARY, trust_env=False).content == BINARY


def test_the_proxy_passes_a_chunked_body_on(proxy: str) -> None:
    assert httpx.post(proxy, content=iter([BINARY, b"", b"end"]), trust_env=False).content == BINARY + b"end"


def test_the_proxy_says_how_a_body_is_encoded() -> None:
    seen: list[str | None] = []

    def answer(request: Handler) -> None:
        seen.append(request.headers["content-encoding"])
        request.reply(200, "text/plain", b"")

    with served(answer) as url:
        proxy = FaultProxy(url, "gateway", catalogue()["models-doubled"])
        httpx.post(proxy.url, content=BINARY, headers={"Content-Encoding": "gzip"}, trust_env=False)
        proxy.close()
    assert seen == ["gzip"]


def test_the_proxy_answers_head_with_the_size_of_what_get_would_answer(proxy: str) -> None:
    with httpx.Client(trust_env=False) as client:
        head, after = client.head(proxy), client.post(proxy, content=b"next on the same connection")
    assert (head.status_code, head.headers["content-length"], head.content) == (200, "2", b"")
    assert after.text == "next on the same connection"


def test_the_proxy_answers_options(proxy: str) -> None:
    assert httpx.options(proxy, trust_env=False).text == "{}"


def test_a_body_in_broken_chunks_is_refused(proxy: str) -> None:
    connection = http.client.HTTPConnection(urlsplit(proxy).netloc, timeout=60)
    connection.request("POST", "/", b"no size\r\n", {"Transfer-Encoding": "chunked"})
    assert connection.getresponse().status == 400
    connection.close()


def test_the_layers_are_the_same_everywhere() -> None:
    config = (ROOT / "reports" / "allure" / "allurerc.mjs").read_text("utf-8")
    listed = re.findall(r'^  "([a-z_]+)",$', config, re.MULTILINE)
    assert listed == list(Layer)
