"""The article sees that the giving page was opened and closed, and that an amount was submitted. Nothing else."""

import pytest

from tests.support.browser import with_publisher_site
from tests.support.silent_frame import JOURNEYS, SIZES, hostile_article, record
from tests.support.ways import ACCOUNT, write_campaign_with_fee


@pytest.fixture(scope="module")
def installed(redis_url, tmp_path_factory):
    """Run an installation whose public total stays: anybody may see it move, and a longer figure takes another line."""
    here = tmp_path_factory.mktemp("silent")
    campaigns = write_campaign_with_fee(here / "campaigns", account=ACCOUNT)
    with with_publisher_site(redis_url, here / "sandbox", campaigns=campaigns, demo_publication_interval=None) as found:
        yield found


@pytest.mark.parametrize("size", SIZES)
def test_article_sees_the_same_in_every_journey(browser, installation, site, size):
    """`python -m tests.soak.silent_frame` records all journeys twenty times."""
    width, height = SIZES[size]
    url = site.publish(hostile_article(installation))
    recordings = {}
    for name in ("paid", "declined", "large amount", "covered fee", "changed way", "copied transfer"):
        with browser.new_context(viewport={"width": width, "height": height}) as context:
            recordings[name] = record(context.new_page(), installation, url, JOURNEYS[name])
    assert len(recordings["paid"]) > 10
    for name, recording in recordings.items():
        assert recording == recordings["paid"], name
