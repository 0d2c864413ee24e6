"""`mnistloss report`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from mnistloss.cli import options, output
from mnistloss.formatting import shown


@click.command(
    "report",
    epilog=options.examples(
        "report preds.npy -o report.html", "report a.npy b.npy -o report.html --title 'Two models'"
    ),
)
@options.predictions("PREDS.npy...", nargs=-1, runs=True)
@click.option("-o", "--out", type=options.Destination(".html"), help="Page to write; this needs the extra [report].")
@options.data
@options.confidence
@click.option("--title", help="Title of the page.  [default: the name of the file]")
@click.option("--note", help="Sentence below the title.")
@options.format_("html", "json", help="Output format: a page, or its data as JSON on standard output.")
def command(
    predictions: list[Any] | dict[str, list[str]],
    out: Path | None,
    title: str | None,
    note: str | None,
    format_: str,
    **data: Any,
) -> None:
    """Write an HTML report about predictions.

    Several files are compared with the first. The page needs neither a network nor scripts. The name - stands for
    standard input. NAME=GLOB, NAME=FOLDER or a repeated NAME=FILE stands for the training runs of one recipe.
    """
    from mnistloss.analysis.overview import build_report
    from mnistloss.analysis.runs import report_runs
    from mnistloss.report import formats, html

    if (format_ == "html") != (out is not None):
        raise click.UsageError("a page goes to a file: -o report.html; --format json is printed")
    if out:
        html.report(predictions, out, title=title, note=note, **data)
        output.note(f"written to {shown(out)}")
        return
    report = report_runs(predictions, **data) if isinstance(predictions, dict) else build_report(predictions, **data)
    output.write(formats.document(report=output.with_options(report.as_dict())))
