"""Test that one host name has one form, however it is written."""

import pytest
from donation_card.domain.host_name import canonical_host


@pytest.mark.parametrize(
    ("written", "host"),
    [
        ("news.example", "news.example"),
        ("News.EXAMPLE.", "news.example"),
        ("дапамога.бел", "xn--80aaalc4cof.xn--90ais"),
        ("Дапамога.бел.", "xn--80aaalc4cof.xn--90ais"),
        ("xn--80aaalc4cof.xn--90ais", "xn--80aaalc4cof.xn--90ais"),
        ("[::1]", "[::1]"),
        ("", ""),
    ],
)
def test_host_has_one_form(written, host):
    assert canonical_host(written) == host


@pytest.mark.parametrize("written", ["a" * 64 + ".example", "a..b", "..", "й" * 300, "\udcff"])
def test_wrong_host_raises_value_error(written):
    with pytest.raises(ValueError):  # noqa: PT011 - codecs word it in their own ways
        canonical_host(written)
