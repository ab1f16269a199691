"""`knownot bench`, run as a user runs it; the trainings themselves are replaced."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from knownot.cli.bench import by_rounds, what_is_left
from knownot.cli.bench_options import parse_budget, parse_seeds
from knownot.cli.comparison import Comparison
from knownot.experiments import EXPERIMENTS, Item, OutOfTime, Results, Runner
from knownot.experiments.tables import Grid, Row

FASHION, CIFAR = EXPERIMENTS["open-gmvae/fashion-mnist"], EXPERIMENTS["open-gmvae/cifar10"]


def sentence(result) -> str:
    """What stands on stderr, in one line."""
    return " ".join(result.stderr.split())


def content(experiment, preset, seed) -> dict:
    """A result in which every method is as good as its place, better by seed / 100."""
    methods = {}
    for place, method in enumerate(experiment.titles):
        good = 0.5 + place / 100 + seed / 100
        methods[method] = {
            "auroc": good, "oscr": good, "accuracy": good, "acceptance": 0.95, "rejection": good,
            "f1": [good, good, good / 2], "f1_mean_threshold": [good, good, good / 2], "thresholds": [0.0] * 3,
        }  # fmt: skip
        # Of experiments on many sets there is a set below each method.
        times = {"fit_seconds": 1.0, "score_seconds": 1.0, "score_rows": 9}
        methods[method]["sets"] = {"iris": {"auroc": good, "oscr": good, "accuracy": good, **times}}
    where = {"commit": None, "changed": None, "date": "2026-11-20", "hardware": "x", "versions": {"torch": "2.13.0"}}
    return {
        "format": 1, "experiment": experiment.name, "preset": preset, "seed": seed, "methods": methods, "models": {},
        "splits": {"iris": {}},
        "seconds": 1.0, "provenance": where,
    }  # fmt: skip


@pytest.fixture
def results(tmp_path) -> Path:
    """Two seeds of Fashion-MNIST at the preset cpu."""
    found = Results(tmp_path / "results")
    for seed in (0, 1):
        found.write(FASHION.name, "cpu", seed, content(FASHION, "cpu", seed))
    return found.folder


@pytest.fixture
def runs(monkeypatch) -> list[tuple[str, str, int]]:
    """What a run was asked for; instead of training, results are written at once."""
    asked = []

    def run_one(self, experiment, preset, seed):
        path = self.results.path(experiment.name, preset.name, seed)
        if not path.exists():
            asked.append((experiment.name, preset.name, seed))
            self.results.write(experiment.name, preset.name, seed, content(experiment, preset.name, seed))
        return path

    monkeypatch.setattr(Runner, "run", run_one)
    return asked


def test_list_names_experiments_and_counts_seeds(run, results):
    shown = run("bench", "list", "--results", results)
    assert shown.exit_code == 0, shown.output
    for experiment in EXPERIMENTS.values():
        assert experiment.name in shown.stdout
    [line] = [line for line in shown.stdout.splitlines() if FASHION.name in line]
    assert line.split()[1:4] == ["0/3", "2/3", "0/3"]
    facts = json.loads(run("bench", "list", "--results", results, "--json").stdout)
    listed = {row["name"]: row for row in facts["experiments"]}
    assert list(listed) == list(EXPERIMENTS)
    assert listed[FASHION.name]["presets"]["cpu"]["done"] == [0, 1]
    assert listed[FASHION.name]["title"] == FASHION.title
    assert set(listed[FASHION.name]["presets"]) == set(FASHION.presets)


def test_table_shows_methods_and_headlines_beside_the_paper(run, results):
    shown = run("bench", "table", "--results", results)
    assert shown.exit_code == 0, shown.output
    text = " ".join(shown.stdout.split())
    assert "preset cpu, seeds 0 and 1" in text
    assert "CROSR + EVT 0.505 ± 0.007" in text
    assert "GMVAE + NC-U over CROSR + NC-D" in text
    assert "+3.9 %" in text
    assert "The terminal is too narrow for" in text


def test_table_as_json_has_one_record_for_every_number(run, results):
    shown = run("bench", "table", FASHION.name, "--preset", "cpu", "--results", results, "--json")
    records = json.loads(shown.stdout)["records"]
    assert set(records[0]) == {"experiment", "preset", "method", "metric", "mean", "sd", "seeds", "paper"}
    found = {(record["method"], record["metric"]): record for record in records}
    assert len(found) == len(records)
    assert found["crosr+evt", "auroc"]["mean"] == pytest.approx(0.505)
    assert found["crosr+evt", "auroc"]["seeds"] == [0, 1]
    headline = FASHION.headlines[0]
    assert found[headline.name, "gain %"]["paper"] == headline.paper


def test_table_without_results_says_what_to_do(run, tmp_path, results):
    shown = run("bench", "table", "--results", tmp_path / "none")
    assert shown.exit_code == 2
    assert "holds no results of any experiment: run it first" in sentence(shown)
    other = run("bench", "table", FASHION.name, "--preset", "paper", "--results", results)
    assert other.exit_code == 2
    assert f"no results of {FASHION.name} at the preset paper" in sentence(other)


def test_table_writes_pages(run, results, tmp_path):
    pytest.importorskip("matplotlib")
    shown = run("bench", "table", "--results", results, "--docs", tmp_path / "docs")
    assert shown.exit_code == 0, shown.output
    assert "### Preset cpu, seeds 0 and 1" in (tmp_path / "docs" / "experiments.md").read_text()


def test_queue_shows_order_minutes_and_what_is_begun(run, results):
    found = Results(results)
    found.write(CIFAR.name, "paper", 0, content(CIFAR, "paper", 0))
    begun = found.unfinished_path(CIFAR.name, "paper", 1) / "checkpoints"
    begun.mkdir(parents=True)
    (begun / "checkpoint.pt").write_bytes(b"x")
    found.unfinished_path(CIFAR.name, "paper", 2).mkdir(parents=True)
    facts = json.loads(run("bench", "queue", "--results", results, "--json").stdout)
    items = {(item["experiment"], item["seed"]): item for item in facts["items"]}
    assert (CIFAR.name, 0) not in items
    assert items[CIFAR.name, 1]["begun"] is True
    assert items[CIFAR.name, 2]["begun"] is False
    assert items[CIFAR.name, 1]["gpu_minutes"] == CIFAR.preset("paper").gpu_minutes
    assert facts["minutes"] == pytest.approx(sum(item["gpu_minutes"] for item in facts["items"]))
    shown = run("bench", "queue", "--results", results).stdout
    assert shown.count("begun") == 1
    assert f"{len(items)} to run" in shown


def test_run_runs_what_is_not_there_and_shows_it(run, runs, results):
    shown = run("bench", "run", FASHION.name, "--results", results, "--seeds", "0,2", "--quiet")
    assert shown.exit_code == 0, shown.output
    assert runs == [(FASHION.name, "cpu", 2)]
    assert "seeds 0, 1 and 2" in " ".join(shown.stdout.split())
    facts = json.loads(run("bench", "run", FASHION.name, "--results", results, "--quiet", "--json").stdout)
    assert facts["left"] == []
    assert facts["results"] == [str(Results(results).path(FASHION.name, "cpu", seed)) for seed in FASHION.seeds]
    assert {record["preset"] for record in facts["records"]} == {"cpu"}


def test_run_takes_a_whole_paper_one_seed_of_each_first(run, runs, tmp_path):
    shown = run("bench", "run", "open-gmvae", "--preset", "smoke", "--seeds", "0,1", "--results", tmp_path, "--quiet")
    assert shown.exit_code == 0, shown.output
    names = [name for name in EXPERIMENTS if name.startswith("open-gmvae/")]
    assert runs == [(name, "smoke", seed) for seed in (0, 1) for name in names]


@pytest.mark.parametrize("preset", ["cpu", "paper"])
def test_run_of_a_paper_leaves_out_what_has_no_such_preset(run, runs, tmp_path, preset):
    lacking = [name for name, experiment in EXPERIMENTS.items() if preset not in experiment.presets]
    assert lacking
    arguments = ("--preset", preset, "--seeds", "0", "--results", tmp_path, "--quiet")
    shown = run("bench", "run", "open-gmvae", *arguments)
    assert shown.exit_code == 0, shown.output
    of_paper = [name for name in EXPERIMENTS if name.startswith("open-gmvae/")]
    assert runs == [(name, preset, 0) for name in of_paper if name not in lacking]
    alone = run("bench", "run", lacking[0], *arguments)
    assert alone.exit_code == 2
    assert f"{lacking[0]} has no preset '{preset}': use one of" in sentence(alone)


def test_run_of_a_paper_leaves_out_what_has_no_data(run, runs, tmp_path, monkeypatch):
    monkeypatch.setenv("KNOWNOT_DATA", str(tmp_path))
    arguments = ("--preset", "smoke", "--seeds", "0", "--results", tmp_path / "results")
    shown = run("bench", "run", "cauchy-schwarz", *arguments)
    assert shown.exit_code == 0, shown.output
    assert "Left out: cauchy-schwarz/disfa needs the data set 'disfa'" in sentence(shown)
    names = {name for name in EXPERIMENTS if name.startswith("cauchy-schwarz/")}
    assert names - {name for name, *_ in runs} == {"cauchy-schwarz/disfa", "cauchy-schwarz/fera2015"}
    run("bench", "run", "cauchy-schwarz/disfa", *arguments)
    assert runs[-1] == ("cauchy-schwarz/disfa", "smoke", 0)


def test_run_works_through_the_queue(run, runs, tmp_path):
    items = json.loads(run("bench", "queue", "--results", tmp_path, "--json").stdout)["items"]
    shown = run("bench", "run", "--queue", "--results", tmp_path, "--quiet")
    assert shown.exit_code == 0, shown.output
    assert runs == [(item["experiment"], item["preset"], item["seed"]) for item in items]
    assert {preset for _, preset, _ in runs} == {"fast", "paper"}
    again = run("bench", "run", "--queue", "--results", tmp_path, "--quiet")
    assert again.exit_code == 0
    assert "Nothing is left to run." in again.stdout


def test_run_says_what_is_left_when_the_time_is_over(run, runs, tmp_path, monkeypatch):
    quick = Runner.run

    def run_one(self, experiment, preset, seed):
        if seed == 1:
            raise OutOfTime
        return quick(self, experiment, preset, seed)

    monkeypatch.setattr(Runner, "run", run_one)
    arguments = ("bench", "run", FASHION.name, "--results", tmp_path, "--budget", "9m", "--quiet")
    shown = run(*arguments)
    assert shown.exit_code == 0, shown.output
    assert runs == [(FASHION.name, "cpu", 0)]
    text = " ".join(shown.stdout.split())
    assert (
        f"The time of 9m is over: 1 of 3 seeds are done, {FASHION.name} seed 1, {FASHION.name} seed 2 are left. "
        "The same command goes on from there."
    ) in text
    assert "AUROC" in text
    left = json.loads(run(*arguments, "--json").stdout)["left"]
    assert [(item["experiment"], item["preset"], item["seed"]) for item in left] == [
        (FASHION.name, "cpu", 1),
        (FASHION.name, "cpu", 2),
    ]


def test_run_begins_nothing_when_there_is_no_time(run, runs, tmp_path):
    shown = run("bench", "run", FASHION.name, "--results", tmp_path, "--budget", "0.000001s", "--quiet")
    assert shown.exit_code == 0, shown.output
    assert runs == []
    assert "0 of 3 seeds are done" in " ".join(shown.stdout.split())


def test_run_ends_with_130_after_ctrl_c(run, tmp_path, monkeypatch):
    def run_one(self, experiment, preset, seed):
        raise KeyboardInterrupt

    monkeypatch.setattr(Runner, "run", run_one)
    shown = run("bench", "run", FASHION.name, "--results", tmp_path, "--quiet")
    assert shown.exit_code == 130
    assert "Interrupted" in sentence(shown)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "say what to run: either an experiment"),
        (("open-gmvae", "--queue"), "say what to run: either an experiment"),
        (("--queue", "--seeds", "0"), "--queue runs the seeds of each experiment: leave --seeds out"),
        (("open-gmvae/cifar11",), "there is no experiment 'open-gmvae/cifar11'; did you mean open-gmvae/cifar10?"),
        ((FASHION.name, "--seeds", "0;1"), "--seeds '0;1' is not a list of seeds: write whole numbers"),
        ((FASHION.name, "--seeds", "-1"), "--seeds '-1' is not a list of seeds"),
        ((FASHION.name, "--budget", "9"), "--budget '9' is not a time: write 90s, 9m or 1h"),
        ((FASHION.name, "--budget", "0m"), "--budget '0m' is not a time"),
        ((FASHION.name, "--preset", "huge"), "Invalid value for '--preset'"),
        ((FASHION.name, "--device", "tpu"), "Invalid value for '--device'"),
    ],
)
def test_run_explains_mistakes_before_anything_runs(run, runs, tmp_path, arguments, words):
    shown = run("bench", "run", *arguments, "--results", tmp_path, "--quiet")
    assert shown.exit_code == 2
    assert words in sentence(shown)
    assert runs == []


@pytest.mark.parametrize("option", ["--results", "--models", "--docs"])
def test_run_refuses_folders_that_are_files(run, runs, tmp_path, option):
    file = tmp_path / "file"
    file.write_text("")
    folders = {"--results": tmp_path, option: file}
    shown = run("bench", "run", FASHION.name, *[part for pair in folders.items() for part in pair], "--quiet")
    assert shown.exit_code == 2
    assert f"{option} " in sentence(shown)
    assert "cannot be made" in sentence(shown)
    assert runs == []


def test_parse_seeds_and_parse_budget_read_numbers_and_times():
    assert parse_seeds(None) is None
    assert parse_seeds("3, 1,3") == [3, 1]
    assert [parse_budget(text) for text in (None, "90s", "9m", "1.5h", " 2 m ")] == [None, 90, 540, 5400, 120]


def test_by_rounds_keeps_the_order_of_experiments():
    paper = FASHION.preset("paper")
    items = [Item(e, paper, seed) for e in (FASHION, CIFAR) for seed in (5, 2)]
    assert [(item.experiment.name, item.seed) for item in by_rounds(items)] == [
        (FASHION.name, 5), (CIFAR.name, 5), (FASHION.name, 2), (CIFAR.name, 2)
    ]  # fmt: skip


def test_what_is_left_names_three_at_most():
    items = [Item(FASHION, FASHION.preset("paper"), seed) for seed in range(5)]
    assert f"{FASHION.name} seed 2 and 2 more are left" in what_is_left(items, 7, "9m")
    assert f"6 of 7 seeds are done, {FASHION.name} seed 0 is left" in what_is_left(items[:1], 7, "9m")


def test_comparison_leaves_out_columns_that_do_not_fit():
    grid = Grid(("AUROC", "OSCR"), (Row("method", ("0.900 ± 0.100", "0.800 ± 0.100")), Row("m", ("–", "–"))))
    assert [Comparison(grid).n_columns(width) for width in (36, 35, 21, 3)] == [2, 1, 1, 1]


@pytest.mark.parametrize(
    ("arguments", "words"), [(("run", "--help"), "--budget"), (("list",), FASHION.name), (("queue",), FASHION.name)]
)
def test_bench_imports_nothing_heavy_where_nothing_runs(arguments, words, tmp_path):
    program = (
        "import sys\n"
        "from knownot.cli import main\n"
        "try:\n    main()\n"
        "except SystemExit as end:\n    assert not end.code\n"
        "print(*(name for name in ('torch', 'numpy', 'sklearn', 'matplotlib') if name in sys.modules), file=sys.stderr)"
    )
    where = [] if "--help" in arguments else ["--results", str(tmp_path)]
    command = [sys.executable, "-c", program, "bench", *arguments, *where]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0
    assert done.stderr.split() == []
    assert words in done.stdout
