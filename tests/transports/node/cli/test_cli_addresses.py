"""An address in another transport's notation is refused at the start, by every transport."""

from __future__ import annotations

from pathlib import Path

import pytest

ADDRESSES = {
    "host and port": "127.0.0.{}:7101",
    "IPv6 and port": "[::{}]:7101",
    "ZeroMQ over TCP": "tcp://127.0.0.{}:7101",
    "ZeroMQ over UNIX sockets": "ipc:///run/paxos-{}",
    "a MAC": "02:50:41:58:00:0{}",
    "a hub": "hub/{}",
}
OWN = {
    "tcp": {"host and port", "IPv6 and port"},
    "udp": {"host and port", "IPv6 and port"},
    "zeromq": {"ZeroMQ over TCP", "ZeroMQ over UNIX sockets"},
    "ethernet": {"a MAC"},
}
OPTIONS = {"ethernet": '[transport_options]\ninterface = "lo"\n'}
WRONG = [
    (transport, kind) for transport, own in OWN.items() for kind in ADDRESSES if kind not in own
]


def write(transport: str, first: str, second: str) -> None:
    Path("paxos.toml").write_text(
        f'transport = "{transport}"\nstore = "memory"\n{OPTIONS.get(transport, "")}'
        f'[nodes]\n1 = "{first}"\n2 = "{second}"\n'
    )


@pytest.mark.parametrize(("transport", "kind"), WRONG)
def test_all_in_another_notation(paxos, home: Path, transport: str, kind: str) -> None:
    form = ADDRESSES[kind]
    write(transport, form.format(1), form.format(2))
    refused(paxos, transport, 1, form.format(1))


@pytest.mark.parametrize(("transport", "kind"), WRONG)
def test_one_peer_in_another_notation(paxos, home: Path, transport: str, kind: str) -> None:
    own = ADDRESSES[min(OWN[transport])]
    write(transport, own.format(1), ADDRESSES[kind].format(2))
    refused(paxos, transport, 2, ADDRESSES[kind].format(2))


def refused(paxos, transport: str, replica: int, address: str) -> None:
    """Both a node and a client say whose address is wrong, and what one looks like."""
    for arguments in (["node", 1, "--first-start"], ["submit", "x"], ["status"]):
        result = paxos(*arguments)
        assert result.status == 2, result.err
        said = f"{transport}: replica {replica}: bad address {address!r}: write "
        assert said in result.complaint


@pytest.mark.parametrize(
    ("transport", "options", "message"),
    [
        ("ethernet", "", "the option interface is missing"),
        ("ethernet", 'interface = "lo"\nsped = 1\n', "has no option 'sped'"),
        ("udp", 'interface = "lo"\n', "has no option 'interface'"),
        ("tcp", "clients_max = 5\n", "has no option 'clients_max'"),
        ("zeromq", "connections_max = 5\n", "has no option 'connections_max'"),
    ],
)
def test_options_of_another_transport(
    paxos, home: Path, transport: str, options: str, message: str
) -> None:
    own = ADDRESSES[min(OWN[transport])]
    write(transport, own.format(1), own.format(2))
    with open("paxos.toml", "a") as file:
        file.write(f"[transport_options]\n{options}")
    text = Path("paxos.toml").read_text().replace(OPTIONS.get(transport, "\0"), "", 1)
    Path("paxos.toml").write_text(text)
    result = paxos("node", 1, "--first-start")
    assert result.status == 2
    assert message in result.complaint
