"""camt.053 files of three versions are read exactly; everything else is refused and named."""

from __future__ import annotations

import re
import tracemalloc
from pathlib import Path

import pytest
from donation_card.adapters.bank_statements.camt053 import read_statement_file
from donation_card.adapters.bank_statements.pages import join_pages
from donation_card.domain.bank_statements import BankEntry, Statement
from donation_card.errors import ConfigurationError

from tests.support.bank_statements import (
    ACCOUNT,
    FIRST_DAY,
    PAYER,
    REFERENCES,
    VERSIONS,
    Batch,
    Sheet,
    Transfer,
    balance,
    camt053,
)

ROOF = REFERENCES["roof"]


@pytest.fixture(params=VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def read(folder: Path, *files: bytes) -> list[Statement]:
    pages = []
    for at, data in enumerate(files):
        path = folder / f"file-{at}.xml"
        path.write_bytes(data)
        pages += read_statement_file(path)
    return join_pages(pages)


def entries(folder: Path, *transfers: Transfer | Batch, version: str = "02") -> list[BankEntry]:
    (statement,) = read(folder, camt053(Sheet(1, 100_00, transfers), version=version))
    return list(statement.entries)


def refusal(folder: Path, *files: bytes) -> str:
    with pytest.raises(ConfigurationError) as caught:
        read(folder, *files)
    assert PAYER not in str(caught.value)
    assert "file-" in str(caught.value)
    return str(caught.value)


def test_statement_is_read_in_each_version(tmp_path: Path, version: str) -> None:
    sheet = Sheet(117, 100_00, [Transfer(25_00, "Gift " + ROOF), Transfer(-7_50, "fee")], period=True)
    (statement,) = read(tmp_path, camt053(sheet, version=version))
    record = statement.record
    assert (record.account, record.number, record.name) == (ACCOUNT, 117, "2026-117")
    assert (record.opening, record.closing, record.last_day) == (100_00, 117_50, sheet.day)
    assert record.begins
    assert record.ends
    assert [each.amount for each in statement.entries] == [25_00, -7_50]
    assert ROOF in statement.entries[0].text
    assert statement.source == "file-0.xml"


@pytest.mark.parametrize(
    "transfer",
    [
        Transfer(1, f"Danke {ROOF} von uns"),
        Transfer(1, "rf56 5390 0754 70"),
        Transfer(1, "RF56\u00a05390\u202f0754 70"),
        Transfer(1, ["Spende für das Dach, RF5653", "90 075470"]),
        Transfer(1, structured="RF56 5390 0754 70"),
        Transfer(1, end_to_end=ROOF),
        Transfer(1, extra=f"<AddtlNtryInf>Gutschrift {ROOF}</AddtlNtryInf>"),
    ],
)
def test_reference_is_read_wherever_banks_put_it(transfer: Transfer, tmp_path: Path, version: str) -> None:
    (entry,) = entries(tmp_path, transfer, version=version)
    assert ROOF in entry.text


def test_name_of_a_payer_is_never_read(tmp_path: Path, version: str) -> None:
    (entry,) = entries(tmp_path, Transfer(1, ROOF), version=version)
    assert "KANAREJKA" not in entry.text
    assert ROOF not in repr(entry)


@pytest.mark.parametrize("status", ["PDNG", "INFO"])
def test_only_booked_entries_count(status: str, tmp_path: Path, version: str) -> None:
    found = entries(tmp_path, Transfer(9_00, ROOF, status=status), Transfer(1_00, ROOF), version=version)
    assert [each.amount for each in found] == [1_00]


@pytest.mark.parametrize("mark", ["RvslInd", "RtrInf", "RRTN", ""])
def test_return_is_what_the_bank_marks_as_one(mark: str, tmp_path: Path, version: str) -> None:
    (entry,) = entries(tmp_path, Transfer(-25_00, ROOF, returned=mark), version=version)
    assert (entry.amount, entry.returned) == (-25_00, bool(mark))


STATUS, WHOLE = "<Sts><Cd>BOOK</Cd></Sts>", camt053(Sheet(1, 100_00, [Transfer(50, ROOF)]), version="08").decode()
DAY = "<BookgDt><Dt>2026-11-02</Dt></BookgDt>"


@pytest.mark.parametrize(
    "data",
    [
        re.sub(r"<(/?)([A-Z])", r"<\1c:\2", WHOLE).replace("xmlns=", "xmlns:c="),
        WHOLE.replace(STATUS, "<Sts>BOOK</Sts>"),
        WHOLE.replace(STATUS, "<Sts>\n<Cd> BOOK </Cd>\n</Sts>"),
        WHOLE.replace(">0.50<", ">.50<"),
        WHOLE.replace(">0.50<", ">0.50000<").replace(">100.50<", ">100.5<"),
        WHOLE.replace(DAY, "<BookgDt><DtTm>2026-11-02T21:00:00.000+02:00</DtTm></BookgDt>"),
        WHOLE.replace(DAY, "<ValDt><DtTm>2026-11-02T21:00:00Z</DtTm></ValDt>"),
        WHOLE.replace(DAY, ""),
        WHOLE.replace(ACCOUNT, "lt60 1010 0123 4567 8901"),
        WHOLE.replace(f"<IBAN>{ACCOUNT}</IBAN>", f"<Othr><Id>{ACCOUNT}</Id></Othr>"),
        WHOLE.replace(ROOF, f"{ROOF[:4]}<!-- cut -->{ROOF[4:]}"),
        WHOLE.replace(f"<Ustrd>{ROOF}", f"<Ustrd>Roof\n\t{ROOF[:6]}</Ustrd><Ustrd>{ROOF[6:]}"),
        WHOLE.replace("</Acct>", f"</Acct>{balance('CLAV', 9_00, FIRST_DAY, 'EUR')}"),
        WHOLE.replace("</Acct>", f"</Acct>{balance('PRCD', 100_00, FIRST_DAY, 'EUR')}"),
    ],
    ids=[
        "prefix", "plain status", "spaced status", "no digit before point", "other decimals", "instant", "value day",
        "no day", "small letters", "account among others", "comment", "cut lines", "available balance", "two openings",
    ],
)  # fmt: skip
def test_other_spellings_of_a_file_are_the_same(data: str, tmp_path: Path) -> None:
    (expected,), (found,) = read(tmp_path, WHOLE.encode()), read(tmp_path, data.encode())
    assert found.record == expected.record
    assert [(each.day, each.amount) for each in found.entries] == [(FIRST_DAY, 50)]
    assert ROOF in found.entries[0].text


def test_parts_of_a_batch_have_their_own_direction(tmp_path: Path) -> None:
    found = entries(tmp_path, Batch([Transfer(25_00, ROOF), Transfer(-5_00, ROOF)]), version="08")
    assert [each.amount for each in found] == [25_00, -5_00]


def test_batch_is_split_into_its_transfers(tmp_path: Path, version: str) -> None:
    batch = Batch([Transfer(25_00, ROOF), Transfer(25_00, ROOF), Transfer(10_00, "rent")])
    found = entries(tmp_path, batch, version=version)
    assert [(each.amount, ROOF in each.text, each.itemised) for each in found] == [
        (25_00, True, True), (25_00, True, True), (10_00, False, True)
    ]  # fmt: skip


@pytest.mark.parametrize("named", [0, 1, 2])
def test_batch_without_all_details_is_one_sum(named: int, tmp_path: Path, version: str) -> None:
    batch = Batch([Transfer(25_00, ROOF)] * 3, details=named, text=f"Sammler {ROOF}")
    (entry,) = entries(tmp_path, batch, version=version)
    assert (entry.amount, entry.transfers, entry.itemised, ROOF in entry.text) == (75_00, 3, False, True)


def test_amount_of_the_entry_counts_not_the_foreign_one(tmp_path: Path) -> None:
    foreign = camt053(Sheet(1, 0, [Transfer(23_10, ROOF)])).replace(
        b'<TxAmt><Amt Ccy="EUR">23.10</Amt></TxAmt>',
        b'<InstdAmt><Amt Ccy="USD">25.00</Amt></InstdAmt><TxAmt><Amt Ccy="USD">25.00</Amt></TxAmt>',
    )
    (statement,) = read(tmp_path, foreign)
    assert [each.amount for each in statement.entries] == [23_10]


def test_entry_in_another_currency_is_refused(tmp_path: Path) -> None:
    data = camt053(Sheet(1, 0, [Transfer(25_00, ROOF)])).replace(b'<Ntry><Amt Ccy="EUR">', b'<Ntry><Amt Ccy="USD">')
    assert "an entry in another currency" in refusal(tmp_path, data)


def test_account_in_another_currency_is_another_account(tmp_path: Path) -> None:
    (statement,) = read(tmp_path, camt053(Sheet(1, 0, [Transfer(25_00, ROOF)], currency="USD")))
    assert statement.record.account != ACCOUNT


def paged(*, balances: tuple[str, ...] = ("first", "none", "last")) -> list[Sheet]:
    gifts = [[Transfer(25_00, ROOF)], [Transfer(10_00, ROOF), Transfer(-5_00, "fee")], [Transfer(1_00, ROOF)]]
    opening, sheets = 100_00, []
    for at, (transfers, kind) in enumerate(zip(gifts, balances, strict=True)):
        sheets.append(Sheet(117, opening, transfers, page=(at + 1, at == 2), balances=kind))
        opening = sheets[-1].closes
    return sheets


@pytest.mark.parametrize("balances", [("first", "none", "last"), ("both", "both", "both")])
@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)])
def test_pages_in_any_order_are_one_statement(
    balances: tuple[str, ...], order: tuple[int, ...], tmp_path: Path, version: str
) -> None:
    sheets = paged(balances=balances)
    (statement,) = read(tmp_path, *(camt053(sheets[at], version=version) for at in order))
    assert (statement.record.opening, statement.record.closing) == (100_00, 131_00)
    assert [each.amount for each in statement.entries] == [25_00, 10_00, -5_00, 1_00]


@pytest.mark.parametrize("present", [(0, 1), (0, 2), (1, 2), (0, 1, 1, 2), (2,)])
def test_missing_or_repeated_page_is_named(present: tuple[int, ...], tmp_path: Path, version: str) -> None:
    sheets = paged()
    text = refusal(tmp_path, *(camt053(sheets[at], version=version) for at in present))
    assert "statement 117: given pages" in text


def test_several_statements_in_one_file_are_read(tmp_path: Path, version: str) -> None:
    first = Sheet(1, 0, [Transfer(25_00, ROOF)])
    found = read(tmp_path, camt053(first, Sheet(2, 25_00, []), version=version))
    assert [(each.record.number, len(each.entries)) for each in found] == [(1, 1), (2, 0)]


def test_missing_entry_is_seen_by_the_balances(tmp_path: Path, version: str) -> None:
    sheet = Sheet(7, 0, [Transfer(25_00, ROOF)], closing=50_00)
    text = refusal(tmp_path, camt053(sheet, version=version))
    assert "statement 7: given entries that lead to another balance than 50.00 EUR, by 25.00 EUR" in text


@pytest.mark.parametrize("kind", ["first", "last", "none"])
def test_statement_without_a_balance_is_refused(kind: str, tmp_path: Path) -> None:
    assert "balance" in refusal(tmp_path, camt053(Sheet(7, 0, [], balances=kind)))


GOOD = camt053(Sheet(1, 0, [Transfer(25_00, ROOF)]))
ENTITIES = b'<!DOCTYPE Document [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">%s]>\n<Document'
LAUGHS = b"".join(b'<!ENTITY l%d "%s">' % (at, b"&l%d;" % (at - 1) * 10) for at in range(2, 10))


@pytest.mark.parametrize(
    "doctype",
    [
        b'<!DOCTYPE Document SYSTEM "http://127.0.0.1:9/x.dtd">\n<Document',
        b'<!DOCTYPE Document [<!ENTITY x SYSTEM "file:///etc/passwd">]>\n<Document',
        b'<!DOCTYPE Document [<!ENTITY % x SYSTEM "file:///etc/passwd"> %x;]>\n<Document',
        b"<!DOCTYPE Document>\n<Document",
        ENTITIES % b"",
        b'<!DOCTYPE Document [<!ENTITY l1 "ha">' + LAUGHS + b"]>\n<Document",
    ],
    ids=["external DTD", "external entity", "parameter entity", "empty", "entities", "billion laughs"],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_document_type_is_refused_before_it_is_read(doctype: bytes, encoding: str, tmp_path: Path) -> None:
    text = GOOD.replace(b"<Document", doctype, 1).replace(b"Gift", b"&l9;").decode()
    data = text.replace('encoding="utf-8"', f'encoding="{encoding}"').encode(encoding)
    tracemalloc.start()
    assert "DOCTYPE" in refusal(tmp_path, data)
    assert tracemalloc.get_traced_memory()[1] < 5_000_000
    tracemalloc.stop()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (GOOD.replace(b"camt.053", b"camt.052"), "camt.052.001.02"),
        (GOOD.replace(b"camt.053", b"camt.054"), "camt.054.001.02"),
        (GOOD.replace(b"001.02", b"001.13"), "camt.053.001.13"),
        (b":20:STARTUMSE\n:25:10010010/123\n", "MT940"),
        (b"{1:F01BANKDEFFXXXX0000000000}{2:I940X}{4:\n:20:X\n", "MT940"),
        (b"\r\n:20:STARTUMSE\r\n", "MT940"),
        (b'"Buchungstag";"Betrag"\n"02.11.2026";"25,00"\n', "CSV"),
        (b"PK\x03\x04\x14\x00", "a compressed file"),
        (b"\x1f\x8b\x08\x00", "the files in it"),
        (b"%PDF-1.7", "PDF"),
        (b"", "an empty file"),
        (b"<html><body>Log in</body></html>", "other XML"),
        (b"<Document/>", "other XML"),
        (GOOD[:-40], "XML with an error"),
        (GOOD.replace(b"<Stmt>", b"<Stmt><"), "XML with an error"),
        (GOOD.replace(b'encoding="utf-8"', b'encoding="x-user-defined"'), "file"),
        (camt053(), "no statement"),
        (GOOD.replace(b">25.00<", b">25.001<"), "no amount in cents"),
        (GOOD.replace(b">25.00<", b">NaN<"), "no amount in cents"),
        (GOOD.replace(b">25.00<", b">%s<" % (b"9" * 12)), "no amount in cents"),
        (GOOD.replace(b">25.00<", b">-25.00<"), "no amount in cents"),
        (GOOD.replace(b">25.00<", b">1e3<"), "no amount in cents"),
        (GOOD.replace(b"CRDT", b"BOTH"), "CRDT or DBIT"),
        (GOOD.replace(b"2026-11-02", b"2026-13-02"), "a day such as"),
    ],
)
def test_other_file_is_refused_with_what_to_ask_for(data: bytes, words: str, tmp_path: Path) -> None:
    text = refusal(tmp_path, data)
    assert words in text
    if "camt" in words or words in ("MT940", "CSV", "other XML"):
        assert "camt.053 in version 02, 04 or 08 (XML): ask the bank for account statements in this format" in text


def test_missing_file_and_folder_are_named(tmp_path: Path) -> None:
    for path in (tmp_path / "none.xml", tmp_path):
        with pytest.raises(ConfigurationError, match=path.name):
            read_statement_file(path)


def test_folder_is_refused_with_the_files_to_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=rf"given a folder; allowed: the files in it: {tmp_path.name}/\*.xml"):
        read_statement_file(tmp_path)


def test_deep_nesting_does_not_end_the_process(tmp_path: Path) -> None:
    deep = GOOD.replace(b"<Stmt>", b"<Stmt>" + b"<a>" * 300_000 + b"</a>" * 300_000)
    assert len(read(tmp_path, deep)) == 1


def test_foreign_elements_are_ignored(tmp_path: Path) -> None:
    extra = b'<x:Ntry xmlns:x="urn:other"><x:Amt>9</x:Amt></x:Ntry></Stmt>'
    (statement,) = read(tmp_path, GOOD.replace(b"</Stmt>", extra))
    assert len(statement.entries) == 1


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "iso-8859-1"])
def test_each_usual_encoding_is_read(encoding: str, tmp_path: Path) -> None:
    declared = encoding.removesuffix("-sig")
    text = GOOD.decode().replace('encoding="utf-8"', f'encoding="{declared}"').replace("Žalia", "Müller")
    (statement,) = read(tmp_path, text.encode(encoding))
    assert statement.record.closing == 25_00
