#!/bin/sh
# Creates or upgrades Temporal's two databases; safe to run on every start.
# The steps are those of temporalio/samples-server, compose/scripts/setup-postgres.sh.
set -eu

tool() {
    database=$1
    shift
    temporal-sql-tool --plugin postgres12 --ep postgres --port 5432 --user temporal \
        --db "$database" "$@"
}

tool temporal create
tool temporal setup-schema -v 0.0
tool temporal update-schema -d /etc/temporal/schema/postgresql/v12/temporal/versioned

tool temporal_visibility create
tool temporal_visibility setup-schema -v 0.0
tool temporal_visibility update-schema -d /etc/temporal/schema/postgresql/v12/visibility/versioned
