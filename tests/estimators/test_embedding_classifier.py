"""The classifier on embeddings as they are."""

import numpy as np
import pytest

from knownot import EmbeddingClassifier


@pytest.mark.usefixtures("few_trees")
# Where columns are mapped by a matrix, rounding may depend on the place of a row in its chunk.
@pytest.mark.parametrize(("rule", "tolerance"), [("auto", 1e-5), ("neighbours", 0.0), ("cosine", 0.0)])
def test_embedding_classifier_scores_rows_independently_of_each_other(rule, tolerance):
    random = np.random.default_rng(0)
    y = np.arange(600) % 3
    X = random.normal(size=(600, 10)) + 2.0 * np.eye(10)[y]
    model = EmbeddingClassifier(rule, random_state=0).fit(X, y)
    many = random.normal(size=(1300, 10))
    whole = model.score_samples(many)
    alone = np.concatenate([model.score_samples(x[None]) for x in many[500:520]])
    np.testing.assert_allclose(model.score_samples(many[::-1])[::-1], whole, rtol=tolerance)
    np.testing.assert_allclose(alone, whole[500:520], rtol=tolerance)
