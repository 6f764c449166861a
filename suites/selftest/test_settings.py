"""Settings: where they come from, what is refused, and that no value shows."""

from __future__ import annotations

from pathlib import Path

import pytest

from fixtures.wire.redaction import SHORTEST, Redactor
from fixtures.wire.settings import (
    PLAIN,
    SECRETS,
    Settings,
    SettingsError,
    Unverified,
    from_environment,
    present,
    redacted,
)

pytestmark = pytest.mark.selftest

GUIDE = "https://crazyrouter.com/v1"
KEY = "sk-0123456789abcdefghij"


@pytest.fixture
def dotenv(tmp_path: Path) -> Path:
    """A `.env` that a test may write."""
    return tmp_path / ".env"


def given(dotenv: Path, **environment: str) -> Settings:
    """Settings from this environment and file alone."""
    return from_environment(GUIDE, environment=environment, dotenv=dotenv)


# --- where they come from ----------------------------------------------------------------------------


def test_the_editions_base_url_is_the_default(dotenv: Path) -> None:
    assert dict(given(dotenv).values) == {"CRAZYROUTER_BASE_URL": GUIDE}


def test_a_dotenv_file_is_read(dotenv: Path) -> None:
    dotenv.write_text(f"# the lab\nexport CRAZYROUTER_API_KEY='{KEY}'\nDIFY_EMAIL=a@b.example\n", "utf-8")
    settings = given(dotenv)
    assert settings.need("CRAZYROUTER_API_KEY", "DIFY_EMAIL") == [KEY, "a@b.example"]


def test_the_environment_wins_over_dotenv(dotenv: Path) -> None:
    dotenv.write_text("DIFY_EMAIL=file@b.example\n", "utf-8")
    assert given(dotenv, DIFY_EMAIL="environment@b.example").get("DIFY_EMAIL") == "environment@b.example"


def test_an_empty_variable_leaves_what_dotenv_says(dotenv: Path) -> None:
    dotenv.write_text("DIFY_EMAIL=file@b.example\n", "utf-8")
    assert given(dotenv, DIFY_EMAIL="").get("DIFY_EMAIL") == "file@b.example"


def test_a_dotenv_file_of_a_windows_editor_is_read(dotenv: Path) -> None:
    dotenv.write_bytes(b"\xef\xbb\xbfDIFY_EMAIL=a@b.example\r\nDIFY_BASE_URL=http://dify.example\r\n")
    assert given(dotenv).need("DIFY_EMAIL", "DIFY_BASE_URL") == ["a@b.example", "http://dify.example"]


def test_a_dotenv_file_that_is_no_text_is_refused(dotenv: Path) -> None:
    dotenv.write_bytes(b"DIFY_PASSWORD=gr\xfc\xdfe-an-alle")
    with pytest.raises(SettingsError, match="UTF-8"):
        given(dotenv)


def test_blanks_around_a_value_are_dropped(dotenv: Path) -> None:
    assert given(dotenv, CRAZYROUTER_API_KEY=f" {KEY}\n").get("CRAZYROUTER_API_KEY") == KEY


def test_other_variables_are_not_taken(dotenv: Path) -> None:
    assert "HOME" not in given(dotenv, HOME="/root").values


def test_a_profiles_key_variable_is_taken(dotenv: Path) -> None:
    settings = from_environment(GUIDE, ["TEAM_KEY"], environment={"TEAM_KEY": KEY}, dotenv=dotenv)
    assert settings.get("TEAM_KEY") == KEY


@pytest.mark.parametrize("url", ["https://gw.example/v1", "http://127.0.0.1:3000/v1", "http://[::1]:3000/v1"])
def test_a_plain_url_is_taken(dotenv: Path, url: str) -> None:
    assert given(dotenv, CRAZYROUTER_BASE_URL=url).get("CRAZYROUTER_BASE_URL") == url


def test_a_slash_at_the_end_of_a_url_is_dropped(dotenv: Path) -> None:
    assert given(dotenv, DIFY_BASE_URL="http://dify.example/").get("DIFY_BASE_URL") == "http://dify.example"


# --- what is refused ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["CRAZYROUTER_BASE_URL", "DIFY_BASE_URL"])
@pytest.mark.parametrize(
    "url",
    [
        "gw.example/v1",
        "ftp://gw.example",
        "https://",
        "https:///v1",
        "https://gw.example:0/v1",
        "https://gw.example:port/v1",
        "https://gw.example:99999/v1",
        "https://user:Bird7Canary@gw.example/v1",
        "https://gw.example/v1?key=Bird7Canary",
        "https://gw.example/v1#Bird7Canary",
        "https://[::1/v1",
        "https://gw.example\u2100/v1",
        "https://gw .example/v1",
        "https://gw.example/\nv1",
    ],
)
def test_a_bad_url_is_refused_by_name_and_without_its_value(dotenv: Path, name: str, url: str) -> None:
    with pytest.raises(SettingsError, match=rf"{name} must be a plain http\(s\) URL such as") as caught:
        given(dotenv, **{name: url})
    assert "Bird7Canary" not in str(caught.value)


@pytest.mark.parametrize("name", [*SECRETS, "TEAM_KEY"])
@pytest.mark.parametrize("value", ["s" * (SHORTEST - 1), "sk-0123456789\nabcdef", "sk-0123456789\x00abcdef"])
def test_a_secret_that_cannot_be_redacted_is_refused_without_its_value(dotenv: Path, name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"{name} has fewer than {SHORTEST} characters or") as caught:
        from_environment(GUIDE, ["TEAM_KEY"], environment={name: value}, dotenv=dotenv)
    assert value not in str(caught.value)


def test_a_short_value_that_is_no_secret_is_taken(dotenv: Path) -> None:
    assert given(dotenv, CRAZYROUTER_USER_ID="2").get("CRAZYROUTER_USER_ID") == "2"


def test_a_shortest_secret_is_taken(dotenv: Path) -> None:
    assert given(dotenv, DIFY_PASSWORD="s" * SHORTEST).need("DIFY_PASSWORD") == ["s" * SHORTEST]


# --- what is asked of them ---------------------------------------------------------------------------


def test_need_names_all_that_is_missing_at_once() -> None:
    settings = Settings({"DIFY_EMAIL": "a@b.example"})
    with pytest.raises(Unverified, match=r"^set DIFY_PASSWORD and DIFY_APP_KEY in the environment or in \.env$"):
        settings.need("DIFY_EMAIL", "DIFY_PASSWORD", "DIFY_APP_KEY")


def test_what_is_not_given_is_empty() -> None:
    assert Settings({}).get("DIFY_EMAIL") == ""


def test_writes_must_be_allowed() -> None:
    with pytest.raises(Unverified, match="--allow-writes"):
        Settings({}).need_writes()


def test_allowed_writes_need_nothing_more() -> None:
    Settings({}, allow_writes=True).need_writes()


# --- what shows --------------------------------------------------------------------------------------


def test_no_value_shows_in_the_repr(dotenv: Path) -> None:
    settings = given(dotenv, CRAZYROUTER_API_KEY=KEY, DIFY_EMAIL="a@b.example")
    assert repr(settings) == "Settings(allow_writes=False, allow_destructive=False)"


def test_present_lists_names_only(dotenv: Path) -> None:
    dotenv.write_text("DIFY_EMAIL=a@b.example\nCRAZYROUTER_USER_ID=\n", "utf-8")
    assert present({"CRAZYROUTER_API_KEY": KEY, "HOME": "/root"}, dotenv) == ["CRAZYROUTER_API_KEY", "DIFY_EMAIL"]


def test_nothing_is_present_in_an_empty_environment(dotenv: Path) -> None:
    assert present({}, dotenv) == []


@pytest.mark.parametrize("name", [*SECRETS, *PLAIN])
def test_every_setting_counts_as_present(dotenv: Path, name: str) -> None:
    assert present({name: "x"}, dotenv) == [name]


def test_a_manifest_keeps_markers_for_secrets() -> None:
    settings = Settings({"CRAZYROUTER_API_KEY": KEY, "DIFY_EMAIL": "a@b.example"})
    kept = redacted(settings, Redactor(), SECRETS)
    assert kept == {"CRAZYROUTER_API_KEY": "{{CRAZYROUTER_API_KEY}}", "DIFY_EMAIL": "a@b.example"}


def test_one_key_under_two_names_is_one_marker_in_a_manifest() -> None:
    settings = Settings({"CRAZYROUTER_API_KEY": KEY, "CRAZYROUTER_API_KEY_DEV": KEY})
    assert set(redacted(settings, Redactor(), SECRETS).values()) == {"{{CRAZYROUTER_API_KEY}}"}


def test_a_redactor_knows_the_secrets_of_a_manifest() -> None:
    redactor = Redactor()
    redacted(Settings({"CRAZYROUTER_API_KEY": KEY}), redactor, SECRETS)
    assert redactor.text(f"Bearer {KEY}") == "Bearer {{CRAZYROUTER_API_KEY}}"
