"""The `firelater` command: a table of contents. The work is done where each command points."""

import logging
import runpy
from pathlib import Path
from typing import Annotated, Literal

import typer

app = typer.Typer(no_args_is_help=True, add_completion=False)


@app.command()
def up(
    data_dir: Annotated[Path, typer.Option(help="Where everything is kept.")] = Path("var"),
    ready_file: Annotated[
        Path | None, typer.Option(help="Says what runs where. (default: DATA_DIR/ready.json)")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Worker processes.")] = 2,
    storage: Annotated[Literal["local", "s3"], typer.Option(help="Where uploads go.")] = "s3",
) -> None:
    """Run the whole service on this machine: servers, API and workers."""
    from embedded import CannotStart, stack
    from embedded.plan import Options
    from settings import settings

    logging.basicConfig(format="%(levelname)s %(message)s")
    data_dir = data_dir.resolve()
    ready_file = (ready_file or data_dir / "ready.json").resolve()
    try:
        stack.up(Options(data_dir, ready_file, workers, storage), settings())
    except CannotStart as reason:
        typer.secho(f"firelater: {reason}", err=True, fg="red")
        raise typer.Exit(1) from None


@app.command()
def api() -> None:
    """Run the HTTP API alone, configured by the environment."""
    runpy.run_module("api", run_name="__main__", alter_sys=True)


@app.command()
def worker() -> None:
    """Run one worker alone, configured by the environment."""
    runpy.run_module("worker", run_name="__main__", alter_sys=True)


def main() -> None:
    app()
