"""Fill in Stripe's payment page, embedded or hosted, without knowledge of its markup.

The fields can be in any frame of the page. They are found by their purpose (`autocomplete`, as WCAG 1.3.5 asks for),
their label or their role. This was proved against stand-ins only: nobody could look at Stripe's own page.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from playwright.sync_api import Error, Frame, Locator, Page

Find = Callable[[Frame], Locator]


def _field(purpose: str, label: str) -> tuple[Find, ...]:
    words = re.compile(label, re.I)
    return (
        lambda frame: frame.locator(f'input[autocomplete~="{purpose}"]'),
        lambda frame: frame.get_by_label(words).and_(frame.locator("input")),
        lambda frame: frame.get_by_role("textbox", name=words),
    )


NUMBER = _field("cc-number", "card number")
OTHER_FIELDS = {
    _field("email", "e-?mail"): "ada@example.org",
    _field("cc-exp", r"expir|mm ?/ ?yy"): "1234",
    _field("cc-csc", "cvc|cvv|security code"): "123",
    _field("cc-name", "name on card|cardholder|full name"): "Ada Example",
    _field("postal-code", "postal|zip"): "12345",
}
"""The fields beside the number → what a donor types. A page has some of them."""

CARD_TAB: tuple[Find, ...] = tuple(
    lambda frame, role=role: frame.get_by_role(role, name=re.compile("^(pay with )?card$", re.I))
    for role in ("radio", "tab", "button")
)
SUBMIT: tuple[Find, ...] = (
    lambda frame: frame.get_by_role("button", name=re.compile(r"^(donate|pay)(?!.*\b(with|link)\b)", re.I)),
    lambda frame: frame.locator("button[type=submit]"),
)
APPROVE: tuple[Find, ...] = (
    lambda frame: frame.get_by_role("button", name=re.compile("^(complete|approve|authori[sz]e|confirm)", re.I)),
)
DECLINED: tuple[Find, ...] = (lambda frame: frame.get_by_role("alert").filter(has_text=re.compile("declin", re.I)),)


@dataclass
class PaymentPage:
    """A page in the browser whose frames of other origins than `ours` belong to the payment."""

    page: Page
    ours: Sequence[str] = ()
    timeout: float = 60

    def frames(self) -> list[Frame]:
        return [frame for frame in self.page.frames if not frame.url.startswith(tuple(self.ours))]

    def find(self, ways: Sequence[Find], timeout: float | None = None) -> Locator | None:
        """Return the first visible element that one of the ways finds in a frame, or None after the timeout."""
        end = time.monotonic() + (self.timeout if timeout is None else timeout)
        while True:
            for way in ways:
                for frame in self.frames():
                    if found := _visible(way, frame):
                        return found
            if time.monotonic() > end:
                return None
            self.page.wait_for_timeout(500)

    def card_number(self) -> Locator:
        """Return the field of the card number. Choose the card first, if the page offers several ways to pay."""
        if found := self.find(NUMBER, timeout=self.timeout / 2):
            return found
        if tab := self.find(CARD_TAB, timeout=0):
            tab.click(force=True)
        if found := self.find(NUMBER, timeout=self.timeout / 2):
            return found
        seen = ", ".join(sorted({frame.url.partition("?")[0][:60] for frame in self.frames()})) or "none"
        raise LookupError(f"no visible field for a card number; frames: {seen}")

    def pay(self, number: str) -> None:
        """Type a card and submit it."""
        _type(self.card_number(), number)
        for ways, text in OTHER_FIELDS.items():
            if (found := self.find(ways, timeout=0)) and not found.input_value():
                _type(found, text)
        submit = self.find(SUBMIT, timeout=5)
        if submit is None:
            raise LookupError("no visible button that submits the payment")
        submit.click()


def _visible(way: Find, frame: Frame) -> Locator | None:
    try:
        found = way(frame).locator("visible=true").first
        return found if found.count() else None
    except Error:  # the frame was removed meanwhile
        return None


def _type(field: Locator, text: str) -> None:
    field.click()
    field.fill("")
    field.press_sequentially(text, delay=15)  # a field that formats its text ignores a text that is set at once
