"""Look inside an application that `create_app` has built."""

from starlette.applications import Starlette
from starlette.types import ASGIApp


def starlette_app(app: ASGIApp) -> Starlette:
    """Return the Starlette application inside the middleware."""
    while not isinstance(app, Starlette):
        app = app.app
    return app
