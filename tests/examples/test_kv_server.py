"""The server before a real cluster: Redis's own clients, and what is no request."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
import redis
import trio

from examples.kv.machine import Store
from examples.kv.server import Server
from transports.node import ClusterConfig, open_client, open_node

ROOT = Path(__file__).parents[2]
NODES = {1: "hub/1", 2: "hub/2", 3: "hub/3"}


@asynccontextmanager
async def serving(clock_ms: Callable[[], int] | None = None) -> AsyncIterator[int]:
    """Three nodes and the server in this process; its port."""
    config = ClusterConfig(NODES, transport="memory", store="memory")
    async with AsyncExitStack() as stack:
        for node in NODES:
            await stack.enter_async_context(open_node(config, node, Store(), first_start=True))
        client = await stack.enter_async_context(open_client(config))
        nursery = await stack.enter_async_context(trio.open_nursery())
        handler = Server(client, clock_ms).handle
        listeners = await nursery.start(partial(trio.serve_tcp, handler, 0, host="127.0.0.1"))
        yield listeners[0].socket.getsockname()[1]
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def connect(port: int) -> AsyncIterator[trio.SocketStream]:
    async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
        yield stream


async def say(stream: trio.SocketStream, data: bytes, expected: bytes) -> None:
    await stream.send_all(data)
    found = b""
    while len(found) < len(expected):
        chunk = await stream.receive_some()
        if not chunk:
            break
        found += chunk
    assert found == expected


async def test_a_pipeline_is_answered_in_order() -> None:
    async with serving() as port, AsyncExitStack() as stack:
        stream = await stack.enter_async_context(connect(port))
        lines = b"PING\r\nSET a 1\r\nINCR a\r\nECHO x\r\nGET a\r\nNOPE\r\nDEL a\r\nGET a\r\n"
        answers = b"+PONG\r\n+OK\r\n:2\r\n$1\r\nx\r\n$1\r\n2\r\n"
        answers += b"-ERR unknown command 'nope'\r\n:1\r\n$-1\r\n"
        await say(stream, lines, answers)
        many = 5000
        await say(
            stream, b"INCR n\r\n" * many, b"".join(b":%d\r\n" % n for n in range(1, many + 1))
        )
        await say(stream, b"QUIT\r\n", b"+OK\r\n")
        assert await stream.receive_some() == b""


async def test_a_clock_before_1970_is_an_error_and_no_endless_loop() -> None:
    error = b"-ERR the cluster cannot read this server's commands: is its clock set?\r\n"
    async with serving(lambda: -1) as port, connect(port) as stream:
        await say(stream, b"SET a 1\r\nGET a\r\n", 2 * error)


async def test_replies_that_need_several_commands_of_the_log() -> None:
    async with serving() as port, AsyncExitStack() as stack:
        stream = await stack.enter_async_context(connect(port))
        value = bytes(10_000)
        await say(stream, b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$10000\r\n%b\r\n" % value, b"+OK\r\n")
        await say(stream, b"GET a\r\n" * 40, b"$10000\r\n%b\r\n" % value * 40)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"*1\r\n$x\r\n", b"-ERR Protocol error: invalid bulk length\r\n"),
        (b"*9999999\r\n", b"-ERR Protocol error: invalid multibulk length\r\n"),
        (b"PING\r\n*1\r\n:1\r\n", b"+PONG\r\n-ERR Protocol error: expected '$', got ':'\r\n"),
        (b"\x00" * 5000, b"-ERR Protocol error: too big inline request\r\n"),
    ],
)
async def test_what_is_no_request_ends_its_own_connection(data: bytes, expected: bytes) -> None:
    async with serving() as port, AsyncExitStack() as stack:
        other = await stack.enter_async_context(connect(port))
        stream = await stack.enter_async_context(connect(port))
        await say(stream, data, expected)
        assert await stream.receive_some() == b""
        await say(other, b"SET a 1\r\n", b"+OK\r\n")


async def test_a_request_that_is_cut_waits_and_one_that_is_too_large_is_refused() -> None:
    async with serving() as port, AsyncExitStack() as stack:
        stream = await stack.enter_async_context(connect(port))
        for byte in b"*2\r\n$4\r\nECHO\r\n$2\r\nhi\r":
            await stream.send_all(bytes([byte]))
        await say(stream, b"\n", b"$2\r\nhi\r\n")
        large = b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$900000\r\n%b\r\n" % bytes(900_000)
        await stream.send_all(large)
        said = bytes(await stream.receive_some())
        assert said.startswith((b"-ERR at most", b"-ERR string exceeds"))
        await say(stream, b"GET a\r\n", b"$-1\r\n")


def require(tool: str) -> None:
    if shutil.which(tool) is None:
        reason = f"{tool} is missing: on Debian, apt-get install redis-tools"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """Of a server with three processes behind it."""
    command = [sys.executable, "-u", "-m", "examples.kv", "--port", "0"]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        yield int(line.split(" on ")[1].split(":")[1])
        process.send_signal(2)
        process.wait(20)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 0), (signal.SIGKILL, -9)])
def test_its_nodes_end_with_it(tmp_path: Path, number: int, status: int) -> None:
    command = [sys.executable, "-u", "-m", "examples.kv", "--port", "0"]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(number)
        # Its nodes have the same standard error: that ends with the last of them.
        process.communicate(timeout=20)
    assert process.returncode == status
    assert any(tmp_path.iterdir()) is (number == signal.SIGKILL)


@pytest.mark.parametrize("options", [{}, {"protocol": 2}, {"protocol": 3}])
def test_redis_py_works_unchanged(port: int, options: dict[str, int]) -> None:
    with redis.Redis(port=port, **options) as client:  # type: ignore[arg-type]
        client.flushall()
        assert client.set("name", "ada", nx=True, ex=100) is True
        assert client.set("name", "alan", nx=True) is None
        assert client.get("name") == b"ada"
        assert 99 <= client.ttl("name") <= 100
        with client.pipeline(transaction=False) as pipe:
            pipe.incr("n").incrby("n", 5).append("s", "x").mset({"a": 1, "b": 2})
            pipe.mget("a", "b", "c").exists("a", "c").delete("a").dbsize()
            assert pipe.execute() == [1, 6, 1, True, [b"1", b"2", None], 1, 1, 4]
        assert client.info()["nodes"] == 3
        with pytest.raises(redis.ResponseError, match="not an integer"):
            client.incr("name")


def test_redis_cli_and_redis_benchmark_work_unchanged(port: int) -> None:
    require("redis-cli")
    require("redis-benchmark")
    words = ["redis-cli", "-p", str(port), "--raw", "echo", "hello"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert done.stdout == "hello\n"
    words = [
        "redis-benchmark",
        "-p",
        str(port),
        "-t",
        "set,get,incr",
        "-P",
        "16",
        "-n",
        "2000",
        "-q",
    ]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    said = done.stdout + done.stderr
    assert "rror" not in said, said
    assert said.count("requests per second") == 3


@pytest.mark.parametrize(
    ("words", "status", "expected"),
    [
        (("--transport", "pigeon"), 2, "'pigeon' is not one of"),
        (("--config", "nowhere.toml"), 2, "does not exist"),
        (("--config", "README.md"), 1, "README.md"),
    ],
)
def test_wrong_use_is_no_traceback(words: tuple[str, ...], status: int, expected: str) -> None:
    command = [sys.executable, "-m", "examples.kv", *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == status
    assert expected in done.stderr
    assert "Traceback" not in done.stderr
