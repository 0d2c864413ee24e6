"""`mnistloss cache`."""

from __future__ import annotations

from pathlib import Path

import click

from mnistloss.cli import Group, options, output


@click.group("cache", cls=Group, invoke_without_command=True, epilog=options.examples("cache", "cache verify"))
@click.pass_context
def command(ctx: click.Context) -> None:
    """List, verify or clear the cached files."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_)


@command.command("list")
@options.format_("table", "json")
@options.cache_dir
def list_(format_: str, cache_dir: Path | None) -> bool:
    """List the cached files; each is read and verified."""
    from mnistloss.datasets.cache import State, entries

    files = [entry for entry in entries(cache_dir) if entry.state is not State.MISSING]
    if format_ == "json":
        from mnistloss.report import formats

        output.write(formats.document(files=[entry.as_dict() for entry in files]))
    else:
        from mnistloss.report import listings

        output.show(listings.cache_entries(files))
    return all(entry.state is State.VERIFIED for entry in files)


@command.command("verify")
@options.format_("table", "json")
@options.cache_dir
@click.pass_context
def verify(ctx: click.Context, format_: str, cache_dir: Path | None) -> None:
    """Read and verify all cached files; exit with 1 if one is broken."""
    ctx.exit(0 if ctx.invoke(list_, format_=format_, cache_dir=cache_dir) else 1)


@command.command("clear")
@click.argument("datasets", nargs=-1, type=options.DATASET, metavar="[DATASET]...")
@options.cache_dir
def clear(datasets: tuple[str, ...], cache_dir: Path | None) -> None:
    """Remove the cached files of a DATASET, or of all datasets, and nothing else."""
    from mnistloss.datasets import cache
    from mnistloss.datasets.catalog import DATASETS
    from mnistloss.formatting import shown

    removed_paths, other_paths = cache.clear(datasets or tuple(DATASETS), cache_dir)
    for path in removed_paths:
        output.write(f"removed {shown(path)}")
    for path in other_paths:
        output.note(f"kept, because it is not a file of the cache: {shown(path)}")


@command.command("path")
@options.cache_dir
def path(cache_dir: Path | None) -> None:
    """Print the path of the cache folder, for scripts."""
    from mnistloss.datasets.cache import folder

    output.write(str(folder(cache_dir)))
