"""The commands, put together."""

from __future__ import annotations

from typing import Annotated

import typer

from knownot.cli import bench, demo, embed, evaluate, fit, inspect, predict, rehearse
from knownot.version import __version__

app = typer.Typer(
    name="knownot",
    help="Models that know what they do not know: they say [bold]none of these[/] instead of guessing.\n\n"
    "Train a model on samples that you know; samples unlike them are rejected. You choose the share of known "
    "samples to accept.",
    epilog="""[bold]Start here[/]

  knownot demo                                   a model in under a minute
  knownot fit photos/ --model birds.safetensors  one folder for each class
  knownot predict birds.safetensors new/ --out predictions.csv

[bold]Exit codes[/]  0 success · 1 unexpected error · 2 wrong usage or input · 130 Ctrl-C

Set KNOWNOT_TRACEBACK=1 in the environment to see the tracebacks of errors.
""",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"knownot {__version__}")
        raise typer.Exit


@app.callback()
def _global(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


for module in (demo, rehearse, fit, predict, evaluate, inspect, embed):
    app.command(module.NAME, epilog=module.EXAMPLES)(module.command)
app.add_typer(bench.app, name=bench.NAME)


def main() -> None:
    """Run the command `knownot`."""
    app(prog_name="knownot")
