"""Every activity as the workflows see it: name, input, result, queue and patience.

Workflows reach activities only through these, and activities implement what stands here (a test
compares both), so neither workflows nor the API ever load polars or a database driver.
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
