"""Write the code that a site pastes: a script, a frame or a link. It names the foundation, never the person.

They stay on other people's servers, where nothing can be taken back.
"""

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
from donation_card.web.presentation.translations import Translations

_SEND_HOST_NAME = 'referrerpolicy="strict-origin"'
"""The service counts donations by site. It must not receive the article's address, whatever the page's policy is."""
_SEND_NOTHING = 'referrerpolicy="no-referrer"'

EMBED_KINDS = ("script", "iframe", "link")
THEMES = ("auto", "light", "dark")
LAYOUTS = ("auto", "card", "compact", "button")


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
    public_url: str, campaign: Campaign, t: Translations, appearance: Appearance = Appearance(), *, pinned: bool = False
) -> str:
    """Return the two lines for a script. The link works before, without and after the script.

    `pinned`: this release of the card, with the hash by which a browser refuses any other (Subresource Integrity).
    """
    src, integrity = current_release() if pinned else (CARD_PATH, "")
    held = f' integrity="{integrity}" crossorigin="anonymous"' if integrity else ""
    looks = "".join(f' {name}="{value}"' for name, value in appearance.overrides.items())
    style = placeholder_style(campaign, t, appearance.effective_layout)
    return (
        f'<script async src="{escape(public_url)}{src}" {_SEND_NOTHING}{held}></script>\n'
        f'<donation-card campaign="{campaign.id}" lang="{t.language}"{looks} style="{style}">'
        f"{_link(f'{public_url}/c/{campaign.id}', campaign, t)}</donation-card>"
    )


def placeholder_style(campaign: Campaign, t: Translations, layout: str) -> str:
    """Return the style that reserves room for the card, so that the article does not move.

    In a box that takes its width from its content, the grid has the width of the card, or less if necessary. The link
    has the size of the card's text, so that `em` means the same.
    """
    room = reserved_height(campaign, t, layout)
    return f"display:grid;grid:auto/minmax(0,38em);font-size:medium;line-height:1.5;padding-bottom:{room}"


def link_snippet(public_url: str, campaign: Campaign, t: Translations) -> str:
    return _link(f"{public_url}/c/{campaign.id}?lang={t.language}", campaign, t)


def iframe_snippet(public_url: str, campaign: Campaign, t: Translations, appearance: Appearance = Appearance()) -> str:
    """Return a frame. Its height as a style follows the width; the attribute serves pages that forbid styles."""
    layout = appearance.effective_layout
    height = frame_height(campaign, t, layout)
    return (
        f'<iframe src="{escape(frame_url(public_url, campaign, t, appearance))}" title="{escape(_name(campaign, t))}"'
        f' loading="lazy" width="100%" height="{height_px(campaign, t, layout, 400)}"'
        f' style="border:0;font-size:medium;height:{height}"'
        f' {_SEND_HOST_NAME} allow="payment *; publickey-credentials-get *; web-share; clipboard-write"></iframe>'
    )


def oembed_frame(
    public_url: str, campaign: Campaign, t: Translations, appearance: Appearance, width: int, tall: int
) -> str:
    """Return a frame with the attributes that WordPress keeps for an unknown provider."""
    return (
        f'<iframe src="{escape(frame_url(public_url, campaign, t, appearance))}" title="{escape(_name(campaign, t))}"'
        f' width="{width}" height="{tall}" frameborder="0" marginwidth="0" marginheight="0" scrolling="no"'
        f" {_SEND_HOST_NAME}></iframe>"
    )


def frame_url(public_url: str, campaign: Campaign, t: Translations, appearance: Appearance) -> str:
    return f"{public_url}/c/{campaign.id}/frame?{urlencode({'lang': t.language, **appearance.overrides})}"


def height_px(campaign: Campaign, t: Translations, layout: str, width: int) -> int:
    """Return the pixels that a card of this layout and width needs, at 16 pixels an em, also in test mode."""
    return round(16 * (TEST_MODE_HEIGHT + estimate_height(campaign, t, layout, width / 16)))


def csp_directives(kind: str, public_url: str, *, picture: bool = False) -> str:
    """Return the directives that a Content-Security-Policy needs for this kind. A link needs none."""
    directives = {"script": ("script-src", "connect-src", "frame-src"), "iframe": ("frame-src",), "link": ()}[kind]
    directives += ("img-src",) if picture and kind == "script" else ()
    return "; ".join(f"{directive} {public_url}" for directive in directives)


def _name(campaign: Campaign, t: Translations) -> str:
    return t.translate("card.dialog_title", recipient=campaign.recipient.short_name)


def _link(address: str, campaign: Campaign, t: Translations) -> str:
    return f'<a href="{escape(address)}" {_SEND_HOST_NAME}>{escape(_name(campaign, t))}</a>'
