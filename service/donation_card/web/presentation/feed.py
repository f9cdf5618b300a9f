"""Write the updates and spendings of a campaign as Atom (RFC 4287).

The title of the feed names no person, because readers' servers keep it.
"""

from datetime import date
from xml.etree import ElementTree

from donation_card.domain.campaign import Campaign
from donation_card.web.presentation.card import recipient_name
from donation_card.web.presentation.documents import Receipt
from donation_card.web.presentation.spending import spending_json, spent_text
from donation_card.web.presentation.translations import Translations

_NOTHING_YET = date(1970, 1, 1)


def atom(campaign: Campaign, t: Translations, public_url: str) -> bytes:
    """Return the feed, newest entry first. It is valid without entries."""
    page = f"{public_url}/c/{campaign.id}?lang={t.language}"
    feed = ElementTree.Element("feed", {"xmlns": "http://www.w3.org/2005/Atom", "xml:lang": t.language})
    entries = _entries(campaign, t)
    _head(feed, page, recipient_name(campaign), entries[0][0] if entries else _NOTHING_YET)
    _link(feed, "self", f"{public_url}/c/{campaign.id}/updates.atom?lang={t.language}")
    _link(feed, "alternate", page)
    ElementTree.SubElement(ElementTree.SubElement(feed, "author"), "name").text = campaign.recipient.legal_name
    for day, anchor, text, receipt in entries:
        entry = ElementTree.SubElement(feed, "entry")
        address = f"{page}#{anchor}"
        _head(entry, address, text, day)
        _link(entry, "alternate", address)
        if receipt:
            enclosure = {"rel": "enclosure", "type": "image/jpeg", "href": public_url + receipt["url"]}
            ElementTree.SubElement(entry, "link", enclosure | {"title": receipt["alt"]})
        ElementTree.SubElement(entry, "content", {"type": "text"}).text = text
    body: bytes = ElementTree.tostring(feed, "utf-8", xml_declaration=True)
    return body


def _entries(campaign: Campaign, t: Translations) -> list[tuple[date, str, str, Receipt | None]]:
    """Return day, anchor on the campaign page, text and receipt of each entry, newest first."""
    entries: list[tuple[date, str, str, Receipt | None]] = [
        (update.date, f"update-{number}", update.text[t.language], None)
        for number, update in zip(range(len(campaign.updates), 0, -1), campaign.updates, strict=True)
    ]
    for each, document in zip(campaign.spendings, spending_json(campaign, t)["spendings"], strict=True):
        text = spent_text(each.amount, [document["text"]], t)
        entries.append((each.date, document["id"], text, document["receipt"]))
    return sorted(entries, key=lambda entry: entry[0], reverse=True)


def _head(parent: ElementTree.Element, address: str, title: str, day: date) -> None:
    ElementTree.SubElement(parent, "id").text = address
    ElementTree.SubElement(parent, "title").text = title
    ElementTree.SubElement(parent, "updated").text = f"{day.isoformat()}T00:00:00Z"


def _link(parent: ElementTree.Element, rel: str, href: str) -> None:
    ElementTree.SubElement(parent, "link", {"rel": rel, "href": href})
