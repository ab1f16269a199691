"""All races of speed, one after the other, into ``results/speed/``.

    python benchmarks/speed.py [RACE ...] [-- OPTIONS OF THE RACE]

Each race is a script of its own beside this one, with both sides in one run. Run nothing else
meanwhile: the ratios hardly change by it, the seconds do.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from knownot.experiments.provenance import provenance

HERE = Path(__file__).parent
RESULTS = HERE.parent / "results" / "speed"
RACES = {
    "training_step": ["training_step.py"],
    "scoring": ["scoring.py"],
    "startup": ["startup.py"],
    "oscr": ["oscr.py"],
    "class_similarity": ["class_similarity.py"],
    "weibull": ["weibull.py"],
    "photos": ["photos.py"],
    "damage": ["damage.py"],
    "views": ["views.py"],
    "mixing": ["mixing.py"],
}


def main() -> None:
    """Run the races named on the command line, or all."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    names, given = sys.argv[1:], []
    if "--" in names:
        names, given = names[: names.index("--")], names[names.index("--") + 1 :]
    for name in names or RACES:
        script, *options = RACES[name]
        command = [sys.executable, str(HERE / script), *options, *given, "--json"]
        output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        record = {"race": name, "result": json.loads(output), "provenance": provenance()}
        (RESULTS / f"{name}.json").write_text(json.dumps(record, indent=1) + "\n")
        print(name, output.strip(), flush=True)


if __name__ == "__main__":
    main()
