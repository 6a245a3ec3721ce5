"""The node image of a Debian suite: made by mmdebstrap, kept as a tar, tagged by the hash of its recipe.

One image serves every part: systemd for the hosts, Slurm and bubblewrap for the cluster, a small Debian for
the control plane.
"""

import dataclasses
import datetime
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.lab import engine
from tests.lab.cache import cached, key_of
from tests.lab.names import ROOT, SUITES, LabError
from tests.lab.progress import say, saying

PACKAGES = (
    *("systemd", "systemd-sysv", "dbus", "sudo", "procps", "iproute2", "less", "acl"),
    *("ca-certificates", "openssl", "curl", "jq"),
    *("python3", "python3-apt", "python3-venv", "python3-packaging"),
    *("slurm-wlm", "slurm-client", "munge", "bubblewrap"),
    *("slurmdbd", "slurmrestd", "slurm-wlm-jwt-plugin", "slurm-wlm-mysql-plugin", "mariadb-server"),
    # What faults are made of: a file system without file events that can hang, accounts that can vanish, a firewall.
    *("sshfs", "fuse3", "openssh-server", "libnss-extrausers", "iptables"),
    "docker-registry",
)
FROM_SID: dict[str, tuple[str, ...]] = {"trixie": ("apptainer", "squashfuse"), "bookworm": ()}
"""From Debian sid, which alone has Apptainer; it needs the C library of trixie or a later one."""
FIRST = SUITES[0]
"""The suite of everything that need not match the cluster's."""
PYTHON_OF_SUITE = {"trixie": "3.13", "bookworm": "3.11"}
CUSTOMIZE = ROOT / "tests" / "lab" / "files" / "customize"
SID_ONLY_ON_REQUEST = (
    'mkdir -p "$1/etc/apt/preferences.d" && '
    'printf "Package: *\\nPin: release a=unstable\\nPin-Priority: 50\\n" > "$1/etc/apt/preferences.d/sid"'
)
BUILD_TIMEOUT_S = 1200.0
"""A slow mirror; the build itself takes two to three minutes on two cores."""
BOOT = (
    # The Engine mounts control groups read-only; systemd and Slurm make their own below the container's.
    "for place in /sys/fs/cgroup /sys/fs/cgroup/*/; do mount -o remount,bind,rw $place 2> /dev/null; done; "
    # With private propagation systemd's credentials fail (systemd issue 38103).
    "mount --make-rshared / && exec /lib/systemd/systemd"
)
IMAGE_CHANGES = (
    f'CMD ["/bin/sh","-c","{BOOT}"]',
    "ENV container=docker",
)


@dataclass(frozen=True, slots=True)
class Recipe:
    """All that makes an image, save what the mirror holds; `week` makes it follow the suite's updates."""

    suite: str
    packages: tuple[str, ...]
    customize: bytes
    week: str
    from_sid: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        return key_of(self.suite, *self.packages, "", *self.from_sid, self.customize, *IMAGE_CHANGES, self.week)

    @property
    def tag(self) -> str:
        return f"dte-node:{self.suite}-{self.key}"


def iso_week(day: datetime.date) -> str:
    """ "2026-W48": images older than their week are made anew, as package lists in them grow stale."""
    year, week, _ = day.isocalendar()
    return f"{year}-W{week:02d}"


def recipe(suite: str) -> Recipe:
    """The recipe of the suite's node image this week. LabError for a suite we do not know."""
    if suite not in SUITES:
        raise LabError(f"suite: use one of {', '.join(SUITES)} (got {suite!r})")
    week = iso_week(datetime.datetime.now(datetime.UTC).date())
    return Recipe(suite, PACKAGES, CUSTOMIZE.read_bytes(), week, FROM_SID[suite])


def sources(index_targets: str, codename: str, suite: str, *, with_sid: bool = False) -> list[str]:
    """One-line apt sources for `suite` from the mirrors this machine uses for its own release.

    `index_targets`: lines "URI RELEASE" of `apt-get indextargets`; the first URI of a release counts.
    LabError when the machine has no source of its own release.
    """
    uri_of: dict[str, str] = {}
    for line in index_targets.splitlines():
        uri, _, release = line.strip().rpartition(" ")
        uri_of.setdefault(release, uri)
    if codename not in uri_of:
        raise LabError(f"apt: this machine has no source of {codename}; run apt-get update (got {index_targets!r})")
    found = [f"deb {uri_of[codename]} {suite} main"]
    if security := uri_of.get(f"{codename}-security"):
        found.append(f"deb {security} {suite}-security main")
    if with_sid:
        # A mirror that lags behind has a release file that counts as expired.
        found.append(f"deb [check-valid-until=no] {uri_of[codename]} sid main")
    return found


def apt_options(config_dump: str) -> list[str]:
    """The machine's own settings of how packages are fetched (proxy, certificates, date checks)."""
    kept = re.compile(r'Acquire::(?:https?|Check-[A-Za-z-]+|Retries)\b.* "[^"]+";')
    return [line.removesuffix(";") for line in config_dump.splitlines() if kept.fullmatch(line)]


def mmdebstrap_arguments(wanted: Recipe, options: list[str], lines: list[str], target: Path) -> list[str]:
    """The command line that makes the root file system of `wanted` as a tar at `target`."""
    # The last one is what Apptainer would make networks with, which needs root.
    without = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/lib/cni/*")
    return [
        *("mmdebstrap", "--quiet", "--variant=minbase", "--format=tar", "--skip=cleanup/apt/lists"),
        f"--include={','.join((*wanted.packages, *wanted.from_sid))}",
        *(f"--dpkgopt=path-exclude={pattern}" for pattern in without),
        '--aptopt=APT::Install-Recommends "false"',
        '--aptopt=Acquire::Languages "none"',
        *(f"--aptopt={option}" for option in options),
        f"--setup-hook={SID_ONLY_ON_REQUEST}",
        f'--customize-hook={CUSTOMIZE} "$1"',
        *(wanted.suite, str(target), *lines),
    ]


def _asked(*argv: str) -> str:
    return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=True).stdout


def _build(wanted: Recipe, target: Path) -> None:
    codename = next(
        line.removeprefix("VERSION_CODENAME=").strip('"')
        for line in Path("/etc/os-release").read_text().splitlines()
        if line.startswith("VERSION_CODENAME=")
    )
    targets = _asked("apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE)", "Created-By: Packages")
    lines = sources(targets, codename, wanted.suite, with_sid=bool(wanted.from_sid))
    argv = mmdebstrap_arguments(wanted, apt_options(_asked("apt-config", "dump")), lines, target)
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=BUILD_TIMEOUT_S, check=False)
    except FileNotFoundError:
        raise LabError("mmdebstrap: no such command. Run tests/lab/bootstrap, which installs it.") from None
    except subprocess.TimeoutExpired:
        raise LabError(
            f"mmdebstrap {wanted.suite}: not ready after {BUILD_TIMEOUT_S:.0f} s; is the mirror slow?"
        ) from None
    if done.returncode == 0:
        return
    words = done.stderr.strip()[-2000:]
    if not wanted.from_sid:
        raise LabError(f"mmdebstrap {wanted.suite} (exit {done.returncode}): {words}")
    # sid moves: a build that asks for a newer C library must not cost the whole lab.
    say(f"the image goes without {', '.join(wanted.from_sid)}: {words[-300:]}")
    target.unlink(missing_ok=True)
    _build(dataclasses.replace(wanted, from_sid=()), target)


def ensure_image(suite: str) -> str:
    """The tag of the suite's node image, which the Engine has when this returns."""
    wanted = recipe(suite)
    if engine.has_image(wanted.tag):
        return wanted.tag

    def make(directory: Path) -> None:
        with saying(f"building the {suite} image with mmdebstrap (two to three minutes)"):
            _build(wanted, directory / "root.tar")

    archive = cached("image", f"{suite}-{wanted.key}", make) / "root.tar"
    say(f"importing the {suite} image")
    engine.import_image(archive, wanted.tag, IMAGE_CHANGES)
    return wanted.tag
