"""The audit trail: one line for each job that a pod becomes."""

import structlog

from dte.interlink import pods
from dte.interlink.api.ownership import Ownership

log = structlog.get_logger("dte-audit")


def audit_create(row: Ownership, pod: pods.Pod, *, job_id: str) -> None:
    """A pod was given to an account and has a job; a repeated create writes the line again."""
    log.info(
        "audit_create",
        audit=True,
        pod_uid=row.pod_uid,
        namespace=pods.namespace(pod),
        pod=pods.name(pod),
        service_account=pods.service_account(pod),
        requester=pods.requester(pod),
        owner=row.owner,
        account=row.account,
        job_id=job_id,
    )
