"""The pods of the node as they are known now, by UID and by name."""

from collections import Counter
from collections.abc import Iterator, Sequence

from dte.interlink import pods
from dte.interlink.virtual_kubelet import metrics
from dte.interlink.virtual_kubelet.record import PodRecord

PHASES = ("Pending", "Running", "Succeeded", "Failed")


class PodRegistry:
    """Records by UID. A name may belong to two: one that is being stopped and the pod that replaces it."""

    def __init__(self) -> None:
        self._records: dict[str, PodRecord] = {}

    def __iter__(self) -> Iterator[PodRecord]:
        return iter(list(self._records.values()))

    def __len__(self) -> int:
        return len(self._records)

    def __contains__(self, uid: str) -> bool:
        return uid in self._records

    def get(self, uid: str) -> PodRecord | None:
        return self._records.get(uid)

    def add(self, record: PodRecord) -> None:
        self._records[record.uid] = record

    def drop(self, record: PodRecord) -> None:
        self._records.pop(record.uid, None)

    def named(self, namespace: str, name: str) -> PodRecord | None:
        """The pod that bears this name in the cluster now."""
        for record in self._records.values():
            if not record.is_gone and (pods.namespace(record.pod), pods.name(record.pod)) == (namespace, name):
                return record
        return None

    def present(self) -> Sequence[PodRecord]:
        """Those whose object is in the cluster."""
        return [record for record in self._records.values() if not record.is_gone]

    def count_phases(self) -> None:
        """Set the gauge of pods by phase."""
        counts = Counter(str(record.shown.get("phase") or "Pending") for record in self.present())
        for phase in PHASES:
            metrics.PODS.labels(phase).set(counts[phase])
