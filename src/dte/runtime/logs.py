"""Structured logs: one event a line to standard error, which systemd hands to the journal."""

import logging
import sys

import structlog


def level_of(*, verbose: bool, errors_only: bool) -> int:
    """The level that the settings VerboseLogging and ErrorsOnlyLogging ask for; verbose wins."""
    if verbose:
        return logging.DEBUG
    return logging.ERROR if errors_only else logging.INFO


def configure_logs(level: int = logging.INFO) -> None:
    """Route structlog and the standard library's logging to the same lines.

    A terminal gets colours and times; the journal (or a file) gets JSON, which it stamps itself.
    """
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: structlog.typing.Processor
    if sys.stderr.isatty():
        renderer = structlog.dev.ConsoleRenderer()
    else:
        renderer = structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[*shared, structlog.processors.format_exc_info, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=False,  # the level may change once the settings are read
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                renderer,
            ],
        )
    )
    # Libraries speak only when something is wrong: their INFO lines may hold URLs and headers.
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
