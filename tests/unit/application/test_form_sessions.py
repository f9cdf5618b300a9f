"""All workers know the latest session of a form."""

from __future__ import annotations

import pytest
from donation_card.application import form_sessions

from tests.unit.application.conftest import Worker

pytestmark = pytest.mark.anyio


async def test_first_order_replaces_nothing(worker: Worker) -> None:
    assert await worker.form_sessions.begin("attempt", "25") == set()
    assert await worker.form_sessions.record_session("attempt", "25", "cs_1") == set()


async def test_same_order_replaces_nothing(worker: Worker) -> None:
    await worker.form_sessions.record_session("attempt", "25", "cs_1")
    assert await worker.form_sessions.begin("attempt", "25") == set()


async def test_other_order_replaces_the_session(worker: Worker) -> None:
    await worker.form_sessions.record_session("attempt", "25", "cs_1")
    assert await worker.form_sessions.begin("attempt", "30") == {"cs_1"}
    assert await worker.form_sessions.begin("other attempt", "30") == set()


async def test_session_stored_meanwhile_is_returned(worker: Worker) -> None:
    other = Worker(form_store=worker.form_store)
    await worker.form_sessions.begin("attempt", "30")
    await other.form_sessions.record_session("attempt", "25", "cs_1")
    assert await worker.form_sessions.record_session("attempt", "30", "cs_2") == {"cs_1"}


async def test_session_id_is_stored_encrypted(worker: Worker) -> None:
    await worker.form_sessions.record_session("attempt", "25", "cs_1")
    (((_, form_hash), stored),) = worker.form_store._sessions.items()
    assert worker.tokens.decrypt("attempt", stored) == "25 cs_1"
    assert form_hash == worker.tokens.idempotency_key("attempt", "form")[:32]


async def test_stored_text_that_cannot_be_read_is_ignored(worker: Worker) -> None:
    await worker.form_sessions.record_session("attempt", "25", "cs_1")
    worker.form_store._sessions = dict.fromkeys(worker.form_store._sessions, "damaged")
    assert await worker.form_sessions.begin("attempt", "30") == set()


async def test_memory_replaces_redis(worker: Worker) -> None:
    worker.form_store.available = False
    assert await worker.form_sessions.begin("attempt", "25") == set()
    assert await worker.form_sessions.record_session("attempt", "25", "cs_1") == set()
    assert await worker.form_sessions.begin("attempt", "30") == {"cs_1"}


async def test_memory_is_bounded(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(form_sessions, "_MAX_FORMS", 2)
    sessions = [worker.form_sessions.get(name) for name in ("a", "b", "a", "c")]
    assert worker.form_sessions.get("a") is sessions[0]
    assert worker.form_sessions.get("b") is not sessions[1]
