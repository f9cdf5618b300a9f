"""`donation-card serve`: run the service."""

from functools import partial
from typing import Any

import click

from donation_card.cli.check import checked_configuration
from donation_card.settings import SETTINGS, Setting, Settings

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
    from donation_card.server.supervisor import Supervisor

    # Here, so that a fault is printed once and not by each worker.
    settings, campaigns = checked_configuration(first=FIRST)
    configure_logs(settings.log_level)
    if settings.workers == 1:  # it runs in this process
        from donation_card.app import create_app

        uvicorn.run(partial(create_app, settings, campaigns), **_server_options(settings))
        return
    del campaigns  # the workers load them themselves
    with multiprocess_dir(settings.workers):
        config = uvicorn.Config("donation_card.app:worker", workers=settings.workers, **_server_options(settings))
        Supervisor(config, [config.bind_socket()]).run()


def _server_options(settings: Settings) -> dict[str, Any]:
    """Return the options of uvicorn for one worker and for several."""
    from donation_card.server.http_protocol import KEEP_ALIVE, LimitedHttpProtocol

    return {
        "factory": True,
        "lifespan": "on",  # a failing lifespan ends the worker: without background tasks it has no totals
        "host": settings.host,
        "port": settings.port,
        "http": LimitedHttpProtocol,
        "ws": "none",
        "timeout_keep_alive": KEEP_ALIVE,
        "timeout_worker_healthcheck": WORKER_START_TIMEOUT,
        "proxy_headers": False,  # the application has a middleware for them
        "log_config": None,  # configure_logs() handles uvicorn's log records
        "log_level": settings.log_level,
        "access_log": False,
        "server_header": False,
        "timeout_graceful_shutdown": SHUTDOWN_TIMEOUT,
    }
