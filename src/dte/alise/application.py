"""The application: JSON routes, and how errors look."""

from fastapi import FastAPI
from starlette.responses import Response

from dte import __version__
from dte.alise import wire
from dte.alise.api import Api, api_router
from dte.alise.core import Core
from dte.runtime.web import new_app
from dte.runtime.web.shell import ErrorAnswer, Scope


def error_answer(core: Core) -> ErrorAnswer:
    """`{"error": TEXT}` for our own failures, FastAPI's `detail` for what the caller can mend."""
    del core

    def answer(_: Scope, status: int, text: str) -> Response:
        return wire.error(status, text) if status >= 500 else wire.Json({"detail": text}, status)

    return answer


def alise_app(core: Core) -> FastAPI:
    """To be served in the shell, with raw paths below `/api/v1/`."""
    answer = error_answer(core)
    app = new_app(
        error_answer=answer,
        title="ALISE",
        version=__version__,
        description="Which local account belongs to an identity of a federation.",
    )
    app.include_router(api_router(Api(core)))
    return app
