"""`donation-card serve`: run the service."""

from collections.abc import Callable
from functools import partial

import click

from donation_card.cli.check import checked_configuration
from donation_card.settings import SETTINGS, Setting

SHUTDOWN_TIMEOUT = 8
"""Seconds for requests in progress after a signal to stop. `docker stop` kills the process after 10 seconds."""

WORKER_START_TIMEOUT = 60
"""Seconds in which a new worker must start. Otherwise a reload (SIGHUP) keeps the old one."""


def _setting_line(setting: Setting) -> str:
    note = f" [{setting.default}]" if setting.default else " [none]" if setting.optional else " [required]"
    return f"  {setting.name:28}{setting.help}{note}"


@click.command(epilog="\n".join(["\b", "Settings (docs/configure.md):", *map(_setting_line, SETTINGS)]))
def serve() -> None:
    """Run the service.

    All settings are environment variables. The service does not start while one of them is wrong.
    """
    import uvicorn

    from donation_card.adapters.campaign_files.loader import FIRST
    from donation_card.observability.logs import configure_logs
    from donation_card.observability.metrics import multiprocess_dir
    from donation_card.server.http_protocol import KEEP_ALIVE, LimitedHttpProtocol

    # Here, so that a fault is printed once and not by each worker.
    settings, campaigns = checked_configuration(first=FIRST)
    configure_logs(settings.log_level)
    application: str | Callable[[], object] = "donation_card.app:worker"
    if settings.workers == 1:  # it runs in this process
        from donation_card.app import create_app

        application = partial(create_app, settings, campaigns)
    del campaigns  # several workers load them themselves
    with multiprocess_dir(settings.workers):
        uvicorn.run(
            application,
            factory=True,
            lifespan="on",  # a failing lifespan ends the worker: without background tasks it has no totals
            host=settings.host,
            port=settings.port,
            workers=settings.workers,
            http=LimitedHttpProtocol,
            ws="none",
            timeout_keep_alive=KEEP_ALIVE,
            timeout_worker_healthcheck=WORKER_START_TIMEOUT,
            proxy_headers=False,  # the application has a middleware for them
            log_config=None,  # configure_logs() handles uvicorn's log records
            log_level=settings.log_level,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=SHUTDOWN_TIMEOUT,
        )
