"""`mnistloss cache`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from mnistloss.cli import options, output

if TYPE_CHECKING:
    from mnistloss.datasets.cache import Entry


@click.group("cache", invoke_without_command=True)
@click.pass_context
def command(ctx: click.Context) -> None:
    """Look at, verify or clear what is cached."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_)


@command.command("list")
@options.format_("table", "json")
@options.cache_dir
def list_(format_: str = "table", cache_dir: Path | None = None) -> None:
    """List the cached files, each read and verified."""
    from mnistloss.datasets.cache import State, entries

    _print([entry for entry in entries(cache_dir) if entry.state is not State.MISSING], format_)


@command.command("verify")
@options.format_("table", "json")
@options.cache_dir
@click.pass_context
def verify(ctx: click.Context, format_: str, cache_dir: Path | None) -> None:
    """Read and verify every cached file; exit with 1 if one is broken."""
    from mnistloss.datasets.cache import State, entries

    found = [entry for entry in entries(cache_dir) if entry.state is not State.MISSING]
    _print(found, format_)
    ctx.exit(1 if any(entry.state is State.BROKEN for entry in found) else 0)


@command.command("clear")
@click.argument("datasets", nargs=-1, type=options.DATASET, metavar="[DATASET]...")
@options.cache_dir
def clear(datasets: tuple[str, ...], cache_dir: Path | None) -> None:
    """Remove the cached files of a DATASET, or of all, and nothing else."""
    from mnistloss.datasets import cache
    from mnistloss.datasets.catalog import DATASETS
    from mnistloss.formatting import shown

    removed, left = cache.clear(datasets or tuple(DATASETS), cache_dir)
    for path in removed:
        output.write(f"removed {shown(path)}")
    for path in left:
        output.note(f"kept, because it is not a file of the cache: {shown(path)}")


@command.command("path")
@options.cache_dir
def path(cache_dir: Path | None) -> None:
    """Print the cache folder, for scripts."""
    from mnistloss.datasets.cache import folder

    output.write(str(folder(cache_dir)))


def _print(found: list[Entry], format_: str) -> None:
    if format_ == "json":
        from mnistloss.report import formats

        output.write(formats.document(files=[entry.as_dict() for entry in found]))
    else:
        from mnistloss.report import tables

        output.show(tables.cache_entries(found))
