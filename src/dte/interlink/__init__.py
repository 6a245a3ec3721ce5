"""interLink: Kubernetes pods as batch jobs (virtual kubelet, interLink API, sidecars)."""
