"""Code below plugins/ is imported by its name in an installed collection."""

import sys
from pathlib import Path

from dte.site.collection import link_checkout

ROOT = Path(__file__).resolve().parents[3]

sys.path.insert(0, str(link_checkout(ROOT)))
