"""Issue challenges: the proof of work that the script of the donation page solves on request."""

import re

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from donation_card.application.session_limits import SessionLimits
from donation_card.errors import Invalid
from donation_card.web.api.checkout_sessions import client_address
from donation_card.web.http.headers import NO_STORE

_FORM_HASH = re.compile("[0-9a-f]{64}")


class ChallengeEndpoint:
    """`/v1/challenge`. A challenge is signed, so it is stored only after its proof was accepted."""

    def __init__(self, session_limits: SessionLimits) -> None:
        self.session_limits = session_limits

    async def make(self, request: Request) -> Response:
        form_hash = request.query_params.get("form_hash", "")
        if not _FORM_HASH.fullmatch(form_hash):
            raise Invalid(field="form_hash")
        return JSONResponse(self.session_limits.issue_challenge(client_address(request), form_hash), 200, NO_STORE)
