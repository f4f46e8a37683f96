"""The search attributes by which operators find workflows in the Temporal UI."""

from temporalio.common import SearchAttributeKey

TENANT_ID = SearchAttributeKey.for_keyword("TenantId")
JOB_KIND = SearchAttributeKey.for_keyword("JobKind")
PHASE = SearchAttributeKey.for_keyword("Phase")
