"""Write bank statements in camt.053 as banks send them, for tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from xml.sax.saxutils import escape

ACCOUNT = "LT601010012345678901"
REFERENCES = {"roof": "RF565390075470", "boat": "RF340000000042"}
PAYER = "Kanarejka Žalia"
VERSIONS = ("02", "04", "08")
FIRST_DAY = date(2026, 11, 2)


@dataclass
class Transfer:
    """One transfer. `cents` is negative for a debit."""

    cents: int
    text: str | Sequence[str] = ""
    structured: str = ""
    end_to_end: str = "NOTPROVIDED"
    returned: str = ""
    """Nothing, or the mark of the bank: `RvslInd`, `RtrInf` or `RRTN`."""
    status: str = "BOOK"
    extra: str = ""
    """More elements of the entry."""


@dataclass
class Batch:
    """One entry of several transfers. `details` is how many of them the file names; None: all."""

    transfers: Sequence[Transfer]
    details: int | None = None
    text: str = ""

    @property
    def cents(self) -> int:
        return sum(each.cents for each in self.transfers)

    status = "BOOK"


@dataclass
class Sheet:
    """One statement, or one page of it."""

    number: int | None
    opening: int
    entries: Sequence[Transfer | Batch] = ()
    day: date = FIRST_DAY
    first_day: date | None = None
    page: tuple[int, bool] | None = None
    account: str = ACCOUNT
    currency: str = "EUR"
    id: str = ""
    balances: str = "both"
    """`both`, or `first`, `last` and `none` for pages."""
    closing: int | None = None
    period: bool = False

    @property
    def closes(self) -> int:
        booked = sum(each.cents for each in self.entries if each.status == "BOOK")
        return self.opening + booked if self.closing is None else self.closing


def amount(cents: int, currency: str = "EUR") -> str:
    return f'<Amt Ccy="{currency}">{abs(cents) // 100}.{abs(cents) % 100:02}</Amt>'


def direction(cents: int) -> str:
    return f"<CdtDbtInd>{'DBIT' if cents < 0 else 'CRDT'}</CdtDbtInd>"


def party(version: str) -> str:
    name = f"<Nm>{PAYER}</Nm>"
    return f"<RltdPties><Dbtr>{f'<Pty>{name}</Pty>' if version == '08' else name}</Dbtr></RltdPties>"


def details(each: Transfer, version: str, currency: str) -> str:
    lines = [each.text] if isinstance(each.text, str) else each.text
    remittance = "".join(f"<Ustrd>{escape(line)}</Ustrd>" for line in lines if line)
    if each.structured:
        remittance += f"<Strd><CdtrRefInf><Ref>{escape(each.structured)}</Ref></CdtrRefInf></Strd>"
    money = amount(each.cents, currency)
    own = f"<AmtDtls><TxAmt>{money}</TxAmt></AmtDtls>" if version == "02" else money + direction(each.cents)
    back = "<RtrInf><Rsn><Cd>AC04</Cd></Rsn></RtrInf>" if each.returned == "RtrInf" else ""
    return (
        f"<TxDtls><Refs><EndToEndId>{escape(each.end_to_end)}</EndToEndId></Refs>{own}{party(version)}"
        f"<RmtInf>{remittance}</RmtInf>{back}</TxDtls>"
    )


def entry(each: Transfer | Batch, sheet: Sheet, version: str) -> str:
    status = f"<Sts><Cd>{each.status}</Cd></Sts>" if version == "08" else f"<Sts>{each.status}</Sts>"
    head = f"{amount(each.cents, sheet.currency)}{direction(each.cents)}"
    day = f"<BookgDt><Dt>{sheet.day}</Dt></BookgDt>"
    if isinstance(each, Batch):
        shown = list(each.transfers)[: each.details]
        inner = "".join(details(transfer, version, sheet.currency) for transfer in shown)
        batch = f"<Btch><NbOfTxs>{len(each.transfers)}</NbOfTxs></Btch>"
        more = f"<AddtlNtryInf>{escape(each.text)}</AddtlNtryInf>" if each.text else ""
        return f"<Ntry>{head}{status}{day}<NtryDtls>{batch}{inner}</NtryDtls>{more}</Ntry>"
    reversal = "<RvslInd>true</RvslInd>" if each.returned == "RvslInd" else ""
    family = f"<Fmly><Cd>ICDT</Cd><SubFmlyCd>{each.returned if each.returned == 'RRTN' else 'ESCT'}</SubFmlyCd></Fmly>"
    code = f"<BkTxCd><Domn><Cd>PMNT</Cd>{family}</Domn></BkTxCd>"
    inner = details(each, version, sheet.currency)
    return f"<Ntry>{head}{reversal}{status}{day}{code}<NtryDtls>{inner}</NtryDtls>{each.extra}</Ntry>"


def balance(kind: str, cents: int, day: date, currency: str) -> str:
    return (
        f"<Bal><Tp><CdOrPrtry><Cd>{kind}</Cd></CdOrPrtry></Tp>{amount(cents, currency)}{direction(cents)}"
        f"<Dt><Dt>{day}</Dt></Dt></Bal>"
    )


def statement(sheet: Sheet, version: str) -> str:
    parts = [f"<Id>{escape(sheet.id or f'C53-{sheet.number}-{sheet.day}')}</Id>"]
    if sheet.page and version != "02":
        parts.append(f"<StmtPgntn>{pages(sheet.page)}</StmtPgntn>")
    if sheet.number is not None:
        parts.append(f"<ElctrncSeqNb>{sheet.number}</ElctrncSeqNb>")
    parts.append(f"<CreDtTm>{sheet.day}T21:00:00</CreDtTm>")
    if sheet.period:
        first = sheet.first_day or sheet.day
        parts.append(
            f"<FrToDt><FrDtTm>{first}T00:00:00</FrDtTm><ToDtTm>{sheet.day + timedelta(1)}T00:00:00</ToDtTm></FrToDt>"
        )
    parts.append(f"<Acct><Id><IBAN>{sheet.account}</IBAN></Id><Ccy>{sheet.currency}</Ccy></Acct>")
    opens = "OPBD" if version == "08" else "PRCD"
    parts.append(
        balance(opens if sheet.balances in ("both", "first") else "ITBD", sheet.opening, sheet.day, sheet.currency)
    )
    parts.append(
        balance("CLBD" if sheet.balances in ("both", "last") else "ITBD", sheet.closes, sheet.day, sheet.currency)
    )
    parts += [entry(each, sheet, version) for each in sheet.entries]
    return f"<Stmt>{''.join(parts)}</Stmt>"


def pages(page: tuple[int, bool]) -> str:
    return f"<PgNb>{page[0]}</PgNb><LastPgInd>{str(page[1]).lower()}</LastPgInd>"


def camt053(*sheets: Sheet, version: str = "02", encoding: str = "utf-8") -> bytes:
    """Return a file. In version 02 the page stands in the header of the message."""
    page = f"<MsgPgntn>{pages(sheets[0].page)}</MsgPgntn>" if sheets and sheets[0].page and version == "02" else ""
    text = (
        f'<?xml version="1.0" encoding="{encoding}"?>\n'
        f'<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.{version}"><BkToCstmrStmt>'
        f"<GrpHdr><MsgId>M</MsgId><CreDtTm>2026-11-20T21:00:00</CreDtTm>{page}</GrpHdr>"
        f"{''.join(statement(each, version) for each in sheets)}</BkToCstmrStmt></Document>"
    )
    return text.encode(encoding)


def write_file(folder: Path, name: str, *sheets: Sheet, version: str = "02") -> Path:
    path = folder / name
    path.write_bytes(camt053(*sheets, version=version))
    return path


def write_campaigns(folder: Path, *names: str, account: str = ACCOUNT) -> Path:
    """Write campaigns that receive transfers, and return their folder."""
    folder.mkdir(exist_ok=True)
    roof = Path("tests/support/roof.toml").read_text("utf-8")
    for name in names or ("roof", "boat"):
        table = f'[bank_transfer]\nholder = "Roofers"\niban = "{account}"\nreference = "{REFERENCES[name]}"\n'
        (folder / f"{name}.toml").write_text(f"{roof}\n{table}", "utf-8")
    return folder
