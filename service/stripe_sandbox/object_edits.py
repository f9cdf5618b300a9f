"""Edit stored objects: as a person does in Stripe's dashboard, and as a later version of Stripe might show them."""

from typing import Any

from stripe_sandbox.api_errors import ApiError, no_such
from stripe_sandbox.events import Events
from stripe_sandbox.objects import DISPUTE, LINK, PAYMENT, REFUND, SESSION, Json
from stripe_sandbox.param_validation import check_metadata
from stripe_sandbox.store import Store, Stored

WITH_METADATA = (SESSION, PAYMENT, REFUND, DISPUTE, LINK)
UPDATE_EVENTS = {REFUND: "refund.updated", DISPUTE: "charge.dispute.updated", LINK: "payment_link.updated"}
"""Kind → the event of a changed object. Stripe sends none for a session or a PaymentIntent."""


class ObjectEdits:
    def __init__(self, store: Store, events: Events) -> None:
        self._store, self._events = store, events

    def edit_metadata(self, id: str, metadata: dict[str, str]) -> Json:
        """Merge metadata into an object; an empty value removes its key. Raise ApiError (400, 404).

        Copies do not follow: a charge keeps the metadata that its payment had when the payment succeeded.
        """
        found = self._get(id)
        if found.body["object"] not in WITH_METADATA:
            raise ApiError(f"A {found.body['object']} has no metadata that the dashboard can edit.", param="id")
        merged = found.body["metadata"] | metadata
        return self._save(found, {"metadata": check_metadata(merged)}, [], UPDATE_EVENTS.get(found.body["object"]))

    def overwrite(self, id: str, fields: dict[str, Any], without: list[str], event: str | None) -> Json:
        """Set any fields of an object and remove others, such as a status that does not exist yet.

        `event`: type of an event with the changed object, or None for no event. Raise ApiError (400, 404).
        """
        if fixed := {"id", "object"} & {*fields, *without}:
            raise ApiError(f"These fields cannot be changed: {', '.join(sorted(fixed))}", param="fields")
        return self._save(self._get(id), fields, without, event)

    def _save(self, found: Stored, fields: dict[str, Any], without: list[str], event: str | None) -> Json:
        found.body.update(fields)
        for name in without:
            found.body.pop(name, None)
        with self._store.transaction():
            self._store.save(found)
            if event:
                self._events.record(event, found.body)
        return found.body

    def _get(self, id: str) -> Stored:
        found = self._store.find("id = ?", [id])
        if not found:
            raise no_such("object", id, "id")
        return found[0]
