"""Run an installation with the campaigns of a test module."""

import pytest

from tests.support.installation import running


@pytest.fixture(scope="module")
def installed(redis_url, folder, tmp_path_factory):
    """Serve the campaigns of the fixture `folder`, which the module provides."""
    sandbox = tmp_path_factory.mktemp("sandbox")
    with running(redis_url, sandbox, campaigns=folder, demo_publication_interval=None) as found:
        found.until_ready()
        yield found
