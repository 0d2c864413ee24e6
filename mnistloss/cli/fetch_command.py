"""`mnistloss fetch`."""

from __future__ import annotations

from pathlib import Path

import click

from mnistloss.cli import options, output


@click.command("fetch")
@click.argument("datasets", nargs=-1, type=options.DATASET, metavar="[DATASET]...")
@click.option("--from", "source", type=options.FILE, help="Import from this file or folder instead of downloading.")
@click.option("--mirror", "mirrors", multiple=True, metavar="URL", help="Mirror to use instead of the known ones.")
@click.option("--split", type=click.Choice(["train", "test"]), help="Only this split.")
@click.option("--force", is_flag=True, help="Download again what the cache has.")
@click.option(
    "--export",
    type=options.Destination(".npz", ".pkl", ""),
    help="Write the arrays: .npz, .pkl, or a new folder of .npy files.",
)
@options.form
@options.cache_dir
def command(
    datasets: tuple[str, ...],
    source: Path | None,
    mirrors: tuple[str, ...],
    split: str | None,
    force: bool,
    export: Path | None,
    normalize: bool,
    flatten: bool,
    one_hot: bool,
    cache_dir: Path | None,
) -> None:
    """Download, verify and cache MNIST or another DATASET.

    Datasets: mnist (the default), fashion-mnist, and the embedded mnist-5k.
    """
    from mnistloss.datasets.catalog import SPLITS
    from mnistloss.datasets.fetch import fetch
    from mnistloss.datasets.load import Form, named_arrays
    from mnistloss.export import save_arrays
    from mnistloss.report import table

    datasets = datasets or ("mnist",)
    if export and len(datasets) > 1:
        raise click.UsageError("--export writes the arrays of one dataset; name one")
    if source and (mirrors or force):
        raise click.UsageError("--from imports files of this machine; it goes without --mirror and --force")
    splits = (split,) if split else SPLITS
    for name in dict.fromkeys(datasets):
        with output.download_progress() as progress:
            files = fetch(
                name, splits=splits, source=source, mirrors=mirrors, force=force, cache_dir=cache_dir, progress=progress
            )
        output.show(table.fetched(files))
    if export:
        arrays = named_arrays(datasets[0], splits, Form(normalize, flatten, one_hot), cache_dir=cache_dir)
        save_arrays(export, arrays)
        output.show(table.written(export, arrays))
