"""The FastAPI half of the shell: what a JSON service with pages is made of. Knows no word of the domain."""

from dte.runtime.web.app import new_app
from dte.runtime.web.server import UvicornServer
from dte.runtime.web.shell import Limits, in_shell

__all__ = ["Limits", "UvicornServer", "in_shell", "new_app"]
