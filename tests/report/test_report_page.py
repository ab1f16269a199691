"""The page: nothing from outside, nothing unescaped, and every section with or without its data."""

from __future__ import annotations

import copy
import dataclasses
import html
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import jinja2
import markupsafe
import numpy as np
import pytest

import knownot
from knownot.report import SECTIONS, Section, gather, page, render, wording, write_report

EVIL = '<img src=x onerror="alert(1)">&\'"$x_1$</script><script>'


@pytest.fixture(scope="module")
def subject(image_classifier, digits):
    return gather(image_classifier, digits[0][900:], digits[1][900:], title="Digits", max_points=200)


@pytest.fixture(scope="module")
def outline(subject, outline_of):
    return outline_of(render(subject))


def payload(text: str) -> dict:
    return json.loads(re.search(r'id="map-data">(.*?)</script>', text, re.DOTALL)[1])


def changed(estimator, **attributes):
    """The same fitted estimator with some attributes replaced."""
    made = copy.copy(estimator)
    vars(made).update(attributes)
    return made


def test_page_is_well_formed_and_asks_for_nothing(outline):
    assert outline.open == []
    for tag, attributes in outline.tags:
        for name in ("src", "href", "xlink:href", "data", "action", "srcset"):
            target = attributes.get(name)
            assert target is None or target.startswith(("data:", "#")), (tag, name, target)
        assert not any(name.startswith("on") for name in attributes)
    policies = [a["content"] for tag, a in outline.tags if a.get("http-equiv") == "Content-Security-Policy"]
    assert policies[0].startswith("default-src 'none'; img-src data:;")


def test_page_has_a_style_and_script_that_load_nothing(subject):
    text = render(subject)
    for found in re.findall(r"url\(([^)]*)\)", text):
        assert found.startswith(("#", '"${uri}"')), found
    assert "@import" not in text
    assert not re.search(r"fetch\(|XMLHttpRequest|WebSocket|import\(", text)


@pytest.mark.parametrize("family", ["image_classifier", "density", "clusterer"])
def test_page_has_unique_identifiers_and_links_that_lead_somewhere(family, request, digits, outline_of):
    X, y = digits[0][900:], digits[1][900:]
    outline = outline_of(render(gather(request.getfixturevalue(family), X, y, projections=("PCA",))))
    assert outline.open == []
    ids = [attributes["id"] for _, attributes in outline.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    targets = {a[k][1:] for _, a in outline.tags for k in ("href", "xlink:href") if (a.get(k) or "").startswith("#")}
    assert targets <= set(ids)


SHOWN = {
    "image_classifier": "scores curves coverage confusion map rejected generated training settings",
    "embedding_only": "scores curves coverage confusion map rejected training settings",
    "density": "scores curves map rejected generated training settings",
    "clusterer": "clusters map members settings",
}


@pytest.mark.parametrize("family", SHOWN)
def test_page_shows_the_sections_that_apply_to_the_estimator(family, request, digits, outline_of):
    X, y = digits[0][900:], np.where(digits[1][900:] < 6, digits[1][900:], -1)
    text = render(gather(request.getfixturevalue(family), X, y, projections=("PCA",)))
    assert outline_of(text).anchors == SHOWN[family].split()
    eyebrow = {"density": "Density report", "clusterer": "Clustering report"}.get(family, "Open-set report")
    assert f'<p class="eyebrow">{eyebrow}</p>' in text


def test_page_names_the_headline_numbers(subject, outline):
    text = outline.text
    for number in (
        wording.percent(subject.metrics["closed_set_accuracy"]),
        f"{subject.metrics['auroc']:.3f}",
        f"{subject.metrics['oscr']:.3f}",
        wording.percent(subject.metrics["acceptance"]),
        wording.percent(subject.metrics["unknown_rejection"]),
        wording.asked_percent(0.95),
        "A negative loss is normal here",
        "200 of 897 samples, drawn at random",
        "t-SNE",
    ):
        assert re.sub(r"\s+", " ", number) in text
    assert all(name in text for name in ("latent covering", "w-prior", "random_state", "Python"))


def test_page_summarises_a_density_and_a_clusterer(density, clusterer, digits, outline_of):
    X = digits[0][900:]
    text = outline_of(render(gather(density, X, projections=()))).text
    accepted = wording.percent(np.mean(density.predict(X) == 1)).replace("\u00a0", " ")
    assert f"Of 897 samples without labels, {accepted} were accepted. How often" in text
    labels = np.where(digits[1][900:] < 6, 1, -1)
    text = outline_of(render(gather(density, X, labels, projections=()))).text
    assert f"Of {np.sum(labels == 1)} known samples, " in text
    assert "wrong class" not in text
    text = outline_of(render(gather(clusterer, X, projections=()))).text
    counts = np.bincount(clusterer.assess(X)["cluster"])
    largest = wording.percent(counts.max() / 897).replace("\u00a0", " ")
    assert f"897 samples lie in {np.sum(counts > 0)} clusters; the largest holds {largest} of them." in text


def test_page_gives_images_a_text_for_those_who_do_not_see_them(outline):
    images = [attributes for tag, attributes in outline.tags if tag == "img"]
    assert len(images) > 100
    assert all(image["alt"] for image in images)


def test_page_escapes_what_users_wrote(image_classifier, digits, outline_of):
    evil = changed(
        image_classifier,
        get_params=lambda deep: {EVIL: EVIL},
        history_=[{"epoch": 0, "train": {EVIL: 1.0}, "validation": {EVIL: 2.0}}],
    )
    evil.__class__ = type(EVIL, (type(image_classifier),), {})
    names = {0: EVIL, 8: EVIL + "8"}
    text = render(gather(evil, digits[0][900:], digits[1][900:], title=EVIL, names=names, projections=("PCA",)))
    assert "<img src=x" not in text
    outline = outline_of(text)
    assert outline.open == []
    assert sum(tag == "script" for tag, _ in outline.tags) == 2
    assert outline.text.count(EVIL) > 5
    assert payload(text)["classes"][0]["name"] == EVIL


def test_page_escapes_what_users_wrote_of_tables_and_clusters(clusterer, table_density, digits, outline_of):
    X, y = digits[0][900:], digits[1][900:]
    names = {label: f"{EVIL}{label}" for label in range(10)}
    columns = [f"{EVIL}{i}" for i in range(64)]
    for text in (
        render(gather(clusterer, X, y, names=names, title=EVIL, projections=("PCA",))),
        render(gather(table_density, X.reshape(-1, 64), feature_names=columns, projections=("PCA",))),
    ):
        assert "<img src=x" not in text
        outline = outline_of(text)
        assert outline.open == []
        assert sum(tag == "script" for tag, _ in outline.tags) == 2
        assert outline.text.count(EVIL) > 5


def test_page_leaves_sections_without_data_out_with_a_sentence(embedding_only, image_classifier, digits, outline_of):
    X, y = digits[0][900:], digits[1][900:]
    closed = render(gather(embedding_only, X[y < 6], y[y < 6], projections=("PCA",)))
    assert 'id="curves"' not in closed
    assert "these data hold no unknown ones" in closed
    assert 'id="generated"' not in closed
    assert "p-value" not in outline_of(closed).text
    nameless = render(gather(image_classifier, X, projections=("PCA",)))
    assert 'id="confusion"' not in nameless
    assert "they need labels" in nameless
    assert "Unknown, but accepted" not in nameless
    only_unknown = render(gather(image_classifier, X[y > 5], y[y > 5], projections=("PCA",)))
    assert "these data hold no known ones" in only_unknown
    assert "Known, but refused" not in only_unknown
    without_map = render(gather(image_classifier, X, y, projections=()))
    assert "map-data" not in without_map
    assert "<script" not in without_map
    for text in (closed, nameless, only_unknown, without_map):
        assert outline_of(text).open == []


@pytest.mark.parametrize("family", ["image_classifier", "density", "clusterer"])
@pytest.mark.parametrize("n", [1, 2, 4])
def test_page_can_be_made_of_very_few_samples(family, n, request, digits, outline_of):
    estimator = request.getfixturevalue(family)
    for labels in (digits[1][:n], None):
        assert outline_of(render(gather(estimator, digits[0][:n], labels))).open == []


def test_page_says_that_no_threshold_is_set(image_classifier, density, digits, outline_of):
    X, y = digits[0][900:], digits[1][900:]
    text = outline_of(render(gather(changed(image_classifier, offset_=-np.inf), X, y, projections=()))).text
    assert "No threshold is set: all 897 samples are accepted. Calibrate the classifier" in text
    text = outline_of(render(gather(changed(density, offset_=-np.inf), X, y, projections=()))).text
    assert "No threshold is set: all 897 samples are accepted. Calibrate the model" in text


def test_page_can_be_made_of_infinite_scores(subject, outline_of):
    scores = subject.knownness.copy()
    scores[:5], scores[5:10] = -np.inf, np.inf
    columns = {**subject.columns, "knownness": scores}
    assert outline_of(render(dataclasses.replace(subject, columns=columns, projections=("PCA",)))).open == []


def test_page_shows_the_values_of_tables(table_classifier, digits, outline_of):
    X, y = digits[0][900:].reshape(-1, 64), digits[1][900:]
    names = [f"pixel {i} <&>" for i in range(64)]
    text = render(gather(table_classifier, X, y, feature_names=names, projections=("PCA",), max_points=50))
    assert html.escape(names[0]) in text
    assert payload(text)["sprite"] is None
    assert not any(tag == "img" for tag, _ in outline_of(text).tags)
    assert "The first 8 of 64 features." in text


def test_page_takes_a_section_more(subject, monkeypatch):
    class Shapes(Section):
        name, link = "shapes", "Shapes"

        def applies(self, subject):
            return subject.images is not None

        def collect(self, subject):
            return subject.images.shape

    templates = jinja2.DictLoader(
        {"sections/shapes.html.j2": '<section id="{{ section.name }}">{{ data }}, {{ subject.title }}</section>'}
    )
    original = page.PackageLoader
    monkeypatch.setattr(page, "PackageLoader", lambda name: jinja2.ChoiceLoader([templates, original(name)]))
    text = render(dataclasses.replace(subject, title=EVIL), [*SECTIONS[-1:], Shapes()])
    assert re.findall(r'<a href="#(\w+)">', text) == ["settings", "shapes"]
    assert f'<section id="shapes">(897, 8, 8, 1), {markupsafe.escape(EVIL)}</section>' in text
    assert 'id="shapes"' not in render(dataclasses.replace(subject, images=None), [Shapes()])


def test_page_keeps_the_settings_of_matplotlib(subject):
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    render(dataclasses.replace(subject, projections=()))
    assert dict(mpl.rcParams) == before
    assert "matplotlib.pyplot" not in sys.modules or not sys.modules["matplotlib.pyplot"].get_fignums()


def test_page_is_small_enough_to_send(image_classifier, clusterer, digits):
    X, y = np.tile(digits[0][900:], (3, 1, 1)), np.tile(digits[1][900:], 3)
    noisy = np.clip(X + 0.2 * np.random.default_rng(0).random(X.shape), 0, 1)
    for estimator in (image_classifier, clusterer):
        text = render(gather(estimator, noisy, y, projections=("PCA",)))
        assert len(payload(text)["group"]) == 2000
        assert len(text.encode()) < 3_000_000


def test_write_report_replaces_the_file_at_once(tmp_path, image_classifier, digits, monkeypatch):
    target = tmp_path / "new" / "report.html"
    X, y = digits[0][900:950], digits[1][900:950]
    assert write_report(target, image_classifier, X, y, title="First", projections=("PCA",)) == target
    before = target.read_text(encoding="utf-8")
    assert "<h1>First</h1>" in before

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        write_report(target, image_classifier, X, y, title="Second", projections=("PCA",))
    assert target.read_text(encoding="utf-8") == before
    assert [path.name for path in target.parent.iterdir()] == ["report.html"]


def test_report_names_missing_extras():
    code = "import sys; sys.modules['jinja2'] = None\nimport knownot.report"
    environment = {**os.environ, "PYTHONPATH": str(Path(knownot.__file__).parents[1])}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment)
    assert "pip install 'knownot[report]'" in done.stderr
