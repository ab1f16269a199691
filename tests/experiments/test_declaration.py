"""What all experiments share, and a kind of measurement that the package does not have."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

import pytest

from knownot.experiments import (
    EXPERIMENTS,
    Column,
    Context,
    Drawing,
    Experiment,
    Headline,
    Measured,
    Model,
    Paper,
    Preset,
    Results,
    Runner,
)
from knownot.experiments.pages import write_pages
from knownot.experiments.tables import claims, summary

FASHION = EXPERIMENTS["open-gmvae/fashion-mnist"]


@dataclass(frozen=True, kw_only=True)
class Throws(Experiment):
    """Coins thrown, a kind in one class."""

    gain_heading = "gain in heads"
    parts = ("throws",)

    coins: tuple[str, ...]

    def measure(self, context: Context) -> Measured:
        n = context.preset.at_most["throws"]
        heads = {coin: {"heads": n + 10.0 * place + context.seed} for place, coin in enumerate(self.coins)}
        return Measured({"methods": heads}, {"trace": [context.seed] * n})

    def columns(self, records):
        return [Column("heads", "heads", digits=1)]

    def legend(self, records):
        return "Heads of so many throws."

    def gain(self, ours, theirs):
        return 100.0 * (ours["heads"] / theirs["heads"] - 1.0)

    def figures(self, runs, attachments):
        from knownot.experiments.figures import empty_figure

        assert attachments == {"trace": [0, 0]}
        figure = empty_figure(1.0, 1.0)
        figure.subplots().plot([run["methods"]["penny"]["heads"] for run in runs])
        yield Drawing("throws.svg", "Heads", figure)


THROWS = Throws(
    name="coins/throws",
    title="Coins",
    reference="table 1",
    presets={"paper": Preset("paper", at_most={"throws": 2}, note="Two throws.")},
    coins=("penny", "dime"),
    headlines=(Headline("dime", "penny", 400.0),),
    published={"penny": {"heads": 3.0}},
    emphasised="dime",
    seeds=(0, 1),
)


def test_experiment_of_a_new_kind_runs_and_has_its_table_and_page(tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    runner = Runner(Results(tmp_path / "results"), tell=lambda _: None)
    paths = [runner.run(THROWS, THROWS.preset("paper"), seed) for seed in THROWS.seeds]
    assert json.loads(paths[1].read_text())["methods"] == {"penny": {"heads": 3.0}, "dime": {"heads": 13.0}}
    records = runner.results.records(THROWS, "paper")
    table = summary(THROWS, records)
    assert table.columns == ("heads",)
    assert [(row.title, row.cells, row.emphasised) for row in table.rows] == [
        ("penny", ("2.5 ± 0.7 (3)",), False),
        ("dime", ("12.5 ± 0.7",), True),
    ]
    [claim] = claims(THROWS, records)
    assert (claim.what, claim.paper) == ("dime over penny", "+400.0 %")
    assert claim.ours.startswith(f"{(500.0 + 100.0 * (13 / 3 - 1)) / 2:+.1f} ±")

    monkeypatch.setattr("knownot.experiments.pages.PAPERS", (Paper((THROWS,), "## Coins, a paper\n"),))
    written = write_pages(runner.results, tmp_path / "docs")
    page = (tmp_path / "docs" / "experiments.md").read_text()
    assert "## Coins, a paper\n\n## Coins\n\n`coins/throws`: table 1.\n\n### Preset paper, seeds 0 and 1\n" in page
    assert "| **dime** | 12.5 ± 0.7 |" in page
    assert "| gain in heads | ours | paper | difference |" in page
    assert "![Heads](images/experiments/coins-throws-paper-throws.svg)" in page
    assert tmp_path / "docs" / "images" / "experiments" / "coins-throws-paper-throws.svg" in written


def test_experiment_without_a_kind_cannot_be_made():
    with pytest.raises(TypeError, match="abstract"):
        Experiment(name="p/e", title="", reference="", presets={})


def test_gain_is_asked_for_where_headlines_are_declared():
    class Nothing(Throws):
        gain = Experiment.gain

    with pytest.raises(NotImplementedError, match="Nothing has headlines, but does not say what a gain is"):
        Nothing(name="p/e", title="", reference="", presets={}, coins=()).gain({}, {})


def test_preset_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match="has no preset 'huge': use one of smoke, cpu, paper"):
        FASHION.preset("huge")


@pytest.mark.parametrize(
    ("preset", "sentence"),
    [
        (
            Preset("cpu", {"": {}, "gmave": {}}),
            r"the preset 'cpu' of open-gmvae/fashion-mnist has settings of \['gmave'\]: use '', 'crosr', 'gmvae'",
        ),
        (
            Preset("cpu", at_most={"train": 3, "validation": 3}),
            r"has limits of \['validation'\]: use 'train', 'test', 'validation known', 'validation unknown'\.",
        ),
    ],
)
def test_presets_that_name_what_is_not_there_are_refused(preset, sentence):
    with pytest.raises(ValueError, match=sentence):
        replace(FASHION, presets={"cpu": preset})


def test_settings_of_a_preset_go_over_those_of_the_model():
    model = Model("gmvae", "GMVAEClassifier", {"latent_dim": 10, "rule": "nc-u"})
    preset = Preset("x", {"": {"max_epochs": 3, "latent_dim": 7}, "gmvae": {"latent_dim": 8}, "crosr": {"rule": "x"}})
    assert preset.settings_of(model) == {"latent_dim": 8, "rule": "nc-u", "max_epochs": 3}
    assert Preset("y").settings_of(model) == dict(model.settings)
