from __future__ import annotations

from dataclasses import dataclass

import pytest

from transports.api import TransportError, read_options, split_host_port


@dataclass(frozen=True)
class Options:
    size_bytes: int = 10
    pause_seconds: float = 0.5


def test_options_have_defaults_and_take_an_int_for_a_float() -> None:
    assert read_options(Options, "x", {}) == Options(10, 0.5)
    assert read_options(Options, "x", {"pause_seconds": 2}) == Options(10, 2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 1}, "x has no option 'size'; its options are: pause_seconds, size_bytes"),
        ({"size_bytes": "1"}, "option size_bytes takes int, not '1'"),
        ({"size_bytes": True}, "option size_bytes takes int, not True"),
        ({"size_bytes": 1.5}, "option size_bytes takes int, not 1.5"),
        ({"size_bytes": 0}, "option size_bytes must be above zero, not 0"),
        ({"size_bytes": 1 << 41}, "option size_bytes is at most 1099511627776; give less"),
        ({"pause_seconds": float("inf")}, "option pause_seconds is at most 1099511627776"),
        ({"pause_seconds": float("nan")}, "option pause_seconds must be above zero, not nan"),
    ],
)
def test_wrong_options_are_named(options: dict[str, object], message: str) -> None:
    with pytest.raises(TransportError) as raised:
        read_options(Options, "x", options)
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("127.0.0.1:1", ("127.0.0.1", 1)),
        ("[::1]:65535", ("::1", 65535)),
        ("node-1.example:7000", ("node-1.example", 7000)),
    ],
)
def test_addresses_split(address: str, expected: tuple[str, int]) -> None:
    assert split_host_port(address) == expected


@pytest.mark.parametrize(
    "address",
    ["", ":", "host", "host:", ":7000", "host:0", "host:65536", "host:-1", "host:7x", "::1:7000",
     "[::1]", "[::1]:", "[host]:7000", "[]:7000", "a b:7000", "host:٧", "http://host:80"],
)  # fmt: skip
def test_bad_addresses_are_refused_in_one_line(address: str) -> None:
    with pytest.raises(TransportError, match=r"^bad address .*: write host:port") as raised:
        split_host_port(address)
    assert "\n" not in str(raised.value)
