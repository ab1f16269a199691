"""Write ``docs/speed.md`` from the files in ``results/speed/``.

python benchmarks/write_docs.py

The page about experiments is written by ``knownot bench table --docs docs``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from knownot.files import whole_file

HOME = Path(__file__).parent.parent
PREFACE = """# Speed

Every claim of speed is a ratio, with both sides measured in one run. Every number here comes from a file in
`results/speed/`, written by `python benchmarks/speed.py`; this page is written from them by
`python benchmarks/write_docs.py`.

| race | result | hardware, date |
| --- | --- | --- |
"""


def record(name: str) -> dict[str, Any] | None:
    """What a race found; None where it was not run."""
    path = HOME / "results" / "speed" / f"{name}.json"
    return json.loads(path.read_text()) if path.exists() else None


def row(title: str, text: str, found: dict[str, Any]) -> str:
    """One line of the table."""
    where = found["provenance"]
    return f"| {title} | {text} | {where['hardware']}, {where['date'][:10]} |\n"


def training_step(step: dict[str, Any]) -> str:
    lines = ""
    for name in ("conv", "mlp"):
        for precision, value in step["result"][name]["speed_of_train_against_bare"].items():
            text = f"{value['median']:.2f} (quartiles {value['quartile_1']:.2f} … {value['quartile_3']:.2f})"
            lines += row(f"training loop against a bare loop, {name}, {precision}", f"{text} of its speed", step)
        half = step["result"][name]["speed_of_bfloat16_against_float32"]
        text = f"{half['median']:.2f} times as fast (quartiles {half['quartile_1']:.2f} … {half['quartile_3']:.2f})"
        lines += row(f"bfloat16 against float32, {name}", text, step)
    return lines


def scoring(found: dict[str, Any]) -> str:
    lines = ""
    for name, result in found["result"].items():
        some, all_rows = result["runs"]
        text = f"{result['rows_per_second']:,.0f} rows a second"
        if "times_the_bare_encoder" in result:
            text += f", {result['times_the_bare_encoder']:.1f} times the time of the bare encoder"
        text += (
            f"; peak memory above the input and the scores {some['memory_mib']:.1f} MiB for {some['rows']:,} rows and "
            f"{all_rows['memory_mib']:.1f} MiB for all"
        )
        lines += row(f"`{name}`, scoring {all_rows['rows']:,} rows of 128-d embeddings", text, found)
        if "beside" in result:
            other = result["beside"]
            text = (
                f"{other['speed_against_other']:.2f} (quartiles {other['quartile_1']:.2f} … "
                f"{other['quartile_3']:.2f}) of its speed, {other['processor_time_of_other']:.2f} by processor time; "
                f"scores differ by {other['largest_difference_of_scores']:.0e} at most"
            )
            title = f"`{name}`, scoring {result['raced_rows']:,} rows, beside commit {other['commit'][:9]}"
            lines += row(title, text, found)
            text = f"{result['fit_seconds']:.1f} s, of that commit {other['fit_seconds']:.1f} s"
            lines += row(f"`{name}`, fitting", text, found)
    return lines


def startup(found: dict[str, Any]) -> str:
    return "".join(
        row(f"`{name}`", f"{value['median_seconds']:.3f} s, {value['ratio_to_torch']:.3f} times `import torch`", found)
        for name, value in found["result"]["startup"].items()
    )


def oscr(found: dict[str, Any]) -> str:
    result = found["result"]
    text = f"same number, {result['ratio']:.0f} times as fast"
    return row(f"OSCR of {result['scores']:,} scores against its definition", text, found)


def weibull(found: dict[str, Any]) -> str:
    return "".join(
        row(
            f"Weibull tails of {classes} classes, {found['result']['tail']} distances each, against `scipy.stats`",
            f"the same to {value['difference_from_converged_scipy']:.0e}, {value['ratio_at_once']:.0f} times as fast",
            found,
        )
        for classes, value in found["result"]["classes"].items()
    )


def class_similarity(found: dict[str, Any]) -> str:
    result, lines = found["result"], ""
    for n_classes, value in result["classes"].items():
        peaks = [value[side]["peak_mib"] for side in ("class-similarity", "scikit-learn")]
        text = (
            f"{value['ratio']:.1f} times as fast ({min(value['ratios']):.1f} … {max(value['ratios']):.1f}), "
            f"{value['ratio_of_processor_time']:.1f} by processor time; peak memory of the process, imports and data "
            f"included, {peaks[0]:.0f} MiB, of scikit-learn {peaks[1]:.0f} MiB"
        )
        title = (
            f"`class-similarity`, {result['queries']:,} rows against {result['embeddings']:,} embeddings of "
            f"{n_classes} classes, beside brute-force neighbours of scikit-learn, class by class"
        )
        lines += row(title, text, found)
    return lines


def photos(found: dict[str, Any]) -> str:
    result = found["result"]
    return "".join(
        row(
            f"{result['photos']} photos of {size}, `{step}`",
            f"{value['seconds']:.1f} s, peak memory {value['peak_mib']:.0f} MiB, imports included",
            found,
        )
        for size, steps in result["sizes"].items()
        for step, value in steps.items()
    )


def damage(found: dict[str, Any]) -> str:
    """What is no race, but measured with them."""
    result = found["result"]
    lines = "".join(
        row(f"single bits flipped in a {name}", f"{counts['refused']} of {counts['flips']} refused", found)
        for name, counts in result.items()
        if "flips" in counts
    )
    loads = result["model overwritten while loaded"]
    text = f"{loads['whole']} of {loads['loads']} loads whole"
    lines += row(f"model loaded while another process saves over it {loads['overwrites']:,} times", text, found)
    for name in ("refit without a network", "refit with a network"):
        counts = result[name]
        text = f"{counts['old model intact']} of {counts['broken off']} times the old model intact"
        lines += row(f"{name}, broken off by Ctrl-C", text, found)
    return lines


def beside(found: dict[str, Any]) -> str:
    result, lines = found["result"], ""
    for name, value in result["races"].items():
        text = f"{value['speed_against_other']:.2f} (quartiles {value['quartile_1']:.2f} … {value['quartile_3']:.2f})"
        lines += row(f"{name}, beside commit {result['commits']['other'][:9]}", f"{text} of its speed", found)
    return lines


def views(found: dict[str, Any]) -> str:
    result, lines = found["result"], ""
    batch = "{} images of {} x {} x {}".format(*(result["images"][i] for i in (0, 2, 3, 1)))

    def ratio(value: dict[str, float]) -> str:
        return f"{value['times_the_reference']:.1f} (quartiles {value['quartile_1']:.1f} … {value['quartile_3']:.1f})"

    own, theirs = result["views"]["SimCLRViews"], result["views"]["kornia"]
    text = f"{own['milliseconds']:.1f} ms; kornia {result['kornia']} takes {ratio(theirs)} times as long"
    lines += row(f"`SimCLRViews` of {batch}, {result['threads']} thread", text, found)
    for name in ("GentleViews", "FlipsAndShifts"):
        lines += row(f"`{name}` of the same", f"{result['views'][name]['milliseconds']:.1f} ms", found)
    for name, value in result["mixing"].items():
        text = f"{value['milliseconds']:.1f} ms" + (f", {ratio(value)} times CutMix" if name == "GradMix" else "")
        lines += row(f"`{name}` of the same", text, found)
    return lines


RACES = {
    "training_step": training_step,
    "scoring": scoring,
    "startup": startup,
    "beside": beside,
    "oscr": oscr,
    "class_similarity": class_similarity,
    "weibull": weibull,
    "photos": photos,
    "damage": damage,
    "views": views,
}


def main() -> None:
    """Write the page."""
    rows = [describe(found) for name, describe in RACES.items() if (found := record(name)) is not None]
    with whole_file(HOME / "docs" / "speed.md", "w", encoding="utf-8") as file:
        file.write(PREFACE + "".join(rows))


if __name__ == "__main__":
    main()
