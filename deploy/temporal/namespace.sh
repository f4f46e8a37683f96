#!/bin/sh
# Creates the namespace and the search attributes that the service sets; safe to run on every start.
set -eu

temporal operator namespace describe --namespace "$TEMPORAL_NAMESPACE" ||
    temporal operator namespace create --namespace "$TEMPORAL_NAMESPACE" --retention 720h

# The server takes some seconds to know a new namespace everywhere.
attempt=0
until known=$(temporal operator search-attribute list --namespace "$TEMPORAL_NAMESPACE"); do
    attempt=$((attempt + 1))
    [ "$attempt" -lt 30 ] || exit 1
    sleep 2
done

for name in TenantId JobKind Phase; do
    echo "$known" | grep -qw "$name" ||
        temporal operator search-attribute create --namespace "$TEMPORAL_NAMESPACE" \
            --name "$name" --type Keyword
done
