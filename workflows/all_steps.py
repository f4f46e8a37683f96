"""Every activity as the workflows see it: name, input, result, queue, timeouts and retries.

Workflows call activities only through these steps, and a test checks that activities implement
them. So neither workflows nor the API ever load polars or a database driver for them.
"""

from typing import Any

from workflows.integration import steps as integration
from workflows.migration import steps as migration
from workflows.notification import steps as notification
from workflows.step import Step
from workflows.sweep import reap

STEPS: tuple[Step[Any, Any], ...] = (
    *migration.STEPS,
    *notification.STEPS,
    *integration.STEPS,
    reap,
)
