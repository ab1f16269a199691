"""What the weighted rule weighs: columns, the conditions of each source, and what is no source."""

import numpy as np
import pytest
import torch

from knownot.catalogue import RULES
from knownot.rules import Linear, Neighbours, Residual
from knownot.rules.sources import ALL_COLUMNS, OWN_SCALE, SOURCES, STANDARD, Source, sources_for

ALL_VIEWS = dict.fromkeys((STANDARD, OWN_SCALE, ALL_COLUMNS), torch.empty(0))


def data(seed=0):
    random = np.random.default_rng(seed)
    y = np.arange(90) % 3
    return torch.from_numpy(random.normal(size=(90, 4)) + 2.0 * np.eye(4)[y]), torch.from_numpy(y)


def test_names_and_columns_are_unique_and_rules_exist():
    names = [source.name for source in SOURCES]
    columns = [column for source in SOURCES for column in source.columns]
    assert len(set(names)) == len(names) == 12
    assert len(set(columns)) == len(columns) == 13
    assert {source.rule for source in SOURCES} <= set(RULES)
    assert {source.view for source in SOURCES} == set(ALL_VIEWS)


def test_columns_are_the_knownness_and_the_lead():
    z, y = data()
    rule = Linear().fit(z, y)
    columns, logits = Source("linear", "linear", STANDARD, lead=True).evidence(rule.evaluate(z))
    verdict = rule.evaluate(z)
    torch.testing.assert_close(columns[:, 0], verdict.knownness)
    p = torch.softmax(verdict.logits, 1).max(1).values
    torch.testing.assert_close(columns[:, 1], (p / (1 - p)).log())
    assert torch.equal(logits, verdict.logits)
    only = Source("linear", "linear", STANDARD, knownness=False, lead=True)
    assert only.columns == ("linear lead",)
    torch.testing.assert_close(only.evidence(rule.evaluate(z))[0], columns[:, 1:])


@pytest.mark.parametrize(("name", "rule"), [("neighbours", Neighbours()), ("residual", Residual())])
def test_distances_count_by_their_logarithm(name, rule):
    z, y = data()
    rule.fit(z, y)
    columns, _ = Source(name, name, STANDARD).evidence(rule.evaluate(z + 0.5))
    torch.testing.assert_close(columns[:, 0], -(-rule.evaluate(z + 0.5).knownness).log())
    assert torch.isfinite(Source(name, name, STANDARD).evidence(rule.evaluate(z))[0]).all()


def test_lead_of_one_class_is_finite():
    z, y = data()
    rule = Linear().fit(z, torch.zeros_like(y))
    assert torch.isfinite(Source("linear", "linear", STANDARD, lead=True).evidence(rule.evaluate(z))[0]).all()


def test_make_takes_the_settings_that_the_rule_has():
    settings = {"max_references": 7, "n_trees": 3, "class_weight": "balanced", "random_state": 5}
    made = {source.name: source.make(settings) for source in SOURCES}
    assert made["cosine"].get_params() == {"k": 5, "max_references": 7, "random_state": 5}
    assert made["forest"].get_params() == {"n_trees": 3, "class_weight": "balanced", "random_state": 5}
    assert made["residual"].get_params() == {"variance": 0.9}


@pytest.mark.parametrize(
    ("n_classes", "left_out"),
    [
        (1, {"linear", "forest"}),
        (2, set()),
        (300, set()),
        (301, {"gaussian", "linear", "forest"}),
        (2001, {"gaussian", "linear", "forest", "local", "local, own scale"}),
    ],
)
def test_sources_for_a_number_of_classes(n_classes, left_out):
    chosen = sources_for(n_classes, ALL_VIEWS)
    assert {source.name for source in SOURCES} - {source.name for source in chosen} == left_out


def test_sources_without_columns_in_their_own_scale():
    chosen = sources_for(3, {STANDARD: torch.empty(0), ALL_COLUMNS: torch.empty(0)})
    assert len(chosen) == 9
    assert not any("own scale" in source.name for source in chosen)


def test_sources_by_name_keep_their_order():
    assert [source.name for source in sources_for(3, ALL_VIEWS, ("forest", "local"))] == ["local", "forest"]


@pytest.mark.parametrize(
    ("n_classes", "names", "message"),
    [
        (3, ["x"], r"sources names \['x'\], which are not known: use some of \['neighbours, own scale'"),
        (3, [], r"sources=\[\] does not work: give a list of some of"),
        (3, "forest", "sources='forest' does not work: give a list of some of"),
        (3, 3, "sources=3 does not work"),
        (1, ["linear"], r"none of sources=\['linear'\] works with 1 known class"),
        (500, ["forest", "linear"], "works with 500 known class"),
        (3, ["residual"], r"sources=\['residual'\] would leave none that tells one class from another: add others"),
    ],
)
def test_sources_that_do_not_work(n_classes, names, message):
    with pytest.raises(ValueError, match=message):
        sources_for(n_classes, ALL_VIEWS, names)


def test_sources_in_their_own_scale_alone_need_it():
    with pytest.raises(ValueError, match="and without columns in their own scale: name others"):
        sources_for(3, {STANDARD: torch.empty(0)}, ["local, own scale"])
