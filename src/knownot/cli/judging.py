"""How well a model does on samples, by its kind: numbers for `--json`, and how they are shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.console import RenderableType

from knownot.cli.kinds import Kind, kind_of
from knownot.cli.samples import as_input
from knownot.cli.scores import acceptance_table, class_table, cluster_table, indented, scorecard

if TYPE_CHECKING:
    import numpy as np

    from knownot.data import Dataset

Row = dict[str, Any]


def judge(model: Any, data: Dataset, known: np.ndarray | None = None) -> dict[str, Any]:
    """Judge a fitted model by what it says of samples.

    Parameters
    ----------
    model : fitted estimator
    data : Dataset
        Labelled for a classifier; otherwise labels may be missing.
    known : ndarray of shape (N,), bool, optional
        Which samples are of known classes, for a density; all by default.

    Returns
    -------
    dict
        ``metrics`` and ``by_class`` of a classifier, and of a density; ``metrics`` and ``clusters`` of a clusterer;
        nothing of other estimators.
    """
    import numpy as np

    kind = kind_of(model)
    if kind is Kind.classifier:
        metrics, rows = judge_classes(model, as_input(data), data.labels)
        return {"metrics": metrics, "by_class": rows}
    if kind is Kind.density:
        known = np.ones(len(data), bool) if known is None else known
        metrics, rows = judge_density(model, as_input(data), known, data.y)
        return {"metrics": metrics, "by_class": rows}
    if kind is Kind.clusterer:
        metrics, rows = judge_clusters(model.assess(as_input(data))["cluster"], data.y)
        return {"metrics": metrics, "clusters": rows}
    return {}


def judge_classes(model: Any, x: Any, y: np.ndarray) -> tuple[dict[str, float], list[Row]]:
    """Judge a classifier by labelled samples; labels that it does not know count as unknown.

    Returns
    -------
    metrics : dict of str to float
        As `knownot.metrics.open_set_report` names them.
    rows : list of dict
        For each class ``label``, ``known``, ``samples``, and the shares ``right``, ``wrong`` (accepted as another
        class) and ``rejected``; known classes first.
    """
    import numpy as np

    from knownot.metrics import open_set_report

    nearest, knownness = model.nearest_class(x, return_knownness=True)
    of_classes = getattr(model, "class_offsets_", None)
    offset = model.offset_ if of_classes is None else of_classes[np.searchsorted(model.classes_, nearest)]
    metrics = open_set_report(y, nearest, knownness, offset, classes=model.classes_)
    accepted = (knownness >= offset) & (knownness > -np.inf)
    rows = []
    for label in np.unique(y):
        here = y == label
        right = accepted & (nearest == label)
        rows.append(
            {
                "label": label.item(),
                "known": bool(np.isin(label, model.classes_)),
                "samples": int(here.sum()),
                "right": float(right[here].mean()),
                "wrong": float((accepted & ~right)[here].mean()),
                "rejected": float((~accepted)[here].mean()),
            }
        )
    return metrics, sorted(rows, key=lambda row: not row["known"])


def judge_density(
    model: Any, x: Any, known: np.ndarray, y: np.ndarray | None = None
) -> tuple[dict[str, float], list[Row]]:
    """Judge a density by known samples, and unknown ones where there are any.

    Returns
    -------
    metrics : dict of str to float
        ``acceptance`` and ``log_density`` (mean) of known samples; ``unknown_rejection`` of unknown ones; ``auroc``
        where there are both.
    rows : list of dict
        For each label ``label``, ``known``, ``samples``, and the shares ``accepted`` and ``rejected``; known first.
    """
    import numpy as np

    from knownot.metrics import auroc

    said = model.assess(x)
    accepted, knownness = np.asarray(said["known"]), np.asarray(said["knownness"])
    metrics: dict[str, float] = {}
    if known.any() and not known.all():
        metrics["auroc"] = auroc(known, knownness)
    if known.any():
        metrics |= {"acceptance": float(accepted[known].mean()), "log_density": float(knownness[known].mean())}
    if not known.all():
        metrics["unknown_rejection"] = float((~accepted[~known]).mean())
    rows = []
    for label in [] if y is None else np.unique(y):
        here = y == label
        share = float(accepted[here].mean())
        rows.append(
            {
                "label": label.item(),
                "known": bool(known[here].all()),
                "samples": int(here.sum()),
                "accepted": share,
                "rejected": 1 - share,
            }
        )
    return metrics, sorted(rows, key=lambda row: not row["known"])


def judge_clusters(clusters: np.ndarray, y: np.ndarray | None = None) -> tuple[dict[str, float], list[Row]]:
    """Judge a clustering by labels, where there are any.

    Returns
    -------
    metrics : dict of str to float
        ``ari``, ``nmi``, and ``accuracy``, the share of samples in the right cluster where clusters and classes
        are matched one to one in the best way. Empty without labels.
    rows : list of dict
        For each cluster ``cluster``, ``samples``, ``share``, and with labels ``label``, the most common one, and
        ``purity``, its share of the cluster. The largest first.

    Examples
    --------
    >>> import numpy as np
    >>> metrics, rows = judge_clusters(np.array([1, 1, 0, 0]), np.array(["a", "a", "b", "a"]))
    >>> metrics["accuracy"], rows[0]
    (0.75, {'cluster': 0, 'samples': 2, 'share': 0.5, 'label': 'a', 'purity': 0.5})
    """
    import numpy as np

    found, codes = np.unique(clusters, return_inverse=True)
    sizes = np.bincount(codes)
    rows: list[Row] = [
        {"cluster": cluster.item(), "samples": int(size), "share": float(size / len(codes))}
        for cluster, size in zip(found, sizes, strict=True)
    ]
    metrics: dict[str, float] = {}
    if y is not None:
        from scipy.optimize import linear_sum_assignment
        from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score
        from sklearn.metrics.cluster import contingency_matrix

        counts = contingency_matrix(codes, y)  # clusters by labels
        matched = counts[linear_sum_assignment(counts, maximize=True)].sum()
        metrics = {
            "ari": float(adjusted_rand_score(y, codes)),
            "nmi": float(normalized_mutual_info_score(y, codes)),
            "accuracy": float(matched / len(codes)),
        }
        labels = np.unique(y).tolist()
        for row, of_cluster in zip(rows, counts, strict=True):
            most = int(of_cluster.argmax())
            row |= {"label": labels[most], "purity": float(of_cluster[most] / row["samples"])}
    return metrics, sorted(rows, key=lambda row: -row["samples"])


def shown(facts: dict[str, Any], class_names: tuple[str, ...] | None = None) -> list[RenderableType]:
    """Show what `judge` found; ``accept`` among the facts is the share of known samples that was to be accepted."""
    parts: list[RenderableType] = []
    if facts.get("metrics"):
        parts.append(scorecard(facts["metrics"], facts.get("accept")))
    if rows := facts.get("by_class"):
        parts.append((class_table if "right" in rows[0] else acceptance_table)(rows, class_names))
    if rows := facts.get("clusters"):
        parts.append(cluster_table(rows, class_names))
    return [indented(part) for part in parts]
