"""Serve the images that are made from the organisers' files."""

import re

from starlette.requests import Request

from donation_card.application.ports.campaigns import Campaigns
from donation_card.application.ports.pictures import Pictures
from donation_card.errors import NotFound
from donation_card.web.http.cached_response import CachedResponse
from donation_card.web.http.headers import IMAGE_CSP, PUBLIC_CORS, cache_control
from donation_card.web.presentation.picture import MEDIA_TYPES

_NAME = re.compile(r"([0-9a-f]{32})-([1-9][0-9]{0,3})\.(webp|jpg)")
_MAX_AGE = 30
"""Seconds, as for texts. The address never means another image, but an organiser can take the image back."""


class PictureEndpoint:
    """`/pictures/{hash}-{width}.webp` and `.jpg`."""

    def __init__(self, campaigns: Campaigns, pictures: Pictures) -> None:
        self.campaigns, self.pictures = campaigns, pictures

    async def show(self, request: Request) -> CachedResponse:
        """Respond with an image that a visible campaign shows now. Raise NotFound for any other name."""
        found = _NAME.fullmatch(request.path_params["name"])
        image = self.campaigns.shown_images().get(found[1]) if found else None
        if found is None or image is None:
            raise NotFound
        body = await self.pictures.read(image, int(found[2]), found[3])
        headers = PUBLIC_CORS | cache_control(_MAX_AGE, revalidate=False) | IMAGE_CSP
        return CachedResponse(body, MEDIA_TYPES[found[3]], headers, quality=None)
