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


@app.command()
def demo(
    data_dir: Annotated[Path, typer.Option(help="Where everything is kept.")] = Path("var"),
) -> None:
    """Start everything, migrate two sample exports, show the result, stop."""
    from rich.console import Console

    from commands.client import Refused
    from commands.demo import demo as run

    try:
        run(data_dir.resolve(), Console())
    except Refused as reason:
        typer.secho(f"firelater: {reason}", err=True, fg="red")
        raise typer.Exit(1) from None


@app.command()
def migrate(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False)],
    source: Annotated[str, typer.Option(help="servicenow, generic_csv")],
    entity: Annotated[str, typer.Option(help="incident, request")],
    mapping: Annotated[Path | None, typer.Option(help="A mapping as JSON.")] = None,
    instance: Annotated[str, typer.Option(help="Which instance of the source.")] = "",
    timezone: Annotated[str | None, typer.Option(help="Zone of dates without one.")] = None,
    continue_on_error: Annotated[bool, typer.Option("--continue-on-error")] = False,
    update_existing: Annotated[bool, typer.Option("--update-existing")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run")] = False,
) -> None:
    """Upload an export, import it, show the report. Needs FIRELATER_URL and FIRELATER_API_KEY."""
    from rich.console import Console

    from commands.client import Api, Refused
    from commands.migrate import Migration
    from commands.migrate import migrate as run
    from settings import settings

    fields = {
        "sourceSystem": source,
        "entityType": entity,
        "sourceInstance": instance,
        **({"mapping": mapping.read_text()} if mapping else {}),
        **({"sourceTimezone": timezone} if timezone else {}),
    }
    options = {
        "continueOnError": continue_on_error,
        "updateExisting": update_existing,
        "dryRun": dry_run,
    }
    chosen = settings()
    try:
        api = Api(chosen.firelater_url, chosen.firelater_api_key.get_secret_value())
        job = run(api, Migration(file, fields, options), Console())
    except Refused as reason:
        typer.secho(f"firelater: {reason}", err=True, fg="red")
        raise typer.Exit(1) from None
    done = job["status"] == "completed" or (dry_run and job["report"].get("wouldRun"))
    raise typer.Exit(0 if done else 1)


def main() -> None:
    app()


if __name__ == "__main__":
    main()
