"""The supervisor as one file: a zip that Python runs (zipapp, PEP 441). Blocks; raises OSError."""

import io
import zipfile
from pathlib import Path

from dte.interlink.jobs import supervisor

SOURCES = Path(supervisor.__file__).parent
PACKAGE = "supervisor"
MAIN = f"import sys\n\nfrom {PACKAGE}.main import main\n\nsys.exit(main(sys.argv[1]))\n"


def supervisor_archive() -> bytes:
    """The same bytes for the same sources: names in order, no times. Compressed, for each job has a copy."""
    sources = {f"{PACKAGE}/{path.name}": path.read_bytes() for path in sorted(SOURCES.glob("*.py"))}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, source in {"__main__.py": MAIN.encode(), **sources}.items():
            archive.writestr(zipfile.ZipInfo(name), source, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()
