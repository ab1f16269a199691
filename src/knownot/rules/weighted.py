"""Many kinds of evidence, weighted by how well each told known classes that were hidden from the others."""

from __future__ import annotations

import copy
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.utils.class_weight import compute_class_weight
from torch import Tensor

from knownot.data import hidden_groups, hold_back
from knownot.rules.base import Evidence, Rule, State, Verdict, best_temperature
from knownot.rules.classifiers import check_class_weight
from knownot.rules.products import row_product
from knownot.rules.shared_search import SharedSearch
from knownot.rules.sources import ALL_COLUMNS, OWN_SCALE, SOURCES, STANDARD, Source, sources_for
from knownot.rules.surprise import Surprise
from knownot.rules.weighing import Forecast, HiddenFold, forecast, learn_weights, note_for

_MAX_DIMENSION, _PROJECTED = 200, 150
_FOLDS = 5
_HELD_BACK = 0.3
# Samples that evidence is tried on; of more, a part with the classes in proportion.
_MAX_TRIED = 5000
_MIN_OF_CLASS = 4
_MAX_CLASSES_TRIED = _MAX_TRIED // _MIN_OF_CLASS
_VOTERS = 3
_N_TREES = 64
_MAX_REFERENCES = 5000
_LARGEST_SURPRISE = 60.0
# A column below this weight is left out, which spares its time.
_LEAST_WEIGHT = 0.02
_IMPOSSIBLE = -50.0

Views = Mapping[str, Tensor]


@dataclass
class _Fitted:
    """Rules fitted on some of the samples, perhaps without some of the classes."""

    sources: Sequence[Source]
    rules: Mapping[str, Rule]
    classes: Tensor
    n_classes: int

    def columns_and_logits(self, views: Views) -> tuple[Tensor, dict[str, Tensor]]:
        """Evidence (N, m), NaN where a source has nothing to say, and logits (N, C) of each source."""
        n = len(next(iter(views.values())))
        columns, logits = [], {}
        searched = _shared_search(self.rules).verdicts(views)
        for source in self.sources:
            if source.name not in self.rules:
                columns.append(torch.full((n, len(source.columns)), torch.nan, dtype=torch.float64))
                continue
            found, own = source.evidence(
                searched.get(source.name) or self.rules[source.name].evaluate(views[source.view])
            )
            columns.append(found.cpu())
            # Classes that were not there to learn from are impossible.
            logits[source.name] = torch.full((n, self.n_classes), _IMPOSSIBLE, dtype=torch.float64)
            logits[source.name][:, self.classes] = own.double().cpu()
        return torch.cat(columns, 1), logits


class WeightedEvidence(Rule):
    """Evidence of a dozen kinds, weighted by hiding known classes.

    No unknown samples are needed to learn which evidence to trust. Each known class is hidden in turn (above six
    classes, thirds of them), all sources are fitted on the rest, and their evidence on samples of the hidden
    classes and on held-out samples of the others says how well each tells unknown from known. The knownness
    is minus the weighted sum of surprises; a surprise is minus the log of the share of known samples, held out from
    the source by cross-fitting, that score as low. The class is a vote of the three sources that name the
    classes of held-out samples best, apart from the knownness.

    Parameters
    ----------
    sources : sequence of str, optional
        Names of :data:`knownot.rules.sources.SOURCES` to weigh; all by default.
    class_weight : {"balanced"} or mapping of class index to float, optional
        Weight of the classes in the vote that names the class, as in scikit-learn: its probabilities are those that
        classes of other frequencies would have. Knownness does not change.
    random_state : int
        Seed of folds, groups of classes and trees.

    Attributes
    ----------
    weights_ : dict of str to float
        Of each column of evidence; they sum to 1.
    voters_ : list of str
        Sources that name the class.
    forecast_ : Forecast
        How well unknown classes will be told from known ones.

    Examples
    --------
    >>> import torch
    >>> generator = torch.Generator().manual_seed(0)
    >>> y = torch.arange(3).repeat(60)
    >>> z = torch.randn(180, 4, generator=generator) + 6.0 * torch.eye(4)[y]
    >>> rule = WeightedEvidence().fit(z, y)
    >>> known, unknown = rule.score(torch.stack([z[0], 6.0 * torch.eye(4)[3]]))[1]
    >>> bool(known > unknown), rule.forecast_.auroc > 0.9
    (True, True)
    """

    name = "auto"
    learns_from: tuple[str, ...] = (OWN_SCALE,)
    may_use: tuple[str, ...] = (OWN_SCALE,)
    _search: SharedSearch | None = None

    def __init__(
        self,
        sources: Sequence[str] | None = None,
        *,
        class_weight: str | Mapping[int, float] | None = None,
        random_state: int = 0,
    ) -> None:
        self.sources = sources
        self.class_weight = class_weight
        self.random_state = random_state

    def check(self, n_subclusters: Sequence[int]) -> None:
        """Refuse names of sources that there are not."""
        super().check(n_subclusters)
        self._sources_for(len(n_subclusters), {source.view: torch.empty(0) for source in self._all_sources()})
        check_class_weight(self.class_weight, len(n_subclusters))

    def check_evidence(self, names: Collection[str]) -> None:
        """Refuse sources that all need columns in their own scale, where there are none."""
        super().check_evidence(names)
        wanted = [source for source in SOURCES if self.sources is not None and source.name in self.sources]
        if OWN_SCALE not in names and wanted and all(source.view == OWN_SCALE for source in wanted):
            raise ValueError(
                f"sources={list(self.sources or ())} look at columns in their own scale, which this model does not "
                "provide: name others too."
            )

    def fit(self, z: Tensor, y: Tensor, evidence: Evidence | None = None) -> Self:
        if len(z) < 2:
            raise ValueError("one sample cannot be held out and learned from: fit this rule to 2 samples or more.")
        self.check([1] * (int(y.max()) + 1))
        device, z, y = z.device, z.detach().cpu(), y.cpu()
        evidence = {name: tensor.detach().cpu() for name, tensor in (evidence or {}).items()}
        self._fit_projections(z, evidence.get(OWN_SCALE))
        views = self._views(z, evidence)
        random = np.random.RandomState(self.random_state)
        n_classes = int(y.max()) + 1
        sources = self._sources_for(n_classes, views)

        tried = _thin(y.numpy(), random)
        part = {name: view[tried] for name, view in views.items()}
        present, codes = torch.unique(y[tried], return_inverse=True)
        held, logits = self._cross_fit(sources, part, codes, len(present), random)
        scales = [Surprise.fit(column) for column in held.T]
        self._choose_voters(sources, logits, codes)
        folds = self._hide_classes(sources, part, codes, len(present), random)
        weights = learn_weights(folds, len(scales))
        self.forecast_ = forecast(folds, len(scales), n_classes)
        self._keep(sources, weights, scales)
        self.n_classes_ = n_classes
        own = compute_class_weight(self.class_weight, classes=np.arange(n_classes), y=y.numpy())
        self.log_class_weights_ = torch.from_numpy(np.log(own))
        self.rules_ = self._fit_kept(views, y)
        return self.to(device)

    def fit_again(self, z: Tensor, y: Tensor, evidence: Evidence | None = None) -> Self:
        """A copy with the same weights, scales and votes, whose sources are fitted to other samples."""
        again = copy.copy(self)
        views = self._views(z.cpu(), {name: tensor.cpu() for name, tensor in (evidence or {}).items()})
        again.rules_ = again._fit_kept(views, y.cpu())
        return again.to(z.device)

    def __getstate__(self) -> dict[str, Any]:
        # A copy prepares its own.
        return {**super().__getstate__(), "_search": None}

    # Views

    def _fit_projections(self, z: Tensor, raw: Tensor | None) -> None:
        """Leading principal components, where columns are many."""
        self.projections_: dict[str, Tensor] = {}
        for name, rows in ((STANDARD, z), (OWN_SCALE, raw)):
            if rows is not None and rows.shape[1] > _MAX_DIMENSION and len(rows) > 2:
                n_components = min(_PROJECTED, len(rows) - 1)
                pca = PCA(n_components, random_state=self.random_state).fit(rows.numpy())
                self.projections_[name] = torch.from_numpy(pca.components_.T.copy()).to(z)

    def _views(self, z: Tensor, evidence: Evidence) -> dict[str, Tensor]:
        views = {ALL_COLUMNS: z, STANDARD: z}
        if OWN_SCALE in evidence:
            views[OWN_SCALE] = evidence[OWN_SCALE]
        return {
            name: row_product(x, self.projections_[name]) if name in self.projections_ else x
            for name, x in views.items()
        }

    def _all_sources(self) -> tuple[Source, ...]:
        """Sources in the order of their columns."""
        return SOURCES

    def _sources_for(self, n_classes: int, views: Views) -> list[Source]:
        return sources_for(n_classes, views, self.sources, self._all_sources())

    def _fit_kept(self, views: Views, y: Tensor) -> dict[str, Rule]:
        """The sources that are kept, fitted for good."""
        return dict(self._fit_sources(self._kept_sources(), views, y).rules)

    # Trying the sources

    def _fit_sources(self, sources: Sequence[Source], views: Views, y: Tensor) -> _Fitted:
        """Fit sources on samples whose classes need not be all."""
        classes, own = torch.unique(y, return_inverse=True)
        settings = {
            "max_references": _MAX_REFERENCES,
            "n_trees": _N_TREES,
            "random_state": self.random_state,
        }
        rules = {
            source.name: source.make(settings).fit(views[source.view], own)
            for source in sources
            if source.needs_classes <= len(classes)
        }
        return _Fitted(sources, rules, classes, int(y.max()) + 1)

    def _cross_fit(
        self, sources: Sequence[Source], views: Views, y: Tensor, n_classes: int, random: np.random.RandomState
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Evidence and logits of every sample from sources that have not seen it."""
        place = _fold_of_each(y.numpy(), random)
        columns: Tensor | None = None
        logits: dict[str, Tensor] = {}
        for fold in np.unique(place):
            here = torch.from_numpy(place == fold)
            fitted = self._fit_sources(sources, {name: v[~here] for name, v in views.items()}, y[~here])
            fitted.n_classes = n_classes
            found, own = fitted.columns_and_logits({name: v[here] for name, v in views.items()})
            if columns is None:
                columns = torch.full((len(y), found.shape[1]), torch.nan, dtype=torch.float64)
            columns[here] = found
            for name, values in own.items():
                logits.setdefault(name, torch.zeros(len(y), n_classes, dtype=torch.float64))[here] = values
        assert columns is not None
        # A source that one fold could not fit says nothing about the samples there.
        return columns.nan_to_num(), logits

    def _hide_classes(
        self, sources: Sequence[Source], views: Views, y: Tensor, n_classes: int, random: np.random.RandomState
    ) -> list[HiddenFold]:
        folds = []
        for group in hidden_groups(n_classes, random):
            hidden = torch.isin(y, torch.from_numpy(group))
            kept = (~hidden).nonzero().squeeze(1)
            own = torch.unique(y[kept], return_inverse=True)[1].numpy()
            held = torch.from_numpy(hold_back(own, _HELD_BACK, random))
            if not held.any() or not hidden.any():
                continue
            fitted = self._fit_sources(sources, {n: v[kept[~held]] for n, v in views.items()}, y[kept[~held]])
            fitted.n_classes = n_classes
            known, unknown = (
                fitted.columns_and_logits({name: v[rows] for name, v in views.items()})[0]
                for rows in (kept[held], hidden.nonzero().squeeze(1))
            )
            scales = [None if column.isnan().any() else Surprise.fit(column) for column in known.T]
            folds.append(HiddenFold(*(_surprises(part, scales).numpy() for part in (known, unknown))))
        return folds

    def _choose_voters(self, sources: Sequence[Source], logits: Mapping[str, Tensor], y: Tensor) -> None:
        """The sources that name the classes of held-out samples best, and how sure each may be."""
        voters = [source.name for source in sources if source.votes and source.name in logits]
        accuracy = {name: float((logits[name].argmax(1) == y).double().mean()) for name in voters}
        self.voters_ = sorted(voters, key=lambda name: -accuracy[name])[:_VOTERS]
        self.temperatures_ = {name: best_temperature(logits[name], y) for name in self.voters_}

    def _keep(self, sources: Sequence[Source], weights: NDArray[np.float64], scales: Sequence[Surprise]) -> None:
        """Leave out the columns that hardly count."""
        names = [name for source in sources for name in source.columns]
        floor = min(_LEAST_WEIGHT, float(weights.max()))
        kept = {name: float(w) for name, w in zip(names, weights, strict=True) if w >= floor}
        total = sum(kept.values())
        self.weights_ = {name: w / total for name, w in kept.items()}
        self.surprises_ = {name: scale for name, scale in zip(names, scales, strict=True) if name in kept}

    def _kept_sources(self) -> list[Source]:
        sources = self._all_sources()
        return [s for s in sources if s.name in self.voters_ or any(name in self.weights_ for name in s.columns)]

    # Judging

    def evaluate(self, z: Tensor, evidence: Evidence | None = None) -> Verdict:
        views = self._views(z, evidence or {})
        surprise = torch.zeros(len(z), dtype=torch.float64, device=z.device)
        votes = torch.zeros(len(z), self.n_classes_, dtype=torch.float64, device=z.device)
        sources = self._kept_sources()
        if any(source.view not in views for source in sources):
            raise ValueError(
                f"this rule was fitted with columns in their own scale (evidence {OWN_SCALE!r}): give them too."
            )
        if self._search is None or self._search.made_from is not self.rules_:
            self._search = _shared_search(self.rules_)
        searched = self._search.verdicts(views)
        for source in sources:
            columns, logits = source.evidence(
                searched.get(source.name) or self.rules_[source.name].evaluate(views[source.view])
            )
            for name, column in zip(source.columns, columns.T, strict=True):
                if name in self.weights_:
                    own = self.surprises_[name](column).clamp_max(_LARGEST_SURPRISE)
                    surprise += self.weights_[name] * own
            if source.name in self.voters_:
                votes += torch.softmax(logits.double() / self.temperatures_[source.name], 1)
        logits = (votes / len(self.voters_)).clamp_min(math.exp(_IMPOSSIBLE)).log()
        return Verdict(logits + self.log_class_weights_.to(z.device), -surprise)

    # Saving

    def state(self) -> State:
        state: State = {f"view {name}": matrix for name, matrix in self.projections_.items()}
        for name, weight in self.weights_.items():
            scale = self.surprises_[name]
            state |= {f"weight {name}": torch.tensor(weight, dtype=torch.float64)}
            state |= {f"knots {name}": scale.knots, f"scale {name}": scale.scale}
        # In their order, which decides nothing but is shown.
        for i, name in enumerate(self.voters_):
            state[f"vote {i} {name}"] = torch.tensor(self.temperatures_[name], dtype=torch.float64)
        for name, rule in self.rules_.items():
            state |= {f"source {name}: {key}": tensor for key, tensor in rule.state().items()}
        state["log class weights"] = self.log_class_weights_
        state["n_classes"] = torch.tensor(self.n_classes_)
        if self.forecast_.by_fold:
            numbers = (self.forecast_.auroc, self.forecast_.low, self.forecast_.high, self.forecast_.rejection)
            state["forecast"] = torch.tensor([*numbers, *self.forecast_.by_fold], dtype=torch.float64)
        return state

    def restore(self, state: State) -> Self:
        def group(start: str) -> dict[str, Tensor]:
            return {name.removeprefix(start): t for name, t in state.items() if name.startswith(start)}

        self.projections_ = group("view ")
        self.weights_ = {name: float(weight) for name, weight in group("weight ").items()}
        knots, scales = group("knots "), group("scale ")
        self.surprises_ = {name: Surprise(knots[name], scales[name]) for name in self.weights_}
        votes = dict(sorted((name.split(" ", 1) for name in group("vote ")), key=lambda pair: int(pair[0])))
        self.voters_ = list(votes.values())
        self.temperatures_ = {name: float(state[f"vote {i} {name}"]) for i, name in votes.items()}
        self.n_classes_ = int(state["n_classes"])
        self.log_class_weights_ = state["log class weights"]
        self.rules_ = {}
        for source in self._kept_sources():
            self.rules_[source.name] = source.make({}).restore(group(f"source {source.name}: "))
        self.forecast_ = forecast([], 0, self.n_classes_)
        if "forecast" in state:
            auroc, low, high, rejection, *by_fold = state["forecast"].tolist()
            self.forecast_ = Forecast(
                auroc, low, high, rejection, tuple(by_fold), note_for(self.n_classes_, len(by_fold))
            )
        return self


def _shared_search(rules: Mapping[str, Rule]) -> SharedSearch:
    return SharedSearch(rules, {source.name: source.view for source in SOURCES})


def _surprises(columns: Tensor, scales: Sequence[Surprise | None]) -> Tensor:
    """Surprise by column, NaN where there is no scale."""
    empty = torch.full((len(columns),), torch.nan, dtype=torch.float64)
    return torch.stack([empty if s is None else s(c) for s, c in zip(scales, columns.T, strict=True)], 1)


def _thin(y: NDArray[np.int64], random: np.random.RandomState) -> Tensor:
    """Indices of the samples to try sources on: all, or some of each class, or of some classes where they are many."""
    if len(y) <= _MAX_TRIED:
        return torch.arange(len(y))
    counts = np.bincount(y)
    chosen = np.ones(len(counts), dtype=bool)
    if len(counts) > _MAX_CLASSES_TRIED:
        # Memory for logits grows with samples times classes.
        chosen[random.permutation(len(counts))[_MAX_CLASSES_TRIED:]] = False
    share = _MAX_TRIED / int(counts[chosen].sum())
    order = random.permutation(len(y))
    order = order[np.argsort(y[order], kind="stable")]
    starts = np.cumsum(counts) - counts
    kept = [
        order[start : start + max(round(share * count), min(_MIN_OF_CLASS, count))]
        for start, count in zip(starts[chosen], counts[chosen], strict=True)
    ]
    return torch.from_numpy(np.sort(np.concatenate(kept)))


def _fold_of_each(y: NDArray[np.int64], random: np.random.RandomState) -> NDArray[np.int64]:
    """Fold of each sample, the classes spread over them evenly."""
    order = random.permutation(len(y))
    order = order[np.argsort(y[order], kind="stable")]
    place = np.empty(len(y), dtype=np.int64)
    # One after the other in order of class: two members of a class are never in one fold, unless they must.
    place[order] = np.arange(len(y)) % min(_FOLDS, max(2, len(y) // 2))
    return place
