"""What a plain classifier says of a sample: a linear one, and trees; both by scikit-learn, kept as tensors."""

from __future__ import annotations

import math
import numbers
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Self

import numpy as np
import torch
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.tree._tree import NODE_DTYPE, Tree
from torch import Tensor

from knownot.rules.base import Evidence, Rule, State, Verdict, least_counts
from knownot.rules.products import row_product

_MAX_STEPS = 300
_ROWS_PER_TREE = 4000
# Numbers in the table above which trees are grown side by side.
_WORTH_THREADS = 20_000


def check_class_weight(class_weight: Any, n_classes: int, names: Sequence[str] = ("balanced",)) -> None:
    """Refuse weights of classes that are not "balanced" or numbers above 0 by class index.

    Raises
    ------
    ValueError
        If they are something else, or of a class that there is not.

    Examples
    --------
    >>> check_class_weight({2: 1.5}, 2)
    Traceback (most recent call last):
    ValueError: class_weight={2: 1.5} does not work: its keys are class indices from 0 to 1, its values above 0.
    """
    if class_weight is None or (isinstance(class_weight, str) and class_weight in names):
        return
    if not isinstance(class_weight, Mapping):
        raise ValueError(
            f"class_weight={class_weight!r} is not known: use {', '.join(map(repr, names))}, a mapping of class index "
            "to weight, or None."
        )
    known = all(isinstance(c, numbers.Integral) and 0 <= int(c) < n_classes for c in class_weight)
    if not known or not all(isinstance(w, numbers.Real) and 0.0 < float(w) < math.inf for w in class_weight.values()):
        raise ValueError(
            f"class_weight={dict(class_weight)!r} does not work: its keys are class indices from 0 to {n_classes - 1}, "
            "its values above 0."
        )


@contextmanager
def _of_few_rows() -> Iterator[None]:
    """Keep back scikit-learn's remark that many classes of few rows look like a regression."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The number of unique classes is greater than 50%", UserWarning)
        yield


class Linear(Rule):
    """Knownness is the energy of the logits of a logistic regression on the embeddings.

    Parameters
    ----------
    inverse_penalty : float
        C of scikit-learn's ``LogisticRegression``, above 0.
    class_weight : {"balanced"} or mapping of class index to float, optional
        As in scikit-learn.

    References
    ----------
    Liu et al., "Energy-based out-of-distribution detection", NeurIPS 2020, equation 4.

    Examples
    --------
    >>> import torch
    >>> z, y = torch.tensor([[0.0], [2.0], [9.0], [11.0]]), torch.tensor([0, 0, 1, 1])
    >>> Linear().fit(z, y).score(torch.tensor([[1.0], [7.0]]))[0]
    tensor([0, 1])
    """

    name = "linear"

    def __init__(self, inverse_penalty: float = 1.0, class_weight: str | Mapping[int, float] | None = None) -> None:
        self.inverse_penalty = inverse_penalty
        self.class_weight = class_weight

    def check(self, n_subclusters: Sequence[int]) -> None:
        """Refuse a penalty that is none, and weights of what is no class."""
        super().check(n_subclusters)
        if not isinstance(self.inverse_penalty, numbers.Real) or not self.inverse_penalty > 0:
            raise ValueError(f"inverse_penalty={self.inverse_penalty!r} does not work: give a number above 0.")
        check_class_weight(self.class_weight, len(n_subclusters))

    def fit(self, z: Tensor, y: Tensor, evidence: Evidence | None = None) -> Self:
        n_classes = int(y.max()) + 1
        self.check([1] * n_classes)
        weights, biases = np.zeros((n_classes, z.shape[1])), np.zeros(n_classes)
        if n_classes > 1:
            model = LogisticRegression(C=self.inverse_penalty, max_iter=_MAX_STEPS, class_weight=self.class_weight)
            with _of_few_rows():
                model.fit(z.detach().cpu().double().numpy(), y.cpu().numpy())
            weights, biases = model.coef_, model.intercept_
            if n_classes == 2:
                # One column tells two classes apart: half of it for each.
                weights, biases = np.concatenate([-weights, weights]) / 2, np.concatenate([-biases, biases]) / 2
        # In one order of memory, or a loaded model would round otherwise.
        weights = np.ascontiguousarray(weights)
        self.weights_, self.biases_ = torch.from_numpy(weights).to(z), torch.from_numpy(biases).to(z)
        return self

    def evaluate(self, z: Tensor, evidence: Evidence | None = None) -> Verdict:
        logits = row_product(z, self.weights_.T) + self.biases_
        return Verdict(logits, logits.double().logsumexp(1))

    def state(self) -> State:
        return {"weights": self.weights_, "biases": self.biases_}

    def restore(self, state: State) -> Self:
        self.weights_, self.biases_ = state["weights"], state["biases"]
        return self


class Forest(Rule):
    """Knownness is the largest class probability of a forest of extremely randomised trees, as log-odds.

    Parameters
    ----------
    n_trees : int
    class_weight : {"balanced", "balanced_subsample"} or mapping of class index to float, optional
        As in scikit-learn.
    random_state : int

    References
    ----------
    Geurts, Ernst, Wehenkel, "Extremely randomized trees", 2006.

    Examples
    --------
    >>> import torch
    >>> z, y = torch.tensor([[0.0], [2.0], [9.0], [11.0]]), torch.tensor([0, 0, 1, 1])
    >>> classes, knownness = Forest().fit(z, y).score(torch.tensor([[1.0], [5.5], [10.0]]))
    >>> classes[0], classes[2], bool(knownness[1] < knownness.max())
    (tensor(0), tensor(1), True)
    """

    name = "forest"

    def __init__(
        self, n_trees: int = 100, class_weight: str | Mapping[int, float] | None = None, random_state: int = 0
    ) -> None:
        self.n_trees = n_trees
        self.class_weight = class_weight
        self.random_state = random_state

    def check(self, n_subclusters: Sequence[int]) -> None:
        """Refuse a forest without trees, and weights of what is no class."""
        super().check(n_subclusters)
        least_counts(n_trees=self.n_trees)
        check_class_weight(self.class_weight, len(n_subclusters), ("balanced", "balanced_subsample"))

    def fit(self, z: Tensor, y: Tensor, evidence: Evidence | None = None) -> Self:
        self.check([1] * (int(y.max()) + 1))
        many = len(z) > _ROWS_PER_TREE
        forest = ExtraTreesClassifier(
            self.n_trees,
            class_weight=self.class_weight,
            random_state=self.random_state,
            # Of large data each tree sees a part, so that neither time nor file grows with them.
            bootstrap=many,
            max_samples=_ROWS_PER_TREE if many else None,
            n_jobs=-1 if z.numel() > _WORTH_THREADS else None,
        )
        with _of_few_rows():
            forest.fit(z.detach().float().cpu().numpy(), y.cpu().numpy())
        trees = [tree.tree_ for tree in forest.estimators_]
        nodes = np.concatenate([tree.__getstate__()["nodes"] for tree in trees])
        values = np.concatenate([tree.value[:, 0] for tree in trees])
        own = {
            "children": torch.from_numpy(np.stack([nodes["left_child"], nodes["right_child"]], 1).astype(np.int32)),
            "features": torch.from_numpy(nodes["feature"].astype(np.int32)),
            "thresholds": torch.from_numpy(nodes["threshold"].astype(np.float64)),
            "shares": torch.from_numpy(values.astype(np.float32)),
            "sizes": torch.tensor([tree.node_count for tree in trees]),
            "depths": torch.tensor([tree.max_depth for tree in trees]),
            "n_features": torch.tensor(z.shape[1]),
        }
        # As it would be read from a file, so that a loaded model gives the same to the last bit.
        return self.restore(own)

    def evaluate(self, z: Tensor, evidence: Evidence | None = None) -> Verdict:
        rows = np.ascontiguousarray(z.detach().cpu().numpy(), dtype=np.float32)
        if rows.shape[1:] != (self.n_features_,):
            # A tree looks for a column where it remembers one, and does not see the end of a row.
            raise ValueError(
                f"z has shape {tuple(z.shape)}, but the forest was fitted on {self.n_features_} columns: give as many."
            )
        votes = np.zeros((len(rows), self.n_classes_))
        for tree in self.trees_:
            votes += tree.predict(rows).reshape(votes.shape)
        # No class is quite impossible: half a tree's vote for each.
        n_trees = len(self.trees_)
        logits = torch.from_numpy(np.log((votes + 0.5) / (n_trees + 0.5 * self.n_classes_))).to(z.device)
        largest = logits.max(1).values
        # Trees send NaN somewhere; nothing is known of such a row.
        largest[torch.from_numpy(np.isnan(rows).any(1))] = torch.nan
        return Verdict(logits, largest - torch.log1p(-largest.exp().clamp_max(1.0 - math.ulp(1.0))))

    def state(self) -> State:
        return self.state_

    def restore(self, state: State) -> Self:
        self.state_ = dict(state)
        arrays = {name: tensor.cpu().numpy() for name, tensor in state.items()}
        _check_trees(arrays)
        self.n_classes_, self.n_features_ = arrays["shares"].shape[1], int(arrays["n_features"])
        shape = (self.n_features_, np.array([self.n_classes_], dtype=np.intp), 1)
        self.trees_, stop = [], 0
        for size, depth in zip(arrays["sizes"].tolist(), arrays["depths"].tolist(), strict=True):
            start, stop = stop, stop + size
            nodes = np.zeros(size, dtype=NODE_DTYPE)
            nodes["left_child"], nodes["right_child"] = arrays["children"][start:stop].T
            nodes["feature"], nodes["threshold"] = arrays["features"][start:stop], arrays["thresholds"][start:stop]
            tree = Tree(*shape)
            values = arrays["shares"][start:stop, None].astype(np.float64)
            tree.__setstate__({"max_depth": depth, "node_count": size, "nodes": nodes, "values": values})
            self.trees_.append(tree)
        return self


def _check_trees(arrays: Mapping[str, np.ndarray]) -> None:
    """Refuse trees, perhaps read from a file, that would lead out of their nodes, in circles or out of a row."""
    children, features, sizes = arrays["children"], arrays["features"], arrays["sizes"].astype(np.int64)
    n_nodes = len(children)
    fits = (
        sizes.ndim == 1
        and len(sizes) == len(arrays["depths"]) > 0
        and bool(((sizes > 0) & (sizes <= n_nodes)).all())
        and sizes.sum() == n_nodes
        and children.shape == (n_nodes, 2)
        and features.shape == arrays["thresholds"].shape == (n_nodes,)
        and arrays["shares"].ndim == 2
        and len(arrays["shares"]) == n_nodes
    )
    if fits:
        place = np.arange(n_nodes) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        # A leaf has no children; all others come after their parent.
        inner = children[:, 0] != -1
        below = (children > place[:, None]).all(1) & (children < np.repeat(sizes, sizes)[:, None]).all(1)
        column = (features >= 0) & (features < int(arrays["n_features"]))
        fits = bool((below & column)[inner].all())
    if not fits:
        raise ValueError("the trees of this forest are damaged: fit the model again, or load another copy of it.")
