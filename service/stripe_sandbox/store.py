"""Store the state of the sandbox in one SQLite file, or in memory."""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stripe_sandbox.api_errors import no_such

SCHEMA = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
CREATE TABLE IF NOT EXISTS objects (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL,
  body TEXT NOT NULL, internal TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS by_kind ON objects (kind, seq);
CREATE INDEX IF NOT EXISTS by_payment_intent ON objects (kind, json_extract(body, '$.payment_intent'));
CREATE TABLE IF NOT EXISTS timers (at REAL NOT NULL, what TEXT NOT NULL, id TEXT NOT NULL, PRIMARY KEY (what, id));
CREATE INDEX IF NOT EXISTS timers_by_time ON timers (at);
CREATE TABLE IF NOT EXISTS deliveries (
  n INTEGER PRIMARY KEY AUTOINCREMENT, event TEXT NOT NULL, due REAL NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0, state TEXT NOT NULL DEFAULT 'pending');
CREATE INDEX IF NOT EXISTS deliveries_by_time ON deliveries (state, due);
CREATE INDEX IF NOT EXISTS deliveries_by_event ON deliveries (event);
CREATE TABLE IF NOT EXISTS idempotent_responses (
  key TEXT PRIMARY KEY, created_at REAL NOT NULL, endpoint TEXT NOT NULL, fingerprint TEXT NOT NULL,
  status INTEGER NOT NULL, body BLOB NOT NULL, request_id TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS responses_by_time ON idempotent_responses (created_at);
CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""


@dataclass(frozen=True, slots=True)
class Stored:
    """Hold one object: `body` as the API returns it, `internal` for what only the sandbox uses."""

    seq: int
    body: dict[str, Any]
    internal: dict[str, Any]

    @property
    def id(self) -> str:
        return str(self.body["id"])


class Store:
    """Read and write over one connection, from one event loop. A call takes well under a millisecond."""

    def __init__(self, folder: Path | None) -> None:
        if folder:
            folder.mkdir(parents=True, exist_ok=True)
        path = folder / "stripe-sandbox.sqlite3" if folder else ":memory:"
        # Tests create the app in one thread and run it in another. Two threads never use it at the same time.
        self.connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self.connection.executescript(SCHEMA)

    def close(self) -> None:
        self.connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Run a block as one transaction; an inner one joins the outer one. The block must not `await`."""
        if self.connection.in_transaction:
            yield
            return
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self.connection.execute("ROLLBACK")
            raise
        self.connection.execute("COMMIT")

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[Any]:
        return self.connection.execute(sql, values).fetchall()

    def write(self, sql: str, values: Sequence[Any] = ()) -> None:
        self.connection.execute(sql, values)

    def setting(self, name: str, default: str = "") -> str:
        found = self.rows("SELECT value FROM settings WHERE name = ?", [name])
        return str(found[0][0]) if found else default

    def set_setting(self, name: str, value: str) -> None:
        self.write(
            "INSERT INTO settings VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value", [name, value]
        )

    def add(self, body: dict[str, Any], internal: dict[str, Any] | None = None) -> None:
        values = [body["id"], body["object"], json.dumps(body), json.dumps(internal or {})]
        self.write("INSERT INTO objects (id, kind, body, internal) VALUES (?, ?, ?, ?)", values)

    def save(self, stored: Stored) -> None:
        values = [json.dumps(stored.body), json.dumps(stored.internal), stored.seq]
        self.write("UPDATE objects SET body = ?, internal = ? WHERE seq = ?", values)

    def get(self, kind: str, id: str) -> Stored | None:
        found = self.find("kind = ? AND id = ?", [kind, id])
        return found[0] if found else None

    def require(self, kind: str, id: str, param: str, status: int = 404) -> Stored:
        """Return an object. Raise ApiError that names `param` if there is none."""
        found = self.get(kind, id)
        if not found:
            raise no_such(kind, id, param, status)
        return found

    def find(self, where: str, values: Sequence[Any]) -> list[Stored]:
        """Return the objects that match. `where` must be constant SQL; input belongs into `values`."""
        rows = self.rows(f"SELECT seq, body, internal FROM objects WHERE {where}", values)  # noqa: S608
        return [Stored(seq, json.loads(body), json.loads(internal)) for seq, body, internal in rows]
