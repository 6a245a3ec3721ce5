#!/usr/bin/python
# Copyright (c) interTwin DTE maintainers
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: python_release
short_description: Install a Python program in releases side by side
version_added: "0.1.0"
description:
  - Builds a virtual environment C(ROOT/NAME/VERSION-HASH) from a hash-locked requirements file, then switches
    the symbolic link C(ROOT/NAME/current) to it in one atomic step. The old release stays as the way back.
  - The hash is that of the requirements file and of the interpreter's version. Since the file names the hash of every
    wheel, the same name always means the same content, and nothing is done when it is already current.
  - An install that was interrupted is never switched to and is built again by the next run.
author:
  - interTwin DTE maintainers (@intertwin-eu)
options:
  name:
    description: Name of the program, the directory below O(root).
    type: str
    required: true
  version:
    description: Version of the release, the first part of its directory's name. Required with O(state=present).
    type: str
  wheelhouse:
    description:
      - A tar archive or a directory on the target with the folders C(wheels) and C(requirements).
      - Without O(index_url) nothing else is asked for packages.
    type: path
  index_url:
    description: A package index (the C(simple) URL) to take the packages from that O(wheelhouse) does not hold.
    type: str
  requirements:
    description:
      - The hash-locked requirements file on the target.
      - The default is C(requirements/NAME.txt) of O(wheelhouse).
    type: path
  python:
    description: The interpreter that the release runs on.
    type: str
    default: /usr/bin/python3
  keep:
    description: How many complete releases stay, the current one included.
    type: int
    default: 2
  root:
    description: The directory that holds the releases of all programs.
    type: path
    default: /opt/dte
  state:
    description: With V(absent) all releases of O(name) are removed.
    type: str
    choices: [present, absent]
    default: present
attributes:
  check_mode:
    description: Says what would change. An archive that is not on the target yet counts as a new release.
    support: full
  diff_mode:
    description: Shows the current release and those on disk, before and after.
    support: full
"""

EXAMPLES = r"""
- name: Install the Slurm sidecar from the offline archive
  intertwin.dte.python_release:
    name: interlink-slurm
    version: 0.1.0
    wheelhouse: /opt/dte/wheelhouse.tar

- name: Install the interLink API from the site's mirror
  intertwin.dte.python_release:
    name: interlink-api
    version: 0.1.0
    wheelhouse: /opt/dte/wheelhouse
    index_url: https://mirror.vega.example/pypi/simple
    python: /usr/bin/python3.12
"""

RETURN = r"""
release:
  description: Name of the current release; null when absent.
  type: str
  returned: success
  sample: 0.1.0-3f1c9b2d7a64
previous:
  description: Name of the release that was current before; null when there was none.
  type: str
  returned: success
removed:
  description: Names of the releases that were removed.
  type: list
  elements: str
  returned: success
"""

import contextlib
import json
import os
import shutil
import tarfile
import tempfile
import time

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.intertwin.dte.plugins.module_utils import _release as release

MARKER = "release.json"
"""Written last into a release directory: without it the install did not finish."""

PIP_TIMEOUT_S = 60


def installed(base):
    """The release directories below `base` and the name that `current` points to."""
    found = []
    for name in sorted(os.listdir(base)) if os.path.isdir(base) else []:
        path = os.path.join(base, name)
        if os.path.islink(path) or not os.path.isdir(path):
            continue
        marker = os.path.join(path, MARKER)
        is_complete = os.path.isfile(marker)
        at = os.path.getmtime(marker if is_complete else path)
        found.append(release.Found(name, is_complete, at))
    link = os.path.join(base, "current")
    return found, os.path.basename(os.readlink(link)) if os.path.islink(link) else None


def read_requirements(params):
    """Bytes of the lock file; None when the file or its archive is not there."""
    inner = "requirements/%s.txt" % params["name"]
    wheelhouse = params["wheelhouse"]
    if params["requirements"]:
        path = params["requirements"]
    elif os.path.isdir(wheelhouse):
        path = os.path.join(wheelhouse, inner)
    elif not os.path.exists(wheelhouse):
        return None
    else:
        with tarfile.open(wheelhouse) as archive:
            try:
                return archive.extractfile(inner).read()
            except KeyError:
                return None
    if not os.path.isfile(path):
        return None
    with open(path, "rb") as stream:
        return stream.read()


def unpack(wheelhouse, into):
    """Write the wheels of a tar archive into a directory, under their own names only."""
    with tarfile.open(wheelhouse) as archive:
        for member in archive:
            name = os.path.basename(member.name)
            if not member.isfile() or not name.endswith(".whl"):
                continue
            with archive.extractfile(member) as source, open(os.path.join(into, name), "wb") as target:
                shutil.copyfileobj(source, target)


class Installer:
    """Runs the interpreter's venv and pip for one release."""

    def __init__(self, module):
        self.module = module
        self.params = module.params

    def python_version(self):
        """Implementation, version and machine, e.g. "cpython-3.13-x86_64"."""
        if self.module.check_mode and not os.access(self.params["python"], os.X_OK):
            return "not installed yet"
        code = (
            "import platform, sys; print('%s-%d.%d-%s' % (sys.implementation.name, *sys.version_info[:2],"
            " platform.machine()))"
        )
        return self.run([self.params["python"], "-I", "-c", code]).strip()

    def build(self, path, requirements):
        """Make the virtual environment `path`; the marker is written when everything is in it."""
        with tempfile.TemporaryDirectory(dir=self.module.tmpdir) as scratch:
            lock = os.path.join(scratch, "requirements.txt")
            with open(lock, "wb") as stream:
                stream.write(requirements)
            self.run([self.params["python"], "-I", "-m", "venv", path])
            self.run([*self._pip(path, scratch), "--requirement", lock])
        with open(os.path.join(path, MARKER), "w") as stream:
            json.dump({"version": self.params["version"], "installed_at": int(time.time())}, stream)
            stream.flush()
            os.fsync(stream.fileno())

    def _pip(self, path, scratch):
        # The lock file is complete: pip resolves nothing, and a package that is not in it is an error.
        pip = [os.path.join(path, "bin", "python"), "-I", "-m", "pip", "install", "--quiet", "--no-deps"]
        pip += ["--require-hashes", "--only-binary=:all:", "--no-cache-dir", "--disable-pip-version-check"]
        pip += ["--timeout=%d" % PIP_TIMEOUT_S, "--no-input"]
        index_url, wheelhouse = self.params["index_url"], self.params["wheelhouse"]
        pip += ["--index-url", index_url] if index_url else ["--no-index"]
        if wheelhouse and os.path.isdir(wheelhouse):
            pip += ["--find-links", os.path.join(wheelhouse, "wheels")]
        elif wheelhouse:
            unpack(wheelhouse, scratch)
            pip += ["--find-links", scratch]
        return pip

    def run(self, command):
        rc, out, err = self.module.run_command(command, umask=0o022)
        if rc != 0:
            text = (err or out).strip()
            self.module.fail_json(msg="%s ended with %d: %s" % (" ".join(command[:4]), rc, text), rc=rc, stderr=err)
        return out


def switch(base, name):
    """Point `current` to a release: a new link is renamed over the old one, so there is always one."""
    temporary = os.path.join(base, ".current-%d" % os.getpid())
    with contextlib.suppress(FileNotFoundError):
        os.unlink(temporary)
    os.symlink(name, temporary)
    os.rename(temporary, os.path.join(base, "current"))


def absent(module, base):
    found, current = installed(base)
    before = release.state(found, current)
    there = os.path.isdir(base)
    if there and not module.check_mode:
        shutil.rmtree(base)
    module.exit_json(
        changed=there,
        release=None,
        previous=current,
        removed=[item.name for item in found],
        diff={"before": before, "after": {"current": None, "releases": []}},
    )


def present(module, base):
    installer = Installer(module)
    requirements = read_requirements(module.params)
    if requirements is None and not module.check_mode:
        where = module.params["requirements"] or "requirements/%s.txt in %s" % (
            module.params["name"],
            module.params["wheelhouse"],
        )
        module.fail_json(msg="no hash-locked requirements: %s is not there" % where)
    found, current = installed(base)
    name = release.release_name(module.params["version"], requirements or b"", installer.python_version())
    steps = release.plan(found, current, name, module.params["keep"])
    if not module.check_mode:
        carry_out(installer, base, steps, requirements)
    module.exit_json(
        changed=steps.changed,
        release=name,
        previous=current,
        removed=steps.remove,
        diff={"before": release.state(found, current), "after": release.after(found, current, steps)},
    )


def carry_out(installer, base, steps, requirements):
    if steps.install:
        os.makedirs(base, mode=0o755, exist_ok=True)
        path = os.path.join(base, steps.install)
        if steps.rebuild:
            shutil.rmtree(path)
        installer.build(path, requirements)
    if steps.switch_to:
        switch(base, steps.switch_to)
    for name in steps.remove:
        shutil.rmtree(os.path.join(base, name))


def main():
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "version": {"type": "str"},
            "wheelhouse": {"type": "path"},
            "index_url": {"type": "str"},
            "requirements": {"type": "path"},
            "python": {"type": "str", "default": "/usr/bin/python3"},
            "keep": {"type": "int", "default": 2},
            "root": {"type": "path", "default": "/opt/dte"},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
        required_if=[("state", "present", ("version",)), ("state", "present", ("wheelhouse", "requirements"), True)],
        supports_check_mode=True,
    )
    if module.params["name"] in ("", ".", "..") or "/" in module.params["name"]:
        module.fail_json(msg="name must be one directory name, not %r" % module.params["name"])
    base = os.path.join(module.params["root"], module.params["name"])
    if module.params["state"] == "absent":
        absent(module, base)
    else:
        present(module, base)


if __name__ == "__main__":
    main()
