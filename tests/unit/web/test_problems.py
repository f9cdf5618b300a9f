"""Each error class has one HTTP status."""

import pytest
from donation_card import errors
from donation_card.web.problems import http_status


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.ClientError(), 400),
        (errors.NotFound(), 404),
        (errors.UnsupportedFormat(), 501),
        (errors.Invalid(), 400),
        (errors.TooLarge(), 413),
        (errors.Conflict(), 409),
        (errors.RateLimited(), 429),
        (errors.TotalsUnavailable(), 503),
        (errors.ProgressUnknown(), 503),
        (errors.StripeKeyRejected(), 503),
        (errors.DonationCardError(), 500),
    ],
)
def test_status_of_each_error(error, status):
    assert http_status(error) == status
