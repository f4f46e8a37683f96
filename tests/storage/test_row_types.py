"""The types of rows name the columns of their tables, no more and no fewer."""

from typing import Any

import pytest
from sqlalchemy import Table

from storage.integration.drafts import Draft
from storage.integration.integrations import Integration, Log
from storage.integration.tables import integration_drafts, integration_logs, integrations
from storage.migration.jobs import Job
from storage.migration.records import Fault, Record, Skip
from storage.migration.tables import (
    import_errors,
    import_skips,
    migration_jobs,
    migration_mappings,
    records,
)
from storage.migration.templates import Template
from storage.notification.notifications import Notification
from storage.notification.routing.channels import NotificationChannel
from storage.notification.rows import Attempt, Delivery
from storage.notification.tables import (
    delivery_attempts,
    notification_channels,
    notification_deliveries,
    notifications,
)

ROWS: list[tuple[Any, Table]] = [
    (Integration, integrations),
    (Draft, integration_drafts),
    (Log, integration_logs),
    (Job, migration_jobs),
    (Template, migration_mappings),
    (Fault, import_errors),
    (Skip, import_skips),
    (NotificationChannel, notification_channels),
    (Notification, notifications),
    (Delivery, notification_deliveries),
    (Attempt, delivery_attempts),
]


@pytest.mark.parametrize(("shape", "table"), ROWS, ids=lambda each: getattr(each, "name", ""))
def test_a_row_has_the_columns_of_its_table(shape: Any, table: Table) -> None:
    assert shape.__annotations__.keys() == set(table.columns.keys())
    for column in table.columns:
        is_optional = "None" in str(shape.__annotations__[column.name])
        assert is_optional == column.nullable or column.computed is not None, column.name


@pytest.mark.parametrize("entity", records)
def test_records_of_all_entities_have_the_common_columns(entity: str) -> None:
    assert Record.__annotations__.keys() <= set(records[entity].columns.keys())
