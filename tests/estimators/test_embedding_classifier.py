"""The classifier on embeddings as they are."""

import numpy as np
import pytest

from knownot import EmbeddingClassifier


@pytest.mark.parametrize("rule", ["auto", "neighbours", "whitened"])
def test_embedding_classifier_scores_rows_independently_of_each_other(rule):
    random = np.random.default_rng(0)
    y = np.arange(600) % 3
    X = random.normal(size=(600, 10)) + 2.0 * np.eye(10)[y]
    model = EmbeddingClassifier(rule, random_state=0).fit(X, y)
    many = random.normal(size=(1300, 10))
    whole = model.score_samples(many)
    np.testing.assert_array_equal(model.score_samples(many[::-1])[::-1], whole)
    np.testing.assert_array_equal(np.concatenate([model.score_samples(x[None]) for x in many[500:520]]), whole[500:520])
