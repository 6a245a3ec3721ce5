"""The pages of ALISE: log in, link, unlink, administer. Sessions are ours; a browser holds a random name of one."""

from dte.alise.web.routes import page_router

__all__ = ["page_router"]
