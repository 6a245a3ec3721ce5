"""One sidecar for each batch system."""
