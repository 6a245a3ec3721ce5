"""What the virtual kubelet counts."""

from prometheus_client import Counter, Gauge, Histogram

PODS = Gauge("dte_vk_pods", "Pods of the virtual node", ["phase"])
CREATES = Counter("dte_vk_creates_total", "Create requests to the site", ["outcome"])
DELETES = Counter("dte_vk_deletes_total", "Delete requests to the site", ["outcome"])
API_WRITES = Counter("dte_vk_api_writes_total", "Requests that change the cluster's store", ["verb", "resource"])
WRITES_PER_POD = Histogram(
    "dte_vk_api_writes_per_pod",
    "Such requests for one pod, from first sight to forgotten",
    buckets=(1, 2, 3, 4, 5, 6, 8, 12, 20),
)
STATUS_ROUNDS = Counter("dte_vk_status_rounds_total", "Batch questions for the state of all pods", ["outcome"])
WATCHES = Counter("dte_vk_site_watches_total", "Streams of changes from the site that are over", ["outcome"])
WATCH_SYNCED = Gauge("dte_vk_site_watch_synced", "1 while the stream tells everything and the site is not asked")
PINGS = Counter("dte_vk_pings_total", "Pings of the site", ["outcome"])
RELISTS = Counter("dte_vk_relists_total", "Complete lists of the node's pods")
SWEPT = Counter("dte_vk_swept_total", "Deletes of jobs whose pods are gone", ["outcome"])
SWEEP_HELD = Gauge("dte_vk_sweep_held", "Jobs whose pods are gone, held back because they are too many")
STEP_FAILURES = Counter("dte_vk_step_failures_total", "Steps for a pod that failed and are tried again", ["step"])
