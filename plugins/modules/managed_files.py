#!/usr/bin/python
# Copyright (c) interTwin DTE maintainers
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: managed_files
short_description: Write several small files and directories in one call
version_added: "0.1.0"
description:
  - Does for many files what M(ansible.builtin.copy) with C(content) and M(ansible.builtin.file) do for one, in a single
    call to the host.
  - A file is replaced in one step, so that a reader sees the old or the new one.
author:
  - interTwin DTE maintainers (@intertwin-eu)
options:
  directories:
    description: Directories that must be there, in the order in which they are made.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Absolute path.
        type: path
        required: true
      owner:
        description: Name of the owner.
        type: str
        default: root
      group:
        description: Name of the group.
        type: str
        default: root
      mode:
        description: Octal mode.
        type: str
        default: "0755"
  files:
    description: Files that must have this content.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Absolute path.
        type: path
        required: true
      content:
        description: The whole text.
        type: str
        required: true
      owner:
        description: Name of the owner.
        type: str
        default: root
      group:
        description: Name of the group.
        type: str
        default: root
      mode:
        description: Octal mode.
        type: str
        default: "0644"
attributes:
  check_mode:
    description: Says what would change.
    support: full
  diff_mode:
    description: Shows each file before and after.
    support: full
"""

EXAMPLES = r"""
- name: Write a unit
  intertwin.dte.managed_files:
    directories:
      - {path: /etc/dte}
    files:
      - path: /etc/systemd/system/interlink-api.service
        content: "{{ lookup('ansible.builtin.template', 'service.j2') }}"
"""

RETURN = r"""
changed_paths:
  description: Paths that were made, written or given another owner or mode.
  type: list
  elements: str
  returned: success
"""

import os
import tempfile

from ansible.module_utils.basic import AnsibleModule

ATTRIBUTES = {"owner": {"type": "str", "default": "root"}, "group": {"type": "str", "default": "root"}}


def give_attributes(module, item, changed):
    """Owner, group and mode of something that is there; True when it or `changed` says so."""
    arguments = {"seuser": None, "serole": None, "setype": None, "selevel": None, "attributes": None}
    wanted = {key: item[key] for key in ("path", "owner", "group", "mode")}
    arguments.update(wanted, secontext=[None, None, None])
    return module.set_fs_attributes_if_different(arguments, changed)


def ensure_directory(module, item):
    path = item["path"]
    missing = not os.path.isdir(path)
    if missing and module.check_mode:
        return True
    if missing:
        os.makedirs(path, mode=0o755)
    return give_attributes(module, item, missing)


def ensure_file(module, item, before):
    differs = before != item["content"]
    if differs and not module.check_mode:
        write(module, item)
    if differs and before is None and module.check_mode:
        return True
    return give_attributes(module, item, differs)


def write(module, item):
    handle, temporary = tempfile.mkstemp(dir=module.tmpdir)
    with os.fdopen(handle, "w", encoding="utf-8") as stream:
        stream.write(item["content"])
    module.atomic_move(temporary, item["path"])


def read(path):
    """Text of a file; None when it is not there."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as stream:
            return stream.read()
    except FileNotFoundError:
        return None


def main():
    module = AnsibleModule(
        argument_spec={
            "directories": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": dict(
                    ATTRIBUTES,
                    path={"type": "path", "required": True},
                    mode={"type": "str", "default": "0755"},
                ),
            },
            "files": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": dict(
                    ATTRIBUTES,
                    path={"type": "path", "required": True},
                    content={"type": "str", "required": True},
                    mode={"type": "str", "default": "0644"},
                ),
            },
        },
        supports_check_mode=True,
    )
    changed_paths, diffs = [], []
    for item in module.params["directories"]:
        if ensure_directory(module, item):
            changed_paths.append(item["path"])
    for item in module.params["files"]:
        before = read(item["path"])
        if ensure_file(module, item, before):
            changed_paths.append(item["path"])
            header = {"before_header": item["path"], "after_header": item["path"]}
            diffs.append(dict(header, before=before or "", after=item["content"]))
    module.exit_json(changed=bool(changed_paths), changed_paths=changed_paths, diff=diffs)


if __name__ == "__main__":
    main()
