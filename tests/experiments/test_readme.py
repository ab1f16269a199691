"""The README's tables, and the sentences on where the default rule is not ahead."""

from __future__ import annotations

import pytest

from knownot.experiments import EXPERIMENTS, Results
from knownot.experiments.readme import MARKS, STANDINGS, TABLES, renew_readme, short_table

FASHION = EXPERIMENTS["open-gmvae/fashion-mnist"]
CIFAR = EXPERIMENTS["open-gmvae/cifar10"]


def write_aurocs(results, experiment, preset, *rows):
    """One seed after the other, with these AUROCs."""
    for seed, row in enumerate(rows):
        methods = {name: {"auroc": auroc, "f1_mean_threshold": [0.5, 0.5]} for name, auroc in row.items()}
        results.write(experiment.name, preset, seed, {"format": 1, "seed": seed, "methods": methods})


def test_short_table_shows_the_columns_with_short_headings(fashion):
    text = short_table(fashion)
    assert text.startswith(
        "| Fashion-MNIST, 6 known / 4 unknown | AUROC | OSCR | accuracy | macro-F1 |\n| --- | ---: |"
    )
    assert "| CROSR + NC-D | 0.8100 ± 0.0141 | 0.7100 ± 0.0141 | 0.7600 ± 0.0141 | 0.4000 ± 0.0000 |" in text
    assert "| CROSR + EVT | – | – | – | – |" in text
    assert "| **knownot, default rule** | 0.9600 ± 0.0141 |" in text
    assert text.endswith(
        "\n\nMean ± standard deviation over 2 seeds. Macro-F1 uses thresholds from validation samples of the known and "
        "the unknown classes (the paper's protocol).\n"
    )


def test_short_table_says_that_one_seed_is_one(fashion):
    fashion.path(FASHION.name, "paper", 1).unlink()
    assert "One seed. Macro-F1" in short_table(fashion)


def test_short_table_without_results_is_empty(tmp_path):
    assert short_table(Results(tmp_path)) == ""


def test_short_table_says_where_the_default_rule_loses(tmp_path):
    results = Results(tmp_path)
    write_aurocs(
        results, CIFAR, "cpu",
        {"knownot": 0.52, "softmax+energy": 0.60, "crosr+nc-d": 0.40, "gmvae+nc-u": 0.55},
        {"knownot": 0.54, "softmax+energy": 0.61, "crosr+nc-d": 0.40, "gmvae+nc-u": 0.56},
    )  # fmt: skip
    assert short_table(results) == (
        "On CIFAR-10 (6 known / 4 unknown, small preset) the default rule loses: AUROC 0.530, 3rd of 4 methods; the "
        'best is "softmax, energy" with 0.605.\n'
    )


def test_short_table_prefers_results_at_the_papers_size(tmp_path):
    results = Results(tmp_path)
    write_aurocs(results, CIFAR, "cpu", {"knownot": 0.5, "softmax+energy": 0.6})
    write_aurocs(results, CIFAR, "paper", {"knownot": 0.8, "softmax+energy": 0.7})
    write_aurocs(results, CIFAR, "smoke", {"knownot": 0.1, "softmax+energy": 0.7})
    assert short_table(results) == (
        "On CIFAR-10 (6 known / 4 unknown, the paper's size) the default rule is ahead: AUROC 0.800, the best of 2 "
        "methods.\n"
    )


def test_short_table_is_silent_of_a_default_rule_that_was_not_measured(tmp_path):
    results = Results(tmp_path)
    write_aurocs(results, CIFAR, "cpu", {"softmax+energy": 0.6})
    assert short_table(results) == ""


def test_tables_name_what_there_is():
    assert set(STANDINGS) <= set(EXPERIMENTS)
    for table in TABLES:
        assert set(table.rows) <= set(EXPERIMENTS[table.experiment].titles)


@pytest.mark.parametrize(
    ("text", "renewed"), [(f"a\n{MARKS[0]}\nold\n{MARKS[1]}\nb", True), ("a", False), (MARKS[0], False)]
)
def test_renew_readme_writes_between_the_marks(fashion, tmp_path, text, renewed):
    path = tmp_path / "README.md"
    path.write_text(text)
    assert renew_readme(path, fashion) is renewed
    between = f"a\n{MARKS[0]}\n\n{short_table(fashion)}\n{MARKS[1]}\nb"
    assert path.read_text() == (between if renewed else text)


def test_renew_readme_makes_none(fashion, tmp_path):
    assert renew_readme(tmp_path / "README.md", fashion) is False
    assert not (tmp_path / "README.md").exists()
