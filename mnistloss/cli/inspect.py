"""`mnistloss inspect`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mnistloss.cli import Group, options, output

if TYPE_CHECKING:
    from mnistloss.analysis.view import Option


class _Views(Group):
    """A group with a command for each view of the registry; a command has the options of the view."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        from mnistloss.analysis.inspect import VIEWS

        return [*VIEWS, "all"]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        from mnistloss.analysis.inspect import VIEWS

        if cmd_name == "all":
            return _command("all", "all views, each with its default options")
        view = VIEWS.get(cmd_name)
        return None if view is None else _command(view.name, view.meaning, view.options, charted=view.charted)


@click.group(
    "inspect",
    cls=_Views,
    invoke_without_command=True,
    epilog=options.examples("inspect confusion preds.npy", "inspect all preds.npy --format json"),
)
@click.pass_context
def command(ctx: click.Context) -> None:
    """Analyse predictions: confusion, calibration, worst examples, ...

    Without a VIEW, list the views.
    """
    if ctx.invoked_subcommand is None:
        from mnistloss.analysis.inspect import VIEWS
        from mnistloss.report import listings

        output.show(listings.views(list(VIEWS.values())))


def _command(name: str, meaning: str, view_options: Sequence[Option] = (), *, charted: bool = True) -> click.Command:
    """Return the command of a view; charted: whether the view has charts, which --plot draws."""

    @options.predictions()
    @options.data
    @options.format_("table", "json")
    def run(predictions: Any, format_: str, plot: Path | None = None, **data: Any) -> None:
        from mnistloss.analysis.inspect import inspect

        values = {option.name: data.pop(option.name) for option in view_options}
        inspection = inspect(predictions, name, options=values, **data)
        output.show_result("views", inspection, format_, inspection.where())
        output.save_plot(plot, inspection.parts() if plot else ())

    callback = options.plot(run) if charted else run
    command = click.command(
        name, help=f"{meaning[0].upper()}{meaning[1:]}.", epilog=options.examples(f"inspect {name} preds.npy")
    )(callback)
    for option in view_options:
        kind = int if isinstance(option.default, int) else float
        flag = f"--{option.name.replace('_', '-')}"
        command.params.append(click.Option([flag], type=kind, default=option.default, help=option.meaning))
    return command
