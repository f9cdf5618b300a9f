"""Write the code that a site pastes: a script, a frame or a link. It names the foundation, never the person.

They stay on other people's servers, where nothing can be taken back.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from html import escape
from urllib.parse import urlencode

from donation_card.domain.campaign import Campaign
from donation_card.web.assets import CARD_PATH, current_release
from donation_card.web.presentation.card_height import (
    TEST_MODE_HEIGHT,
    estimate_height,
    frame_height,
    reserved_height,
)
from donation_card.web.presentation.rows_height import rows_estimate
from donation_card.web.presentation.translations import Translations

_SEND_HOST_NAME = 'referrerpolicy="strict-origin"'
"""The service counts donations by site. It must not receive the article's address, whatever the page's policy is."""
_SEND_NOTHING = 'referrerpolicy="no-referrer"'

EMBED_KINDS = ("script", "iframe", "link")
THEMES = ("auto", "light", "dark")
LAYOUTS = ("auto", "card", "compact", "button", "bar")


@dataclass(frozen=True, slots=True)
class Appearance:
    """The appearance of a card. `auto` follows the page and the width of its column."""

    theme: str = "auto"
    layout: str = "auto"

    @property
    def overrides(self) -> dict[str, str]:
        return {name: value for name, value in asdict(self).items() if value != "auto"}

    @property
    def effective_layout(self) -> str:
        return "card" if self.layout == "auto" else self.layout


def script_snippet(
    public_url: str,
    campaign: Campaign,
    t: Translations,
    appearance: Appearance = Appearance(),
    *,
    others: Sequence[Campaign] = (),
    pinned: bool = False,
) -> str:
    """Return the two lines for a script. The links work before, without and after the script.

    `others`: more campaigns in the same card. `pinned`: this release of the card, with the hash by which a browser
    refuses any other (Subresource Integrity).
    """
    src, integrity = current_release() if pinned else (CARD_PATH, "")
    held = f' integrity="{integrity}" crossorigin="anonymous"' if integrity else ""
    looks = "".join(f' {name}="{value}"' for name, value in appearance.overrides.items())
    style = placeholder_style(campaign, t, appearance.effective_layout, others)
    ids = " ".join(each.id for each in (campaign, *others))
    return (
        f'<script async src="{escape(public_url)}{src}" {_SEND_NOTHING}{held}></script>\n'
        f'<donation-card campaign="{ids}" lang="{t.language}"{looks} style="{style}">'
        f"{_links(public_url, campaign, t, others, '')}</donation-card>"
    )


def placeholder_style(campaign: Campaign, t: Translations, layout: str, others: Sequence[Campaign] = ()) -> str:
    """Return the style that reserves room for the card, so that the article does not move.

    In a box that takes its width from its content, the grid has the width of the card, or less if necessary. The links
    have the size of the card's text, so that `em` means the same, and a line each.
    """
    room = reserved_height(campaign, t, layout, others)
    return f"display:grid;grid:auto/minmax(0,38em);font-size:medium;line-height:1.5;padding-bottom:{room}"


def link_snippet(public_url: str, campaign: Campaign, t: Translations, others: Sequence[Campaign] = ()) -> str:
    return _links(public_url, campaign, t, others, f"?lang={t.language}")


def iframe_snippet(
    public_url: str,
    campaign: Campaign,
    t: Translations,
    appearance: Appearance = Appearance(),
    others: Sequence[Campaign] = (),
) -> str:
    """Return a frame. Its height as a style follows the width; the attribute serves pages that forbid styles."""
    layout = appearance.effective_layout
    height = frame_height(campaign, t, layout, others)
    return (
        f'<iframe src="{escape(frame_url(public_url, campaign, t, appearance, others))}"'
        f' title="{escape(_name(campaign, t))}"'
        f' loading="lazy" width="100%" height="{height_px(campaign, t, layout, 400, others)}"'
        f' style="border:0;font-size:medium;height:{height}"'
        f' {_SEND_HOST_NAME} allow="payment *; publickey-credentials-get *; web-share; clipboard-write"></iframe>'
    )


def oembed_frame(
    public_url: str, campaign: Campaign, t: Translations, appearance: Appearance, width: int, tall: int
) -> str:
    """Return a frame with the attributes that WordPress keeps for an unknown provider, and a hidden link before it.

    WordPress loads the script that follows the frame's messages only beside a quotation. It shows the quotation until
    the frame sends one, and where scripts are off (`wp_filter_oembed_result`, `wp_maybe_enqueue_oembed_host_js`).
    """
    return (
        f"<blockquote hidden>{link_snippet(public_url, campaign, t)}</blockquote>"
        f'<iframe src="{escape(frame_url(public_url, campaign, t, appearance))}" title="{escape(_name(campaign, t))}"'
        f' width="{width}" height="{tall}" frameborder="0" marginwidth="0" marginheight="0" scrolling="no"'
        f" {_SEND_HOST_NAME}></iframe>"
    )


def frame_url(
    public_url: str, campaign: Campaign, t: Translations, appearance: Appearance, others: Sequence[Campaign] = ()
) -> str:
    query = [("lang", t.language), *appearance.overrides.items(), *(("with", each.id) for each in others)]
    return f"{public_url}/c/{campaign.id}/frame?{urlencode(query)}"


def height_px(campaign: Campaign, t: Translations, layout: str, width: int, others: Sequence[Campaign] = ()) -> int:
    """Return the pixels that a card of this layout and width needs, at 16 pixels an em, also in test mode."""
    ems = width / 16
    height = rows_estimate((campaign, *others), t)(ems) if others else estimate_height(campaign, t, layout, ems)
    return round(16 * (TEST_MODE_HEIGHT + height))


def csp_directives(kind: str, public_url: str, *, picture: bool = False) -> str:
    """Return the directives that a Content-Security-Policy needs for this kind. A link needs none."""
    directives = {"script": ("script-src", "connect-src", "frame-src"), "iframe": ("frame-src",), "link": ()}[kind]
    directives += ("img-src",) if picture and kind == "script" else ()
    return "; ".join(f"{directive} {public_url}" for directive in directives)


def _name(campaign: Campaign, t: Translations) -> str:
    return t.translate("card.dialog_title", recipient=campaign.recipient.short_name)


def _links(public_url: str, campaign: Campaign, t: Translations, others: Sequence[Campaign], query: str) -> str:
    """Return a link to each campaign. Several have a line each, and the id that the address has too."""
    lines = ' style="display:block"' if others else ""
    return "\n".join(
        f'<a href="{escape(f"{public_url}/c/{each.id}{query}")}" {_SEND_HOST_NAME}{lines}>'
        f"{escape(_name(each, t))}{f': {each.id}' if others else ''}</a>"
        for each in (campaign, *others)
    )
