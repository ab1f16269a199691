"""scikit-learn's checks of an estimator, with trainings no longer than each of them needs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection
from unittest import SkipTest

import pytest
import torch
from sklearn.base import BaseEstimator, clone
from sklearn.utils.estimator_checks import estimator_checks_generator

# These judge what was learned. All others judge what is said and refused, which one epoch shows as well as many.
JUDGE_LEARNING = {
    "check_classifiers_train",
    "check_classifiers_classes",
    "check_class_weight_classifiers",
    "check_decision_proba_consistency",
    "check_clustering",
}

Checked = Callable[..., Counter[str]]


@pytest.fixture(scope="session")
def checked() -> Checked:
    """Run the checks of `check_estimator`; returns how many passed, and how many failed of those that may."""

    def check_all(estimator: BaseEstimator, may_fail: Collection[str] = ()) -> Counter[str]:
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        trained = "max_epochs" in estimator.get_params()
        short = clone(estimator).set_params(max_epochs=1) if trained else estimator
        found: Counter[str] = Counter()
        for given, check in estimator_checks_generator(short):
            name = check.func.__name__
            try:
                check(estimator if name in JUDGE_LEARNING and name not in may_fail else given)
            except SkipTest:
                continue
            except Exception:
                if name not in may_fail:
                    raise
                found["failed"] += 1
            else:
                found["passed"] += 1
        torch.set_num_threads(threads)
        return found

    return check_all
