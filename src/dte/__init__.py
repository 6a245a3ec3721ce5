"""Infrastructure daemons of the interTwin Digital Twin Engine."""

from importlib.metadata import version

__version__ = version("intertwin-dte")
