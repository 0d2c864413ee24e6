"""`mnistloss report`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from mnistloss.cli import options, output
from mnistloss.formatting import shown

if TYPE_CHECKING:
    from mnistloss.evaluation.scoring import DataOptions


@click.command("report")
@click.argument("predictions", nargs=-1, required=True, type=click.Path(path_type=str), metavar="PREDS.npy...")
@click.option("-o", "--out", type=options.Destination(".html"), help="The page to write; needs [report].")
@options.selection
@options.confidence
@click.option("--title", help="Title of the page.  [default: the name of the file]")
@click.option("--note", help="A sentence below the title.")
@options.format_("html", "json", help="A page, or its data on standard output.")
def command(
    predictions: tuple[str, ...],
    out: Path | None,
    selection: DataOptions,
    confidence: float,
    title: str | None,
    note: str | None,
    format_: str,
) -> None:
    """Write one page about predictions, to be looked at.

    With several files, they are compared with the first. The page needs neither a network nor a script.
    """
    from mnistloss.analysis.overview import gather
    from mnistloss.report import formats, html

    if (format_ == "html") != (out is not None):
        raise click.UsageError("a page goes to a file: -o report.html; --format json is printed")
    if "-" in predictions:
        raise click.UsageError("a report reads its files more than once; save standard input to a file")
    if out is None:
        output.write(formats.document(report=gather(predictions, selection, confidence=confidence).as_dict()))
    else:
        html.check_installed()
        html.save(gather(predictions, selection, confidence=confidence), out, title=title, note=note)
        output.note(f"written to {shown(out)}")
