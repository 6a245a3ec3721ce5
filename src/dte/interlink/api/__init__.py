"""The interLink API of a site: takes pods from virtual kubelets, hands each to the sidecar of its account.

It decides who may see a pod and which account it runs as, and knows nothing of any batch system. The wire is
docs/wire/interlink.md. Pure: accounts, volumes, job_config, pings, shapes. With I/O: ownership (SQLite),
plugin_client (sidecars), gateway (what a call does), routes (HTTP), daemon (life cycle).
"""
