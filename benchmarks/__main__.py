"""Measure, print, and write results.json and the tables of README.md in this folder: see `make bench`."""

from __future__ import annotations

import datetime
import importlib.metadata
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from benchmarks.figures import FIGURES, PROCESSORS
from benchmarks.growth import CURVES, Curve
from benchmarks.measuring import Measurement, Result
from benchmarks.report import Report, insert

FOLDER = Path(__file__).resolve().parent
RESULTS, README = FOLDER / "results.json", FOLDER / "README.md"
PACKAGES = ("mnistloss", "numpy", "click", "rich", "scikit-learn", "scipy", "torch", "torchmetrics", "keras")
FLAGS = ("avx2", "fma", "avx512f", "amx_tile", "sha_ni")
"""Flags of processors that decide which of two libraries is faster."""


@click.command()
@click.option("--only", multiple=True, type=click.Choice([*FIGURES, *CURVES]), help="Measure only this; repeatable.")
@click.option("--quick", is_flag=True, help="Measure with few runs, to try whether everything works.")
def main(only: tuple[str, ...], quick: bool) -> None:
    """Measure mnistloss beside what people would use instead.

    A whole run writes results.json and the tables of README.md in benchmarks/; --only and --quick write nothing.
    """
    names = only or (*FIGURES, *CURVES)
    with tempfile.TemporaryDirectory(prefix="mnistloss-bench-") as folder:
        measurements = {name: measure(name, folder, quick) for name in names}
    report = Report(
        machine(),
        {"Python": platform.python_version(), **{name: importlib.metadata.version(name) for name in PACKAGES}},
        datetime.date.today().isoformat(),
        tuple(
            Result.of(row, Measurement(**measurements[row.name]))
            for row, _ in FIGURES.values()
            if measurements.get(row.name)
        ),
        tuple(Curve(**measurements[name]) for name in CURVES if measurements.get(name)),
    )
    Console().print(report.renderable())
    if failures := [name for name in names if not measurements[name]]:
        sys.exit(f"these failed, so nothing is written: {', '.join(failures)}")
    if not only and not quick:
        RESULTS.write_text(report.to_json(), "utf-8")
        README.write_text(insert(README.read_text("utf-8"), report.markdown()), "utf-8")


def measure(name: str, folder: str, quick: bool) -> Any:
    """Measure a figure or the points of a curve in a separate process; return None where it fails."""
    click.echo(f"{name} ...", err=True)
    words = (sys.executable, "-m", "benchmarks.worker", name, folder, "quick" if quick else "full")
    process = subprocess.run(words, stdout=subprocess.PIPE, encoding="utf-8", cwd=FOLDER.parent)
    return None if process.returncode else json.loads(process.stdout)


def machine() -> str:
    """Return processor model, the `FLAGS` that it has, number of usable processors, memory and system."""
    description = Path("/proc/cpuinfo").read_text("utf-8")
    model = re.findall(r"model name\s*: (.*)", description)
    flags = [flag for flag in FLAGS if re.search(rf"^flags\s*:.*\b{flag}\b", description, re.MULTILINE)]
    gigabytes = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9
    processor = model[0] if model else platform.machine()
    return f"{processor} ({' '.join(flags)}), {PROCESSORS} processors, {gigabytes:.0f} GB, {platform.system()}"


if __name__ == "__main__":
    main()
