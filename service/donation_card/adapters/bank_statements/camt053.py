"""Read bank statements in the format camt.053 of ISO 20022, versions 02, 04 and 08.

The parser is expat of the standard library. A file with a document type is refused before anything else is read, so
there are no entities to expand or to load. Nothing here reads the name or the account of a payer.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal
from io import BytesIO
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError, iterparse
from xml.parsers.expat import ExpatError, ParserCreate

from donation_card.adapters.bank_statements.pages import Balance, Page
from donation_card.domain.bank_statements import BankEntry
from donation_card.domain.bank_transfer import compact, is_iban
from donation_card.errors import ConfigFault, ConfigurationError

MAX_BYTES = 64 * 1024 * 1024
_NAMESPACE = "urn:iso:std:iso:20022:tech:xsd:"
_VERSIONS = {f"{_NAMESPACE}camt.053.001.{version}": version for version in ("02", "04", "08")}
_WANTED = "camt.053 in version 02, 04 or 08 (XML): ask the bank for account statements in this format"
_OTHER_FORMATS = (
    (rb"PK\x03\x04|\x1f\x8b", "a compressed file", f"the files in it, {_WANTED}"),
    (rb"%PDF", "a PDF", _WANTED),
    (rb"(?s)(\{1:F|:20:|.{0,200}\n:20:)", "a statement in MT940", _WANTED),
    (rb"(?s)[^<]", "no XML; it may be CSV", _WANTED),
)
_RETURNS = {"RRTN", "RPCR"}
"""Sub-families of bank transactions: returned, cancelled on request (external code set of ISO 20022)."""


class _Unreadable(Exception):
    """A part of the file that cannot be used. The arguments are the field, the given value and what is allowed."""


class _RootFound(Exception):
    """The name of the root element, as the argument."""


def read_statement_file(path: Path) -> list[Page]:
    """Read the statements of one file. Raise ConfigurationError, without any text of an entry in it."""
    try:
        if path.is_dir():
            raise _Unreadable("the file", "a folder", f"the files in it: {path.name}/*.xml")
        if (size := path.stat().st_size) > MAX_BYTES:
            raise _Unreadable("the file", f"{size} bytes", f"at most {MAX_BYTES} bytes")
        data = path.read_bytes()
        return _Reader(path.name, _check_format(data)).read(data)
    except OSError as error:
        fault = ConfigFault(path.name, "the file", error.strerror or "unreadable", "a file that can be read")
        raise ConfigurationError([fault]) from error
    except _Unreadable as error:
        raise ConfigurationError([ConfigFault(path.name, *error.args)]) from None
    except (ExpatError, ParseError):  # its message can hold a part of the file
        raise ConfigurationError([ConfigFault(path.name, "the file", "XML with an error", _WANTED)]) from None


def _check_format(data: bytes) -> str:
    """Return the namespace of a camt.053 file. Refuse all others, and each document type."""
    head = data[:4096].lstrip(b"\xef\xbb\xbf \t\r\n")
    if not data.startswith((b"\xff\xfe", b"\xfe\xff")):  # UTF-16
        for pattern, given, allowed in _OTHER_FORMATS:
            if re.match(pattern, head) or not head:
                raise _Unreadable("the file", given if head else "an empty file", allowed)
    parser = ParserCreate(namespace_separator=" ")
    parser.StartDoctypeDeclHandler = _refuse_doctype
    parser.StartElementHandler = _stop_at_root
    try:
        parser.Parse(data, True)
    except _RootFound as found:
        namespace, _, name = str(found).rpartition(" ")
        if name == "Document" and namespace in _VERSIONS:
            return namespace
        kind = namespace.removeprefix(_NAMESPACE) if namespace.startswith(_NAMESPACE) else "other XML"
        raise _Unreadable("the format", f"{kind[:40]!r}", _WANTED) from None
    except (ValueError, LookupError):
        raise _Unreadable("the encoding", "an encoding that the parser does not know", "UTF-8") from None
    raise _Unreadable("the file", "no element", _WANTED)


def _refuse_doctype(*_: object) -> None:
    raise _Unreadable("DOCTYPE", "a document type, which can hold entities", "a statement as the bank sends it")


def _stop_at_root(name: str, _: object) -> None:
    raise _RootFound(name)


@dataclass(slots=True)
class _Reader:
    """Read one file. `entries`, `currencies` and `day` (of a balance) are those of the statement that is being read."""

    source: str
    namespace: str
    entries: list[BankEntry] = field(default_factory=list)
    currencies: set[str] = field(default_factory=set)
    day: str = ""

    def read(self, data: bytes) -> list[Page]:
        prefix, message_page = f"{{{self.namespace}}}", None
        pages: list[Page] = []
        for _, element in iterparse(BytesIO(data)):  # noqa: S314  a document type was refused
            if not element.tag.startswith(prefix):
                continue
            element.tag = element.tag.removeprefix(prefix)  # children end before their parents
            if element.tag == "Ntry":
                self.entries += self._entries(element)
                element.clear()
            elif element.tag == "Bal":  # stands before the entries
                self.day = _first_text(element, "Dt/Dt", "Dt/DtTm")
            elif element.tag == "GrpHdr":
                message_page = _page_number(element.find("MsgPgntn"))
            elif element.tag == "Stmt":
                pages.append(self._page(element))
                self.entries, self.currencies, self.day = [], set(), ""
                element.clear()
        if not pages:
            raise _Unreadable("Stmt", "no statement", "at least one statement")
        if message_page and len(pages) == 1 and pages[0].is_whole:  # several statements have each their own pages
            pages = [replace(pages[0], number=message_page[0], is_last=message_page[1])]
        return pages

    def _page(self, statement: Element) -> Page:
        number, is_last = _page_number(statement.find("StmtPgntn")) or (1, True)
        iban = compact(_text(statement, "Acct", "Id", "IBAN") or _text(statement, "Acct", "Id", "Othr", "Id"))
        account = iban if is_iban(iban) else "an account without IBAN"
        if any(amount.get("Ccy") != "EUR" for amount in statement.iterfind("Bal/Amt")):
            account += " in another currency than EUR"
        elif self.currencies - {"EUR"}:
            raise _Unreadable("Ntry/Amt", "an entry in another currency", "entries in EUR, as the balances are")
        return Page(
            self.source,
            account,
            "".join(char for char in _text(statement, "Id")[:80] if char.isprintable()),
            _number(_text(statement, "LglSeqNb")),
            _number(_text(statement, "ElctrncSeqNb")),
            _instant(_text(statement, "FrToDt", "FrDtTm")),
            _instant(_text(statement, "FrToDt", "ToDtTm")),
            number,
            is_last,
            [_balance(each) for each in statement.iterfind("Bal")],
            self.entries,
        )

    def _entries(self, entry: Element) -> Iterator[BankEntry]:
        """Yield the transfers of one booked entry: those of a batch, or the entry itself."""
        if (_text(entry, "Sts") or _text(entry, "Sts", "Cd") or "BOOK") != "BOOK":
            return
        amount, currency = _amount(entry.find("Amt"))
        self.currencies.add(currency)
        total = amount * _sign(entry)
        details = entry.findall("NtryDtls/TxDtls")
        day = _day(_first_text(entry, "BookgDt/Dt", "BookgDt/DtTm", "ValDt/Dt", "ValDt/DtTm") or self.day)
        batch = sum(_number(_text(each, "NbOfTxs")) or 0 for each in entry.iterfind("NtryDtls/Btch"))
        text = "|".join(filter(None, [*map(_remittance, details), compact(_text(entry, "AddtlNtryInf"))]))
        whole = BankEntry(day, total, text, _is_return(entry, *details))
        if len(details) <= 1 and batch <= 1:
            yield whole
            return
        amounts = [_detail_amount(each, currency, _sign(entry)) for each in details]
        if None not in amounts and sum(filter(None, amounts)) == total and len(details) >= batch:
            for detail, part in zip(details, amounts, strict=True):
                yield BankEntry(day, part or 0, _remittance(detail), _is_return(entry, detail))
            return
        yield replace(whole, transfers=max(min(batch, 99_999), len(details)), itemised=False)


def _text(element: Element | None, *path: str) -> str:
    for tag in path:
        element = None if element is None else element.find(tag)
    return "" if element is None or element.text is None else element.text.strip()


def _first_text(element: Element, *paths: str) -> str:
    return next(filter(None, (_text(element, *path.split("/")) for path in paths)), "")


def _page_number(pagination: Element | None) -> tuple[int, bool] | None:
    if pagination is None:
        return None
    return _number(_text(pagination, "PgNb")) or 1, _text(pagination, "LastPgInd") in ("true", "1")


def _number(text: str) -> int | None:
    """Return the number, or None if there is none, or one of more digits than ISO 20022 allows."""
    return int(text) if re.fullmatch(r"[0-9]{1,18}", text) else None


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text[:10])
    except ValueError:
        raise _Unreadable("a date", "no day", "a day such as 2026-11-20") from None


def _instant(text: str) -> datetime | None:
    """Return the bank's local time, or None."""
    try:
        return datetime.fromisoformat(text).replace(tzinfo=None) if text else None
    except ValueError:
        return None


def _amount(element: Element | None) -> tuple[int, str]:
    """Return cents and currency."""
    text = _text(element)
    cents = Decimal(text) * 100 if re.fullmatch(r"\+?(?=\.?[0-9])[0-9]{0,10}(\.[0-9]{0,5})?", text) else Decimal("NaN")
    if element is None or cents != cents.to_integral_value():
        raise _Unreadable("Amt", "no amount in cents", "an amount such as 25.00")
    return int(cents), element.get("Ccy", "")


def _sign(element: Element) -> int:
    try:
        return {"CRDT": 1, "DBIT": -1}[_text(element, "CdtDbtInd")]
    except KeyError:
        raise _Unreadable("CdtDbtInd", "neither credit nor debit", "CRDT or DBIT") from None


def _balance(element: Element) -> Balance:
    amount, _ = _amount(element.find("Amt"))
    day = _day(_first_text(element, "Dt/Dt", "Dt/DtTm"))
    return Balance(_text(element, "Tp", "CdOrPrtry", "Cd"), day, amount * _sign(element))


def _detail_amount(detail: Element, currency: str, sign: int) -> int | None:
    """Return the part of a batch in cents, or None if there is none in the currency of the entry."""
    sign = _sign(detail) if detail.find("CdtDbtInd") is not None else sign
    for path in ("Amt", "AmtDtls/TxAmt/Amt", "AmtDtls/CntrValAmt/Amt", "AmtDtls/InstdAmt/Amt"):
        found = detail.find(path)
        if found is not None and found.get("Ccy") == currency:
            return _amount(found)[0] * sign
    return None


def _remittance(detail: Element) -> str:
    """Return where a reference can stand, compact. Banks cut the lines of `Ustrd` anywhere."""
    texts = [
        "".join(each.text or "" for each in detail.iterfind("RmtInf/Ustrd")),
        *(each.text or "" for each in detail.iterfind("RmtInf/Strd/CdtrRefInf/Ref")),
        "".join(each.text or "" for each in detail.iterfind("RmtInf/Strd/AddtlRmtInf")),
        _text(detail, "Refs", "EndToEndId"),
        _text(detail, "AddtlTxInf"),
    ]
    return "|".join(compact(text) for text in texts if text)


def _is_return(entry: Element, *details: Element) -> bool:
    """Return True if the bank marks the entry, or all its details, as a reversal or a return."""
    if _text(entry, "RvslInd") in ("true", "1") or _code(entry) in _RETURNS:
        return True
    return bool(details) and all(each.find("RtrInf") is not None or _code(each) in _RETURNS for each in details)


def _code(element: Element) -> str:
    return _text(element, "BkTxCd", "Domn", "Fmly", "SubFmlyCd")
