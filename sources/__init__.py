"""The source systems that a migration can come from.

Importing this package loads no parser: the API only asks what there is.
"""

from collections.abc import Mapping

from sources.generic import GENERIC_CSV
from sources.servicenow.source import SERVICENOW
from sources.source import Source

SOURCES: Mapping[str, Source] = {source.system: source for source in (SERVICENOW, GENERIC_CSV)}

__all__ = ["SOURCES", "Source"]
