# Copyright (c) interTwin DTE maintainers
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the inventory's lists and mappings to instances, their ports and their configuration files' keys. Pure."""

from __future__ import annotations


def instances(named):
    """A mapping of name to settings as a list of mappings with `name`, in the inventory's order."""
    return [dict(settings or {}, name=name) for name, settings in named.items()]


def with_admin_port(entries, first):
    """The entries (mappings), each with `admin_port`: its own, else `first` plus its place in the list."""
    return [dict(item, admin_port=int(item.get("admin_port") or first + place)) for place, item in enumerate(entries)]


def admin_address(listen, port, path):
    """What the key Admin.Listen says: a port of the host `listen`, or the socket `path` when `listen` is "unix"."""
    return "unix://%s" % path if listen == "unix" else "%s:%d" % (listen, int(port))


def with_admin(entries, component, listen, first):
    """The entries, each with `admin`, the address of its admin listener."""
    return [
        dict(
            item,
            admin=admin_address(listen, item["admin_port"], "/run/dte/%s/%s.admin.sock" % (component, item["name"])),
        )
        for item in with_admin_port(entries, first)
    ]


def writable_roots(paths):
    """The first directory of each path, sorted: what a unit may write to so that the account reaches its job root.

    systemd makes a path writable as root, which a root_squash export refuses to look at below its top. What the
    account may write there, the file system decides.
    """
    return sorted({"/" + path.strip("/").split("/")[0] for path in paths})


def watched_daemons(entries, prefix, with_socket=False):
    """What daemon_info is to look at: the service of each entry (`name`, `admin`), and its socket before it."""
    daemons = []
    for item in entries:
        if with_socket:
            daemons.append({"unit": "%s%s.socket" % (prefix, item["name"])})
        daemons.append({"unit": "%s%s.service" % (prefix, item["name"]), "admin": item["admin"]})
    return daemons


def sidecar_accounts(accounts, directory):
    """Items of the interLink API's key Accounts; an account without `socket` listens on DIRECTORY/NAME.sock."""
    items = []
    for account in accounts:
        item = {
            "Name": account["name"],
            "Socket": account.get("socket") or "%s/%s.sock" % (directory, account["name"]),
            "Namespaces": account["namespaces"],
        }
        if account.get("service_accounts"):
            item["ServiceAccounts"] = account["service_accounts"]
        if account.get("list_bodies"):
            item["ListBodies"] = True
        items.append(item)
    return items


SPELLINGS = {"cpu": "CPU", "cpu_default": "CPUDefault"}
"""Keys whose CamelCase is not made of their words."""


def camel_key(key):
    """The spelling of a configuration file for a key of an inventory: gres_map -> GresMap."""
    return SPELLINGS.get(key) or "".join(word[:1].upper() + word[1:] for word in key.split("_"))


def camel_keys(named):
    """Settings by name, their keys in the file's spelling: {gpu: {gres_map: M}} -> {gpu: {GresMap: M}}.

    Names stay, and so do mappings inside (gres_map, labels): their keys are data. Lists of mappings (taints) are
    respelled.
    """
    return {name: resource_keys(settings or {}) for name, settings in named.items()}


def resource_keys(settings):
    """The same for the settings of one thing."""
    return {
        camel_key(key): [_camel_item(item) for item in value] if isinstance(value, list) else value
        for key, value in settings.items()
    }


def _camel_item(item):
    return {camel_key(key): value for key, value in item.items()} if isinstance(item, dict) else item
