"""What the vendor lists."""

import pytest

from fixtures.clients.gateway import listed
from fixtures.model.exchange import Exchange
from fixtures.model.profiles import Profile
from fixtures.model.requirement import requirement

pytestmark = pytest.mark.audit


@requirement("WIRE-01")
def test_models_is_a_json_list(models_list: Exchange) -> None:
    assert models_list.status == 200, f"expected 200, got {models_list.summary()}"
    assert models_list.get("object") == "list", f"expected object list, got {models_list.summary()}"
    assert listed(models_list), f"expected at least one model, got {models_list.summary()}"


@requirement("WIRE-02")
def test_the_profile_s_models_are_listed(models_list: Exchange, profile: Profile) -> None:
    missing = {profile.chat_model, *profile.embedding_models.values()} - set(listed(models_list))
    assert not missing, f"expected the profile's models, {sorted(missing)} are missing from {listed(models_list)}"


@requirement("WIRE-03")
def test_each_model_has_an_id_of_its_own(models_list: Exchange) -> None:
    found = listed(models_list)
    assert found, f"expected at least one model, got {models_list.summary()}"
    assert all(found) and len(set(found)) == len(found), f"expected an id of its own for each model, found {found}"
