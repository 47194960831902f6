"""A server between Redis's clients and the cluster: requests in, replies out.

Whatever one read of a connection brings is one command of the log, and its replies one write: so
a pipeline keeps its order, and costs as much as a single request. Reads go through the log as
well, so they are linearizable.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import trio

from examples.kv import resp
from examples.kv.machine import BATCH_MAX, COMMANDS, pack, unpack_result
from examples.kv.resp import Parser, ProtocolError, Request
from transports.node import Client
from transports.node.client import ClientError

READ_BYTES = 1 << 16
CONNECTIONS_MAX = 1000
NOT_READ = "ERR the cluster cannot read this server's commands: is its clock set?"
HEAD_BYTES = 16
"""More than msgpack puts before an argument, a request or all of them."""
WRITE_SECONDS = 30.0
"""For a client to take its replies, before its connection is closed."""


@dataclass(slots=True)
class Session:
    """What one connection has chosen."""

    version: int = 2
    """Of RESP."""


class Server:
    """Serves connections. `handle` is for `trio.serve_listeners`."""

    def __init__(self, client: Client, clock_ms: Callable[[], int] | None = None) -> None:
        self._client = client
        self._clock_ms = clock_ms or (lambda: time.time_ns() // 1_000_000)
        self._connections = 0

    async def handle(self, stream: trio.SocketStream) -> None:
        """One connection, until it ends."""
        async with stream:
            if self._connections >= CONNECTIONS_MAX:
                await stream.send_all(resp.error("ERR max number of clients reached"))
                return
            self._connections += 1
            try:
                await self._serve(stream)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                pass
            finally:
                self._connections -= 1

    async def _serve(self, stream: trio.SocketStream) -> None:
        parser, session = Parser(), Session()
        goes_on = True
        while goes_on and (data := await stream.receive_some(READ_BYTES)):
            requests: list[Request] = []
            last = b""
            try:
                requests.extend(parser.feed(data))
            except ProtocolError as error:
                last = resp.error(f"ERR Protocol error: {error}")
            replies: list[bytes] = []
            try:
                await self._answer(session, requests, replies)
            except ClientError as error:
                # Whether it was carried out may be open, and what follows must not overtake it.
                last = resp.error(f"TRYAGAIN {type(error).__name__}: {error}")
            goes_on = not last and not any(r[0].upper() == b"QUIT" for r in requests)
            with trio.move_on_after(WRITE_SECONDS) as scope:
                await stream.send_all(b"".join([*replies, last]))
            goes_on = goes_on and not scope.cancelled_caught

    async def _answer(
        self, session: Session, requests: list[Request], replies: list[bytes]
    ) -> None:
        """Put the replies to all into `replies`, in order. Raises `ClientError`."""
        waiting: list[Request] = []
        for request in requests:
            reply = self._at_once(session, request)
            if reply is None:
                waiting.append(request)
                continue
            await self._decide(session, waiting, replies)
            waiting = []
            replies.append(reply)
        await self._decide(session, waiting, replies)

    async def _decide(
        self, session: Session, requests: list[Request], replies: list[bytes]
    ) -> None:
        """Have the cluster carry them out, in as few commands as they fit in."""
        while requests:
            count = self._fitting(requests)
            if count == 0:
                replies.append(resp.error(f"ERR at most {self._most} bytes fit a frame"))
                requests = requests[1:]
                continue
            result = await self._client.submit(
                pack(self._clock_ms(), requests[:count], session.version)
            )
            done, said = unpack_result(result)
            if done == 0:
                replies += [resp.error(NOT_READ)] * len(requests)
                return
            replies.append(said)
            requests = requests[done:]

    @property
    def _most(self) -> int:
        return self._client.command_bytes_max

    def _fitting(self, requests: list[Request]) -> int:
        """How many of the first fit one command."""
        room = self._most - HEAD_BYTES
        for count, request in enumerate(requests):
            room -= sum(map(len, request)) + HEAD_BYTES * (len(request) + 1)
            if room < 0 or count == BATCH_MAX:
                return count
        return len(requests)

    def _at_once(self, session: Session, request: Request) -> bytes | None:
        """The reply to what the cluster need not decide; None for the rest."""
        name, *arguments = request
        name = name.upper()
        if name in COMMANDS:
            return None
        answer = LOCAL.get(name)
        if answer is None:
            shown = name[:64].decode("ascii", "backslashreplace").lower()
            return resp.error(f"ERR unknown command '{shown}'")
        return answer(self, session, arguments)

    def _hello(self, session: Session, arguments: Request) -> bytes:
        """HELLO [version]: clients that speak RESP3 begin with it."""
        chosen = arguments[0] if arguments else b"%d" % session.version
        if chosen not in (b"2", b"3"):
            return resp.error("NOPROTO unsupported protocol version")
        session.version = int(chosen)
        facts = [(b"server", resp.bulk(b"pluggable-paxos")), (b"version", resp.bulk(b"7.0.0")),
                 (b"proto", resp.integer(session.version)), (b"mode", resp.bulk(b"standalone")),
                 (b"role", resp.bulk(b"master")), (b"modules", resp.array([]))]  # fmt: skip
        pairs = [part for name, value in facts for part in (resp.bulk(name), value)]
        if session.version == 2:
            return resp.array(pairs)
        return b"%%%d\r\n%b" % (len(facts), b"".join(pairs))

    def _ping(self, _session: Session, arguments: Request) -> bytes:
        return resp.bulk(arguments[0]) if arguments else resp.PONG

    def _echo(self, _session: Session, arguments: Request) -> bytes:
        if len(arguments) != 1:
            return resp.error("ERR wrong number of arguments for 'echo' command")
        return resp.bulk(arguments[0])

    def _info(self, _session: Session, _arguments: Request) -> bytes:
        lines = [
            "# Server",
            "redis_mode:standalone",
            "# Clients",
            f"connected_clients:{self._connections}",
            "# Cluster",
            f"nodes:{len(self._client.config.nodes)}",
            f"transport:{self._client.config.transport}",
            f"store:{self._client.config.store}",
        ]
        return resp.bulk("\r\n".join([*lines, ""]).encode())

    def _select(self, _session: Session, arguments: Request) -> bytes:
        return resp.OK if arguments == [b"0"] else resp.error("ERR DB index is out of range")


def _ok(_server: Server, _session: Session, _arguments: Request) -> bytes:
    return resp.OK


def _nothing(_server: Server, _session: Session, _arguments: Request) -> bytes:
    return resp.array([])


LOCAL: dict[bytes, Callable[[Server, Session, Request], bytes]] = {
    b"HELLO": Server._hello,
    b"PING": Server._ping,
    b"ECHO": Server._echo,
    b"INFO": Server._info,
    b"SELECT": Server._select,
    b"QUIT": _ok,
    # What clients ask at their start, and go on without.
    b"CLIENT": _ok,
    b"COMMAND": _nothing,
    b"CONFIG": _nothing,
}


async def serve(client: Client, host: str, port: int, say: Callable[[int], None]) -> None:
    """Listen, `say` on which port, and serve until cancelled. Raises `OSError`."""
    listeners = await trio.open_tcp_listeners(port, host=host)
    say(listeners[0].socket.getsockname()[1])
    await trio.serve_listeners(Server(client).handle, listeners)
