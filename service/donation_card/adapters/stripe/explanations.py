"""Explain an error of Stripe to the operator of a command in one line: what to do, and what Stripe said."""

import re

import stripe

from donation_card.errors import DonationCardError, StripeKeyRejected

_KEYS = "Dashboard → Developers → API keys"
_KEY = re.compile(r"\b([sr]k_(?:live|test)_)\w+")

FIXES = {
    "url_invalid": "Stripe must reach PUBLIC_URL from the internet; on your own machine, use `stripe listen` instead",
    "unreadable": "the answer is not Stripe's: look for a proxy between this machine and api.stripe.com",
    "empty_page": "Stripe sent an incomplete list: run the command again",
    "RateLimitError": "Stripe limits the requests: run the command again in a minute",
    "failed": "Stripe failed: look at status.stripe.com, then run the command again",
    "refused": "Stripe refuses the request",
    "no_answer": "no answer from api.stripe.com: look whether this machine can reach it",
}
"""Stripe's error code, or our reason → what to do."""


def explain(error: DonationCardError) -> str:
    """Return one line. It names a missing right as the dashboard and as the API name it."""
    said = stripes_words(error)
    return f"{_fix(error, said)}; Stripe says: {said}" if said else _fix(error, said)


def _fix(error: DonationCardError, said: str) -> str:
    reason, cause = str(error.params.get("reason")), error.__cause__
    if right := error.params.get("right"):
        return f"in {_KEYS}, add “{error.params['dashboard']}” ({right})"
    if isinstance(error, StripeKeyRejected):
        return f"Stripe rejects the key: use another from {_KEYS}"
    if isinstance(cause, stripe.APIError) and cause.http_status:
        return FIXES["failed" if said else "unreadable"]
    return FIXES.get(reason) or FIXES["refused" if said else "no_answer"]


def stripes_words(error: BaseException) -> str:
    """Return the text of Stripe's answer in one line, without keys. It is empty if Stripe did not answer."""
    cause = error.__cause__
    # the client puts the headers into `json_body` when it cannot read the answer
    if not (isinstance(cause, stripe.StripeError) and isinstance(cause.json_body, dict) and "error" in cause.json_body):
        return ""
    text = "".join(c if c.isprintable() else " " for c in cause.user_message or "")
    return " ".join(_KEY.sub(r"\1…", text).split())[:400]
