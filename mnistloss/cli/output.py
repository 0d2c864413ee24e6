"""Print: results to stdout, progress and notes to stderr. No other module prints."""

from __future__ import annotations

import contextlib
import io
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

    from mnistloss.document import Part

_SLOW_SECONDS, _LOG_SECONDS = 1.0, 30.0


def console(*, stderr: bool = False) -> Console:
    """Return a rich console that writes to stdout or stderr."""
    from mnistloss.report import terminal

    return terminal.console(sys.stderr if stderr else sys.stdout, stderr=stderr)


def has_colour(console: Console) -> bool:
    """Return whether the console shows colours; NO_COLOR turns them off."""
    return console.color_system is not None and not console.no_color


def show(*renderables: RenderableType) -> None:
    """Print results; characters that stdout cannot encode are replaced. In a file or a pipe no line ends in blanks."""
    with _printing("replace"):
        out = console()
        if out.is_terminal:
            out.print(*renderables, sep="\n", crop=False)
            return
        with out.capture() as printed:
            out.print(*renderables, sep="\n", crop=False)
        click.echo("\n".join(line.rstrip() for line in printed.get().split("\n")), nl=False)


def show_parts(parts: Sequence[Part]) -> None:
    """Print the parts of a document. Pictures are printed only on a terminal."""
    from mnistloss.report.terminal import render

    out = console()
    colour = has_colour(out)
    for part in parts:
        show(render(part, out.width, pictures=out.is_terminal, colour=colour))


def show_result(name: str, result: Any, format_: str, where: Mapping[str, Any] | None = None) -> None:
    """Print a result in a format. The JSON has the result under its name, after the entries of `where`.

    result: has `as_dict`, `parts`, and `rows` for CSV.
    """
    if format_ == "table":
        show_parts(result.parts())
        return
    from mnistloss.report import formats

    match format_:
        case "json":
            write(formats.document(**with_options({**(where or {}), name: result.as_dict()})))
        case "csv":
            write(formats.rows_csv(with_options(result.rows())))
        case _:
            from mnistloss.document import Lines
            from mnistloss.report.markup import MARKUP
            from mnistloss.report.papers import paper

            parts = paper(result)
            texts = (p._replace(lines=tuple(map(as_options, p.lines))) if isinstance(p, Lines) else p for p in parts)
            write(MARKUP[format_](list(texts)))


def with_options(value: Any) -> Any:
    """Return data in which texts name options of the command line instead of Python keywords."""
    if isinstance(value, dict):
        return {key: with_options(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return list(map(with_options, value))
    return as_options(value) if isinstance(value, str) else value


def save_plot(path: Path | None, parts: Sequence[Part]) -> None:
    """Draw the charts of a document to a file and print the name of the file. If `path` is None, do nothing."""
    if path is not None:
        from mnistloss.document import charts
        from mnistloss.report.charts import save

        save(charts(parts), path)
        note(f"drawn to {shown(path)}")


def source(predictions: str) -> str | BinaryIO:
    """Return what to read the predictions from: the path itself, or standard input if the path is -."""
    if predictions != "-":
        return predictions
    if sys.stdin is None:
        raise InputError("-: standard input is closed")
    return sys.stdin.buffer


def write(text: str) -> None:
    """Print text for other programs, such as JSON, without a change, even bytes that are not valid UTF-8.

    On a terminal, control characters are printed as escapes.
    """
    with _printing("surrogateescape"):
        if sys.stdout.isatty():
            text = "\n".join(map(shown, text.split("\n")))
        click.echo(text, color=True)  # else click removes escapes from a file name


@contextlib.contextmanager
def _printing(errors: str) -> Iterator[None]:
    """Turn an OSError of printing into an OutputError, but not that of a closed pipe. errors: how to encode."""
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
    """Return whether stderr is open and a terminal."""
    return sys.stderr is not None and sys.stderr.isatty()


@contextlib.contextmanager
def download_progress() -> Iterator[Callable[[str, int, int | None], None] | None]:
    """Show a bar for each downloaded file on stderr; if stderr is no terminal, yield None."""
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
    """Show a bar on stderr, but only after a second of work; if stderr is no terminal, yield None."""
    if not _stderr_is_terminal():
        yield None
        return
    start, bar = time.monotonic(), None
    with contextlib.ExitStack() as stack:

        def update(done: int, total: int) -> None:
            nonlocal bar
            if bar is None and time.monotonic() - start > _SLOW_SECONDS:
                bar = stack.enter_context(step_progress(what, total))
            if bar is not None:
                bar(done, "")

        yield update


@contextlib.contextmanager
def file_progress(total: int | None) -> Iterator[Callable[[int, int, int], None]]:
    """Yield a function of the files that are done, of those that are refused, and of those that were done before.

    It prints a line on stderr now and then: every second on a terminal, over the line before, else every 30 seconds.
    """
    is_terminal = _stderr_is_terminal()
    start = last = time.monotonic()

    def update(done: int, refused: int, before: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last < (1 if is_terminal else _LOG_SECONDS):
            return
        last, rate = now, (done - before) / (now - start)
        of = "" if total is None else f" of {total:,}"
        left = "" if total is None or not rate else f", {(total - done) / rate:,.0f} s left"
        text = f"{done:,}{of} files, {refused:,} refused, {rate:,.0f} a second{left}"
        with contextlib.suppress(OSError):
            click.echo(f"\r\x1b[K{text}" if is_terminal else text, err=True, nl=not is_terminal)

    try:
        yield update
    finally:
        if is_terminal and last > start:
            click.echo("\r\x1b[K", err=True, nl=False)


@contextlib.contextmanager
def training_progress(epochs: int) -> Iterator[Callable[[int, float], None]]:
    """Show a bar of the epochs of a training with the latest loss; yield a function of epoch and loss."""
    with step_progress("training", epochs) as update:
        yield lambda epoch, loss: update(epoch, f"loss {loss:.4f}")


@contextlib.contextmanager
def step_progress(what: str, total: int) -> Iterator[Callable[[int, str], None]]:
    """Show a bar of `total` steps on stderr if it is a terminal; yield a function of the step and a remark."""
    if not _stderr_is_terminal():
        yield lambda step, remark: None
        return
    from rich import progress

    columns = (progress.TextColumn(what), progress.BarColumn(), progress.MofNCompleteColumn())
    remarks = progress.TextColumn("{task.description}")
    with progress.Progress(*columns, remarks, console=console(stderr=True)) as bars:
        task = bars.add_task("", total=total)
        yield lambda step, remark: bars.update(task, completed=step, description=remark)
