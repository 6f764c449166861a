"""What the vendor lists."""

import pytest

from fixtures.exchange import Exchange
from fixtures.profiles import Profile
from suites.requirements import requirement

pytestmark = pytest.mark.audit


def ids(models: Exchange) -> list[object]:
    """The ids of a model list, in its order; an item without one counts as None."""
    items = models.get("data")
    return [item.get("id") if isinstance(item, dict) else None for item in items] if isinstance(items, list) else []


@requirement("WIRE-01")
def test_models_is_a_json_list(models_list: Exchange) -> None:
    assert models_list.status == 200, f"expected 200, got {models_list.summary()}"
    assert models_list.get("object") == "list", f"expected object list, got {models_list.summary()}"
    assert ids(models_list), f"expected at least one model, got {models_list.summary()}"


@requirement("WIRE-02")
def test_the_profile_s_models_are_listed(models_list: Exchange, profile: Profile) -> None:
    missing = {profile.chat_model, *profile.embedding_models.values()} - set(ids(models_list))
    assert not missing, f"expected the profile's models, {sorted(missing)} are missing from {ids(models_list)}"


@requirement("WIRE-03")
def test_each_model_has_an_id_of_its_own(models_list: Exchange) -> None:
    found = ids(models_list)
    named = [id for id in found if isinstance(id, str) and id]
    assert found, f"expected at least one model, got {models_list.summary()}"
    assert len(set(named)) == len(found), f"expected a different id for each of {len(found)} models, found {found}"
