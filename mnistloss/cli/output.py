"""The one place that prints: results to stdout, progress and notes to stderr."""

from __future__ import annotations

import contextlib
import io
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from mnistloss.errors import InputError, OutputError
from mnistloss.formatting import as_options, shown

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console, RenderableType

    from mnistloss.document import Part, Result

_NARROW, _USUAL, _WIDE = 20, 80, 500
_SOON = 1.0


def console(*, stderr: bool = False) -> Console:
    """Return a rich console of the width of COLUMNS, of the terminal, or wide where the output is neither."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    columns = shutil.get_terminal_size((_USUAL if stream.isatty() else _WIDE, 25)).columns
    # rich believes a width for TERM=dumb only where it is given a height too
    return Console(stderr=stderr, width=max(_NARROW, columns), height=25, highlight=False, markup=False, emoji=False)


def has_colour(console: Console) -> bool:
    """Whether the console shows colours; NO_COLOR turns them off."""
    return console.color_system is not None and not console.no_color


def show(*renderables: RenderableType) -> None:
    """Print results; characters that the encoding of stdout lacks are replaced."""
    with _printing("replace"):
        console().print(*renderables, sep="\n", crop=False)


def show_parts(parts: Sequence[Part]) -> None:
    """Print the parts of a document; pictures only on a terminal."""
    from mnistloss.report.terminal import render

    out = console()
    colour = has_colour(out)
    for part in parts:
        show(render(part, out.width, pictures=out.is_terminal, colour=colour))


def show_result(name: str, result: Result, format_: str, where: Mapping[str, Any] | None = None) -> None:
    """Print a result as text, or as JSON under its name beside the data that it is of (`where`)."""
    if format_ == "json":
        from mnistloss.report import formats

        write(formats.document(**with_options({**(where or {}), name: result.as_dict()})))
    else:
        show_parts(result.parts())


def with_options(value: Any) -> Any:
    """Return data for JSON with texts that name options as the command line does."""
    if isinstance(value, dict):
        return {key: with_options(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return list(map(with_options, value))
    return as_options(value) if isinstance(value, str) else value


def save_plot(path: Path | None, parts: Sequence[Part]) -> None:
    """Draw the charts among the parts to a file, if one is named, and print its name."""
    if path is None:
        return
    from mnistloss.document import charts
    from mnistloss.report.charts import save

    save(charts(parts), path)
    note(f"drawn to {shown(path)}")


def source(predictions: str) -> str | BinaryIO:
    """Return the predictions that a command names: a path, or standard input for -."""
    if predictions != "-":
        return predictions
    if sys.stdin is None:
        raise InputError("-: standard input is closed")
    return sys.stdin.buffer


def write(text: str) -> None:
    """Print text of a machine format: unchanged, bytes that are no valid text too, but safe to show on a terminal."""
    with _printing("surrogateescape"):
        if sys.stdout.isatty():
            text = "\n".join(map(shown, text.split("\n")))
        click.echo(text, color=True)  # else click takes escapes out of a file name


@contextlib.contextmanager
def _printing(errors: str) -> Iterator[None]:
    """Turn errors of the system while printing into OutputError, except a closed pipe."""
    if sys.stdout is None:
        raise OutputError("cannot print: standard output is closed")
    if isinstance(sys.stdout, io.TextIOWrapper):  # a test or a notebook may have replaced it
        sys.stdout.reconfigure(errors=errors)
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError(f"cannot print: {error.strerror or error}") from error


def note(text: str) -> None:
    """Print a note to stderr; a closed stderr is ignored."""
    with contextlib.suppress(OSError):
        click.echo(text, err=True)


def _stderr_is_terminal() -> bool:
    """Whether stderr is open and a terminal."""
    return sys.stderr is not None and sys.stderr.isatty()


@contextlib.contextmanager
def download_progress() -> Iterator[Callable[[str, int, int | None], None] | None]:
    """Show a bar for each downloaded file on stderr if it is a terminal; else yield None."""
    if not _stderr_is_terminal():
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
    """Show a bar for work that takes longer than a second, on stderr if it is a terminal; else yield None."""
    if not _stderr_is_terminal():
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
    """Show a bar of `total` steps on stderr if it is a terminal; yield a function of the step and a remark."""
    if not _stderr_is_terminal():
        yield lambda *_: None
        return
    from rich import progress

    columns = (progress.TextColumn(what), progress.BarColumn(), progress.MofNCompleteColumn())
    remarks = progress.TextColumn("{task.description}")
    with progress.Progress(*columns, remarks, console=console(stderr=True)) as bar:
        task = bar.add_task("", total=total)

        def update(step: int, remark: str) -> None:
            bar.update(task, completed=step, description=remark)

        yield update
