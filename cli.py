"""The `firelater` command: a table of contents. The work is done where each command points."""

import asyncio
import logging
import runpy
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NoReturn

import typer

if TYPE_CHECKING:
    from storage.postgres.database import Database
    from storage.secrets.key_file import KeyFile

app = typer.Typer(no_args_is_help=True, add_completion=False)
receivers = typer.Typer(no_args_is_help=True)
app.add_typer(receivers, name="receivers", help="The vendors' endpoints, for trying things out.")
secrets = typer.Typer(no_args_is_help=True)
app.add_typer(secrets, name="secrets", help="The keys that stored secrets are sealed with.")


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
    from egress.address import Policy
    from egress.route import Route
    from embedded import CannotStart, stack
    from embedded.plan import Options
    from settings import settings

    logging.basicConfig(format="%(levelname)s %(message)s")
    data_dir = data_dir.resolve()
    ready_file = (ready_file or data_dir / "ready.json").resolve()
    chosen = settings()
    try:
        Policy.parse(chosen.egress_allow)  # else only the logs of API and workers would say it
        Route.parse(*chosen.egress_route)
    except ValueError as reason:
        _fail(f"{reason}; docs/configuration.md tells what may stand there")
    try:
        stack.up(Options(data_dir, ready_file, workers, storage), chosen)
    except CannotStart as reason:
        _fail(reason)


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
    """Start everything, migrate two exports, notify four vendors, show what arrived, stop."""
    from rich.console import Console

    from commands.client import Refused
    from commands.demo import demo as run

    try:
        run(data_dir.resolve(), Console())
    except Refused as reason:
        _fail(reason)


@app.command()
def migrate(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False)],
    source: Annotated[str, typer.Option(help="Where it is from, such as servicenow.")],
    entity: Annotated[str, typer.Option(help="What its records are, such as incident.")],
    mapping: Annotated[Path | None, typer.Option(help="A mapping as JSON.")] = None,
    instance: Annotated[str, typer.Option(help="Which instance of the source.")] = "",
    timezone: Annotated[str | None, typer.Option(help="Zone of dates without one.")] = None,
    charset: Annotated[str | None, typer.Option(help="How a CSV file is encoded.")] = None,
    delimiter: Annotated[str | None, typer.Option(help="Of CSV; `tab` for tabs.")] = None,
    continue_on_error: Annotated[bool, typer.Option("--continue-on-error")] = False,
    update_existing: Annotated[bool, typer.Option("--update-existing")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run")] = False,
) -> None:
    """Upload an export, import it, show the report.

    Needs FIRELATER_API_KEY. FIRELATER_URL says where the API is (default: http://127.0.0.1:8080).
    """
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
        **({"charset": charset} if charset else {}),
        **({"delimiter": delimiter} if delimiter else {}),
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
        _fail(reason)
    done = job["status"] == "completed" or (dry_run and job["report"].get("wouldRun"))
    raise typer.Exit(0 if done else 1)


@secrets.command()
def rotate(
    new_key: Annotated[
        bool, typer.Option("--new-key", help="Add a key to the ring first.")
    ] = False,
) -> None:
    """Bring all secrets under the first key of the ring. May be stopped and run again."""
    from storage.integration import secret_rotation as rotation

    async def work(database: "Database", file: "KeyFile") -> bool:
        if new_key:
            typer.echo(f"added={await rotation.add_key(database, file)}")
        return await rotation.rotate(database, file, typer.echo)

    _with_keys(work)


@secrets.command()
def verify() -> None:
    """Open every secret, count them by key, tell which do not open."""
    from storage.integration import secret_rotation as rotation

    async def work(database: "Database", file: "KeyFile") -> bool:
        return await rotation.verify(database, file, typer.echo)

    _with_keys(work)


@secrets.command()
def adopt() -> None:
    """Seal secrets that were once saved in channels' configs. Every API does so at its start."""
    from storage.integration.secret_rotation import Refused
    from storage.secrets.key_file import BadKeyFile

    try:
        runpy.run_module("api.notification.channel_adoption", run_name="__main__", alter_sys=True)
    except (BadKeyFile, Refused) as reason:
        _fail(reason)


@secrets.command()
def retire(
    kid: Annotated[str, typer.Argument(help="The id of a key that no secret needs.")],
    histories_expired: Annotated[
        bool, typer.Option(help="No workflow history is encrypted with it any more.")
    ] = False,
) -> None:
    """Remove a key from the ring, if nothing needs it."""
    from settings import settings
    from storage.integration import secret_rotation as rotation

    async def work(database: "Database", file: "KeyFile") -> bool:
        await rotation.retire(database, file, kid)
        typer.echo(f"retired={kid}; keep a copy for backups and histories that were made with it")
        return True

    if settings().temporal_payload_encryption and not histories_expired:
        _fail(
            f"Temporal's workflow histories may be encrypted with {kid}: wait until all workflows"
            " that ran under it are done and past the namespace's retention, then add"
            " --histories-expired"
        )
    _with_keys(work)


def _with_keys(work: "Callable[[Database, KeyFile], Awaitable[bool]]") -> None:
    """Do it with DATABASE_URL and SECRETS_KEYRING_FILE; exit 1 if it fails or returns False."""
    from settings import settings
    from storage.integration.secret_rotation import Refused, connected
    from storage.secrets.key_file import BadKeyFile

    async def run() -> bool:
        async with connected(settings()) as (database, file):
            return await work(database, file)

    try:
        done = asyncio.run(run())
    except (BadKeyFile, Refused) as reason:
        _fail(reason)
    raise typer.Exit(0 if done else 1)


@receivers.command("up")
def receivers_up(
    port_base: Annotated[
        int, typer.Option(min=0, max=65_000, help="The first of their ports. (0: free ones)")
    ] = 0,
    ready_file: Annotated[
        Path | None, typer.Option(help="Says what runs where, and how to connect to it.")
    ] = None,
) -> None:
    """Run Slack, Teams, PagerDuty, a webhook and a mail server on this machine, as receivers."""
    from rich.console import Console

    try:
        from receivers.running import up as run
    except ModuleNotFoundError as missing:
        _fail(f"no module {missing.name}: receivers need the packages of `make setup`")
    try:
        run(port_base, ready_file.resolve() if ready_file else None, Console())
    except OSError as reason:
        _fail(reason)


def _fail(reason: object) -> NoReturn:
    """Say why on stderr and exit 1."""
    typer.secho(f"firelater: {reason}", err=True, fg="red")
    raise typer.Exit(1)


def main() -> None:
    app()


if __name__ == "__main__":
    main()
