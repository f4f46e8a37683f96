"""The `firelater` command: reads options and calls the modules that do the work.

Each command imports its modules itself, so that the other commands start without them.
"""

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
app.add_typer(receivers, name="receivers", help="Stand-ins for the vendors' servers.")
secrets = typer.Typer(no_args_is_help=True)
app.add_typer(secrets, name="secrets", help="The keys that encrypt stored secrets.")


_MAPPING = typer.Option(exists=True, dir_okay=False, help="File with the mapping as JSON.")


@app.command()
def up(
    data_dir: Annotated[Path, typer.Option(help="Folder for all data.")] = Path("var"),
    ready_file: Annotated[
        Path | None, typer.Option(help="File for the addresses. (default: DATA_DIR/ready.json)")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="How many worker processes.")] = 2,
    storage: Annotated[Literal["local", "s3"], typer.Option(help="Where uploads are kept.")] = "s3",
) -> None:
    """Run the whole service on this machine: servers, API and workers, until Ctrl-C."""
    from egress.policy import Policy
    from egress.route import Route
    from embedded import CannotStart, stack
    from embedded.plan import Options
    from settings import settings

    logging.basicConfig(format="%(levelname)s %(message)s")
    data_dir = data_dir.resolve()
    ready_file = (ready_file or data_dir / "ready.json").resolve()
    chosen = settings()
    try:
        Policy.parse(chosen.egress_allow)  # else only the logs would show the fault
        Route.parse(*chosen.egress_route)
    except ValueError as reason:
        _fail(f"{reason}; docs/configuration.md says which values are allowed")
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
    data_dir: Annotated[Path, typer.Option(help="Folder for all data.")] = Path("var"),
) -> None:
    """Start the service, import two exports, notify four vendors, show what arrived, and stop."""
    from rich.console import Console

    from commands.client import Refused
    from commands.demo import demo as run

    try:
        run(data_dir.resolve(), Console())
    except Refused as reason:
        _fail(reason)


@app.command()
def migrate(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="The export file.")],
    source: Annotated[str, typer.Option(help="Source system, such as servicenow.")],
    entity: Annotated[str, typer.Option(help="Type of the records, such as incident.")],
    mapping: Annotated[Path | None, _MAPPING] = None,
    instance: Annotated[str, typer.Option(help="Name of the source's instance.")] = "",
    timezone: Annotated[str | None, typer.Option(help="Time zone of dates that name none.")] = None,
    charset: Annotated[str | None, typer.Option(help="Encoding of a CSV file.")] = None,
    delimiter: Annotated[str | None, typer.Option(help="Delimiter of CSV; `tab` for tabs.")] = None,
    continue_on_error: Annotated[
        bool, typer.Option("--continue-on-error", help="Import the good records among bad ones.")
    ] = False,
    update_existing: Annotated[
        bool, typer.Option("--update-existing", help="Update records that the tenant has.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only predict the outcome.")] = False,
) -> None:
    """Upload an export file, import it, and show the report.

    Needs FIRELATER_API_KEY. FIRELATER_URL is the API's address (default: http://127.0.0.1:8080).
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
        bool, typer.Option("--new-key", help="Add a new key first, and use that.")
    ] = False,
) -> None:
    """Move all secrets to the first key of the key ring. May be stopped and run again."""
    from storage.integration import secret_rotation as rotation

    async def work(database: "Database", file: "KeyFile") -> bool:
        if new_key:
            typer.echo(f"added={await rotation.add_key(database, file)}")
        return await rotation.rotate(database, file, typer.echo)

    _with_keys(work)


@secrets.command()
def verify() -> None:
    """Decrypt every secret as a check: count them by key, and list those that fail."""
    from storage.integration import secret_rotation as rotation

    async def work(database: "Database", file: "KeyFile") -> bool:
        return await rotation.verify(database, file, typer.echo)

    _with_keys(work)


@secrets.command()
def adopt() -> None:
    """Encrypt secrets that earlier versions stored in the configs of notification channels.

    Every API process does the same when it starts. May be stopped and run again.
    """
    from storage.integration.secret_rotation import Refused
    from storage.secrets.key_file import BadKeyFile

    try:
        runpy.run_module("api.notification.channel_adoption", run_name="__main__", alter_sys=True)
    except (BadKeyFile, Refused) as reason:
        _fail(reason)


@secrets.command()
def retire(
    kid: Annotated[str, typer.Argument(help="Id of a key that no secret needs.")],
    histories_expired: Annotated[
        bool, typer.Option(help="Confirm that no workflow history needs the key.")
    ] = False,
) -> None:
    """Remove a key from the key ring if no secret needs it."""
    from settings import settings
    from storage.integration import secret_rotation as rotation

    async def work(database: "Database", file: "KeyFile") -> bool:
        await rotation.retire(database, file, kid)
        typer.echo(f"retired={kid}; keep a copy of the key for backups and histories that need it")
        return True

    if settings().temporal_payload_encryption and not histories_expired:
        _fail(
            f"Temporal's workflow histories may be encrypted with {kid}: wait until all workflows"
            " that ran while it was in use have ended and are past the namespace's retention, then"
            " add --histories-expired"
        )
    _with_keys(work)


def _with_keys(work: "Callable[[Database, KeyFile], Awaitable[bool]]") -> None:
    """Run `work` with the database of DATABASE_URL and the key ring of SECRETS_KEYRING_FILE, and
    exit with 1 if it is refused or returns False."""
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
        int, typer.Option(min=0, max=65_000, help="The first of their ports; 0 takes free ones.")
    ] = 0,
    ready_file: Annotated[
        Path | None, typer.Option(help="File for the addresses, and for configs to connect.")
    ] = None,
) -> None:
    """Run stand-ins for all vendors, a webhook and a mail server on this machine."""
    from rich.console import Console

    try:
        from receivers.example import EXAMPLES
        from receivers.running import up as run
    except ModuleNotFoundError as missing:
        _fail(f"no module {missing.name}: receivers need the packages that `make setup` installs")
    if not EXAMPLES.is_dir():
        _fail(f"no folder {EXAMPLES}: receivers run from a checkout of the repository")
    try:
        run(port_base, ready_file.resolve() if ready_file else None, Console())
    except OSError as reason:
        _fail(reason)


def _fail(reason: object) -> NoReturn:
    """Print the reason on stderr and exit with 1."""
    typer.secho(f"firelater: {reason}", err=True, fg="red")
    raise typer.Exit(1)


def main() -> None:
    app()


if __name__ == "__main__":
    main()
