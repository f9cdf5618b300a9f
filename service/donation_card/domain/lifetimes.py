"""Lifetimes in seconds that more than one layer needs."""

FORM_TOKEN_LIFETIME = 60 * 60
"""A form token can start checkout sessions for this time."""

SESSION_HANDLE_LIFETIME = 24 * 60 * 60
"""The browser can ask for the status of its checkout session for this time. The thanks page shows it as long, because
its address stays in the history of the browser."""

SESSION_LIFETIME = FORM_TOKEN_LIFETIME + 33 * 60
"""From the issue of a form token to the end of its checkout sessions: 93 minutes.

Stripe requires at least 30 minutes after creation. A call takes up to 20 s, and the clocks differ by up to 60 s.
"""

MAX_AHEAD = 5 * 60
"""A stored instant further ahead of now is unknown: a clock was ahead when it was stored."""

STALE_AFTER = 2 * 60 * 60
"""Without a complete sync for this time, no public total is decided. It is twice the longest wait between two syncs."""
