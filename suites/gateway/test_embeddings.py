"""Embeddings: order, length and sameness, which a knowledge base lives on."""

import math

import pytest

from fixtures.clients.gateway import refuses_clearly
from fixtures.model.exchange import Exchange, string
from fixtures.model.profiles import Profile
from fixtures.model.requirement import requirement
from fixtures.steps.gateway.embeddings import MANY, TEXTS, EmbeddingForms, Embeddings, are_alike
from fixtures.steps.gateway.refusals import EmbeddingRefusals

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


@requirement("WIRE-53")
def test_base64_holds_the_floats(embeddings: Embeddings, embedding_forms: EmbeddingForms) -> None:
    floats, answer = Embeddings.vectors(embeddings.single), embedding_forms.base64
    packed = Embeddings.unpacked(answer)
    lengths = [len(vector) for vector in packed]
    assert len(floats) == 1, f"expected one vector of floats to compare with, got {embeddings.single.summary()}"
    assert refuses_clearly(answer) or lengths == [len(floats[0])], (
        f"expected {len(floats[0])} numbers in base64 or a refusal with 400, got {lengths}: {answer.summary()}"
    )
    assert all(are_alike(vector, floats[0]) for vector in packed), (
        f"expected the floats in base64, the vectors are {math.dist(packed[0], floats[0]):.3g} apart"
    )


@requirement("WIRE-54")
def test_64_texts_have_64_vectors_in_order(many_embeddings: Exchange, embeddings: Embeddings) -> None:
    indices = [item.get("index") for item in many_embeddings.items("data")]
    vectors, single = Embeddings.vectors(many_embeddings), Embeddings.vectors(embeddings.single)
    assert indices == list(range(len(MANY))), (
        f"expected the indices 0 to 63, got {indices}: {many_embeddings.summary()}"
    )
    assert all(vectors), f"expected a vector for each text, got {[len(vector) for vector in vectors]} numbers"
    assert len(single) == 1, f"expected one vector to compare with, got {embeddings.single.summary()}"
    same = cosine(vectors[-1], single[0])
    assert same > 0.999, f"expected the last text's vector in the last place, its cosine to that text's is {same:.4f}"


@requirement("WIRE-55")
def test_each_vector_has_length_1(many_embeddings: Exchange) -> None:
    lengths = [math.hypot(*vector) for vector in Embeddings.vectors(many_embeddings)]
    assert lengths, f"expected vectors, got {many_embeddings.summary()}"
    assert all(abs(length - 1) <= 1e-3 for length in lengths), (
        f"expected vectors of length 1, theirs are {min(lengths):.4f} to {max(lengths):.4f}"
    )


@requirement("WIRE-56")
def test_texts_on_one_matter_are_nearer(many_embeddings: Exchange) -> None:
    vectors = Embeddings.vectors(many_embeddings)
    assert len(vectors) == len(MANY), f"expected {len(MANY)} vectors, got {many_embeddings.summary()}"
    near, far = cosine(vectors[0], vectors[1]), cosine(vectors[0], vectors[2])
    assert near > far, f"expected {MANY[0]!r} nearer to {MANY[1]!r} than to {MANY[2]!r}, got {near:.4f} and {far:.4f}"


@requirement("WIRE-57")
@pytest.mark.parametrize("empty", ["no_texts", "empty_text"])
def test_an_empty_input_is_refused(embedding_refusals: EmbeddingRefusals, empty: str) -> None:
    answer: Exchange = getattr(embedding_refusals, empty)
    assert 400 <= answer.status < 500, f"expected an empty input refused with 4xx, got {answer.summary()}"
    assert answer.status != 401, f"expected the input refused and not the key, got {answer.summary()}"
    assert string(answer.get("error", "message")), f"expected an error object with a message, got {answer.summary()}"


@requirement("WIRE-28")
def test_an_unknown_embedding_model_is_refused(embedding_refusals: EmbeddingRefusals) -> None:
    answer = embedding_refusals.unknown_model
    assert answer.status in (403, 404, 503), f"expected 403, 404 or 503 for an unknown model, got {answer.summary()}"
    assert string(answer.get("error", "message")), f"expected an error object with a message, got {answer.summary()}"


@requirement("WIRE-58")
def test_vectors_name_themselves_so(embeddings: Embeddings) -> None:
    kinds = [item.get("object") for item in embeddings.batch.items("data")]
    assert embeddings.batch.get("object") == "list", f"expected object list, got {embeddings.batch.summary()}"
    assert set(kinds) == {"embedding"}, f"expected items of object embedding, got {kinds}"


@requirement("WIRE-59")
def test_a_text_given_as_tokens_has_one_vector(embeddings: Embeddings, embedding_forms: EmbeddingForms) -> None:
    answer, texts = embedding_forms.tokens, Embeddings.vectors(embeddings.single)
    lengths = [len(vector) for vector in Embeddings.vectors(answer)]
    assert len(texts) == 1, f"expected one vector of a text to compare with, got {embeddings.single.summary()}"
    assert refuses_clearly(answer) or lengths == [len(texts[0])], (
        f"expected one vector of {len(texts[0])} numbers or a refusal with 400, got {lengths}: {answer.summary()}"
    )
