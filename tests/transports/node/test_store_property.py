from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from store_cases import copied, make, opened

records = st.lists(st.binary(max_size=80), max_size=5)
some_records = st.lists(st.binary(max_size=80), min_size=1, max_size=5)
steps = st.one_of(
    st.tuples(st.just("write"), records),
    st.tuples(st.just("checkpoint"), some_records),
    st.tuples(st.just("reopen"), st.just([])),
    st.tuples(st.just("kill"), st.just([])),
    st.tuples(st.just("kill while writing"), some_records),
)


@settings(max_examples=150, deadline=None)
@given(
    steps=st.lists(steps, max_size=12),
    preallocate_bytes=st.sampled_from([0, 64, 5000]),
    cut=st.floats(0, 1),
)
def test_what_was_acknowledged_is_read_back(
    steps: list[tuple[str, list[bytes]]], preallocate_bytes: int, cut: float
) -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = make(Path(directory) / "0")
        store, found = opened(path, preallocate_bytes=preallocate_bytes)
        expected: list[bytes] = []
        for number, (kind, batch) in enumerate(steps, 1):
            if kind == "write":
                store.write(batch)
                expected = expected + batch
            elif kind == "checkpoint":
                store.write(batch, checkpoint=True)
                expected = batch
            else:
                old = store
                if kind == "kill while writing":
                    data, _ = _unfinished(old, batch, cut)
                    path = copied(path, Path(directory) / str(number))
                    with open(path / _log_name(old), "r+b") as log:
                        log.seek(old._segment.end)
                        log.write(data)
                elif kind == "kill":
                    path = copied(path, Path(directory) / str(number))
                old.close()
                store, found = opened(path, preallocate_bytes=preallocate_bytes)
                if kind == "kill while writing" and found != expected:
                    expected = expected + batch
                assert found == expected
        store.close()
        store, found = opened(path)
        store.close()
        assert found == expected


def _unfinished(store: object, batch: list[bytes], cut: float) -> tuple[bytes, int]:
    from transports.node.store.log_format import pack_batch

    segment = store._segment  # type: ignore[attr-defined]
    data, crc = pack_batch(segment.salt, segment.batches, batch)
    return data[: int(len(data) * cut)], crc


def _log_name(store: object) -> str:
    from transports.node.store.log_store import segment_name

    return segment_name(store._segment.generation)  # type: ignore[attr-defined]
