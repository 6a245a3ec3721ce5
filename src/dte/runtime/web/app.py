"""An empty FastAPI application whose errors are ours."""

from typing import Any

import structlog
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from dte.runtime.errors import BadOutput, DteError, Refused, Unavailable
from dte.runtime.requests import status_of
from dte.runtime.web.shell import INTERNAL_ERROR, ErrorAnswer, TooLarge, complete, detail

log = structlog.get_logger()


def new_app(*, error_answer: ErrorAnswer = detail, **options: Any) -> FastAPI:
    """To be served by `in_shell`. `options` go to FastAPI, whose pages load scripts from elsewhere: they are off."""
    app = FastAPI(docs_url=None, redoc_url=None, **options)

    async def refused(request: Request, error: Exception) -> Response:
        if not isinstance(error, (Refused, BadOutput, Unavailable)):
            raise error
        status = status_of(error)
        log.info("request_refused", status=status, error=str(error))
        return complete(error_answer(request.scope, status, str(error)))

    async def too_large(request: Request, error: Exception) -> Response:
        return error_answer(request.scope, 413, str(error))

    async def failed(request: Request, _: Exception) -> Response:
        return error_answer(request.scope, 500, INTERNAL_ERROR)  # raised again: the shell logs it

    app.add_exception_handler(DteError, refused)
    app.add_exception_handler(TooLarge, too_large)
    app.add_exception_handler(Exception, failed)
    return app
