#!/bin/sh
# Runs once, on an empty data directory: one role and its databases for each of the two services.
set -eu

psql --set ON_ERROR_STOP=1 \
    --set firelater_password="$FIRELATER_DB_PASSWORD" \
    --set temporal_password="$TEMPORAL_DB_PASSWORD" \
    --username "$POSTGRES_USER" --dbname postgres <<'SQL'
-- createrole: the first migration makes the role that row-level security applies to.
-- bypassrls: provisioning and sweeping work for every tenant; requests drop to that role.
create role firelater login createrole bypassrls password :'firelater_password';
create database firelater owner firelater;
create role temporal login createdb password :'temporal_password';
SQL
