"""Test the log: JSON lines that never block the service."""

import fcntl
import json
import logging
import os
import signal
import subprocess
import sys
import threading

import pytest
from donation_card.observability.logs import LogWriter

from tests.integration.web.test_stripe_webhook import post
from tests.support.installation import eventually, processes

LINE = "x" * 99


@pytest.fixture
def pipe():
    """A reader's end and a writer's, with room for 4 KiB between them."""
    ends = os.pipe()
    with open(ends[0], "rb", buffering=0) as unread, open(ends[1], "wb", buffering=0) as written:
        fcntl.fcntl(written, fcntl.F_SETPIPE_SZ, 4_096)
        yield unread, written


MALFORMED = []
"""A signed event that cannot be read. Each leaves a line."""


def logger_for(writer):
    """A logger of its own whose records are written as they are."""
    writer.handler.setFormatter(logging.Formatter())
    logger = logging.Logger("test")
    logger.addHandler(writer.handler)
    return logger


def test_log_lines_are_whole_and_in_order(pipe):
    unread, written = pipe
    writer = LogWriter(written.fileno())
    for number in range(100):
        logger_for(writer).info("%d", number)
    assert writer.flush(10)
    assert unread.read(4_096).decode().split() == [str(number) for number in range(100)]


def test_full_log_queue_drops_lines_and_counts_them(pipe):
    unread, written = pipe
    writer = LogWriter(written.fileno(), max_lines=50)
    logger = logger_for(writer)
    for _ in range(1_000):
        logger.info(LINE)
    lines = read_until(unread, b"log_lines_dropped")
    report = json.loads(lines[-1])
    assert report["level"] == "warning"
    assert lines.count(LINE) + report["lines"] == 1_000
    logger.info("after")
    assert writer.flush(10)
    assert unread.read(4_096) == b"after\n", "it is reported once"


def test_closed_log_pipe_blocks_nothing(pipe):
    unread, written = pipe
    writer = LogWriter(written.fileno())
    unread.close()
    for _ in range(1_000):
        logger_for(writer).info(LINE)
    assert writer.flush(30)


def test_unformattable_record_is_dropped_silently(pipe, capfd):
    unread, written = pipe
    writer = LogWriter(written.fileno())
    logger_for(writer).info("%d", "ada@example.org")
    logger_for(writer).info("after")
    assert writer.flush(10)
    assert [json.loads(line)["lines"] for line in read_until(unread, b"log_lines_dropped")[1:]] == [1]
    assert "ada@" not in "".join(capfd.readouterr())


def test_process_ends_with_unread_log_lines(pipe):
    _, written = pipe
    program = (
        "import logging, sys\n"
        "from donation_card.observability.logs import configure_logs\n"
        "configure_logs('info')\n"
        "for _ in range(1000): logging.error('x' * 99)\n"
        "print('done', file=sys.stderr)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=written, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr.readline() == "done\n"
        assert process.wait(30) == 0


def test_library_logs_are_json_without_urls(tmp_path):
    program = (
        "import logging\n"
        "from donation_card.observability.logs import configure_logs\n"
        "configure_logs('info'); configure_logs('info')\n"
        "logging.getLogger('uvicorn.error').setLevel('INFO')\n"
        "logging.getLogger('uvicorn.error').info('Started %s', 'it')\n"
        "logging.getLogger('httpx').info('GET https://api.stripe.com/v1/checkout/sessions/cs_test_1')\n"
        "logging.getLogger('asyncio').error('never retrieved', exc_info=ValueError('a'))\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30)
    assert ended.stderr == ""
    started, never = map(json.loads, ended.stdout.splitlines())
    assert (started["event"], started["level"]) == ("Started it", "info")
    assert "ValueError" in never["exception"]


def test_error_log_has_type_and_place_but_no_message():
    program = (
        "import logging, structlog\n"
        "from donation_card.observability.logs import configure_logs\n"
        "configure_logs('info')\n"
        "def read(typed):\n"
        "    try:\n"
        "        return int(typed)\n"
        "    except ValueError as error:\n"
        "        raise KeyError(typed) from error\n"
        "try:\n"
        "    read('4242 4242' + ' 4242 4242')\n"
        "except KeyError as error:\n"
        "    structlog.get_logger().error('unhandled_error', exc_info=error)\n"
        "    logging.getLogger('uvicorn.error').error('Exception in ASGI application', exc_info=error)\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30)
    told = [json.loads(line)["exception"] for line in ended.stdout.splitlines()]
    assert len(told) == 2
    for exception in told:
        assert exception.index("ValueError") < exception.index("KeyError"), "the cause comes first"
        assert "in read" in exception
    assert "4242 4242 4242" not in ended.stdout + ended.stderr


def test_service_with_unread_log_keeps_serving(redis_url, tmp_path, sample_campaign, pipe):
    unread, written = pipe
    with processes(redis_url, tmp_path, sample_campaign, workers=1, output=written.fileno()) as (installation, _):
        for _ in range(2_500):
            assert post(installation, MALFORMED).status_code == 400
        assert installation.progress("roof")["raised"] == 0
        lines = read_until(unread, b"log_lines_dropped")
        reading = threading.Thread(target=lambda: [None for _ in iter(lambda: unread.read(65_536), b"")])
        reading.start()
    written.close()
    reading.join(60)
    told = [json.loads(line) for line in lines]
    assert told[-1]["lines"] > 0
    assert "Uvicorn running on" in " ".join(line["event"] for line in told), "uvicorn's lines are JSON among ours"


def test_service_with_unread_log_stops_on_sigterm(redis_url, tmp_path, sample_campaign, pipe):
    _, written = pipe
    with processes(redis_url, tmp_path, sample_campaign, output=written.fileno()) as (installation, process):
        for _ in range(200):
            post(installation, MALFORMED)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0


def read_until(pipe, word):
    """Lines as text, until one holds the word."""
    found = b""

    def complete():
        nonlocal found
        found += pipe.read(65_536)
        return found.endswith(b"\n") and word in found

    eventually(complete, f"{word!r} is read")
    return found.decode().splitlines()
