"""`mnistloss inspect`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mnistloss.cli import options, output

if TYPE_CHECKING:
    from mnistloss.analysis.view import Option
    from mnistloss.evaluation.scoring import DataOptions


class _Views(click.Group):
    """A command for each view of the registry, with the view's own options."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        from mnistloss.analysis.inspect import VIEWS

        return [*VIEWS, "all"]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        from mnistloss.analysis.inspect import VIEWS
        from mnistloss.evaluation.examples import ALL

        if cmd_name == "all":
            return _command("all", "all views, each with its default options", ALL)
        view = VIEWS.get(cmd_name)
        return (
            None if view is None else _command(view.name, view.meaning, view.needs, view.options, charted=view.charted)
        )


@click.group("inspect", cls=_Views, invoke_without_command=True)
@click.pass_context
def command(ctx: click.Context) -> None:
    """Look at predictions from one side each.

    Without a VIEW, list the views.
    """
    if ctx.invoked_subcommand is None:
        from mnistloss.analysis.inspect import VIEWS
        from mnistloss.report import tables

        output.show(tables.views(list(VIEWS.values())))


def _command(
    name: str, meaning: str, needs: Sequence[str], chosen: Sequence[Option] = (), *, charted: bool = True
) -> click.Command:
    @options.predictions
    @options.selection
    @options.format_("table", "json")
    def run(predictions: str, selection: DataOptions, format_: str, plot: Path | None = None, **values: Any) -> None:
        from mnistloss.analysis.inspect import inspect
        from mnistloss.evaluation.examples import load_examples

        examples = load_examples(output.source(predictions), selection, needs)
        found = inspect(examples, name, **values)
        output.show_result("views", found, format_, found.where())
        output.save_plot(plot, found.parts() if plot else ())

    taken = options.plot(run) if charted else run
    made = click.command(name, help=f"{meaning[0].upper()}{meaning[1:]}.")(taken)
    for option in chosen:
        kind = int if isinstance(option.default, int) else float
        flag = f"--{option.name.replace('_', '-')}"
        made.params.append(click.Option([flag], type=kind, default=option.default, help=option.meaning))
    return made
