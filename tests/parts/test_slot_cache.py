"""The pool of cached keys and values: who is written where, and what survives."""

from __future__ import annotations

from typing import Any

import numpy as np

from espnet_onnx.parts.slot_cache import SlotCache

HEADS, WIDTH = 2, 3


def rows(tags: Any) -> list[Any]:
    """New slots (B, H) that carry their tag in every number."""
    tags = np.asarray(tags, np.float32)
    wide = np.broadcast_to(tags[:, None, :, None], (len(tags), HEADS, tags.shape[1], WIDTH))
    return [wide, -wide]


def tags(cache: SlotCache, ancestors: Any) -> Any:
    """What the slots of every hypothesis hold, (B, H, U)."""
    key, value = cache.slots["key"], cache.slots["value"]
    assert (key == -value).all()
    own = [pool[0, :, 0][slots] for pool, slots in zip(key, ancestors, strict=True)]
    return np.stack(own)


def empty(batch: int = 1) -> SlotCache:
    return SlotCache.empty(batch, {"key": (HEADS, WIDTH), "value": (HEADS, WIDTH)})


def test_slots_are_written_once_and_in_place() -> None:
    cache = empty()
    pool = cache.slots["key"]
    assert cache.write(rows([[1]])).tolist() == [0]
    assert cache.write(rows([[2, 3]])).tolist() == [1, 2]
    same, ancestors = cache.room(2, np.array([[[0, 1], [0, 2]]]), 3)
    assert same is cache
    assert same.slots["key"] is pool
    assert tags(same, ancestors).tolist() == [[[1, 2], [1, 3]]]
    assert not pool[:, :, 3:].any()


def test_a_full_pool_keeps_what_is_descended_from_in_every_utterance() -> None:
    cache = empty(batch=2)
    size = cache.size
    cache.write(rows(np.arange(2 * size).reshape(2, size)))
    old = np.array([[[7, 9], [7, 3]], [[5, 60], [8, 2]]])
    wanted = tags(cache, old)
    new, ancestors = cache.room(4, old, cache.used)
    assert new is not cache
    assert new.used == 4  # utterance 1 has the most survivors
    assert tags(new, ancestors).tolist() == wanted.tolist()
    assert ancestors.max() < new.used
    assert new.used + 4 <= new.size


def test_pool_grows_with_what_survives() -> None:
    cache, ancestors = empty(), np.zeros((1, 20, 0), np.int64)
    for step in range(30):
        cache, ancestors = cache.room(20, ancestors, cache.used)
        own = cache.write(rows([np.arange(20) + 20 * step]))
        ancestors = np.concatenate([ancestors, own[None, :, None]], axis=2)
    assert (tags(cache, ancestors)[0] == np.arange(600).reshape(30, 20).T).all()


def test_shared_prefixes_keep_the_pool_small() -> None:
    cache, ancestors = empty(), np.zeros((1, 10, 0), np.int64)
    for step in range(300):
        cache, ancestors = cache.room(10, ancestors, cache.used)
        own = cache.write(rows([np.full(10, step)]))
        ancestors = np.concatenate([ancestors, own[None, :, None]], axis=2)[:, [0] * 10]
    assert cache.size < 600  # every hypothesis for itself would hold 3000
    assert (tags(cache, ancestors)[0, 0] == np.arange(300)).all()


def test_an_older_state_gets_a_copy() -> None:
    cache = empty()
    cache.write(rows([[1, 2]]))
    cache.write(rows([[3, 4]]))
    fork, ancestors = cache.room(2, np.array([[[0], [1]]]), 2)
    assert fork is not cache
    fork.write(rows([[5, 6]]))
    assert tags(cache, np.array([[[2, 3]]])).tolist() == [[[3, 4]]]
    assert tags(fork, ancestors).tolist() == [[[1], [2]]]


def test_a_pool_of_some_utterances() -> None:
    cache = empty(3)
    cache.write(rows([[1], [2], [3]]))
    kept = cache.keep(np.array([0, 2]))
    assert tags(kept, np.zeros((2, 1, 1), np.int64)).ravel().tolist() == [1, 3]
    kept.write(rows([[4], [5]]))
    assert (kept.used, cache.used) == (2, 1)
    assert tags(kept, np.ones((2, 1, 1), np.int64)).ravel().tolist() == [4, 5]
