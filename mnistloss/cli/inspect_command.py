"""`mnistloss inspect`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mnistloss.cli import options, output

if TYPE_CHECKING:
    from mnistloss.scoring import Selection
    from mnistloss.views.view import View


class _Views(click.Group):
    """A command for each view of the registry, with the view's own options."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        from mnistloss.views import VIEWS

        return [*VIEWS, "all"]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        from mnistloss.views import VIEWS

        if cmd_name == "all":
            return _command("all", "all views, each with its default options", list(VIEWS.values()))
        view = VIEWS.get(cmd_name)
        return None if view is None else _command(view.name, view.meaning, [view])


@click.group("inspect", cls=_Views, invoke_without_command=True)
@click.pass_context
def command(ctx: click.Context) -> None:
    """Look at predictions from one side each.

    Without a VIEW, list the views.
    """
    if ctx.invoked_subcommand is None:
        from mnistloss.report import table
        from mnistloss.views import VIEWS

        output.show(table.views(list(VIEWS.values())))


def _command(name: str, meaning: str, views: list[View]) -> click.Command:
    @options.predictions
    @options.selection
    @options.format_table_json
    def run(predictions: str, selection: Selection, format_: str, plot: Path | None = None, **chosen: Any) -> None:
        from mnistloss.examples import load_examples

        examples = load_examples(output.source(predictions), selection)
        results = {view.name: view.run(examples, **chosen) for view in views}
        seen = results.values() if plot or format_ == "table" else ()
        parts = [part for result in seen for part in result.parts()]
        if format_ == "json":
            from mnistloss.report import machine

            output.write(machine.inspection_json(examples, results))
        else:
            output.show_parts(parts)
        output.save_plot(plot, parts)

    taken = options.plot(run) if any(view.charted for view in views) else run
    made = click.command(name, help=f"{meaning[0].upper()}{meaning[1:]}.")(taken)
    if len(views) == 1:
        for option in views[0].options:
            whole = isinstance(option.default, int)
            kind = click.IntRange(min=int(option.least)) if whole else click.FloatRange(min=option.least)
            flag = f"--{option.name.replace('_', '-')}"
            made.params.append(
                click.Option([flag], type=kind, default=option.default, show_default=True, help=option.meaning)
            )
    return made
