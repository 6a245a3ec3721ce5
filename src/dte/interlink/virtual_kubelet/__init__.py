"""The virtual kubelet: one virtual node of a Kubernetes cluster whose pods run at a site behind interLink.

Others import nothing from here but `cli`. The arrows inside: `daemon` puts everything together; `controller`,
`node_agent` and `kubelet` act; `steps`, `pod_status`, `node`, `env`, `volumes`, `projected` decide and do no I/O;
`cluster` and `site` are the only modules that know HTTP, and translate its errors into those of `dte.runtime`.
"""
