# Copyright (c) interTwin DTE maintainers
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cross-checks of an inventory that argument specs cannot say. Pure: data in, sentences out.

Each sentence is "variable: problem: what to do". An empty list means that all is well.
"""

from __future__ import annotations

import fnmatch
import re

from ansible_collections.intertwin.dte.plugins.module_utils._instances import instances, with_admin_port

LOCAL_ACCOUNT = re.compile(r"^[a-z_][a-z0-9_-]{0,31}$")
"""What useradd(8) accepts by default. Such a name is also a safe systemd instance and file name."""

NODE_NAME = re.compile(r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*$")
"""Name of a Kubernetes node: RFC 1123 subdomain."""

FIRST_ORDINARY_UID = 1000
"""Debian's and EL's first id of people; below are system accounts."""


def release_problems(facts):
    """Whether the release that was asked for is this collection's and can be had."""
    problems = []
    if facts["version"] != facts["collection_version"]:
        problems.append(
            "dte_version: is %s, but this collection is intertwin.dte %s: "
            "install the collection of that version, or change dte_version"
            % (facts["version"], facts["collection_version"])
        )
    if bool(facts["wheelhouse"]) == bool(facts["index_url"]):
        problems.append(
            "dte_wheelhouse, dte_python_index_url: %s: set one, the offline archive or the package index"
            % ("both are set" if facts["wheelhouse"] else "neither is set")
        )
    if facts["wheelhouse"] and not facts["wheelhouse_exists"]:
        problems.append(
            "dte_wheelhouse: %s is no file on the control node: build it (make build) or correct the path"
            % facts["wheelhouse"]
        )
    if facts["index_url"] and not facts["wheel_exists"]:
        problems.append(
            "dte_python_index_url: this checkout holds no wheel (roles/dte/files/wheelhouse): "
            "run make build, or use a released collection"
        )
    return problems


def _twice(values):
    seen = set()
    return sorted({str(value) for value in values if value in seen or seen.add(value)})


def _unique(variable, key, values):
    return ["%s: %s %s is given twice: each needs its own" % (variable, key, value) for value in _twice(values)]


def slurm_account_problems(accounts, first_admin_port):
    """Names, directories, ports and namespaces of interlink_slurm_accounts (list of mappings)."""
    variable = "interlink_slurm_accounts"
    if not accounts:
        return ["%s: is empty: list at least one local account" % variable]
    problems = [
        "%s: %r is no name of a local account: use lower-case letters, digits, _ and -" % (variable, item["name"])
        for item in accounts
        if not LOCAL_ACCOUNT.match(item["name"])
    ]
    problems += [
        "%s: job_root %s of %s is no absolute path without ..: correct it" % (variable, item["job_root"], item["name"])
        for item in accounts
        if not item["job_root"].startswith("/") or ".." in item["job_root"].split("/")
    ]
    problems += _unique(variable, "name", [item["name"] for item in accounts])
    problems += _unique(variable, "job_root", [item["job_root"].rstrip("/") for item in accounts])
    problems += _unique(
        variable, "admin_port", [item["admin_port"] for item in with_admin_port(accounts, first_admin_port)]
    )
    return problems + namespace_problems(accounts)


def namespace_problems(accounts):
    """A namespace belongs to one account: equal patterns, and names that a pattern of another account covers.

    Accounts that also look at the service account may share namespaces; those the interLink API's own check compares.
    """
    variable = "interlink_slurm_accounts"
    whole = [item for item in accounts if not item.get("service_accounts")]
    owned = [(item["name"], pattern) for item in whole for pattern in item.get("namespaces") or []]
    problems = []
    for position, (account, pattern) in enumerate(owned):
        for other, wider in owned[position + 1 :]:
            if other != account and (fnmatch.fnmatchcase(pattern, wider) or fnmatch.fnmatchcase(wider, pattern)):
                problems.append(
                    "%s: namespaces %s of %s and %s of %s overlap: give each namespace to one account"
                    % (variable, pattern, account, wider, other)
                )
    return problems


def passwd_problems(lines, accounts):
    """What `getent passwd NAME...` (its lines) says against the local accounts that must exist."""
    entries = {fields[0]: fields for fields in (line.split(":") for line in lines) if len(fields) >= 7}
    problems = []
    for item in accounts:
        name = item["name"]
        if name not in entries:
            problems.append(
                "interlink_slurm_accounts: %s does not exist on this host: make the account, or correct the name" % name
            )
        elif int(entries[name][2]) < FIRST_ORDINARY_UID:
            problems.append(
                "interlink_slurm_accounts: %s has uid %s: jobs run as ordinary accounts only (uid %d and above)"
                % (name, entries[name][2], FIRST_ORDINARY_UID)
            )
    return problems


def virtual_node_problems(nodes, first_admin_port, interlink_url):
    """Names, ports and sites of virtual_kubelet_nodes (mapping); `interlink_url` is that of nodes that name none."""
    variable = "virtual_kubelet_nodes"
    if not nodes:
        return ["%s: is empty: name at least one virtual node" % variable]
    entries = instances(nodes)
    problems = [
        "%s: %r is no name of a Kubernetes node: use lower-case letters, digits, - and ." % (variable, item["name"])
        for item in entries
        if not NODE_NAME.match(item["name"])
    ]
    problems += [
        "%s: %s has no kubelet_port: give each node of the host its own" % (variable, item["name"])
        for item in entries
        if not item.get("kubelet_port")
    ]
    problems += [
        "%s: %s has no interlink_url: name its site there, or all sites' in virtual_kubelet_interlink_url"
        % (variable, item["name"])
        for item in entries
        if not (item.get("interlink_url") or interlink_url)
    ]
    ports = [int(item["kubelet_port"]) for item in entries if item.get("kubelet_port")]
    ports += [item["admin_port"] for item in with_admin_port(entries, first_admin_port)]
    return problems + _unique(variable, "port", ports)


def kubeconfig_problems(given):
    """How many of the two ways to name a kubeconfig are set: exactly one must be. The text itself is a secret."""
    if given == 1:
        return []
    return [
        "virtual_kubelet_kubeconfig, virtual_kubelet_kubeconfig_file: %s: "
        "set one, the text (from a vault) or a path on the host" % ("both are set" if given else "neither is set")
    ]


def api_problems(accounts, listen):
    """The address of the interLink API (`host:port`) and the accounts that it serves (items of its file)."""
    problems = []
    host, port = listen.rsplit(":", 1) if ":" in listen else ("", "")
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        problems.append("interlink_api_listen: %r is not host:port: write for instance 0.0.0.0:443" % listen)
    if not accounts:
        problems.append(
            "interlink_slurm_accounts: is empty and so is interlink_api_accounts: the API would serve nobody"
        )
    return problems


def submit_problems(results, host):
    """What Slurm said to `sbatch --test-only`: results of a loop over accounts, each with rc, stderr and item."""
    return [
        "%s: sbatch as %s: %s: correct interlink_slurm_accounts, or what it names at the site"
        % (host, result["item"]["name"], " ".join((result.get("stderr") or result.get("msg") or "no words").split()))
        for result in results
        if result.get("rc") != 0
    ]
