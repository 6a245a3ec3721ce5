"""Renew requirements/*.txt: every package of each component, pinned with the hashes of all its wheels.

Run it after a change of the dependencies in pyproject.toml, or to take newer releases; the files are committed.
"""

import subprocess
import sys

from tests.tools.project import EXTRAS, cache, dependencies, lock_file

UV = "uv==0.13.9"
LOWEST_PYTHON = "3.11"
HEADER = (
    "# Made by `python -m tests.tools.lock` from pyproject.toml. Hashes of all wheels: any index or archive serves.\n"
)


def _uv() -> str:
    """The program, in an environment of its own: it is needed here only."""
    home = cache("lock-tool")
    if not (home / "bin" / "uv").exists():
        subprocess.run([sys.executable, "-m", "venv", home], check=True)
        subprocess.run([home / "bin" / "pip", "install", "--quiet", UV], check=True)
    return str(home / "bin" / "uv")


def lock(component: str, uv: str) -> str:
    """The text of one lock file."""
    options = ["--universal", "--generate-hashes", "--no-annotate", "--no-header", f"--python-version={LOWEST_PYTHON}"]
    done = subprocess.run(
        [uv, "pip", "compile", "--quiet", *options, "-"],
        input="\n".join(dependencies(component)),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise SystemExit(f"{component}: {done.stderr}")
    return HEADER + done.stdout


def main() -> None:
    uv = _uv()
    for component in EXTRAS:
        lock_file(component).parent.mkdir(exist_ok=True)
        lock_file(component).write_text(lock(component, uv))
        print(lock_file(component))


if __name__ == "__main__":
    main()
