"""Tables: order, numbers, headlines, places."""

from __future__ import annotations

import pytest

from knownot.experiments import EXPERIMENTS, Column, Record
from knownot.experiments.tables import cell, claims, grid, listed, ordinal, standing, summary, title_of

FASHION = EXPERIMENTS["open-gmvae/fashion-mnist"]


def record(method: str, mean: float, sd: float | None = None, paper: float | None = None, metric: str = "auroc"):
    return Record("p/e", "paper", method, metric, mean, sd, [0], paper)


def test_summary_puts_methods_in_order_and_the_default_rule_apart(fashion):
    found = summary(FASHION, fashion.records(FASHION, "paper"))
    assert found.columns == ("AUROC", "OSCR", "accuracy", "F1, mean τ", "F1, Q = 2", "rejected", "accepted")
    titles = [row.title for row in found.rows]
    assert titles == ["CROSR + NC-D", "GMVAE + NC-U", "knownot, default rule", "raw pixels, 5-NN Euclidean"]
    assert [row.emphasised for row in found.rows] == [False, False, True, False]
    assert found.rows[0].cells == (
        "0.810 ± 0.014", "0.710 ± 0.014", "0.760 ± 0.014", "0.450 ± 0.000", "0.400 ± 0.000", "0.610 ± 0.014",
        "0.950 ± 0.000",
    )  # fmt: skip


def test_grid_shows_the_columns_asked_for(fashion):
    records = fashion.records(FASHION, "paper")
    [_, (_, columns)] = FASHION.details(records)
    curves = grid(FASHION, records, columns)
    assert curves.columns == ("Q = 0", "Q = 1", "Q = 2")
    assert curves.rows[1].cells == ("0.700 ± 0.000", "0.600 ± 0.000", "0.640 ± 0.057")
    assert grid(FASHION, records, [Column("nats", "nats"), Column("auroc", "AUROC")]).columns == ("AUROC",)


@pytest.mark.parametrize(
    ("given", "column", "text"),
    [
        (None, Column("k", "K"), "–"),
        (record("m", 0.98765), Column("k", "K"), "0.988"),
        (record("m", 0.98765, 0.1234), Column("k", "K", digits=1), "1.0 ± 0.1"),
        (record("m", 2.0), Column("k", "K", count=True), "2"),
        (record("m", 2.0, 0.0), Column("k", "K", count=True), "2"),
        (record("m", 2.0, 1.0), Column("k", "K", 2, count=True), "2.00 ± 1.00"),
        (record("m", 2.5, None), Column("k", "K", 2, count=True), "2.50"),
        (record("m", 0.5, None, 0.86), Column("k", "K"), "0.500 (0.86)"),
    ],
)
def test_cell_shows_a_number_as_its_column_says(given, column, text):
    assert cell(given, column, 3) == text


def test_claims_stand_beside_the_papers(fashion):
    first, *others = claims(FASHION, fashion.records(FASHION, "paper"))
    assert first.what == "GMVAE + NC-U over CROSR + NC-D"
    assert (first.ours, first.paper, first.difference) == ("+40.0 ± 7.1 %", "+3.9 %", "+36.1")
    assert {(claim.paper, claim.difference) for claim in others} == {("–", "–")}


def test_title_of_a_method_that_is_no_more_is_its_name():
    assert title_of(FASHION, "crosr+evt") == "CROSR + EVT"
    assert title_of(FASHION, "gone") == "gone"


def test_standing_counts_the_methods_that_are_better():
    records = [record("a", 0.5), record("b", 0.9), record("c", 0.5), record("d", 0.1), record("d", 1.0, metric="oscr")]
    found = standing(records, "a", "auroc")
    assert (found.rank, found.of, found.method.mean, found.best.method) == (2, 4, 0.5, "b")
    assert standing(records, "b", "auroc").rank == 1
    assert standing(records, "d", "auroc").rank == 4
    assert standing(records, "gone", "auroc") is None
    assert standing(records, "a", "oscr") is None


def test_listed_and_ordinal_say_numbers_in_words():
    assert [listed(seeds) for seeds in ([3], [0, 1], [0, 1, 4])] == ["3", "0 and 1", "0, 1 and 4"]
    assert [ordinal(n) for n in (1, 2, 3, 4, 11, 12, 13, 21, 102, 111)] == [
        "1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "102nd", "111th"
    ]  # fmt: skip
