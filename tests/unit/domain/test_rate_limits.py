"""Test token buckets and the networks of addresses."""

import ipaddress

import pytest
from donation_card.domain.lifetimes import MAX_AHEAD
from donation_card.domain.rate_limits import Bucket, BucketStore, Rate, acquire_all, network_prefix
from hypothesis import given, strategies as st

rates = st.builds(Rate, st.integers(1, 10_000), st.integers(1, 30))
instants = st.lists(st.integers(0, 100_000), max_size=80).map(sorted)


def taken(rate, times):
    counts = BucketStore(10)
    return [at for at in times if not counts.retry_after([Bucket("b", rate)], at)]


@given(rates, instants)
def test_no_interval_exceeds_burst_and_rate(rate, times):
    through = taken(rate, times)
    for first, start in enumerate(through):
        for n, end in enumerate(through[first:], 1):
            assert n <= rate.burst + (end - start) // rate.interval_ms


@given(rates, instants)
def test_caller_that_waits_retry_after_is_allowed(rate, times):
    counts, bucket = BucketStore(10), [Bucket("b", rate)]
    for at in times:
        if wait := counts.retry_after(bucket, at):
            assert BucketStore(10, counts.tat_ms.copy()).retry_after(bucket, at + wait - 1) == 1
            assert BucketStore(10, counts.tat_ms.copy()).retry_after(bucket, at + wait) == 0


@given(rates, rates, instants)
def test_tokens_leave_all_buckets_or_none(some, others, times):
    held = {}
    buckets = [Bucket("some", some), Bucket("others", others)]
    for at in times:
        longest, then = acquire_all(buckets, held, at)
        assert (longest == 0) == (then.keys() == {"some", "others"})
        assert longest == 0 or then == {}
        held |= then


@given(rates, st.integers(1, 10**11))
def test_bucket_far_ahead_is_unknown_and_allows_its_burst(rate, beyond):
    tat = {"b": rate.interval_ms * rate.burst + MAX_AHEAD * 1_000 + beyond}
    assert acquire_all([Bucket("b", rate)], tat, 0) == (0, {"b": rate.interval_ms})


@given(rates, st.integers(0, 10**9))
def test_clock_set_back_blocks_at_most_one_refill(rate, ahead):
    counts, bucket = BucketStore(10), [Bucket("b", rate)]
    counts.retry_after(bucket, ahead)
    assert counts.retry_after(bucket, 0) <= rate.interval_ms * rate.burst


@given(rates, st.integers(1, 64))
def test_worker_shares_add_up_to_the_limit(rate, workers):
    share = rate.split(workers)
    assert rate.burst <= share.burst * workers < rate.burst + workers
    assert share.interval_ms == rate.interval_ms * workers


@given(st.lists(st.integers(0, 20), max_size=60))
def test_memory_is_bounded_and_drops_the_oldest(names):
    counts = BucketStore(5)
    for at, name in enumerate(names):
        counts.retry_after([Bucket(str(name), Rate(1, 1))], at)
    assert len(counts.tat_ms) <= 5
    assert set(counts.tat_ms) == {str(name) for name in list(dict.fromkeys(reversed(names)))[:5]}


@pytest.mark.parametrize(("every", "burst"), [(0, 1), (1, 0), (-1, 1)])
def test_impossible_rate_is_refused(every, burst):
    with pytest.raises(ValueError, match="at least 1"):
        Rate(every, burst)


@given(st.ip_addresses())
def test_neighbouring_addresses_are_one_network(address):
    found = network_prefix(str(address))
    mapped = getattr(address, "ipv4_mapped", None)
    assert (found is not None) == (mapped or address).is_global
    if found is not None:
        neighbour = ipaddress.ip_address(int(address) ^ 1)
        assert network_prefix(str(neighbour)) in {found, None}


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("11.1.2.3", "11.1.2.250", True),
        ("11.1.2.3", "11.1.3.3", False),
        ("11.1.2.3", "::ffff:11.1.2.99", True),
        ("2a02:1:2:3::4", "2a02:1:2:ffff::9", True),
        ("2a02:1:2:3::4", "2a02:1:3:3::4", False),
    ],
)
def test_network_is_24_bits_of_ipv4_and_48_of_ipv6(one, other, same):
    assert (network_prefix(one) == network_prefix(other)) is same


@pytest.mark.parametrize(
    "address", [None, "", "testclient", "127.0.0.1", "::1", "10.1.2.3", "fe80::1%eth0", "1.2.3", "11.1.2.3, 11.1.2.4"]
)
def test_non_public_address_has_no_network(address):
    assert network_prefix(address) is None
