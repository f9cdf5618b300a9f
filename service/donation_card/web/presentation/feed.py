"""Write the updates of a campaign as Atom (RFC 4287). The title names no person, because readers' servers keep it."""

from datetime import date
from xml.etree import ElementTree

from donation_card.domain.campaign import Campaign
from donation_card.web.presentation.card import recipient_name
from donation_card.web.presentation.translations import Translations

_NOTHING_YET = date(1970, 1, 1)


def atom(campaign: Campaign, t: Translations, public_url: str) -> bytes:
    """Return the feed, newest update first. It is valid without updates."""
    page = f"{public_url}/c/{campaign.id}?lang={t.language}"
    feed = ElementTree.Element("feed", {"xmlns": "http://www.w3.org/2005/Atom", "xml:lang": t.language})
    newest = campaign.updates[0].date if campaign.updates else _NOTHING_YET
    _head(feed, page, recipient_name(campaign), newest)
    _link(feed, "self", f"{public_url}/c/{campaign.id}/updates.atom?lang={t.language}")
    _link(feed, "alternate", page)
    ElementTree.SubElement(ElementTree.SubElement(feed, "author"), "name").text = campaign.recipient.legal_name
    for number, update in zip(range(len(campaign.updates), 0, -1), campaign.updates, strict=True):
        entry = ElementTree.SubElement(feed, "entry")
        address = f"{page}#update-{number}"
        _head(entry, address, update.text[t.language], update.date)
        _link(entry, "alternate", address)
        ElementTree.SubElement(entry, "content", {"type": "text"}).text = update.text[t.language]
    body: bytes = ElementTree.tostring(feed, "utf-8", xml_declaration=True)
    return body


def _head(parent: ElementTree.Element, address: str, title: str, day: date) -> None:
    ElementTree.SubElement(parent, "id").text = address
    ElementTree.SubElement(parent, "title").text = title
    ElementTree.SubElement(parent, "updated").text = f"{day.isoformat()}T00:00:00Z"


def _link(parent: ElementTree.Element, rel: str, href: str) -> None:
    ElementTree.SubElement(parent, "link", {"rel": rel, "href": href})
