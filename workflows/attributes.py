"""The search attributes by which operators find workflows in the Temporal UI."""

from temporalio.common import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes

TENANT_ID = SearchAttributeKey.for_keyword("TenantId")
JOB_KIND = SearchAttributeKey.for_keyword("JobKind")
PHASE = SearchAttributeKey.for_keyword("Phase")


def search_attributes(tenant_id: str, kind: str, phase: str = "starting") -> TypedSearchAttributes:
    return TypedSearchAttributes(
        [
            SearchAttributePair(TENANT_ID, tenant_id),
            SearchAttributePair(JOB_KIND, kind),
            SearchAttributePair(PHASE, phase),
        ]
    )
