"""CURVE for the ZeroMQ transport: the keys, and who may connect with which.

A directory holds, as `zmq.auth.create_certificates` writes them, the public keys of
all: `node-1.key` and so on for the replicas, and any other names that end in `.key`
for clients. Beside them lies the secret of the endpoint that runs there:
`node-1.key_secret`, or `client.key_secret`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import trio
import zmq
from zmq.auth.certs import load_certificate
from zmq.utils import z85

from transports.api import FIRST_CLIENT_ID, NodeId, TransportError

CLIENT_USER = "client"
_REPLICA_FILE = re.compile(r"node-([1-9][0-9]{0,4})\.key")
_KEY_BYTES = 32
_ZAP_ADDRESS = "inproc://zeromq.zap.01"
_ZAP_VERSION = b"1.0"
_ZAP_REQUEST_PARTS = 7


@dataclass(frozen=True, slots=True)
class CurveKeys:
    """The keys of one endpoint and of those it knows; all in ZeroMQ's printable form, Z85."""

    public: bytes
    secret: bytes
    replicas: dict[NodeId, bytes]
    users: dict[bytes, str]
    """A raw public key -> whose it is: a replica's id in decimal, or `client`."""


def user_of(endpoint: NodeId) -> str:
    """Return the user that must stand behind a frame of `endpoint`."""
    return CLIENT_USER if endpoint >= FIRST_CLIENT_ID else str(endpoint)


def load_keys(directory: str, local: NodeId, peers: Iterable[NodeId]) -> CurveKeys:
    """Read the keys that endpoint `local` needs. Raises `TransportError` naming the file."""
    folder = Path(directory)
    if not folder.is_dir():
        raise TransportError(f"zeromq: curve_keys names no directory: {directory}; make it first")
    name = "client" if local >= FIRST_CLIENT_ID else f"node-{local}"
    public, secret = _load(folder / f"{name}.key_secret")
    if secret is None:
        raise TransportError(
            f"zeromq: {folder / name}.key_secret holds no secret key; "
            "write it with zmq.auth.create_certificates"
        )
    if zmq.curve_public(secret) != public:
        raise TransportError(
            f"zeromq: the two keys in {folder / name}.key_secret are not a pair; make them anew"
        )
    replicas: dict[NodeId, bytes] = {}
    users: dict[bytes, str] = {}
    for file in sorted(folder.glob("*.key")):
        key, _ = _load(file)
        replica = _REPLICA_FILE.fullmatch(file.name)
        user = replica[1] if replica else CLIENT_USER
        if users.setdefault(z85.decode(key), user) != user or (
            replica and key in replicas.values()
        ):
            raise TransportError(f"zeromq: {file} holds the key of another; give each its own")
        if replica:
            replicas[int(replica[1])] = key
    for peer in peers:
        if peer not in replicas:
            raise TransportError(
                f"zeromq: the public key of replica {peer} is missing: "
                f"copy it to {folder / f'node-{peer}.key'}"
            )
    if replicas.get(local, public) != public:
        raise TransportError(
            f"zeromq: {folder / name}.key and {name}.key_secret differ; copy the public key anew"
        )
    return CurveKeys(public, secret, replicas, users)


def _load(file: Path) -> tuple[bytes, bytes | None]:
    """Read a file of keys and check their form."""
    try:
        public, secret = load_certificate(os.fspath(file))
    except (OSError, ValueError) as error:
        reason = "is missing or cannot be read" if isinstance(error, OSError) else "holds no key"
        raise TransportError(
            f"zeromq: the key file {file} {reason}; write it with zmq.auth.create_certificates"
        ) from error
    for key in (public, secret):
        if key is not None and not _is_key(key):
            raise TransportError(
                f"zeromq: the key file {file} is malformed: a key has 40 characters of Z85"
            )
    return public, secret


def _is_key(key: bytes) -> bool:
    if len(key) != _KEY_BYTES * 5 // 4:
        return False
    try:
        return len(z85.decode(key)) == _KEY_BYTES
    except Exception:  # the decoder raises what it meets: KeyError, struct.error
        return False


def secure_listener(router: zmq.Socket[bytes], keys: CurveKeys) -> None:
    """Have `router` take only connections that CURVE protects. Before it is bound."""
    router.curve_server = True
    router.curve_publickey = keys.public
    router.curve_secretkey = keys.secret


def secure_dialler(router: zmq.Socket[bytes], keys: CurveKeys, peer: NodeId) -> None:
    """Have the next connection of `router` reach only who has the secret key of `peer`."""
    router.curve_publickey = keys.public
    router.curve_secretkey = keys.secret
    router.curve_serverkey = keys.replicas[peer]


class Gatekeeper:
    """Answers, for one context, whether a public key may connect (RFC 27, ZAP)."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], keys: CurveKeys) -> None:
        self._users = keys.users
        self._socket = context.socket(zmq.REP)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.bind(_ZAP_ADDRESS)

    async def run(self) -> None:
        """Answer for ever; the only task that uses this socket."""
        fd = self._socket.fileno()
        while True:
            try:
                while True:
                    self._answer(self._socket.recv_multipart(zmq.NOBLOCK))
            except zmq.Again:
                await trio.lowlevel.wait_readable(fd)

    def _answer(self, request: list[bytes]) -> None:
        user = None
        if len(request) == _ZAP_REQUEST_PARTS and request[0] == _ZAP_VERSION:
            user = self._users.get(request[6]) if request[5] == b"CURVE" else None
        status, text = (b"200", b"OK") if user else (b"400", b"unknown key")
        number = request[1] if len(request) > 1 else b""
        self._socket.send_multipart(
            [_ZAP_VERSION, number, status, text, (user or "").encode(), b""], zmq.NOBLOCK
        )

    def close(self) -> None:
        """Close the socket."""
        trio.lowlevel.notify_closing(self._socket.fileno())
        self._socket.close()


__all__ = [
    "CurveKeys",
    "Gatekeeper",
    "load_keys",
    "secure_dialler",
    "secure_listener",
    "user_of",
]
