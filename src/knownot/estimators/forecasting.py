"""What an estimator says beforehand of how well it will refuse unknown classes."""

from __future__ import annotations

from typing import Any

from knownot.estimators.judging import RuleBased
from knownot.rules import Forecast, WeightedEvidence


def forecasts(estimator: RuleBased) -> bool:
    """Whether a fitted estimator has hidden known classes to learn from."""
    return isinstance(getattr(estimator, "rule_", None), WeightedEvidence)


class Forecasting(RuleBased):
    """What an estimator can say whose rule weighs evidence by hiding known classes.

    Attributes
    ----------
    forecast_ : Forecast
        How well unknown classes will be told from known ones, with an interval and what it cannot know.
    expected_auroc_ : float
        ``forecast_.auroc``; NaN where there is one known class alone.
    """

    @property
    def forecast_(self) -> Forecast:
        return self._weighted_rule().forecast_

    @property
    def expected_auroc_(self) -> float:
        return self.forecast_.auroc

    def _weighted_rule(self) -> Any:
        if not forecasts(self):
            rule = getattr(self, "rule", None)
            raise AttributeError(
                f"there is no forecast: fit with rule='auto', which hides known classes to learn (rule={rule!r})."
            )
        return self.rule_
