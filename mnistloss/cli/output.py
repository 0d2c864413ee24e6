"""The one place that prints: results to stdout, progress and notes to stderr."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from mnistloss.errors import InputError, OutputError
from mnistloss.formatting import shown

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console, RenderableType

    from mnistloss.document import Part, Result

_WIDE = 500
_SOON = 1.0


def console(*, stderr: bool = False) -> Console:
    """A rich console that does not cut lines where nobody looks at a terminal."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    wide = None if stream.isatty() or "COLUMNS" in os.environ else _WIDE
    # rich believes a width for TERM=dumb only where it is given a height too
    return Console(stderr=stderr, width=wide, height=wide and 25, highlight=False, markup=False, emoji=False)


def coloured(console: Console) -> bool:
    """Whether colours can be seen, which NO_COLOR forbids."""
    return console.color_system is not None and not console.no_color


def show(*renderables: RenderableType) -> None:
    """Print results made by `report.table`, in whatever characters stdout can say."""
    with _printing("replace"):
        console().print(*renderables, sep="\n")


def show_parts(parts: Sequence[Part]) -> None:
    """Print the parts of a document; pictures on a terminal only."""
    from mnistloss.report.terminal import render

    out = console()
    colour = coloured(out)
    for part in parts:
        show(render(part, out.width, pictures=out.is_terminal, colour=colour))


def show_result(name: str, found: Result, format_: str, where: Mapping[str, Any] | None = None) -> None:
    """Print what was found: as people read it, or as JSON under its name, beside where it was found."""
    if format_ == "json":
        from mnistloss.report import formats

        write(formats.document(**(where or {}), **{name: found.as_dict()}))
    else:
        show_parts(found.parts())


def save_plot(path: Path | None, parts: Sequence[Part]) -> None:
    """Draw the charts among the parts to a file, if one is named, and say so."""
    if path is None:
        return
    from mnistloss.document import charts
    from mnistloss.report.charts import save

    save(charts(parts), path)
    note(f"drawn to {shown(path)}")


def source(predictions: str) -> str | BinaryIO:
    """Predictions as a command names them: - is standard input."""
    if predictions != "-":
        return predictions
    if sys.stdin is None:
        raise InputError("-: standard input is closed")
    return sys.stdin.buffer


def write(text: str) -> None:
    """Print text of a machine format as it is; bytes of a file name that are no text too."""
    with _printing("surrogateescape"):
        click.echo(text, color=True)  # else click takes escapes out of a file name


@contextlib.contextmanager
def _printing(errors: str) -> Iterator[None]:
    """Turn what the system says against printing into an OutputError; a reader that went away is not told of it."""
    if sys.stdout is None:
        raise OutputError("cannot print: standard output is closed")
    if isinstance(sys.stdout, io.TextIOWrapper):  # and not what something else put in its place
        sys.stdout.reconfigure(errors=errors)
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError(f"cannot print: {error.strerror or error}") from error


def note(text: str) -> None:
    """Say something beside the results, on stderr, if it is to be had."""
    with contextlib.suppress(OSError):
        click.echo(text, err=True)


def _watched() -> bool:
    """Whether stderr, which may be closed, is a terminal."""
    return sys.stderr is not None and sys.stderr.isatty()


@contextlib.contextmanager
def download_progress() -> Iterator[Callable[[str, int, int | None], None] | None]:
    """A bar for each file that is downloaded, on stderr if it is a terminal; else None."""
    if not _watched():
        yield None
        return
    from rich import progress

    columns = (progress.TextColumn("{task.description}"), progress.BarColumn(), progress.DownloadColumn())
    with progress.Progress(*columns, progress.TransferSpeedColumn(), console=console(stderr=True)) as bars:
        tasks: dict[str, progress.TaskID] = {}

        def update(name: str, received: int, total: int | None) -> None:
            if name not in tasks:
                tasks[name] = bars.add_task(name, total=total)
            bars.update(tasks[name], completed=received, total=total)

        yield update


@contextlib.contextmanager
def slow_progress(what: str) -> Iterator[Callable[[int, int], None] | None]:
    """A bar for work that takes longer than a second, on stderr if it is a terminal; else None."""
    if not _watched():
        yield None
        return
    began, shown = time.monotonic(), contextlib.ExitStack()
    bars: list[Callable[[int, str], None]] = []

    def update(done: int, total: int) -> None:
        if not bars and time.monotonic() - began > _SOON:
            bars.append(shown.enter_context(step_progress(what, total)))
        for bar in bars:
            bar(done, "")

    with shown:
        yield update


@contextlib.contextmanager
def step_progress(what: str, total: int) -> Iterator[Callable[[int, str], None]]:
    """A bar of `total` steps, on stderr if it is a terminal; call what is yielded with the step and a remark."""
    if not _watched():
        yield lambda *_: None
        return
    from rich import progress

    columns = (progress.TextColumn(what), progress.BarColumn(), progress.MofNCompleteColumn())
    remarks = progress.TextColumn("{task.description}")
    # refreshed by hand: a thread that does it would keep the work from being shared by forked processes
    with progress.Progress(*columns, remarks, console=console(stderr=True), auto_refresh=False) as bar:
        task = bar.add_task("", total=total)

        def update(step: int, remark: str) -> None:
            bar.update(task, completed=step, description=remark, refresh=True)

        yield update
