"""`mnistloss fetch`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from mnistloss.cli import options, output

if TYPE_CHECKING:
    from mnistloss.arrays.checks import Array


@click.command("fetch", epilog=options.examples("fetch", "fetch mnist-5k --export arrays.npz"))
@click.argument("datasets", nargs=-1, type=options.DATASET, metavar="[DATASET]...")
@click.option("--from", "source", type=options.FILE, help="File, folder or archive on this machine to import from.")
@click.option(
    "--mirror", "mirrors", multiple=True, metavar="URL", help="Mirror to use instead of the catalog's; repeatable."
)
@click.option("--insecure-http", is_flag=True, help="Allow mirrors without TLS; the content is verified in any case.")
@click.option("--split", type=options.SPLIT, help="Fetch only this split.")
@click.option("--force", is_flag=True, help="Download files again even if they are in the cache.")
@click.option(
    "--timeout",
    type=options.POSITIVE,
    default=10,
    help="Seconds to wait for a mirror that does not connect, is silent, or sends less than 1 kB/s.",
)
@click.option("--deadline", type=options.POSITIVE, default=600, help="Seconds to wait for a complete file.")
@click.option(
    "--export",
    type=options.Destination(".npz", ".pkl", ""),
    help="Also write the arrays to a .npz, a .pkl, or a new folder of .npy.",
)
@click.option(
    "--layout",
    type=options.OneOf("mnistloss.datasets.load", "LAYOUTS"),
    default="plain",
    help="Names in the export: plain is x_train, t_train, ...; book is train_img, train_label, ... as raw bytes.",
)
@options.form
@options.cache
def command(
    datasets: tuple[str, ...],
    source: Path | None,
    mirrors: tuple[str, ...],
    insecure_http: bool,
    split: str | None,
    force: bool,
    timeout: float,
    deadline: float,
    export: Path | None,
    layout: str,
    cache_dir: Path | None,
    download: bool,
    **form: bool,
) -> None:
    """Download, verify and cache MNIST or another DATASET.

    Datasets: mnist (the default), fashion-mnist, kmnist, qmnist, and the embedded mnist-5k.
    """
    from mnistloss.arrays.save import save_arrays
    from mnistloss.datasets.catalog import SPLITS
    from mnistloss.datasets.fetch import fetch
    from mnistloss.datasets.load import LAYOUTS, Form, load_split
    from mnistloss.datasets.settings import CacheOptions, Timeouts
    from mnistloss.report import listings

    datasets = tuple(dict.fromkeys(datasets or ("mnist",)))
    if export and len(datasets) > 1:
        raise click.UsageError("--export writes the arrays of one dataset; name only one")
    if source and (mirrors or force):
        raise click.UsageError("--from imports files from this machine; leave out --mirror and --force")
    if layout == "book" and (export is None or form["one_hot_label"] or not form["flatten"]):
        raise click.UsageError("--layout book is of --export; it fixes the form, so leave out --one-hot and --images")
    chosen_form = Form(**form) if layout == "plain" else Form(normalize=False)
    splits = (split,) if split else SPLITS
    timeouts = Timeouts(timeout, deadline)
    for name in datasets:
        with output.download_progress() as progress:
            cache_options = CacheOptions(cache_dir, download, force, mirrors, insecure_http, timeouts, progress)
            result = fetch(name, splits=splits, source=source, cache_options=cache_options)
        output.show(listings.fetch_result(result))
    if export:
        arrays: dict[str, Array] = {}
        for name in splits:
            examples = load_split(datasets[0], name, CacheOptions(cache_dir, download=False))
            x_and_t = examples.take(slice(None), chosen_form)
            arrays |= {key.format(name): array for key, array in zip(LAYOUTS[layout], x_and_t, strict=True)}
        save_arrays(export, arrays)
        output.show(listings.saved_arrays(export, arrays))
