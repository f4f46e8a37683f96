"""Tenants, API keys, migration jobs, templates, idempotency keys and the audit log; rows of a
tenant are protected by row-level security."""

from storage.postgres.ddl import run_script

revision = "s0001"
down_revision = None

_ROLE = """
do $$ begin
    create role firelater_app nologin;
exception when duplicate_object or unique_violation then null;  -- roles belong to the whole server
end $$;
grant firelater_app to current_user;
grant usage on schema public to firelater_app;
revoke create on schema public from public;
"""

_TABLES = """
create table public.tenants (
    id          text primary key check (id ~ '^[0-9a-hjkmnp-tv-z]{26}$'),
    slug        text not null unique check (slug ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
    name        text not null,
    created_at  timestamptz not null default now()
);
create table public.api_keys (
    id            text primary key,
    tenant_id     text references public.tenants on delete cascade,
    name          text not null,
    role          text not null check
                  (role in ('platform', 'admin', 'operator', 'viewer', 'notifier')),
    secret_hash   bytea not null,
    created_at    timestamptz not null default now(),
    expires_at    timestamptz,
    last_used_at  timestamptz,
    revoked_at    timestamptz,
    check ((role = 'platform') = (tenant_id is null))
);
create table public.migration_jobs (
    id                uuid primary key default uuidv7(),
    tenant_id         text not null references public.tenants on delete cascade,
    source_system     text not null,
    source_instance   text not null default '',
    entity_type       text not null,
    format            text not null,
    charset           text,
    file_name         text not null,
    object_key        text not null,
    object_size       bigint not null,
    object_etag       text not null,
    sha256            text not null,
    status            text not null default 'pending' check (status in ('pending', 'preview',
                      'processing', 'paused', 'completed', 'failed', 'cancelled', 'rolled_back')),
    phase             text not null default 'uploading',
    epoch             integer not null default 0,
    mapping_revision  integer not null default 0,
    source_timezone   text,
    dry_run           boolean not null default false,
    options           jsonb not null default '{}',
    total_records     bigint not null default 0,
    chunks            integer not null default 0,
    profile           jsonb not null default '{}',
    preview           jsonb,
    validation        jsonb,
    report            jsonb not null default '{}',
    warnings          jsonb not null default '[]',
    failure           jsonb,
    created_by        text not null,
    created_at        timestamptz not null default now(),
    started_at        timestamptz,
    completed_at      timestamptz
);
create index migration_jobs_tenant on public.migration_jobs (tenant_id, id);
create table public.migration_job_mappings (
    job_id      uuid not null references public.migration_jobs on delete cascade,
    revision    integer not null,
    tenant_id   text not null,
    mapping     jsonb not null,
    created_at  timestamptz not null default now(),
    primary key (job_id, revision)
);
create table public.migration_mappings (
    id             uuid primary key default uuidv7(),
    tenant_id      text not null references public.tenants on delete cascade,
    name           text not null,
    source_system  text not null,
    target_entity  text not null,
    mapping        jsonb not null,
    created_by     text not null,
    created_at     timestamptz not null default now(),
    updated_at     timestamptz not null default now(),
    unique (tenant_id, name)
);
create table public.idempotency_keys (
    tenant_id     text not null,
    key           text not null,
    request_hash  text,
    status        integer,
    response      jsonb,
    created_at    timestamptz not null default now(),
    primary key (tenant_id, key)
);
create table public.audit_log (
    id         uuid primary key default uuidv7(),
    tenant_id  text not null,
    actor      text not null,
    action     text not null,
    subject    text not null,
    at         timestamptz not null default now()
);
"""

_FENCED = ("migration_jobs", "migration_job_mappings", "migration_mappings", "idempotency_keys")

# The owner is exempt from row-level security on api_keys and tenants: authentication looks a key up
# before it knows the tenant, and provisioning goes through all tenants. The service itself always
# works as the role firelater_app.
_OWNER_EXEMPT = ("api_keys",)

_KEYS = """
create function public.resolve_api_key(key_id text)
returns table (
    id text, tenant_id text, slug text, role text, secret_hash bytea, used_lately boolean)
language sql security definer set search_path = pg_catalog as $$
    select k.id, k.tenant_id, t.slug, k.role, k.secret_hash,
           coalesce(k.last_used_at > now() - interval '1 minute', false)
    from public.api_keys k left join public.tenants t on t.id = k.tenant_id
    where k.id = key_id and k.revoked_at is null and (k.expires_at is null or k.expires_at > now())
$$;
revoke all on function public.resolve_api_key(text) from public;
grant execute on function public.resolve_api_key(text) to firelater_app;

create function public.touch_api_key(key_id text) returns void
language sql security definer set search_path = pg_catalog as $$
    update public.api_keys set last_used_at = now() where id = key_id
$$;
revoke all on function public.touch_api_key(text) from public;
grant execute on function public.touch_api_key(text) to firelater_app;
"""


def upgrade() -> None:
    run_script(_ROLE)
    run_script(_TABLES)
    mine = "tenant_id = current_setting('app.tenant', true)"
    for table in (*_FENCED, *_OWNER_EXEMPT, "audit_log"):
        run_script(f"alter table public.{table} enable row level security")
        run_script(f"create policy tenant on public.{table} using ({mine}) with check ({mine})")
    for table in (*_FENCED, "audit_log"):
        run_script(f"alter table public.{table} force row level security")
    for table in (*_FENCED, *_OWNER_EXEMPT):
        run_script(f"grant select, insert, update, delete on public.{table} to firelater_app")
    run_script("grant select, insert on public.audit_log to firelater_app")
    run_script("alter table public.tenants enable row level security")
    run_script(
        "create policy tenant on public.tenants using (id = current_setting('app.tenant', true))"
    )
    run_script("grant select on public.tenants to firelater_app")
    run_script(_KEYS)
