"""The docstring of LimitedHttpProtocol lists what it uses of uvicorn, and uvicorn has it."""

import ast
import asyncio
import inspect
import re
import textwrap

import pytest
from donation_card.server.http_protocol import MAX_PIPELINED, LimitedHttpProtocol
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

ATTRIBUTES, METHODS, CYCLE_ATTRIBUTES = (
    set(re.findall(r"`(\w+)`", paragraph.partition(":")[2]))
    for paragraph in inspect.getdoc(LimitedHttpProtocol).split("\n\n")
    if re.match("(Attributes|Methods that it extends)", paragraph)
)
CLASS = ast.parse(textwrap.dedent(inspect.getsource(LimitedHttpProtocol))).body[0]


@pytest.fixture(scope="module")
def uvicorn():
    """A connection and its request, after a request has arrived."""

    async def connect():
        async def app(scope, receive, send):
            pass

        connection = HttpToolsProtocol(Config(app, log_level="critical"), ServerState(), {})
        connection.connection_made(asyncio.Transport())
        connection.data_received(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n")
        return connection, connection.cycle

    return asyncio.run(connect())


def test_uvicorn_has_every_listed_name(uvicorn):
    connection, cycle = uvicorn
    assert ATTRIBUTES
    assert METHODS
    assert CYCLE_ATTRIBUTES
    assert vars(connection).keys() >= ATTRIBUTES
    assert all(callable(getattr(HttpToolsProtocol, name)) for name in METHODS)
    assert vars(cycle).keys() >= CYCLE_ATTRIBUTES
    assert isinstance(cycle, RequestResponseCycle)


def test_every_name_of_uvicorn_in_use_is_listed(uvicorn):
    connection, _ = uvicorn
    used, cycle_used = set(), set()
    for node in ast.walk(CLASS):
        if isinstance(node, ast.Attribute):
            of_self = isinstance(node.value, ast.Name) and node.value.id == "self"
            if of_self and hasattr(connection, node.attr):
                used.add(node.attr)
            elif ast.unparse(node.value) in {"self.cycle", "cycle"}:
                cycle_used.add(node.attr)
    methods = {node.name for node in CLASS.body if isinstance(node, ast.FunctionDef)}
    extended = {name for name in methods if hasattr(connection, name)}
    assert used - extended == ATTRIBUTES
    assert extended - {"__init__"} == METHODS
    assert cycle_used == CYCLE_ATTRIBUTES


def test_no_private_name_of_uvicorn_is_in_use(uvicorn):
    own = {node.attr for node in ast.walk(CLASS) if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)}
    methods = {node.name for node in CLASS.body if isinstance(node, ast.FunctionDef)}
    connection, _ = uvicorn
    private = {name for name in own | methods if name.startswith("_") and not name.startswith("__")}
    assert not {name for name in private if hasattr(connection, name)}
    named = {node.attr for node in ast.walk(CLASS) if isinstance(node, ast.Attribute) and node.attr.startswith("_")}
    assert named - {"__init__"} <= private


class SendingPeer(asyncio.Transport):
    """A transport whose peer sends more than it reads."""

    reading = True
    aborted = False

    def pause_reading(self):
        self.reading = False

    def resume_reading(self):
        self.reading = True

    def write(self, data):
        pass

    def is_closing(self):
        return self.aborted

    def abort(self):
        self.aborted = True

    def close(self):
        self.aborted = True


def test_at_most_32_requests_of_a_connection_are_in_flight():
    started = []

    async def app(scope, receive, send):
        started.append(scope)
        await asyncio.Event().wait()

    async def flood():
        connection = LimitedHttpProtocol(Config(app, log_level="critical"), ServerState(), {})
        connection.connection_made(transport := SendingPeer())
        requests = b"GET /%d HTTP/1.1\r\n\r\n"
        connection.data_received(b"".join(requests % number for number in range(5_000)))
        await asyncio.sleep(0)
        last, reading = connection.cycle.scope["path"], transport.reading
        for _ in range(5):
            connection.data_received(b"GET / HTTP/1.1\r\n\r\n" * 10_000)
        connection.connection_lost(None)
        return last, reading, transport.aborted

    last, reading, aborted = asyncio.run(flood())
    assert (len(started), last) == (1, f"/{MAX_PIPELINED - 1}")
    assert not reading, "the peer waits"
    assert aborted, "a peer that sends all the same is cut off"
