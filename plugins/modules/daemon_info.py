#!/usr/bin/python
# Copyright (c) interTwin DTE maintainers
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: daemon_info
short_description: Tell what is wrong with the daemons of a host
version_added: "0.1.0"
description:
  - Asks systemd about each unit, and the daemon's admin listener whether it is ready.
  - Changes nothing and fails only when systemd itself does not answer; what is wrong is in the result.
author:
  - interTwin DTE maintainers (@intertwin-eu)
options:
  daemons:
    description: The daemons to look at.
    type: list
    elements: dict
    required: true
    suboptions:
      unit:
        description: Name of the systemd unit, with its suffix.
        type: str
        required: true
      admin:
        description: Its admin listener, C(host:port) or C(unix:///path). Without it readiness is not asked.
        type: str
  timeout_s:
    description: How long one admin listener may take to answer.
    type: int
    default: 3
attributes:
  check_mode:
    description: It only reads.
    support: full
  diff_mode:
    description: It only reads.
    support: none
"""

EXAMPLES = r"""
- name: Look at the sidecar of twin01
  intertwin.dte.daemon_info:
    daemons:
      - {unit: interlink-slurm@twin01.socket}
      - {unit: interlink-slurm@twin01.service, admin: "127.0.0.1:9110"}
"""

RETURN = r"""
daemons:
  description: One record for each daemon, in the order asked.
  type: list
  elements: dict
  returned: success
  contains:
    unit:
      description: Name of the unit.
      type: str
    active:
      description: systemd's ActiveState.
      type: str
    enabled:
      description: systemd's UnitFileState.
      type: str
    restarts:
      description: How often systemd had to restart it.
      type: int
    ready:
      description: Whether it says that it serves; null when it was not asked.
      type: bool
    problem:
      description: What is wrong, in words; null when nothing is.
      type: str
problems:
  description: One sentence for each daemon that something is wrong with.
  type: list
  elements: str
  returned: success
"""

import http.client
import socket

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.intertwin.dte.plugins.module_utils import _daemons

MAX_REASON_BYTES = 500


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path, timeout):
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def connection_to(admin, timeout_s):
    if admin.startswith("unix://"):
        return UnixConnection(admin[len("unix://") :], timeout_s)
    host, port = admin.rsplit(":", 1)
    return http.client.HTTPConnection(host.strip("[]"), int(port), timeout=timeout_s)


def readiness(admin, timeout_s):
    """(status, text) of /readyz; the status is None when nothing answered."""
    connection = connection_to(admin, timeout_s)
    try:
        connection.request("GET", "/readyz")
        response = connection.getresponse()
        return response.status, response.read(MAX_REASON_BYTES).decode("utf-8", "replace")
    except (OSError, http.client.HTTPException) as error:
        return None, str(error) or type(error).__name__
    finally:
        connection.close()


def main():
    module = AnsibleModule(
        argument_spec={
            "daemons": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {"unit": {"type": "str", "required": True}, "admin": {"type": "str"}},
            },
            "timeout_s": {"type": "int", "default": 3},
        },
        supports_check_mode=True,
    )
    wanted = module.params["daemons"]
    if not wanted:
        module.exit_json(changed=False, daemons=[], problems=[])
    command = ["systemctl", "show", "--property=" + ",".join(_daemons.PROPERTIES), "--"]
    out = module.run_command(command + [item["unit"] for item in wanted], check_rc=True)[1]
    units = _daemons.parse_show(out)
    answers = []
    for item in wanted:
        answer = readiness(item["admin"], module.params["timeout_s"]) if item["admin"] else None
        answers.append(_daemons.describe(item["unit"], units.get(item["unit"]), answer))
    problems = ["%s %s" % (item["unit"], item["problem"]) for item in answers if item["problem"]]
    module.exit_json(changed=False, daemons=answers, problems=problems)


if __name__ == "__main__":
    main()
