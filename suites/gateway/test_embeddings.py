"""Embeddings: order, length and sameness, which a knowledge base lives on."""

import math

import pytest

from fixtures.model.exchange import string
from fixtures.model.profiles import Profile
from fixtures.model.requirement import requirement
from fixtures.steps.gateway.embeddings import TEXTS, Embeddings

pytestmark = pytest.mark.audit


def cosine(one: list[float], other: list[float]) -> float:
    """The cosine of the angle between two vectors, 0 where one is empty or their lengths differ."""
    norms = math.hypot(*one) * math.hypot(*other)
    return sum(a * b for a, b in zip(one, other, strict=True)) / norms if norms and len(one) == len(other) else 0.0


@requirement("WIRE-20")
def test_a_batch_keeps_its_order(embeddings: Embeddings) -> None:
    indices = [embeddings.batch.get("data", number, "index") for number in range(len(TEXTS))]
    lengths = {len(vector) for vector in Embeddings.vectors(embeddings.batch)}
    assert indices == [0, 1, 2], f"expected the indices 0, 1, 2, got {indices}: {embeddings.batch.summary()}"
    assert len(Embeddings.vectors(embeddings.batch)) == len(TEXTS), f"expected {len(TEXTS)} vectors"
    assert len(lengths) == 1 and 0 not in lengths, f"expected vectors of one length, found {sorted(lengths)}"


@requirement("WIRE-21")
def test_a_text_has_one_embedding(embeddings: Embeddings) -> None:
    batch, single = Embeddings.vectors(embeddings.batch), Embeddings.vectors(embeddings.single)
    assert len(batch) == len(TEXTS), f"expected {len(TEXTS)} vectors, got {embeddings.batch.summary()}"
    assert len(single) == 1, f"expected one vector, got {embeddings.single.summary()}"
    same, others = cosine(batch[0], single[0]), [cosine(vector, single[0]) for vector in batch[1:]]
    assert same > 0.999, f"expected the same vector in a batch and alone, their cosine is {same:.4f}"
    assert max(others) < 0.99, f"expected other texts to have other vectors, their cosines are {others}"


@requirement("WIRE-07")
def test_the_vectors_name_the_model_that_was_asked(embeddings: Embeddings, profile: Profile) -> None:
    model, asked = string(embeddings.batch.get("model")), profile.embedding_models["default"]
    assert Embeddings.vectors(embeddings.batch), f"expected vectors, got {embeddings.batch.summary()}"
    assert model.startswith(asked), f"expected vectors of {asked} or a version of it, they are of {model or 'none'}"


@requirement("WIRE-22")
def test_embeddings_count_their_usage(embeddings: Embeddings) -> None:
    prompt = embeddings.batch.get("usage", "prompt_tokens")
    total = embeddings.batch.get("usage", "total_tokens")
    assert isinstance(prompt, int) and prompt > 0, f"expected prompt tokens, got {prompt!r}"
    assert total == prompt, f"expected total = prompt for embeddings, got {total!r} and {prompt}"
