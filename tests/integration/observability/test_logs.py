"""Logs are lines of JSON on standard output, and whoever stops reading them stops nothing else."""

import fcntl
import json
import os
import signal
import subprocess
import sys
import threading

import pytest
from donation_card.observability.logs import NonBlockingStream

from tests.integration.web.test_stripe_webhook import post
from tests.support.installation import eventually, processes

LINE = "x" * 99 + "\n"


@pytest.fixture
def pipe():
    """A reader's end and a writer's, with room for 4 KiB between them."""
    ends = os.pipe()
    with open(ends[0], "rb", buffering=0) as unread, open(ends[1], "wb", buffering=0) as written:
        fcntl.fcntl(written, fcntl.F_SETPIPE_SZ, 4_096)
        yield unread, written


def test_lines_come_out_whole_and_in_order(pipe):
    unread, written = pipe
    outlet = NonBlockingStream(written.fileno())
    for number in range(100):
        outlet.write(f"{number}\n")
    outlet.drain(10)
    assert unread.read(4_096).decode().split() == [str(number) for number in range(100)]


def test_what_does_not_fit_is_dropped_and_its_number_told_when_the_reader_is_back(pipe):
    unread, written = pipe
    outlet = NonBlockingStream(written.fileno(), room=50)
    for _ in range(1_000):
        outlet.write(LINE)
    lines = read_until(unread, b"log_lines_dropped")
    told = json.loads(lines[-1])
    assert told["level"] == "warning"
    assert lines.count(LINE.strip()) + told["lines"] == 1_000
    outlet.write("after\n")
    outlet.drain(10)
    assert unread.read(4_096) == b"after\n", "it is told once"


def test_a_reader_that_has_gone_is_not_waited_for(pipe):
    unread, written = pipe
    outlet = NonBlockingStream(written.fileno())
    unread.close()
    for _ in range(1_000):
        outlet.write(LINE)
    assert outlet.drain(30)


def test_a_process_ends_though_its_last_lines_are_never_read(pipe):
    _, written = pipe
    program = (
        "from donation_card.observability.logs import NonBlockingStream\n"
        "out = NonBlockingStream(1)\nfor _ in range(1000): out.write('x' * 99 + chr(10))"
    )
    ended = subprocess.run([sys.executable, "-c", program], stdout=written, timeout=30)
    assert ended.returncode == 0


def test_a_library_speaks_json_too_and_the_http_client_tells_no_address(tmp_path):
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


def test_an_error_is_told_by_its_kind_and_place_and_never_in_its_own_words():
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


def test_a_service_whose_log_nobody_reads_goes_on_and_tells_later_what_was_lost(
    redis_url, tmp_path, sample_campaign, pipe
):
    unread, written = pipe
    ignored = {"id": "evt_1", "type": "invoice.paid", "livemode": False, "data": {}}
    with processes(redis_url, tmp_path, sample_campaign, workers=1, output=written.fileno()) as (installation, _):
        for _ in range(2_500):  # each leaves a line
            assert post(installation, ignored).status_code == 200
        assert installation.progress("roof")["raised"] == 0
        lines = read_until(unread, b"log_lines_dropped")
        reading = threading.Thread(target=lambda: [None for _ in iter(lambda: unread.read(65_536), b"")])
        reading.start()
    written.close()
    reading.join(20)
    told = [json.loads(line) for line in lines]
    assert told[-1]["lines"] > 0
    assert "Uvicorn running on" in " ".join(line["event"] for line in told), "uvicorn's lines are JSON among ours"


def test_a_service_whose_log_nobody_reads_stops_when_it_is_told_to(redis_url, tmp_path, sample_campaign, pipe):
    _, written = pipe
    ignored = {"id": "evt_1", "type": "invoice.paid", "livemode": False, "data": {}}
    with processes(redis_url, tmp_path, sample_campaign, output=written.fileno()) as (installation, process):
        for _ in range(200):
            post(installation, ignored)
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
