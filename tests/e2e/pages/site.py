"""Start one installation and one publisher's site with all pages of the collection."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.pages.collection import PublisherSite, RequestRecorder
from tests.support.installation import Installation, listening, running, served


@dataclass(frozen=True)
class Publisher:
    """Hold the site, the installation whose card it shows, and what that receives."""

    site: PublisherSite
    installation: Installation
    recorder: RequestRecorder


@contextlib.contextmanager
def with_collection(redis_url: str, folder: Path) -> Iterator[Publisher]:
    port, recorder = listening(), RequestRecorder()
    origin = f"http://127.0.0.1:{port.getsockname()[1]}"
    with running(redis_url, folder, article_origin=origin, before_service=recorder.before) as installation:
        site = PublisherSite(origin, installation.service)
        with served((site, port)):
            installation.until_ready()
            yield Publisher(site, installation, recorder)
