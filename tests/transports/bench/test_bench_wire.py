import pytest

from transports.bench import wire


class Chunks:
    """A stream that yields what it was given."""

    def __init__(self, *chunks: bytes) -> None:
        self._chunks = list(chunks)

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        return self._chunks.pop(0) if self._chunks else b""


async def test_messages_survive_any_cut() -> None:
    data = wire.pack({"a": 1}) + wire.pack({"b": [2, "x\n"]})
    for cut in range(len(data)):
        source = Chunks(*filter(None, (data[:cut], data[cut:])))
        assert [message async for message in wire.read_messages(source)] == [
            {"a": 1},
            {"b": [2, "x\n"]},
        ]


@pytest.mark.parametrize("line", [b"Traceback", b"[1]", b"\xff"])
def test_what_is_no_object_is_an_error(line: bytes) -> None:
    with pytest.raises(wire.WireError):
        wire.parse(line)


async def test_a_line_without_an_end_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "LINE_BYTES_MAX", 10)
    with pytest.raises(wire.WireError, match="never ends"):
        [message async for message in wire.read_messages(Chunks(b"x" * 11))]
