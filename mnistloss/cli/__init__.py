"""The command line: one file for each command, which parses options, calls one library function and prints its result.

A command imports what it needs when it runs, so that --help and --version import only click.
"""

from __future__ import annotations

import gc
import importlib
import signal
import sys
import time
from typing import TYPE_CHECKING, Any

import click

from mnistloss.cli import output
from mnistloss.errors import ArgumentError, MnistLossError
from mnistloss.formatting import as_options, did_you_mean, shown
from mnistloss.version import __version__

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

_COMMANDS = {
    "fetch": "Download, verify and cache MNIST or another DATASET.",
    "sample": "Draw a mini-batch, or partition everything into batches.",
    "eval": "Score the predictions in .npy files.",
    "baseline": "Write the predictions of a baseline, and show its scores.",
    "verify": "Check a quoted number against a predictions file.",
    "compare": "Compare predictions with those of the first file.",
    "gap": "Measure overfitting: how much worse a model is on the test split.",
    "inspect": "Analyse predictions: confusion, calibration, worst examples, ...",
    "explain": "Explain the loss: why it is optimised, its terms, how it falls.",
    "report": "Write an HTML report about predictions.",
    "losses": "List the losses with their formulas.",
    "datasets": "List the datasets with sizes, classes and licence, or cite one.",
    "cache": "List, verify or clear the cached files.",
}
"""The commands with the first sentences of their help texts, so that listing them imports none."""


class Group(click.Group):
    """A group that asks for the closest command where one is mistyped."""

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        names = self.list_commands(ctx)
        if args[0] not in names and not args[0].startswith("-") and not ctx.resilient_parsing:
            ctx.fail(f"No such command {shown(args[0])}{did_you_mean(args[0], names)}")
        return super().resolve_command(ctx, args)


class _Group(Group):
    """A group that imports a command when it is called. Errors of the library become messages here and only here."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"mnistloss.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem

        commands = [CompletionItem(name, help=text) for name, text in _COMMANDS.items() if name.startswith(incomplete)]
        return [*commands, *click.Command.shell_complete(self, ctx, incomplete)]

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except MnistLossError as error:
            output.note(f"Error: {as_options(str(error))}")
            ctx.exit(2 if isinstance(error, ArgumentError) else 1)
        except MemoryError as error:
            output.note(f"Error: there is not enough memory ({error})")
            ctx.exit(1)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.version_option(__version__, message="mnistloss %(version)s")
def main() -> None:
    """The loss of predictions on MNIST: defined, checked, reproducible.

    Exit status: 0 fine, 1 the input or the data was refused or unavailable, 2 usage, 3 a gate was crossed.
    """


def run() -> None:
    """Run the command line in a process of its own, which ends without a search for garbage."""
    _handle_signals(_stop)
    try:
        main(prog_name="mnistloss")
    finally:
        _handle_signals(signal.SIG_IGN)
        gc.freeze()


_stopped_at: list[float] = []
_SIGNALS = (signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM))


def _handle_signals(handler: Any) -> None:
    """Handle the signals that end a process by `handler`; a signal that is ignored stays ignored."""
    for number in _SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, handler)


def _stop(number: int, _: Any) -> None:
    """Exit and remove half-written files; ignore more signals within a second."""
    if _stopped_at and time.monotonic() - _stopped_at[-1] < 1:
        return
    _stopped_at.append(time.monotonic())
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    sys.exit(128 + number)
