"""Record everything that an article can observe of the giving page in its frame, in several journeys of a donor.

A recording is the order and the values of what the article sees, without times. The article changes the width of the
card, counts frames at every depth, and watches messages, scroll, focus and requests. The length of the history is left
out: a payment frame that navigates adds to it. The sandbox's does so, and of Stripe's it is unknown.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from playwright.sync_api import FrameLocator, Page, expect

from tests.support.browser import article, giving_frame, press_later
from tests.support.installation import DECLINED, PAYS, SETTLES_LATER, Installation

SIZES = {"phone": (390, 844), "tablet": (768, 1024), "desktop": (1280, 900)}

HOSTILE_SCRIPT = """<script>
  const seen = window.seen = [];
  let heights = 0;
  const text = (value) => typeof value === 'string' ? value : JSON.stringify(value);
  const see = (...what) => seen.push(what.map(text).join(' '));
  addEventListener('message', (event) => see('message', event.data), true);
  for (const name of ['ready', 'open', 'error', 'complete'])
    addEventListener('donation-card-' + name, ({ detail }) => see('event', name, detail), true);
  const { postMessage } = MessagePort.prototype;
  MessagePort.prototype.postMessage = function (...all) { see('sent', all[0]); return postMessage.apply(this, all); };
  const { set } = Object.getOwnPropertyDescriptor(MessagePort.prototype, 'onmessage');
  Object.defineProperty(MessagePort.prototype, 'onmessage', { set(listener) {
    set.call(this, (event) => {
      see('received', event.data);
      listener.call(this, event);
      heights += 1;
    });
  }});
  // The card reads the total again after 10 seconds. That follows the clock, and not the donor.
  const { setTimeout: later } = window;
  window.setTimeout = (action, delay, ...all) => (delay >= 10_000 ? 0 : later(action, delay, ...all));
  const { fetch } = window;
  window.fetch = (...all) => { see('fetch', String(all[0])); return fetch(...all); };
  for (const type of ['scroll', 'focus', 'blur', 'focusin', 'focusout', 'resize'])
    addEventListener(type, () => see(type), true);
  const frames = (view) => [...Array(view.length).keys()].map((index) => frames(view[index]));
  /** Wait for `more` heights, and then until nothing was seen for a quarter of a second. */
  const settled = async (more) => {
    const target = heights + more;
    for (let quiet = 0, last = -1, turn = 0; (quiet < 4 || heights < target) && turn < 100; turn++) {
      quiet = seen.length === last ? quiet + 1 : 0;
      last = seen.length;
      await new Promise((done) => setTimeout(done, 60));
    }
  };
  /** Forget what was seen while the frame was opened: the order of these events varies. */
  window.begin = async () => {
    await settled(1 - heights);
    seen.length = 0;
  };
  /** Forget the focus that comes back to the article when the frame goes: a busy browser reports it in parts. */
  window.forgetFocus = (from) => {
    seen.push(...seen.splice(from).filter((line) => !/^(focus|blur)/.test(line)));
  };
  /** Change the width of the card by one pixel and back, then look around. */
  window.look = async (stage) => {
    const card = document.querySelector('donation-card');
    const frameOf = () => card.shadowRoot.querySelector('iframe');
    for (const width of [-1, 0]) {
      const before = frameOf()?.clientWidth;
      card.style.width = `calc(100% + ${width}px)`;
      await settled(frameOf() && frameOf().clientWidth !== before ? 1 : 0);
      const frame = frameOf();
      const [inside, around] = [frame, card].map((element) => element?.getBoundingClientRect().height);
      see(stage, width, frame?.style.height, inside, around);
    }
    const requests = performance.getEntriesByType('resource').map(({ name }) => name)
      .filter((name) => !name.startsWith(origin)); // not the article's own icon
    const focused = [document, card.shadowRoot].map(({ activeElement }) => activeElement?.localName);
    const inside = frameOf()?.contentWindow;
    see(stage, requests, inside && frames(inside), scrollX, scrollY, focused, document.title);
  };
</script>"""


@dataclass(frozen=True)
class Journey:
    """`act` is what the donor does once the payment form is there."""

    amount: str
    act: Callable[[FrameLocator], None]
    before: tuple[str, ...] = ()
    """What the donor presses before the amount is submitted."""


def _press(frame: FrameLocator | Page, selector: str) -> None:
    """Press without scrolling the article, as Playwright would."""
    press_later(frame.locator(selector).first)


def _pay(number: str, stage: str) -> Callable[[FrameLocator], None]:
    def act(frame: FrameLocator) -> None:
        payment = frame.frame_locator("#payment iframe")
        for name, value in {"email": "ada@example.org", "number": number}.items():
            payment.locator(f"[name={name}]").evaluate("(field, value) => { field.value = value }", value)
        _press(payment, "form button")
        if stage == "declined":
            expect(payment.locator("#error")).to_contain_text("declined")
        else:
            expect(frame.locator("#thanks")).to_be_visible()

    return act


def _change(frame: FrameLocator) -> None:
    _press(frame, "#change")
    expect(frame.locator("#choose")).to_be_visible()


_COPIES_THE_TRANSFER = ('[value="bank_transfer"]', ".copy:not([hidden])", "#transfer summary", '[value="card"]')
"""The buttons are there once their script is."""

JOURNEYS = {
    "paid": Journey("25", _pay(PAYS, "thanks")),
    "declined": Journey("25", _pay(DECLINED, "declined")),
    "processing": Journey("25", _pay(SETTLES_LATER, "thanks")),
    "given up": Journey("25", lambda frame: None),
    "changed amount": Journey("25", _change),
    "small amount": Journey("10", _pay(PAYS, "thanks")),
    "large amount": Journey("50", _pay(PAYS, "thanks")),
    "covered fee": Journey("25", _pay(PAYS, "thanks"), ("#cover-fee",)),
    "changed way": Journey("25", _pay(PAYS, "thanks"), ('[value="redirect"]', '[value="card"]')),
    "copied transfer": Journey("25", _pay(PAYS, "thanks"), _COPIES_THE_TRANSFER),
}


def record(page: Page, installation: Installation, url: str, journey: Journey) -> list[str]:
    """Return what the article at `url` saw of a journey."""
    page.goto(url)
    donate = page.locator("donation-card .donate")
    donate.scroll_into_view_if_needed()
    page.wait_for_timeout(300)  # until the article has scrolled
    donate.click()
    frame = giving_frame(page)
    expect(frame.locator("#give-title")).to_be_focused()
    look = page.evaluate
    look("begin()")
    look("look('opened')")
    _press(frame, f'.amount input[value="{journey.amount}"]')
    for selector in journey.before:
        _press(frame, selector)
    look("look('chosen')")
    _press(frame, "#submit")
    expect(frame.frame_locator("#payment iframe").locator("[name=number]")).to_be_visible()
    look("look('submitted')")
    journey.act(frame)
    look("look('acted')")
    before = look("seen.length")
    _press(page, "donation-card header button")
    expect(page.locator("donation-card iframe")).to_have_count(0)
    page.wait_for_timeout(3_000)  # the card reads the total again
    look(f"forgetFocus({before})")
    look("look('closed')")
    return page.evaluate("seen")


def hostile_article(installation: Installation) -> str:
    return article(installation, head=HOSTILE_SCRIPT).replace("</html>", '<div style="height:3000px"></div></html>')
