"""Pages written from results."""

from __future__ import annotations

import pytest

from knownot.experiments import EXPERIMENTS, PAPERS, Results
from knownot.experiments.pages import PREFACE, write_pages
from knownot.experiments.readme import MARKS

pytest.importorskip("matplotlib")

FASHION = EXPERIMENTS["open-gmvae/fashion-mnist"]


@pytest.fixture
def readme(tmp_path):
    path = tmp_path / "site" / "README.md"
    path.parent.mkdir()
    path.write_text(f"# knownot\n\n{MARKS[0]}\n\nold\n\n{MARKS[1]}\n\nThe end.\n")
    return path


def test_write_pages_shows_numbers_figures_and_where_they_are_from(fashion, readme):
    docs = readme.parent / "docs"
    written = write_pages(fashion, docs)
    page = (docs / "experiments.md").read_text()
    assert page.startswith(f"{PREFACE}\n{PAPERS[0].text}")
    assert "**Model selection.**" in page
    for experiment in EXPERIMENTS.values():
        assert f"## {experiment.title}\n\n`{experiment.name}`: {experiment.reference}." in page
    assert page.count("Not run yet.") == len(EXPERIMENTS) - 1
    assert "### Preset paper, seeds 0 and 1" in page
    assert FASHION.preset("paper").note in page
    assert "| CROSR + NC-D | 0.8100 ± 0.0141 | 0.7100 ± 0.0141 | 0.7600 ± 0.0141 | 0.4500 ± 0.0000 |" in page
    assert "| **knownot, default rule** | 0.9600 ± 0.0141 |" in page
    assert "| GMVAE + NC-U over CROSR + NC-D | +40.0 ± 7.1 % | +3.9 % | +36.1 |" in page
    assert "| GMVAE + NC-U | 0.7000 ± 0.0000 | 0.6000 ± 0.0000 | 0.6400 ± 0.0566 |" in page
    assert (
        "| 1 | crosr 15 (13), knownot 15 (13) | 1,250 | Some CPU, 2 cores, x86_64 | 2.13.0 | 2026-11-20 | 012345678 |"
        in page
    )
    images = [path for path in written if path.suffix in (".svg", ".png")]
    assert len(images) == 2
    for path in images:
        assert path.exists()
        assert f"]({path.relative_to(docs).as_posix()})" in page


def test_write_pages_renews_the_readme_between_its_marks(fashion, readme):
    written = write_pages(fashion, readme.parent / "docs")
    assert readme.resolve() in written
    text = readme.read_text()
    assert text.startswith(f"# knownot\n\n{MARKS[0]}\n\n| Fashion-MNIST, 6 known / 4 unknown | AUROC | OSCR |")
    assert text.endswith(f"{MARKS[1]}\n\nThe end.\n")
    assert "\nold\n" not in text


def test_write_pages_gives_the_same_bytes_for_the_same_results(fashion, readme):
    docs = readme.parent / "docs"
    first = {path: path.read_bytes() for path in write_pages(fashion, docs)}
    assert {path: path.read_bytes() for path in write_pages(fashion, docs)} == first


def test_write_pages_without_results_says_so_and_leaves_the_readme(tmp_path, readme):
    before = readme.read_bytes()
    docs = readme.parent / "docs"
    assert write_pages(Results(tmp_path / "nothing"), docs) == [docs / "experiments.md"]
    assert (docs / "experiments.md").read_text().count("Not run yet.") == len(EXPERIMENTS)
    assert readme.read_bytes() == before


@pytest.mark.parametrize("text", ["# no marks\n", f"# one mark\n{MARKS[0]}\n", f"{MARKS[1]}\n"])
def test_write_pages_leaves_a_readme_without_marks_alone(fashion, readme, text):
    readme.write_text(text)
    assert readme not in write_pages(fashion, readme.parent / "docs")
    assert readme.read_text() == text


def test_write_pages_makes_no_readme(fashion, tmp_path):
    written = write_pages(fashion, tmp_path / "elsewhere" / "docs")
    assert not any(path.name == "README.md" for path in written)
    assert not (tmp_path / "elsewhere" / "README.md").exists()


def test_write_pages_says_that_one_seed_is_one(fashion, readme):
    fashion.path(FASHION.name, "paper", 1).unlink()
    write_pages(fashion, readme.parent / "docs")
    assert "One seed." in readme.read_text()
    assert "### Preset paper, seed 0\n" in (readme.parent / "docs" / "experiments.md").read_text()


def test_write_pages_names_source_that_differs_from_the_commit(fashion, readme):
    path = fashion.path(FASHION.name, "paper", 0)
    path.write_text(path.read_text().replace('"changed": false', '"changed": true'))
    path = fashion.path(FASHION.name, "paper", 1)
    path.write_text(path.read_text().replace('"commit": "0123456789abcdef"', '"commit": null'))
    write_pages(fashion, readme.parent / "docs")
    page = (readme.parent / "docs" / "experiments.md").read_text()
    assert "| 012345678, changed |" in page
    assert "| 2026-11-20 | – |" in page


def test_write_pages_shows_subclusters_with_table_and_figure(tmp_path):
    [experiment] = [e for e in EXPERIMENTS.values() if e.name == "open-gmvae/subclusters-mnist"]
    results, docs = Results(tmp_path / "results"), tmp_path / "docs"
    [name, *_] = [group.name for group in experiment.groups]
    curve = {"n_subclusters": 1, "reconstruction": [3.0, 2.0], "covering": [1.0, 2.0], "bound": [4.0, 4.0]}
    provenance = {"commit": None, "changed": None, "hardware": "x", "date": "2026-11-20", "versions": {"torch": "2"}}
    run = {
        "format": 1,
        "seed": 0,
        "methods": {name: {"n_subclusters": 2, "true": 2, "drop 1→2": 0.9}},
        "curves": {name: [curve]},
        "seconds": 1.0,
        "provenance": provenance,
    }
    results.write(experiment.name, "paper", 0, run)
    written = write_pages(results, docs)
    page = (docs / "experiments.md").read_text()
    assert "| method | chosen | true | drop 1→2 |" in page
    assert f"| {name} | 2 (2) | 2 | 0.90 (0.86) |" in page
    assert "by which the number is chosen." in page
    assert docs / "images" / "experiments" / "open-gmvae-subclusters-mnist-paper-curves.svg" in written
