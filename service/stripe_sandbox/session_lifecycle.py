"""Create, pay, authenticate, settle and expire Checkout Sessions.

Each method is one transaction: objects, timers and events change together or not at all.
"""

from stripe_sandbox.api_errors import ApiError
from stripe_sandbox.clock import Clock
from stripe_sandbox.events import Events
from stripe_sandbox.ids import new_id
from stripe_sandbox.line_items import price_line_items
from stripe_sandbox.objects import (
    PAYMENT,
    SESSION,
    Json,
    charge_facts,
    new_billing_details,
    new_payment,
    new_payment_method,
    new_session,
)
from stripe_sandbox.payment_method_configurations import PaymentMethodConfigurations
from stripe_sandbox.payment_methods import REDIRECTS, PaymentMethod
from stripe_sandbox.session_rules import check_session
from stripe_sandbox.store import Store, Stored

DECLINED = {"code": "card_declined", "decline_code": "generic_decline", "message": "Your card was declined."}
NOT_AUTHENTICATED = {
    "code": "payment_intent_authentication_failure",
    "message": "The provided payment method has failed authentication.",
}
NOT_AUTHORISED = NOT_AUTHENTICATED | {"type": "invalid_request_error"}
DEBIT_FAILED = {"code": "payment_intent_payment_attempt_failed", "message": "The bank account could not be debited."}


class SessionLifecycle:
    def __init__(
        self,
        store: Store,
        clock: Clock,
        events: Events,
        methods: PaymentMethodConfigurations,
        public_url: str,
        settle_after: float,
    ) -> None:
        self._store, self._clock, self._events, self._methods = store, clock, events, methods
        self._public_url, self._settle_after = public_url, settle_after

    def create(self, params: Json) -> Stored:
        check_session(params, int(self._clock.now()))
        return self._open(params)

    def create_from_link(self, link: Stored, name: str, amount: int) -> Stored:
        """Create the session of a visit to a payment link. Raise ApiError (400) for an amount that cannot be charged.

        The session gets the link's metadata, the payment only that of the link's `payment_intent_data`:
        https://docs.stripe.com/api/payment-link/create.
        """
        price = {"currency": link.body["currency"], "unit_amount": amount, "product_data": {"name": name}}
        params = {
            name: link.body[name] for name in ("customer_creation", "metadata", "payment_intent_data", "submit_type")
        }
        params["payment_intent_data"] = {k: v for k, v in params["payment_intent_data"].items() if v is not None}
        return self._open(params | {"mode": "payment", "line_items": [{"quantity": 1, "price_data": price}]}, link.id)

    def _open(self, params: Json, link: str | None = None) -> Stored:
        now = int(self._clock.now())
        items, amount, currency = price_line_items(params["line_items"], now)
        methods = self._methods.offered(params, currency)
        session, secret = new_session(params, methods, amount, currency, now, self._public_url)
        session["payment_link"] = link
        internal = {"client_secret": secret, "line_items": items, "payment_data": params.get("payment_intent_data", {})}
        with self._store.transaction():
            self._store.add(session, internal)
            self._set_timer(session["expires_at"], "expire", session["id"])
        return self.get(session["id"])

    def get(self, id: str) -> Stored:
        """Return a session. Raise ApiError (404)."""
        return self._store.require(SESSION, id, "session")

    def find_for_page(self, id: str, ui_mode: str) -> Stored | None:
        """Return a session for its payment page, after due timers have run. An overdue session has expired then."""
        self.run_due()
        found = self._store.get(SESSION, id)
        return found if found and found.body["ui_mode"] == ui_mode else None

    def expire(self, id: str) -> Stored:
        """Expire an open session. Raise ApiError (400, 404)."""
        session = self.get(id)
        if session.body["status"] != "open":
            raise ApiError(
                'Only Checkout Sessions with a status in ["open"] can be expired. '
                f"This Checkout Session has a status of `{session.body['status']}`."
            )
        with self._store.transaction():
            self._close(session, "expired")
            self._events.record("checkout.session.expired", session.body)
        return session

    def pay(self, session: Stored, method: PaymentMethod, email: str) -> None:
        """Try to pay an open session. Afterwards it is complete, still open, or it `awaits` an answer."""
        assert session.body["status"] == "open"
        nothing = dict.fromkeys(["address", "business_name", "individual_name", "name", "phone", "tax_ids"])
        session.internal["customer_details"] = nothing | {"email": email, "tax_exempt": "none"}
        with self._store.transaction():
            payment = self._payment_for(session)
            details = {"type": method.type, method.type: method.summary}
            payment.body.update(payment_method_types=[method.type], payment_method=new_id("pm_"))
            payment.internal.update(method=details, billing_details=new_billing_details(email))
            if method.outcome == "declined":
                self._fail(payment, DECLINED)
            elif method.outcome == "requires_action":
                action = {"type": "use_stripe_sdk", "use_stripe_sdk": {"type": "three_d_secure_redirect"}}
                payment.body.update(status="requires_action", next_action=action)
            elif method.outcome == "redirects":
                urls = {"url": f"{self._public_url}/bank/{session.id}", "return_url": session.body["url"]}
                payment.body.update(
                    status="requires_action", next_action={"type": "redirect_to_url", "redirect_to_url": urls}
                )
            elif method.outcome == "succeeds":
                self._succeed(payment)
                self._complete(session, payment, "paid")
            else:
                payment.body.update(status="processing", last_payment_error=None)
                payment.internal.update(session=session.id, bounces=method.outcome == "bounces")
                self._complete(session, payment, "unpaid")
                self._set_timer(self._clock.now() + self._settle_after, "settle", payment.id)
            self._store.save(payment)
            self._store.save(session)

    def awaits(self, session: Stored) -> str:
        """Return the type of the action that an open session awaits: `use_stripe_sdk` is 3-D Secure. Empty: none."""
        payment = self._find_payment(session, "requires_action")
        return str(payment.body["next_action"]["type"]) if payment else ""

    def last_method(self, session: Stored, status: str) -> str:
        """Return the type of the last payment method of an open session, if the payment has this status."""
        payment = self._find_payment(session, status)
        return str(payment.internal["method"]["type"]) if payment else ""

    def answer(self, session: Stored, *, approved: bool) -> None:
        """Complete 3-D Secure or a redirect with the decision of the donor's bank."""
        assert self.awaits(session)
        with self._store.transaction():
            payment = self._payment_for(session)
            payment.body["next_action"] = None
            redirected = payment.internal["method"]["type"] in REDIRECTS
            if approved:
                self._succeed(payment)
                self._complete(session, payment, "paid")
            else:
                self._fail(payment, NOT_AUTHORISED if redirected else NOT_AUTHENTICATED)
            self._store.save(payment)
            self._store.save(session)

    def settle(self, payment_id: str, *, succeeds: bool | None = None) -> bool:
        """Settle a bank debit as its test number says, or as `succeeds` says. Return False if none was pending."""
        payment = self._store.get(PAYMENT, payment_id)
        if not payment or payment.body["status"] != "processing":
            return False
        succeeds = not payment.internal["bounces"] if succeeds is None else succeeds
        with self._store.transaction():
            session = self.get(payment.internal["session"])
            self._clear_timer("settle", payment_id)
            if succeeds:
                self._succeed(payment)
                session.body["payment_status"] = "paid"
                self._store.save(session)
            else:
                self._fail(payment, DEBIT_FAILED)
            self._store.save(payment)
            self._events.record(f"checkout.session.async_payment_{'succeeded' if succeeds else 'failed'}", session.body)
        return True

    def run_due(self) -> None:
        """Run all timers that are due."""
        for what, id in self._store.rows("SELECT what, id FROM timers WHERE at <= ? ORDER BY at", [self._clock.now()]):
            if what == "expire":
                self.expire(id)
            else:
                self.settle(id)

    def pending_debits(self) -> list[str]:
        return [id for (id,) in self._store.rows("SELECT id FROM timers WHERE what = 'settle' ORDER BY at")]

    def _payment_for(self, session: Stored) -> Stored:
        """Return the PaymentIntent of a session. The first attempt creates it, later ones use it again."""
        id = session.internal.get("payment")
        if not id:
            amount, currency = session.body["amount_total"], session.body["currency"]
            body = new_payment(session.internal["payment_data"], amount, currency, int(self._clock.now()))
            id = session.internal["payment"] = body["id"]
            self._store.add(body)
        return self._store.require(PAYMENT, id, "payment_intent")

    def _find_payment(self, session: Stored, status: str) -> Stored | None:
        """Return the payment of an open session if it has this status."""
        payment = self._store.get(PAYMENT, session.internal.get("payment", ""))
        found = session.body["status"] == "open" and payment is not None and payment.body["status"] == status
        return payment if found else None

    def _succeed(self, payment: Stored) -> None:
        charge = new_id("ch_" if payment.body["payment_method_types"] == ["card"] else "py_")
        payment.body.update(
            status="succeeded",
            amount_received=payment.body["amount"],
            latest_charge=charge,
            last_payment_error=None,
        )
        payment.internal.update(charge_facts(payment.body["metadata"], int(self._clock.now())))
        self._events.record("payment_intent.succeeded", payment.body)

    def _fail(self, payment: Stored, error: Json) -> None:
        id, now = payment.body["payment_method"], int(self._clock.now())
        method = new_payment_method(id, payment.internal["method"], payment.internal["billing_details"], now)
        refused = {"type": "card_error", "payment_method": method} | error
        payment.body.update(status="requires_payment_method", payment_method=None, last_payment_error=refused)
        self._events.record("payment_intent.payment_failed", payment.body)

    def _complete(self, session: Stored, payment: Stored, payment_status: str) -> None:
        session.body.update(
            payment_intent=payment.id,
            payment_status=payment_status,
            customer_details=session.internal["customer_details"],
        )
        self._close(session, "complete")
        self._events.record("checkout.session.completed", session.body)

    def _close(self, session: Stored, status: str) -> None:
        # Only an open session has `url` and `client_secret`.
        session.body.update(status=status, url=None, client_secret=None)
        self._clear_timer("expire", session.id)
        self._store.save(session)

    def _set_timer(self, at: float, what: str, id: str) -> None:
        self._store.write("INSERT INTO timers VALUES (?, ?, ?)", [at, what, id])

    def _clear_timer(self, what: str, id: str) -> None:
        self._store.write("DELETE FROM timers WHERE what = ? AND id = ?", [what, id])
