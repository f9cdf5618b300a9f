"""The organiser imports bank statements: what counts, what is refused, and what a crash leaves."""

from __future__ import annotations

import json
import os
import pty
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest
import yaml
from click.testing import CliRunner, Result
from donation_card.adapters.campaign_files.loader import CampaignFiles
from donation_card.cli.main import cli, main
from donation_card.domain.bank_transfer import ImportedTransfers
from donation_card.errors import ConfigurationError
from hypothesis import HealthCheck, given, settings, strategies as st

from tests.support.bank_statements import (
    ACCOUNT,
    FIRST_DAY,
    PAYER,
    REFERENCES,
    VERSIONS,
    Batch,
    Sheet,
    Transfer,
    camt053,
    write_campaigns,
    write_file,
)
from tests.support.leak_markers import Donor, Search

ROOF, BOAT = REFERENCES["roof"], REFERENCES["boat"]
OTHER_ACCOUNT = "DE89370400440532013000"


class Desk:
    """The folder of an organiser: campaigns, statements and the state."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.campaigns = write_campaigns(folder / "campaigns")
        self.state = folder / "bank-state.json"

    def file(self, name: str, *sheets: Sheet, version: str = "08") -> Path:
        return write_file(self.folder, name, *sheets, version=version)

    def run(self, *arguments: str | Path) -> Result:
        options = ["--campaigns", self.campaigns, "--state", self.state]
        return CliRunner().invoke(cli, ["bank", *map(str, [*arguments, *options])])

    def imports(self, *arguments: str | Path) -> str:
        done = self.run("import", *arguments)
        if done.exception:
            raise done.exception
        assert PAYER not in done.output
        return done.stdout

    def refused(self, *arguments: str | Path) -> str:
        before = self.snapshot()
        done = self.run(*arguments)
        assert isinstance(done.exception, ConfigurationError), done.output
        assert self.snapshot() == before, "a refused import changes nothing"
        return str(done.exception)

    def total(self, campaign: str = "roof") -> tuple[int, int] | None:
        found: ImportedTransfers | None = CampaignFiles(self.campaigns).get(campaign).imported_transfers
        return found and (found.total.amount, found.donations)

    def snapshot(self) -> dict[str, bytes]:
        written = [*self.campaigns.rglob("*"), *self.folder.glob("*state*"), *self.folder.glob(".*")]
        return {str(path): path.read_bytes() for path in written if path.is_file()}


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def days(number: int) -> dict[str, object]:
    return {"number": number, "day": FIRST_DAY + timedelta(number)}


def sheet(at: int, opening: int, *entries: Transfer | Batch, **changes: object) -> Sheet:
    return Sheet(**(days(at) | {"opening": opening, "entries": entries} | changes))  # type: ignore[arg-type]


# ── what counts ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_booked_entries_with_a_reference_are_summed(desk: Desk) -> None:
    gifts = Transfer(25_00, ROOF), Transfer(10_50, f"boat {BOAT}"), Transfer(99_00, "rent"), Transfer(5_00, ROOF)
    output = desk.imports(desk.file("one.xml", sheet(117, 100_00, *gifts)))
    assert (desk.total("roof"), desk.total("boat")) == ((30_00, 2), (10_50, 1))
    for line in (
        f"one.xml: statement 2027-117 of {ACCOUNT}, until 2027-02-27",
        "roof: 2 donations",
        "1 credits without the reference",
        "roof.bank.toml: 30.00 EUR in 2 donations until 2027-02-27 (before: no file)",
    ):
        assert line in output
    assert (desk.campaigns / "roof.bank.toml").read_text("utf-8").splitlines()[1:] == [
        'sum = "30.00"', "donations = 2", "last_day = 2027-02-27"
    ]  # fmt: skip


def test_two_equal_gifts_on_one_day_are_two(desk: Desk) -> None:
    desk.imports(desk.file("one.xml", sheet(1, 0, Transfer(25_00, ROOF), Transfer(25_00, ROOF))))
    assert desk.total() == (50_00, 2)


def test_statements_come_in_any_order_and_any_version(desk: Desk) -> None:
    later = desk.file("later.xml", sheet(2, 25_00, Transfer(5_00, ROOF)), version="02")
    first = desk.file("first.xml", sheet(1, 0, Transfer(25_00, ROOF)), version="04")
    newest = desk.file("newest.xml", sheet(3, 30_00, Transfer(1_00, ROOF)))
    desk.imports(newest, first, later)
    assert desk.total() == (31_00, 3)
    desk.imports(desk.file("next.xml", sheet(4, 31_00, Transfer(2_00, ROOF))))
    assert desk.total() == (33_00, 4)


def test_older_statement_can_be_added_later(desk: Desk) -> None:
    desk.imports(desk.file("b.xml", sheet(2, 25_00, Transfer(5_00, ROOF))))
    desk.imports(desk.file("a.xml", sheet(1, 0, Transfer(25_00, ROOF))))
    assert desk.total() == (30_00, 2)


def test_statement_without_entries_is_reported(desk: Desk) -> None:
    output = desk.imports(desk.file("empty.xml", sheet(1, 100_00)))
    assert "no entries" in output
    assert desk.total() == (0, 0)
    assert "last_day = 2026-11-03" in (desk.campaigns / "roof.bank.toml").read_text("utf-8")


@pytest.mark.parametrize(("mark", "left"), [("RvslInd", 0), ("RtrInf", 0), ("RRTN", 0), ("", 25_00)])
def test_debit_subtracts_only_if_marked_as_return(mark: str, left: int, desk: Desk) -> None:
    back = Transfer(-25_00, ROOF, returned=mark)
    output = desk.imports(desk.file("one.xml", sheet(1, 0, Transfer(25_00, ROOF), back, Transfer(-1_00, "fee"))))
    assert desk.total() == (left, 1)
    assert ("1 entries need your attention" in output) == (mark == "")


def test_returned_debit_is_no_gift(desk: Desk) -> None:
    desk.imports(desk.file("one.xml", sheet(1, 0, Transfer(25_00, ROOF, returned="RvslInd"))))
    assert desk.total() == (0, 0)


def test_batch_is_split_and_one_without_details_is_one_sum(desk: Desk) -> None:
    split = Batch([Transfer(25_00, ROOF), Transfer(5_00, "rent"), Transfer(1_00, BOAT)])
    whole = Batch([Transfer(2_00)] * 4, details=0, text=ROOF)
    desk.imports(desk.file("one.xml", sheet(1, 0, split, whole)))
    assert (desk.total("roof"), desk.total("boat")) == ((33_00, 5), (1_00, 1))


def test_entry_with_two_references_counts_for_none(desk: Desk) -> None:
    desk.imports(desk.file("one.xml", sheet(1, 0, Transfer(25_00, f"{ROOF} {BOAT}"))))
    assert (desk.total("roof"), desk.total("boat")) == ((0, 0), (0, 0))


def test_two_accounts_are_two_chains(desk: Desk) -> None:
    write_campaigns(desk.campaigns, "boat", account=OTHER_ACCOUNT)
    ours = desk.file("a.xml", sheet(1, 0, Transfer(25_00, ROOF)))
    theirs = desk.file("b.xml", sheet(1, 7_00, Transfer(10_00, BOAT), account=OTHER_ACCOUNT))
    desk.imports(ours, theirs)
    assert (desk.total("roof"), desk.total("boat")) == ((25_00, 1), (10_00, 1))
    assert "the name of several statements" in desk.refused("forget", "2026-1")
    assert desk.run("forget", f"{OTHER_ACCOUNT}/2026-1").exit_code == 0
    assert (desk.total("roof"), desk.total("boat")) == ((25_00, 1), None)


@pytest.mark.parametrize(
    ("old", "new", "account"),
    [(ACCOUNT, OTHER_ACCOUNT, OTHER_ACCOUNT), (ROOF, "RF18539007547034", ACCOUNT)],
    ids=["account", "reference"],
)
def test_gifts_stay_when_the_transfer_of_a_campaign_changes(old: str, new: str, account: str, desk: Desk) -> None:
    desk.imports(desk.file("old.xml", sheet(1, 0, Transfer(25_00, ROOF))))
    file = desk.campaigns / "roof.toml"
    file.write_text(file.read_text("utf-8").replace(old, new), "utf-8")
    assert desk.total() == (25_00, 1)
    reference = ROOF if old == ACCOUNT else new
    opening = 0 if old == ACCOUNT else 25_00
    desk.imports(desk.file("new.xml", sheet(2, opening, Transfer(7_00, reference), account=account)))
    assert desk.total() == (32_00, 2)
    assert CampaignFiles(desk.campaigns).get("boat").imported_transfers, "the other campaign keeps its bank file"


def test_account_of_no_campaign_is_skipped_and_named(desk: Desk) -> None:
    other = desk.file("other.xml", sheet(1, 0, Transfer(25_00, ROOF), account=OTHER_ACCOUNT))
    assert f"given {OTHER_ACCOUNT}; allowed: {ACCOUNT}" in desk.refused("import", other)
    output = desk.imports(other, desk.file("ours.xml", sheet(1, 0, Transfer(1_00, ROOF))))
    assert "other.xml: skipped" in output
    assert desk.total() == (1_00, 1)


# ── statements join up ─────────────────────────────────────────────────────────────────────────────────────────────


def test_repeated_file_is_named_and_changes_nothing(desk: Desk) -> None:
    first = desk.file("first.xml", sheet(1, 0, Transfer(25_00, ROOF)))
    copy = desk.file("copy.xml", sheet(1, 0, Transfer(25_00, ROOF)))
    assert "copy.xml: statement 2026-1: given a statement that another" in desk.refused("import", first, copy)
    desk.imports(first)
    later = desk.file("later.xml", sheet(2, 25_00, Transfer(5_00, ROOF)))
    assert "first.xml: statement 2026-1: given a statement that was imported" in desk.refused("import", first, later)
    assert desk.total() == (25_00, 1)


def test_repeated_statement_without_change_of_balance_is_named(desk: Desk) -> None:
    gifts = Transfer(25_00, ROOF), Transfer(-25_00, "sweep")
    desk.imports(desk.file("first.xml", sheet(1, 0, *gifts)))
    again = desk.file("again.xml", sheet(1, 0, *gifts, id="another id"))
    assert "again.xml" in desk.refused("import", again)
    for number in (None, 20261103):
        same_day = sheet(1, 0, *gifts, number=number, id="another id")
        assert "again.xml" in desk.refused("import", desk.file("again.xml", same_day))


def test_gap_in_the_balances_is_named(desk: Desk) -> None:
    desk.imports(desk.file("first.xml", sheet(1, 0, Transfer(25_00, ROOF))))
    text = desk.refused("import", desk.file("third.xml", sheet(3, 30_00, Transfer(5_00, ROOF))))
    assert "third.xml: statement 2026-3: given an opening balance of 30.00 EUR; allowed: 25.00 EUR" in text


def test_gap_in_the_numbers_is_named_though_balances_agree(desk: Desk) -> None:
    desk.imports(desk.file("first.xml", sheet(1, 0, Transfer(25_00, ROOF))))
    text = desk.refused("import", desk.file("third.xml", sheet(3, 25_00, Transfer(5_00, ROOF))))
    assert "third.xml: statement 2026-3: given number 3 after 1; allowed: number 2" in text


def test_numbers_begin_again_in_a_new_year(desk: Desk) -> None:
    first = sheet(1, 0, Transfer(25_00, ROOF), number=253, day=FIRST_DAY.replace(month=12, day=30))
    second = sheet(1, 25_00, Transfer(5_00, ROOF), number=1, day=FIRST_DAY.replace(year=2027, month=1))
    desk.imports(desk.file("a.xml", first), desk.file("b.xml", second))
    assert desk.total() == (30_00, 2)


def test_numbers_that_are_dates_need_no_order(desk: Desk) -> None:
    first = sheet(1, 0, Transfer(25_00, ROOF), number=20261103)
    second = sheet(5, 25_00, Transfer(5_00, ROOF), number=20261107)
    desk.imports(desk.file("a.xml", first), desk.file("b.xml", second))
    assert desk.total() == (30_00, 2)


@pytest.mark.parametrize("number", [0, 1])
def test_number_that_never_changes_is_no_counter(number: int, desk: Desk) -> None:
    first = sheet(1, 0, Transfer(25_00, ROOF), number=number)
    second = sheet(5, 25_00, Transfer(5_00, ROOF), number=number)
    desk.imports(desk.file("a.xml", first), desk.file("b.xml", second))
    assert desk.total() == (30_00, 2)
    assert "the name of several statements" in desk.refused("forget", f"2026-{number}")
    assert desk.run("forget", f"C53-{number}-2026-11-07").exit_code == 0
    assert desk.total() == (25_00, 1)


def test_overlapping_statement_is_named(desk: Desk) -> None:
    week = sheet(5, 0, Transfer(25_00, ROOF), number=None, period=True, first_day=FIRST_DAY)
    day = sheet(5, 25_00, Transfer(1_00, ROOF), Transfer(-1_00, "fee"), number=None, period=True)
    desk.imports(desk.file("week.xml", week))
    assert "days that C53-None-2026-11-07 covers too" in desk.refused("import", desk.file("day.xml", day))


def test_every_gap_of_a_call_is_reported(desk: Desk) -> None:
    files = [desk.file(f"{at}.xml", sheet(at, at * 100_00)) for at in (1, 3, 5)]
    text = desk.refused("import", *files)
    assert "3.xml: statement 2026-3" in text
    assert "5.xml: statement 2026-5" in text


def test_pages_in_several_files_are_one_statement(desk: Desk) -> None:
    first = sheet(1, 0, Transfer(25_00, ROOF), page=(1, False), balances="first")
    last = sheet(1, 25_00, Transfer(5_00, ROOF), page=(2, True), balances="last")
    pages = [desk.file("p2.xml", last), desk.file("p1.xml", first)]
    assert "p1.xml: statement 1: given pages 1, and more follow" in desk.refused("import", pages[1])
    desk.imports(*pages)
    assert desk.total() == (30_00, 2)
    assert "p2.xml, p1.xml" in desk.refused("import", *pages).replace("p1.xml, p2.xml", "p2.xml, p1.xml")


def test_bad_file_among_good_ones_changes_nothing(desk: Desk) -> None:
    good = desk.file("good.xml", sheet(1, 0, Transfer(25_00, ROOF)))
    bad = desk.folder / "bad.xml"
    bad.write_bytes(camt053(sheet(2, 25_00)).replace(b"camt.053", b"camt.052"))
    assert "bad.xml: the format" in desk.refused("import", good, bad)
    assert not desk.state.exists()


# ── a statement is taken back ──────────────────────────────────────────────────────────────────────────────────────


def chain(desk: Desk, length: int = 3) -> list[Path]:
    files = [desk.file(f"{at}.xml", sheet(at, (at - 1) * 10_00, Transfer(10_00, ROOF))) for at in range(1, length + 1)]
    desk.imports(*files)
    return files


def test_forgotten_statement_must_come_back_before_newer_ones(desk: Desk) -> None:
    files = chain(desk)
    assert desk.run("forget", "2026-2", "--dry-run").stdout.endswith("Nothing was written.\n")
    assert desk.total() == (30_00, 3)
    assert desk.run("forget", "2026-2").exit_code == 0
    assert desk.total() == (20_00, 2)
    assert "last_day = 2026-11-03" in (desk.campaigns / "roof.bank.toml").read_text("utf-8")
    newer = desk.file("4.xml", sheet(4, 30_00, Transfer(10_00, ROOF)))
    assert "bank-state.json: statement 2026-3: given an opening balance" in desk.refused("import", newer)
    desk.imports(newer, files[1])
    assert desk.total() == (40_00, 4)


def test_last_forgotten_statement_removes_the_bank_file(desk: Desk) -> None:
    chain(desk, 1)
    assert desk.run("forget", "2026-1").exit_code == 0
    assert desk.total() is None
    assert not (desk.campaigns / "roof.bank.toml").exists()


def test_unknown_statement_is_named(desk: Desk) -> None:
    assert "allowed: nothing: it is empty" in desk.refused("forget", "2026-7")
    chain(desk, 1)
    assert f"2026-7: given an unknown statement; allowed: {ACCOUNT}/2026-1 (C53-1-2026-11-03)" in desk.refused(
        "forget", "2026-7"
    )


# ── mistyped references ────────────────────────────────────────────────────────────────────────────────────────────


def on_terminal(desk: Desk, *arguments: str | Path) -> str:
    """Run the command with a terminal as its standard error, and return what the terminal shows."""
    reader, writer = pty.openpty()
    options = ["--campaigns", desk.campaigns, "--state", desk.state]
    command = [sys.executable, "-m", "donation_card", "bank", "import", *arguments, *options]
    done = subprocess.run([*map(str, command)], stdout=subprocess.PIPE, stderr=writer, check=False, text=True)
    os.write(writer, b"<end>")
    shown = b""
    while not shown.endswith(b"<end>"):
        shown += os.read(reader, 65_536)
    os.close(writer)
    os.close(reader)
    assert done.returncode == 0, shown
    return done.stdout + shown.decode()


def test_mistyped_reference_is_shown_on_the_terminal_only(desk: Desk) -> None:
    gifts = Transfer(13_37, f"{ROOF[:6]}1{ROOF[7:]}"), Transfer(25_00, ROOF)
    file = desk.file("one.xml", sheet(1, 0, *gifts))
    output = desk.imports(file, "--dry-run")
    assert "13.37" not in output
    assert "1 entries need your attention" in output
    shown = on_terminal(desk, file)
    assert "2026-1:1  2026-11-03  13.37 EUR  not counted: the reference is mistyped" in shown
    assert PAYER not in shown
    kept = b"".join(desk.snapshot().values())
    assert b"13.37" not in kept
    assert b"1337" not in kept
    assert desk.total() == (25_00, 1)


def test_terminal_shows_the_command_to_count_an_entry(desk: Desk) -> None:
    batch = Batch([Transfer(5_00, ROOF)] * 3, details=0, text=ROOF)
    first = desk.file("one.xml", sheet(1, 0, batch))
    assert "To count an entry" not in on_terminal(desk, first), "it is counted as one sum"
    second = desk.file("two.xml", sheet(2, 15_00, batch, Transfer(13_37, f"{ROOF[:6]}1{ROOF[7:]}")))
    assert "import it with --assign 2026-2:2=CAMPAIGN" in on_terminal(desk, second, "--dry-run")
    assert "donation-card bank forget 2026-2)" in on_terminal(desk, second)


def test_unknown_statement_is_answered_with_the_newest_ones(desk: Desk) -> None:
    chain(desk, 7)
    text = desk.refused("forget", "2026-99")
    assert "allowed: 2 earlier ones, " in text
    assert [f"/2026-{number} " in text for number in range(1, 8)] == [False] * 2 + [True] * 5


def test_entry_is_assigned_to_a_campaign(desk: Desk) -> None:
    file = desk.file("one.xml", sheet(1, 0, Transfer(12_00, "for the roof"), Transfer(25_00, ROOF)))
    for wrong, words in (
        ("2026-1:3=roof", "2026-1:3: given no entry of these files"),
        ("2026-9:1=roof", "2026-9:1: given no entry"),
        ("roof", "given no entry"),
        ("2026-1:1=ship", "2026-1:1: given ship; allowed: one of boat, roof"),
    ):
        assert words in desk.refused("import", file, "--assign", wrong)
    desk.imports(file, "--assign", "2026-1:1=roof")
    assert desk.total() == (37_00, 2)


def test_refund_by_the_organiser_can_be_assigned(desk: Desk) -> None:
    file = desk.file("one.xml", sheet(1, 0, Transfer(25_00, ROOF), Transfer(-25_00, f"refund {ROOF}")))
    desk.imports(file, "--assign", f"{ACCOUNT}/2026-1:2=roof")
    assert desk.total() == (0, 1)


# ── files ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_dry_run_writes_nothing(desk: Desk) -> None:
    before = desk.snapshot()
    output = desk.imports(desk.file("one.xml", sheet(1, 0, Transfer(25_00, ROOF))), "--dry-run")
    assert "roof.bank.toml: 25.00 EUR in 1 donations" in output
    assert output.endswith("Nothing was written.\n")
    assert desk.snapshot() == before


def test_print_shows_the_files_for_a_config_map(desk: Desk) -> None:
    output = desk.imports(desk.file("one.xml", sheet(1, 0, Transfer(25_00, ROOF))), "--print")
    data = yaml.safe_load(output)["data"]
    assert data == {name: (desk.campaigns / name).read_text("utf-8") for name in ("boat.bank.toml", "roof.bank.toml")}


def test_state_holds_the_chain_and_is_private(desk: Desk) -> None:
    chain(desk, 1)
    (record,) = json.loads(desk.state.read_text())["statements"]
    assert set(record) == {
        "account", "id", "legal_number", "electronic_number", "begins", "ends", "last_day", "opening", "closing",
        "imported",
    }  # fmt: skip
    assert record["imported"] == {"roof": [10_00, 1]}
    assert stat.S_IMODE(desk.state.stat().st_mode) == 0o600


def test_state_among_the_campaigns_is_refused(desk: Desk) -> None:
    desk.state = desk.campaigns / "state.json"
    assert "a file among the campaigns" in desk.refused("import", desk.file("one.xml", sheet(1, 0)))


def test_bank_file_of_another_state_is_refused(desk: Desk) -> None:
    files = chain(desk)
    desk.state.rename(desk.folder / "old-state.json")
    text = desk.refused("import", *files)
    assert "roof.bank.toml: the file: given 30.00 EUR in 3 donations" in text
    assert "name the right --state" in text


def test_removed_bank_file_is_written_again(desk: Desk) -> None:
    chain(desk)
    (desk.campaigns / "roof.bank.toml").unlink()
    desk.imports(desk.file("4.xml", sheet(4, 30_00, Transfer(10_00, ROOF))))
    assert desk.total() == (40_00, 4)


@pytest.mark.parametrize("text", ["", "{}x", '{"statements": [{"account": 5}]}', "[]"])
def test_damaged_state_is_refused(text: str, desk: Desk) -> None:
    desk.state.write_text(text)
    assert "no state that can be read" in desk.refused("import", desk.file("one.xml", sheet(1, 0)))


def test_two_campaigns_with_one_reference_are_refused(desk: Desk) -> None:
    text = (desk.campaigns / "roof.toml").read_text("utf-8")
    (desk.campaigns / "copy.toml").write_text(text, "utf-8")
    assert "roof.toml: bank_transfer.reference: given the reference of copy" in desk.refused(
        "import", desk.file("one.xml", sheet(1, 0))
    )
    done = CliRunner().invoke(cli, ["check", "--campaigns", str(desk.campaigns)])
    assert "the reference of copy" in str(done.exception)


def test_full_disk_leaves_everything_as_it_was(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    chain(desk)
    before = desk.snapshot()
    file = desk.file("4.xml", sheet(4, 30_00, Transfer(10_00, ROOF)))
    calls = []

    def full(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) == 2:
            raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        done = desk.run("import", file)
    assert "No space left on device" in str(done.exception)
    assert desk.snapshot() == before
    desk.imports(file)
    assert desk.total() == (40_00, 4)


def test_second_import_at_once_is_refused(desk: Desk) -> None:
    from donation_card.adapters.bank_statements.storage import locked

    with locked(desk.state):
        assert "another import is running" in desk.refused("import", desk.file("one.xml", sheet(1, 0)))


def test_error_ends_with_status_2_and_one_line(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["import", "none.xml", "--campaigns", str(desk.campaigns), "--state", str(desk.state)]
    monkeypatch.setattr(sys, "argv", ["donation-card", "bank", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith("none.xml: the file: given No such file or directory")


# ── the law: the sum is the sum of the entries, or an error names the file ─────────────────────────────────────────

transfers = st.lists(
    st.builds(
        Transfer,
        st.integers(1, 500_00),
        st.sampled_from([ROOF, f"Spende {BOAT[:4]} {BOAT[4:]}", "rent", f"{ROOF} {ROOF}"]),
    )
    | st.builds(
        Transfer, st.integers(-500_00, -1), st.sampled_from([ROOF, "fee"]), returned=st.sampled_from(["", "RRTN"])
    ),
    max_size=4,
)


@st.composite
def chains(draw: st.DrawFn) -> list[Sheet]:
    """Draw up to five statements that join up, with or without numbers."""
    numbered, opening, found = draw(st.booleans()), 1_000_00, []
    for at in range(draw(st.integers(1, 5))):
        found.append(sheet(at + 1, opening, *draw(transfers), number=at + 1 if numbered else None, period=True))
        opening = found[-1].closes
    return found


def contribution(each: Sheet, campaign: str) -> int:
    """Return what a statement adds to a campaign: the oracle, by the text of each entry."""
    reference = REFERENCES[campaign]
    ours = [entry for entry in each.entries if reference in str(entry.text).replace(" ", "")]
    return sum(entry.cents for entry in ours if entry.cents > 0 or entry.returned)


def joins_up(chain: list[Sheet], known: set[int]) -> bool:
    order = sorted(known)
    return all(
        chain[before].closes == chain[after].opening and (chain[after].number is None or after == before + 1)
        for before, after in pairwise(order)
    )


def interrupted(desk: Desk, arguments: list[str | Path], at: int) -> None:
    """Run the command in a child that ends, as a power cut would end it, before its write number `at`."""
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return
    count = iter(range(at))

    def counted(function: Callable[..., object]) -> Callable[..., object]:
        def run(*arguments: object, **options: object) -> object:
            if next(count, None) is None:
                os._exit(9)
            return function(*arguments, **options)

        return run

    for name in ("open", "fsync", "replace", "unlink"):
        setattr(os, name, counted(getattr(os, name)))
    try:
        desk.run("import", *arguments)
    finally:
        os._exit(0)


@given(
    chain=chains(),
    calls=st.lists(
        st.tuples(st.lists(st.integers(0, 4), min_size=1, max_size=4), st.none() | st.integers(0, 30)), max_size=4
    ),
    data=st.data(),
)
@settings(max_examples=settings.default.max_examples // 3, suppress_health_check=[HealthCheck.too_slow])
def test_sum_is_the_sum_of_the_entries_or_a_file_is_named(
    chain: list[Sheet], calls: list[tuple[list[int], int | None]], data: st.DataObject
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        desk = Desk(Path(folder))
        version = data.draw(st.sampled_from(VERSIONS))
        files = [desk.file(f"statement-{at}.xml", each, version=version) for at, each in enumerate(chain)]
        known: set[int] = set()
        for numbers, interruption in [*calls, (list(range(len(chain))), None)]:
            call = [at for at in numbers if at < len(chain)]
            if not call:
                continue
            arguments: list[str | Path] = [files[at] for at in call]
            if interruption is not None:
                interrupted(desk, arguments, interruption)
            done = desk.run("import", *arguments)
            fits = len(set(call)) == len(call) and not known & set(call) and joins_up(chain, known | set(call))
            if done.exception:
                assert any(files[at].name in str(done.exception) for at in call), done.exception
                assert not fits or interruption is not None
                if fits:  # the interrupted run was complete, so that this one repeats it
                    assert "was imported before" in str(done.exception)
                    known |= set(call)
            else:
                assert fits
                known |= set(call)
            for campaign in REFERENCES:
                found = desk.total(campaign)
                assert (found[0] if found else 0) == sum(contribution(chain[at], campaign) for at in known)
        assert not list(desk.campaigns.glob(".*")), "nothing is left"


@pytest.mark.parametrize("at", range(40))
def test_second_run_completes_what_a_crash_left(at: int, desk: Desk) -> None:
    chain(desk)
    file = desk.file("4.xml", sheet(4, 30_00, Transfer(10_00, ROOF), Transfer(7_00, BOAT)))
    interrupted(desk, [file], at)
    between = desk.total("roof"), desk.total("boat")
    assert between[0] in ((30_00, 3), (40_00, 4))
    assert between[1] in ((0, 0), (7_00, 1))
    done = desk.run("import", file)
    assert not done.exception or "4.xml: statement 2026-4: given a statement that was imported" in str(done.exception)
    assert (desk.total("roof"), desk.total("boat")) == ((40_00, 4), (7_00, 1))
    assert not list(desk.campaigns.glob(".*"))


def test_names_of_a_thousand_payers_stay_in_the_statements(desk: Desk) -> None:
    payers = [Donor(number, Random(number)) for number in range(1_000)]
    statements, opening = [], 0
    for at, group in enumerate([payers[:1], payers[1:2], payers[2:]]):  # two statements have one gift each
        gifts = [
            Transfer(25_00 if number % 9 else -1, f"{payer.details()['name']} {ROOF if number % 7 else ROOF[:-1]}")
            for number, payer in enumerate(group, 1)
        ]
        one = sheet(at + 1, opening, *gifts)
        statements.append(desk.folder / f"{at}.xml")
        statements[-1].write_bytes(camt053(one).replace(PAYER.encode(), group[0].details()["name"].encode()))
        opening = one.closes
    options = ["--campaigns", str(desk.campaigns), "--state", str(desk.state)]
    command = [sys.executable, "-m", "donation_card", "bank", "import", *map(str, statements), *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        titles = Path(f"/proc/{process.pid}/cmdline").read_bytes()
        assert process.stdout
        printed = process.stdout.read()
    assert process.returncode == 0, printed
    assert b"entries need your attention" in printed
    search = Search(payers)
    assert search.hits("statement", statements[0].read_bytes()), "the search finds what is there"
    for path in statements:
        path.unlink()
    assert search.folder(desk.folder) == []
    assert search.hits("printed", printed) == []
    assert search.hits("title", titles) == []
