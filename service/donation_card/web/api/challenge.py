"""The challenge: the proof of work that a giving page's script solves when it is asked for one."""

from __future__ import annotations

import re
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from donation_card.application.session_limits import SessionLimits
from donation_card.errors import Invalid
from donation_card.web.api.checkout_sessions import client_address
from donation_card.web.http.headers import NO_STORE

_FORM: Final = re.compile("[0-9a-f]{64}")


class ChallengeEndpoint:
    """`/v1/challenge`. Nothing of it is kept here: it is signed, and remembered once it is spent."""

    def __init__(self, session_limits: SessionLimits) -> None:
        self.session_limits = session_limits

    async def make(self, request: Request) -> Response:
        form = request.query_params.get("form", "")
        if not _FORM.fullmatch(form):
            raise Invalid(field="form")
        return JSONResponse(self.session_limits.issue_challenge(client_address(request), form), 200, NO_STORE)
