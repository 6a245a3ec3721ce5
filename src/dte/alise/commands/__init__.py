"""Commands of an administrator on the host, beside the running daemon or without it. Text and JSON out."""

from dte.alise.commands.keys import keys_app
from dte.alise.commands.links import links_app

__all__ = ["keys_app", "links_app"]
