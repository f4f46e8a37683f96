"""Finds channels whose config holds more than options (secrets, from earlier versions), and
removes the copies of these values elsewhere in the database."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Text, cast, exists, func, select, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.notification.tables import notification_channels as channels
from storage.notification.tables import notification_deliveries as deliveries
from storage.tenancy.tables import idempotency_keys as keys


async def with_more(
    connection: AsyncConnection, options: Mapping[str, Sequence[str]]
) -> list[UUID]:
    """The channels whose config has a field that is not among the `options` of their type."""
    found: list[UUID] = []
    for type, names in options.items():
        member = func.jsonb_object_keys(channels.c.config).table_valued("name").alias("member")
        more = exists(select(member.c.name).where(member.c.name.not_in(names)))
        query = select(channels.c.id).where(channels.c.type == type, more)
        found += await connection.scalars(query.order_by(channels.c.id))
    return found


async def forget(
    connection: AsyncConnection, tenant_id: str, id: UUID, names: Sequence[str]
) -> None:
    """Remove fields of a channel's config from their copies: the options of its deliveries, and the
    response that is stored under the Idempotency-Key of the request that created the channel."""
    of_channel = deliveries.c.options.has_any(_texts(names)), deliveries.c.channel_id == id
    rest = _without(deliveries.c.options, names)
    await connection.execute(update(deliveries).where(*of_channel).values(options=rest))
    config = keys.c.response["data", "config"]
    rest = func.jsonb_set(keys.c.response, _texts(["data", "config"]), _without(config, names))
    await connection.execute(
        update(keys)
        .where(keys.c.tenant_id == tenant_id, config.has_any(_texts(names)))
        .where(keys.c.response["data", "id"].astext == str(id))
        .values(response=rest)
    )


def _without(config: ColumnElement[Any], names: Sequence[str]) -> ColumnElement[Any]:
    return config.op("-")(_texts(names))


def _texts(names: Sequence[str]) -> ColumnElement[Any]:
    return cast(list(names), ARRAY(Text))
