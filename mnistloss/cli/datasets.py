"""`mnistloss datasets`."""

from __future__ import annotations

import click

from mnistloss.cli import options, output


@click.command("datasets", epilog=options.examples("datasets", "datasets --cite mnist"))
@options.format_("table", "json")
@click.option("--cite", type=options.DATASET, metavar="NAME", help="Print the BibTeX entry of this dataset.")
def command(format_: str, cite: str | None) -> None:
    """List the datasets with sizes, classes and licence, or cite one."""
    from mnistloss.datasets.catalog import DATASETS

    if cite:
        output.write(DATASETS[cite].bibtex)
    elif format_ == "json":
        from mnistloss.report import formats

        output.write(formats.document(datasets=[dataset.as_dict() for dataset in DATASETS.values()]))
    else:
        from mnistloss.report import listings

        output.show(listings.datasets(list(DATASETS.values())))
