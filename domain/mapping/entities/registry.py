"""The entities that a migration can fill. Each one has a table, which a schema migration makes."""

from collections.abc import Mapping

from domain.mapping.entities.incident import INCIDENT
from domain.mapping.entities.request import REQUEST
from domain.mapping.entity import Entity

ENTITIES: Mapping[str, Entity] = {entity.name: entity for entity in (INCIDENT, REQUEST)}
