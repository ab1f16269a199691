"""The page: right numbers, nothing from outside, nothing unescaped, and every part with or without its data."""

from __future__ import annotations

import base64
import dataclasses
import html
import io
import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import knownot
from knownot.report import figures, gather, page, pictures, render, scatter, views, write_report

EVIL = '<img src=x onerror="alert(1)">&\'"$x_1$</script><script>'


class Outline(HTMLParser):
    """Tags with attributes, and the text outside of scripts and styles."""

    VOID = frozenset({"meta", "link", "img", "br", "input", "hr"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("script", "style"):
            self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))


@pytest.fixture(scope="module")
def content(image_classifier, digits):
    return gather(image_classifier, digits[0][900:], digits[1][900:], title="Digits", max_points=200)


@pytest.fixture(scope="module")
def outline(content):
    return Outline(render(content))


def payload(text: str) -> dict:
    return json.loads(re.search(r'id="map-data">(.*?)</script>', text, re.DOTALL)[1])


def test_page_is_well_formed_and_asks_for_nothing(outline):
    assert outline.open == []
    for tag, attributes in outline.tags:
        for name in ("src", "href", "xlink:href", "data", "action", "srcset"):
            target = attributes.get(name)
            assert target is None or target.startswith(("data:", "#")), (tag, name, target)
        assert not any(name.startswith("on") for name in attributes)
    policies = [a["content"] for tag, a in outline.tags if a.get("http-equiv") == "Content-Security-Policy"]
    assert policies[0].startswith("default-src 'none'; img-src data:;")


def test_style_and_script_load_nothing(content):
    text = render(content)
    for found in re.findall(r"url\(([^)]*)\)", text):
        assert found.startswith(("#", '"${uri}"')), found
    assert "@import" not in text
    assert not re.search(r"fetch\(|XMLHttpRequest|WebSocket|import\(", text)


def test_identifiers_are_unique_and_links_lead_somewhere(outline):
    ids = [attributes["id"] for _, attributes in outline.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    targets = {a[k][1:] for _, a in outline.tags for k in ("href", "xlink:href") if (a.get(k) or "").startswith("#")}
    assert targets <= set(ids)


def test_headline_numbers_stand_on_the_page(content, outline):
    text = outline.text
    for number in (
        views.percent(content.metrics["closed_set_accuracy"]),
        f"{content.metrics['auroc']:.3f}",
        f"{content.metrics['oscr']:.3f}",
        views.percent(content.metrics["acceptance"]),
        views.percent(content.metrics["unknown_rejection"]),
        views.asked_percent(0.95),
        "A negative loss is normal here",
        "200 of 897 samples, drawn at random",
        "t-SNE",
    ):
        assert re.sub(r"\s+", " ", number) in text
    assert all(name in text for name in ("latent covering", "w-prior", "random_state", "Python"))


def test_images_have_a_text_for_those_who_do_not_see_them(outline):
    images = [attributes for tag, attributes in outline.tags if tag == "img"]
    assert len(images) > 100
    assert all(image["alt"] for image in images)


def test_what_users_wrote_is_escaped(content):
    evil = dataclasses.replace(
        content,
        title=EVIL,
        class_names=[EVIL, *content.class_names[1:]],
        true_names=np.where(content.y_true == 0, EVIL, content.true_names),
        settings={EVIL: {EVIL: EVIL}},
        history=[{"epoch": 0, "train": {EVIL: 1.0}, "validation": {EVIL: 2.0}}],
    )
    text = render(evil)
    assert "<img src=x" not in text
    outline = Outline(text)
    assert outline.open == []
    assert sum(tag == "script" for tag, _ in outline.tags) == 2
    assert outline.text.count(EVIL) > 5
    assert payload(text)["classes"][0]["name"] == EVIL


def test_names_in_charts_are_text_and_no_formulas():
    svg = figures.training_chart([{"epoch": 0, "train": {"$\\broken{$ <b>": 1.0}}], None)
    assert "$\\broken{$ &lt;b&gt;" in svg


def test_parts_without_data_are_left_out_with_a_sentence(embedding_only, image_classifier, digits):
    X, y = digits[0][900:], digits[1][900:]
    closed = render(gather(embedding_only, X[y < 6], y[y < 6], projections=("PCA",)))
    assert 'id="curves"' not in closed
    assert "these data hold no unknown ones" in closed
    assert 'id="generated"' not in closed
    assert "p-value" not in Outline(closed).text
    nameless = render(gather(image_classifier, X, projections=("PCA",)))
    assert 'id="confusion"' not in nameless
    assert "they need labels" in nameless
    assert "Unknown, but accepted" not in nameless
    only_unknown = render(gather(image_classifier, X[y > 5], y[y > 5], projections=("PCA",)))
    assert "these data hold no known ones" in only_unknown
    assert "Known, but refused" not in only_unknown
    without_map = render(gather(image_classifier, X, y, projections=()))
    assert "map-data" not in without_map
    for text in (closed, nameless, only_unknown, without_map):
        assert Outline(text).open == []


@pytest.mark.parametrize("n", [1, 2, 4])
def test_very_few_samples_make_a_page(image_classifier, digits, n):
    assert Outline(render(gather(image_classifier, digits[0][:n], digits[1][:n]))).open == []


def test_a_classifier_without_threshold_makes_a_page(content):
    text = Outline(render(dataclasses.replace(content, threshold=-np.inf, y_pred=content.nearest))).text
    assert "No threshold is set: all 897 samples are accepted." in text


def test_infinite_scores_make_a_page(content):
    scores = content.knownness.copy()
    scores[:5], scores[5:10] = -np.inf, np.inf
    assert Outline(render(dataclasses.replace(content, knownness=scores))).open == []


def test_tables_show_feature_values(table_classifier, digits):
    X, y = digits[0][900:].reshape(-1, 64), digits[1][900:]
    names = [f"pixel {i} <&>" for i in range(64)]
    made = gather(table_classifier, X, y, feature_names=names, projections=("PCA",), max_points=50)
    text = render(made)
    assert html.escape(names[0]) in text
    data = payload(text)
    assert data["sprite"] is None
    first = dict(data["features"][0])
    row = X[made.projected[0]]
    assert {name: views.number(row[names.index(name)]) for name in first} == first
    assert not any(tag == "img" for tag, _ in Outline(text).tags)


def test_unusual_features_are_those_farthest_from_the_middle(content):
    table = np.random.default_rng(0).normal(size=(100, 5))
    table[7, 3] = 50.0
    made = dataclasses.replace(content, images=None, features=table, feature_names=list("abcde"))
    assert views.unusual_features(made, np.array([7]))[0][0] == ("d", "50")


def test_confusion_counts_equal_a_count_by_hand(content, digits):
    matrix = views.confusion(content)
    y = digits[1][900:]
    assert matrix.columns == [*"012345", "unknown"]
    assert [name for name, _, _ in matrix.rows] == list("0123456789")
    assert matrix.first_unknown == 6
    for row, (_, total, cells) in enumerate(matrix.rows):
        counts = [int(np.sum((y == row) & (content.y_pred == (c if c < 6 else -1)))) for c in range(7)]
        assert [cell.count for cell in cells] == counts
        assert total == sum(counts)
        assert cells[row if row < 6 else 6].kind in ("right", "none")
    wrong = {(a, b): n for a, b, n in matrix.pairs}
    assert wrong["9", "3"] == np.sum((y == 9) & (content.y_pred == 3))


def test_galleries_hold_the_most_surprising_samples(content):
    refused, accepted, most_unknown = views.galleries(content, most=3)
    scores, known = content.knownness, content.known
    below = content.y_pred == -1
    for gallery, expected in (
        (refused, np.sort(scores[known & below])),
        (accepted, -np.sort(-scores[~known & ~below])),
        (most_unknown, np.sort(scores[below])),
    ):
        assert gallery.total == len(expected)
        assert [example.knownness for example in gallery.examples] == [views.number(v) for v in expected[:3]]
    assert [example.is_known for example in refused.examples] == [True] * 3
    assert [example.is_known for example in accepted.examples] == [False] * 3


def test_rejected_shares_equal_a_count_by_hand(content, digits):
    y = digits[1][900:]
    rows = views.refusals(content)
    assert [row.name for row in rows] == list("0123456789")
    for row in rows:
        assert row.share == pytest.approx(np.mean(content.y_pred[y == int(row.name)] == -1))
        assert row.is_known == (int(row.name) < 6)


def test_map_data_describe_the_drawn_points(content):
    data = scatter.scatter_payload(content)
    assert list(data["maps"]) == ["t-SNE", "PCA"]
    for x, y in data["maps"].values():
        assert min(x + y) >= 0.0
        assert max(x + y) <= 1.0
    names = [data["classes"][g]["name"] for g in data["group"]]
    np.testing.assert_array_equal(names, content.true_names[content.projected])
    np.testing.assert_array_equal(data["accepted"], content.y_pred[content.projected] != -1)
    marks = [(group["colour"], group["mark"]) for group in data["classes"]]
    assert len(set(marks)) == len(marks)
    assert [group["colour"] is None for group in data["classes"]] == [False] * 6 + [True] * 4


def decoded(uri: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.split(",")[1]))))


def test_sprites_lie_where_the_script_looks_for_them():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (11, 10, 7, 3), dtype=np.uint8)
    sheet = pictures.sprite_sheet(images)
    pixels = decoded(sheet.uri)
    assert (sheet.tile, sheet.width, sheet.height, sheet.columns, sheet.rows) == (16, 7, 10, 4, 3)
    for i, image in enumerate(images):
        top, left = i // 4 * 16, i % 4 * 16
        np.testing.assert_array_equal(pixels[top : top + 10, left : left + 7], image)


def test_large_sheets_are_compressed_below_the_limit():
    images = np.random.default_rng(0).random((1500, 40, 40, 3))
    sheet = pictures.sprite_sheet(images)
    assert sheet.uri.startswith("data:image/jpeg")
    assert len(sheet.uri) < 2_600_000


@pytest.mark.parametrize("shape", [(9, 5, 1), (9, 5, 2), (9, 5, 3), (9, 5, 4), (300, 200, 3)])
def test_pictures_of_any_number_of_channels(shape):
    image = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    pixels = decoded(pictures.data_uri(image))
    assert max(pixels.shape[:2]) == min(96, max(shape))
    if shape[0] == 9:
        np.testing.assert_array_equal(pixels, image[..., 0] if shape[2] < 3 else image[..., :3])


def test_many_classes_become_a_heat_map(content):
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 40, len(content.y_pred))
    names = [f"class {i}" for i in range(40)]
    made = dataclasses.replace(
        content, class_names=names, y_true=codes, true_names=np.array(names)[codes], nearest=codes, samples=None
    )
    text = render(made)
    assert 'class="matrix"' not in text
    assert "The most frequent mistakes stand below" in text


def test_charts_keep_matplotlibs_settings(content):
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    render(content)
    assert dict(mpl.rcParams) == before
    assert "matplotlib.pyplot" not in sys.modules or not sys.modules["matplotlib.pyplot"].get_fignums()


def test_history_of_one_epoch_without_validation():
    svg = figures.training_chart([{"epoch": 0, "train": {"total": 1.0}, "validation": None}], None)
    assert "training" in svg
    assert "validation" not in svg


def test_terms_that_are_always_zero_are_left_out(content):
    history = [
        {"epoch": e, "train": {"v-prior": 0.0, "w-prior": 1.0, "total": 1.0}, "validation": None} for e in (1, 2)
    ]
    assert figures.idle_terms(history) == ["v-prior"]
    text = Outline(render(dataclasses.replace(content, history=history))).text
    assert "Left out, since zero throughout: v-prior." in text
    assert text.count("v-prior") == 1


def test_writing_replaces_the_file_at_once(tmp_path, image_classifier, digits, monkeypatch):
    target = tmp_path / "new" / "report.html"
    X, y = digits[0][900:950], digits[1][900:950]
    assert write_report(target, image_classifier, X, y, title="First", projections=("PCA",)) == target
    before = target.read_text(encoding="utf-8")
    assert "<h1>First</h1>" in before

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(page.Path, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        write_report(target, image_classifier, X, y, title="Second", projections=("PCA",))
    assert target.read_text(encoding="utf-8") == before
    assert [path.name for path in target.parent.iterdir()] == ["report.html"]


def test_a_page_is_small_enough_to_send(image_classifier, digits):
    X, y = np.tile(digits[0][900:], (3, 1, 1)), np.tile(digits[1][900:], 3)
    noisy = np.clip(X + 0.2 * np.random.default_rng(0).random(X.shape), 0, 1)
    text = render(gather(image_classifier, noisy, y, projections=("PCA",)))
    assert len(payload(text)["group"]) == 2000
    assert len(text.encode()) < 3_000_000


def test_missing_extras_are_named():
    code = "import sys; sys.modules['jinja2'] = None\nimport knownot.report"
    environment = {**os.environ, "PYTHONPATH": str(Path(knownot.__file__).parents[1])}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment)
    assert "pip install 'knownot[report]'" in done.stderr
