"""Due deliveries of one integration, and a worker's actions on them."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from domain.integration.stored import SendingIntegration
from domain.notification.backoff import Failures
from domain.notification.delivery import DeliveryStatus
from domain.tenant import TenantId
from storage.notification import attempts as attempt
from storage.notification import claims as claim
from storage.notification import deliveries as delivery
from storage.notification import leases, outbox
from storage.notification.attempts import Outcome
from storage.notification.claimed import Claimed, ClaimPolicy
from storage.postgres.database import Database

_INTEGRATION = (
    "insert into tenant.integrations (id, name, type, created_by) values ($1, $2, $3, '')"
)
_ADD = """
with told as (
    insert into tenant.notifications (request_id, event_type, title, body, created_by)
    values ($1, 'incident.' || $7, 'Printer on fire', '', '') returning id)
insert into tenant.notification_deliveries (notification_id, request_id, channel_id, channel_type,
    integration_id, destination, rank, alert_key, deadline_at, action, recipient)
select id, $1, $2, 'slack', $2, $3, $4, $5, now() + make_interval(secs => $6), $7, $8 from told
returning id
"""


Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Due:
    """An integration with deliveries of one request; `idempotent` and `interval` are its lane's."""

    database: Database
    tenant_id: TenantId
    integration_id: UUID
    request_id: UUID

    @classmethod
    async def of(cls, database: Database, tenant_id: TenantId) -> "Due":
        due = cls(database, tenant_id, uuid4(), uuid4())
        async with database.statements(tenant_id) as sql:
            id = due.integration_id
            await sql.run(_INTEGRATION, id, str(id), "slack")
        return due

    async def add(
        self,
        *ranks: int,
        to: str = "",
        alert: str | None = None,
        seconds: float = 3_600,
        action: str = "trigger",
        recipient: str = "",
    ) -> list[UUID]:
        """Add deliveries with these ranks, in this order; `seconds` until their deadline."""
        found = []
        for rank in ranks or (4,):
            async with self.database.statements(self.tenant_id) as sql:
                mine = (self.request_id, self.integration_id, to, rank, alert, seconds)
                row = await sql.row(Row, _ADD, *mine, action, recipient)
                assert row is not None
                found.append(row["id"])
        return found

    def lane(
        self,
        *,
        idempotent: bool = True,
        interval: float | None = None,
        stateful: bool = False,
        tracked: bool = False,
    ) -> ClaimPolicy:
        worker = "worker@test"
        return ClaimPolicy(self.integration_id, idempotent, interval, worker, stateful, tracked)

    async def claim(
        self,
        want: int = 1,
        *,
        idempotent: bool = True,
        interval: float | None = None,
        stateful: bool = False,
    ) -> list[Claimed]:
        lane = self.lane(idempotent=idempotent, interval=interval, stateful=stateful)
        async with self.database.statements(self.tenant_id) as sql:
            return await claim.claim(sql, lane, want)

    async def estimate_wait(
        self, interval: float | None = None, *, stateful: bool = False
    ) -> float:
        """Seconds until the request's workflow looks again."""
        async with self.database.statements(self.tenant_id) as sql:
            key = self.request_id, self.integration_id
            return await delivery.estimate_wait(sql, key, interval, stateful=stateful)

    async def release(self, claimed: list[Claimed]) -> None:
        async with self.database.statements(self.tenant_id) as sql:
            await leases.release(sql, claimed)

    async def reclaim(self) -> None:
        async with self.database.statements(self.tenant_id) as sql:
            await leases.reclaim(sql, self.integration_id)

    async def end(
        self, claimed: Claimed, status: str = DeliveryStatus.DELIVERED, **more: Any
    ) -> None:
        """Record how an attempt ended."""
        await self.end_all([self.outcome(claimed, status, **more)])

    def outcome(
        self, claimed: Claimed, status: str = DeliveryStatus.DELIVERED, **more: Any
    ) -> Outcome:
        return Outcome(
            claimed.delivery_id,
            claimed.no,
            DeliveryStatus(status),
            failures=Failures(),
            latency_ms=1,
            ended=time.monotonic(),
            destination=claimed.destination,
            **more,
        )

    async def end_all(self, outcomes: Sequence[Outcome], version: int = 1) -> None:
        """Record how attempts through a version of the integration ended."""
        async with self.database.statements(self.tenant_id) as sql:
            await attempt.complete(sql, self.integration(version, in_doubt=True), outcomes)

    def integration(self, version: int = 1, *, in_doubt: bool = False) -> SendingIntegration:
        return {
            "id": self.integration_id,
            "type": "slack",
            "config": {},
            "credentials": None,
            "version": version,
            "is_active": True,
            "connection_status": "connected",
            "last_error": None,
            "places": {},
            "in_doubt": in_doubt,
        }

    async def rows(self, sql: str, *values: Any) -> list[Row]:
        async with self.database.statements(self.tenant_id) as statements:
            return await statements.rows(Row, sql, *values)

    async def state(self, id: UUID) -> tuple[str, int]:
        """A delivery's status, and its number of attempts."""
        query = "select status, attempts from tenant.notification_deliveries where id = $1"
        [row] = await self.rows(query, id)
        return row["status"], row["attempts"]

    async def classes(self, id: UUID) -> list[str | None]:
        """The class of each ended attempt of a delivery; None if it succeeded."""
        query = (
            "select class from tenant.delivery_attempts where delivery_id = $1"
            " and completed_at is not null order by no"
        )
        return [row["class"] for row in await self.rows(query, id)]

    async def set(self, id: UUID, **values: float) -> None:
        """Move times of a delivery: `created_at=-60` is a minute ago."""
        for column, seconds in values.items():
            await self.rows(
                f"update tenant.notification_deliveries set {column} ="
                " now() + make_interval(secs => $2) where id = $1 returning 1",
                id,
                seconds,
            )

    async def place(self, to: str = "") -> Row:
        """A destination's state: seconds until the end of its `rest` and until its `probe`."""
        [row] = await self.rows(_PLACE, self.integration_id, to)
        return row

    async def woken(self) -> list[UUID]:
        """The requests that have to be woken; marks them as woken."""
        rows = await self.rows("delete from public.outbox where kind = 'wake' returning subject")
        return [row["subject"] for row in rows]

    async def waiting(self) -> list[outbox.Waiting]:
        """The outbox rows of all tenants that workers have to start or wake."""
        return await outbox.waiting(self.database, 0)

    async def pass_time(self, seconds: float) -> None:
        """Move the beginning of all sends in flight into the past."""
        for table, column in _BEGUN:
            query = f"update tenant.{table} set {column} = {column} - make_interval(secs => $1)"
            async with self.database.statements(self.tenant_id) as sql:
                await sql.run(query, seconds)


_PLACE = """
select probes, extract(epoch from rests_until - now())::float8 as rest,
    extract(epoch from probe_at - now())::float8 as probe
from tenant.delivery_rates where integration_id = $1 and destination = $2
"""
_BEGUN = (("delivery_attempts", "started_at"), ("notification_deliveries", "lease_until"))


def ids(claimed: Sequence[Claimed]) -> list[UUID]:
    return [each.delivery_id for each in claimed]
