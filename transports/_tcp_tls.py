"""TLS with mutual authentication for the TCP transport: what its options `tls_...` turn on.

Each endpoint has a certificate that the cluster's authority signed. A replica's names
it: a subject alternative name of the kind DNS, `node-1` for replica 1. Who dials a
replica wants that name, and who is dialled by one does. A client may have any
certificate of the authority. In the paths of the options `{name}` stands for `node-1`
and so on at a replica and for `client` at a client, so that all can share one text.

The bytes inside are those of plain TCP. Only what reads a stream and what joins frames
for one differs here; sockets, queues and routes are the plain transport's.

`trio.SSLStream` is what a program with one task for each stream wants, and it can talk
to this module in both roles. It is not used here, because

* `send` must not wait: `ssl`'s memory BIOs turn a batch into records at once, and what
  the socket does not take is queued as plain TCP queues it; `send_all` would need a task
  and a queue more for each stream;
* a cancelled `send_all` leaves its stream unusable, and nobody here has to call it;
* one epoll object watches all streams, and one `receive` takes what all of them have:
  `receive_some` would need a task that waits for each.
"""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import trio

from transports.api import FIRST_CLIENT_ID, NodeId, TransportError
from transports.framing import FrameReader, FramingError, join_frames, unpack_hello
from transports.tcp import TcpOptions, TcpTransport, _Stream

_READ_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class TlsContexts:
    """What an endpoint accepts with, and what it dials with."""

    accepting: ssl.SSLContext
    dialling: ssl.SSLContext


def name_of(endpoint: NodeId) -> str:
    """Return the name that stands in an endpoint's certificate, or in its files' names."""
    return "client" if endpoint >= FIRST_CLIENT_ID else f"node-{endpoint}"


def securing(options: TcpOptions, local: NodeId) -> Callable[..., TlsTransport]:
    """Return what makes the transport in place of `TcpTransport`. Raises `TransportError`."""
    return partial(TlsTransport, load_contexts(options, local))


def load_contexts(options: TcpOptions, local: NodeId) -> TlsContexts:
    """Read the files and try them out. Raises `TransportError` with the cause and the cure."""
    if not (options.tls_certificate and options.tls_authority):
        raise TransportError(
            "tcp: TLS needs tls_certificate and tls_authority (and tls_key, "
            "unless the key is in the certificate's file)"
        )
    certificate = _file(options.tls_certificate, local)
    key = _file(options.tls_key or options.tls_certificate, local)
    authority = _file(options.tls_authority, local)
    accepting = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    dialling = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    accepting.num_tickets = 0
    # Where we read a peer's name ourselves it is an alternative name, and so it shall be here.
    dialling.hostname_checks_common_name = False
    for context in (accepting, dialling):
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
        context.verify_mode = ssl.CERT_REQUIRED
        _load_files(context, certificate, key, authority)
    contexts = TlsContexts(accepting, dialling)
    _try_out(contexts, local, certificate)
    return contexts


def _file(option: str, local: NodeId) -> str:
    path = option.replace("{name}", name_of(local))
    try:
        with Path(path).open("rb"):
            pass
    except OSError as error:
        reason = os.strerror(error.errno or 0).lower()
        raise TransportError(f"tcp: cannot read {path}: {reason}; see the tls_ options") from error
    return path


def _load_files(context: ssl.SSLContext, certificate: str, key: str, authority: str) -> None:
    try:
        # A password would be asked for on the terminal.
        context.load_cert_chain(certificate, key, password=lambda: "")
    except (ssl.SSLError, ValueError) as error:
        mismatch = getattr(error, "reason", None) == "KEY_VALUES_MISMATCH"
        raise TransportError(
            f"tcp: the key in {key} does not belong to the certificate in {certificate}"
            if mismatch
            else f"tcp: {certificate} and {key} hold no certificate and key in PEM form, "
            "without a password; write them anew"
        ) from error
    try:
        context.load_verify_locations(authority)
    except ssl.SSLError as error:
        raise TransportError(
            f"tcp: {authority} holds no certificate in PEM form; copy the authority's there"
        ) from error


def _try_out(contexts: TlsContexts, local: NodeId, certificate: str) -> None:
    """Have the endpoint shake hands with itself: no peer would take what it does not take."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    name = name_of(local) if local < FIRST_CLIENT_ID else None
    dialling = contexts.dialling
    # A client's certificate is not one to be dialled with: its name does not matter.
    dialling.check_hostname = name is not None
    ends = [
        dialling.wrap_bio(to_client, to_server, server_side=False, server_hostname=name),
        contexts.accepting.wrap_bio(to_server, to_client, server_side=True),
    ]
    try:
        for end in (*ends, *ends):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
        for end in reversed(ends):
            _read_to_end(end)
    except ssl.SSLError as error:
        raise TransportError(
            f"tcp: the certificate in {certificate} is of no use: {_reason(error)}; "
            f"have the authority sign a valid one{f' for the name {name}' if name else ''}"
        ) from error
    finally:
        dialling.check_hostname = True


def _reason(error: ssl.SSLError) -> str:
    """Return what is wrong, in one line."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message.rstrip(".")
    return (error.reason or "no handshake").replace("_", " ").lower()


def _read_to_end(end: ssl.SSLObject) -> bytes:
    """Return all that can be decrypted now. Raises `ssl.SSLError`."""
    parts: list[bytes] = []
    while True:
        try:
            part = end.read(_READ_BYTES)
        except (ssl.SSLWantReadError, ssl.SSLZeroReturnError):
            break
        if not part:
            break
        parts.append(part)
    return b"".join(parts)


class TlsSession(FrameReader):
    """One stream's TLS, in the place of its reader: takes ciphertext, gives frames."""

    __slots__ = ("_incoming", "_outgoing", "_shaken", "_sock", "failed", "tls")

    def __init__(
        self,
        frame_bytes_max: int,
        sock: socket.socket,
        context: ssl.SSLContext,
        server_hostname: str | None = None,
    ) -> None:
        super().__init__(frame_bytes_max)
        self._sock = sock
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._shaken = False
        self.failed = False
        self.tls = context.wrap_bio(
            self._incoming,
            self._outgoing,
            server_side=server_hostname is None,
            server_hostname=server_hostname,
        )

    def feed(self, data: bytes) -> list[bytes]:
        """Return the frames that `data` completes; the handshake's answers go out at once.

        Raises `FramingError`; `failed` tells whether it was TLS that failed.
        """
        self._incoming.write(data)
        try:
            if not self._shaken and not self.shake_hands():
                return []
            plain = _read_to_end(self.tls)
        except OSError as error:  # which an SSLError is as well
            self.failed = True
            raise FramingError(f"TLS failed: {error}") from error
        return super().feed(plain) if plain else []

    def shake_hands(self) -> bool:
        """Go on with the handshake; True when it is done. Raises `OSError` if it failed."""
        try:
            self.tls.do_handshake()
            self._shaken = True
        except ssl.SSLWantReadError:
            pass
        finally:
            # After a failure too: the peer learns of it from the alert.
            answer = self._outgoing.read()
            if answer and self._sock.send(answer) < len(answer):
                raise OSError("the socket did not take a whole handshake message")
        return self._shaken

    async def dial(self) -> None:
        """Shake hands as the one who dialled. Raises `OSError` if that fails."""
        while not self.shake_hands():
            await trio.lowlevel.wait_readable(self._sock)
            try:
                data = self._sock.recv(_READ_BYTES)
            except BlockingIOError:
                continue
            if not data:
                raise OSError("closed during the handshake")
            self._incoming.write(data)

    def join(self, frames: Sequence[bytes]) -> bytes:
        """Return the ciphertext of `frames` behind their lengths; see `join_frames`."""
        try:
            self.tls.write(join_frames(frames))
        except ssl.SSLError:
            # The peer has ended the session, and the stream is about to end.
            return b""
        return self._outgoing.read()

    def names(self) -> set[str]:
        """Return the DNS names in the peer's certificate."""
        certificate = self.tls.getpeercert() or {}
        entries = certificate.get("subjectAltName", ())
        return {str(entry[1]) for entry in entries if entry[0] == "DNS"}


class TlsTransport(TcpTransport):
    """An open TCP endpoint whose streams are TLS.

    More causes in `stats.dropped`, in streams: `tls_failed` (no TLS, or a certificate
    that is missing, expired, not the authority's, or not the dialled replica's) and
    `impostor` (a certificate of the authority, but not for the replica that the hello says).
    """

    def __init__(
        self,
        contexts: TlsContexts,
        local: NodeId,
        peers: Mapping[NodeId, str],
        listener: socket.socket | None,
        options: TcpOptions,
        nursery: trio.Nursery,
    ) -> None:
        super().__init__(local, peers, listener, options, nursery)
        self._contexts = contexts
        self._dialled_sessions: dict[socket.socket, TlsSession] = {}

    async def _dial(self, peer: NodeId) -> socket.socket | None:
        sock = await super()._dial(peer)
        if sock is None:
            return None
        session = TlsSession(self.frame_bytes_max, sock, self._contexts.dialling, name_of(peer))
        shaken = False
        try:
            with trio.move_on_after(self._options.hello_seconds):
                await session.dial()
                shaken = True
        except OSError:
            self.stats.dropped["tls_failed"] += 1
        finally:
            if not shaken:
                trio.lowlevel.notify_closing(sock)
                sock.close()
        if not shaken:
            return None
        self._dialled_sessions[sock] = session
        return sock

    def _adopt(self, sock: socket.socket, peer: NodeId | None) -> _Stream:
        stream = super()._adopt(sock, peer)
        session = self._dialled_sessions.pop(sock, None) or TlsSession(
            self.frame_bytes_max, sock, self._contexts.accepting
        )
        stream.reader, stream.join = session, session.join
        return stream

    def _identify(self, stream: _Stream, frame: bytes) -> bool:
        assert isinstance(stream.reader, TlsSession)
        sender = unpack_hello(frame).sender
        if sender < FIRST_CLIENT_ID and name_of(sender) not in stream.reader.names():
            self._drop_stream(stream, "impostor")
            return False
        return super()._identify(stream, frame)

    def _drop_stream(self, stream: _Stream, cause: str) -> None:
        assert isinstance(stream.reader, TlsSession)
        super()._drop_stream(stream, "tls_failed" if stream.reader.failed else cause)


__all__ = ["TlsContexts", "TlsSession", "TlsTransport", "load_contexts", "name_of", "securing"]
