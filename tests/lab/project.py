"""The project's own code inside a container: the checkout's `src` beside libraries for that suite's Python.

A test so runs `dte ...` where Slurm is, without building anything; nothing is installed and nothing is
written to the checkout.
"""

import platform
import re
import subprocess
import sys
from pathlib import Path

from tests.lab.cache import cached, key_of
from tests.lab.images import PYTHON_OF_SUITE
from tests.lab.names import ROOT, LabError
from tests.lab.progress import saying

SOURCE_IN_CONTAINER = "/opt/dte-checkout/src"
LIBRARIES_IN_CONTAINER = "/opt/dte-checkout/libraries"
EXTRAS = "slurm,api"
PIP_TIMEOUT_S = 600.0

COMMAND = f"""\
#!/usr/bin/python3 -B
# The checkout's command. Its paths stay in this process: jobs that it starts do not inherit them.
import sys
sys.path[:0] = ["{SOURCE_IN_CONTAINER}", "{LIBRARIES_IN_CONTAINER}"]
from dte.cli import main
sys.exit(main())
"""


def _pip(*arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pip", "--quiet", *arguments],
        capture_output=True,
        text=True,
        timeout=PIP_TIMEOUT_S,
        check=False,
    )
    if done.returncode != 0:
        raise LabError(f"pip {arguments[0]} (exit {done.returncode}): {done.stderr.strip()[-2000:]}")


def libraries_key(suite: str) -> str:
    """Changes with the suite's Python, the project's dependencies and version, and the pins of the tests."""
    made_of = ("pyproject.toml", "galaxy.yml", "tests/requirements.txt")
    return key_of(PYTHON_OF_SUITE[suite], EXTRAS, *((ROOT / name).read_bytes() for name in made_of))


def libraries(suite: str) -> Path:
    """A directory with what `dte` needs on the suite's Python, and the metadata of `dte` itself."""

    def make(directory: Path) -> None:
        with saying(f"collecting Python libraries for {suite}"):
            _pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(directory), str(ROOT))
            wheel = next(directory.glob("*.whl"))
            machine = platform.machine()
            platforms = [f"--platform=manylinux{tag}_{machine}" for tag in ("_2_28", "_2_17", "2014")]
            for_target = [
                *platforms,
                "--implementation=cp",
                f"--python-version={PYTHON_OF_SUITE[suite]}",
                "--only-binary=:all:",
            ]
            pins = directory / "pins.txt"
            pins.write_text(constraints((ROOT / "tests" / "requirements.txt").read_text()))
            _pip("install", "--target", str(directory), *for_target, f"--constraint={pins}", f"{wheel}[{EXTRAS}]")
            wheel.unlink()
            pins.unlink()

    return cached("python", f"{suite}-{libraries_key(suite)}", make)


def constraints(requirements: str) -> str:
    """The pins of a requirements file as pip takes them for constraints, which may name no extras."""
    return re.sub(r"^([\w.-]+)\[[^\]]*\]", r"\1", requirements, flags=re.MULTILINE)


def mounts(suite: str) -> list[str]:
    """Options of `docker run` that show the checkout's source and the libraries, read-only."""
    return [
        *("--volume", f"{ROOT / 'src'}:{SOURCE_IN_CONTAINER}:ro"),
        *("--volume", f"{libraries(suite)}:{LIBRARIES_IN_CONTAINER}:ro"),
    ]
