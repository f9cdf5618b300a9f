"""Keep the public responses of this worker in memory."""

from collections.abc import Iterable

from donation_card.web.http.cached_response import CachedResponse


class ResponseCache:
    """Map a request target (path and query) to the response that is sent without routing."""

    def __init__(self) -> None:
        self._responses: dict[str, CachedResponse] = {}
        self.hits = 0
        """Responses sent without routing, since the last `take_hits`."""

    def get(self, target: str) -> CachedResponse | None:
        """Return the response of this target, or None."""
        return self._responses.get(target)

    def put(self, target: str, response: CachedResponse) -> None:
        """Store the response of this target, and replace the previous one."""
        self._responses[target] = response

    def evict(self, targets: Iterable[str]) -> None:
        """Remove these targets. A target that is not stored is ignored."""
        for target in targets:
            self._responses.pop(target, None)

    def take_hits(self) -> int:
        """Return the number of hits, and start again at zero.

        A Prometheus counter in the path of each request would take a third of the middleware's time.
        """
        hits, self.hits = self.hits, 0
        return hits
