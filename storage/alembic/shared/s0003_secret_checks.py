"""Check values of the keys that this database's secrets are sealed with."""

from storage.postgres.ddl import run_script

revision = "s0003"
down_revision = "s0002"

_CHECKS = """
create table public.secret_checks (
    kid         text primary key,
    value       text not null,
    created_at  timestamptz not null default now()
);
grant select, insert on public.secret_checks to firelater_app;
"""


def upgrade() -> None:
    run_script(_CHECKS)
