"""ResponseCache stores responses by request target."""

from donation_card.web.http.cached_response import CachedResponse
from donation_card.web.http.response_cache import ResponseCache

ROOF = CachedResponse(b"{}", "application/json", {})


def test_get_returns_what_was_put():
    cache = ResponseCache()
    cache.put("/v1/campaigns/roof", ROOF)
    assert cache.get("/v1/campaigns/roof") is ROOF
    assert cache.get("/v1/campaigns/roof?lang=be") is None


def test_evict_ignores_unknown_targets():
    cache = ResponseCache()
    cache.put("/a", ROOF)
    cache.put("/b", ROOF)
    cache.evict(["/a", "/c"])
    assert (cache.get("/a"), cache.get("/b")) == (None, ROOF)


def test_take_hits_starts_again_at_zero():
    cache = ResponseCache()
    cache.hits += 3
    assert [cache.take_hits(), cache.take_hits()] == [3, 0]
