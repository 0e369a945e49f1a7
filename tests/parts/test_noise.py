from __future__ import annotations

import numpy as np

from espnet_onnx.parts.noise import Excerpts, Gaussian


def test_it_is_standard_normal() -> None:
    values = Gaussian(0)("prior", (1, 50, 4000)).ravel()
    assert values.dtype == np.float32
    assert abs(values.mean()) < 0.01 and abs(values.std() - 1) < 0.01
    for z, share in ((-1.96, 0.025), (0.0, 0.5), (1.2816, 0.9)):
        assert abs((values < z).mean() - share) < 0.004
    assert abs(np.corrcoef(values[:-1], values[1:])[0, 1]) < 0.01
    assert abs(np.corrcoef(values[:-4000], values[4000:])[0, 1]) < 0.01


def test_a_value_stays_whatever_is_beside_it() -> None:
    whole = Gaussian(5)("prior", (3, 8, 20))
    np.testing.assert_array_equal(whole[0], whole[2])
    np.testing.assert_array_equal(Gaussian(5)("prior", (1, 8, 7))[0], whole[1, :, :7])
    np.testing.assert_array_equal(Gaussian(5)("prior", (1, 3, 20))[0], whole[1, :3])


def test_seed_part_name_and_turn_tell_noises_apart() -> None:
    noise = Gaussian(0)
    drawn = [noise("a", (1, 9)), noise("a", (1, 9)), noise("b", (1, 9))]
    drawn += [Gaussian(1)("a", (1, 9)), Gaussian(0, 1)("a", (1, 9))]
    assert len({array.tobytes() for array in drawn}) == len(drawn)
    np.testing.assert_array_equal(Gaussian(0)("a", (1, 9)), drawn[0])


def test_it_is_the_same_on_every_machine() -> None:
    known = [-1.8539553, 1.2711673, -1.6863201]
    np.testing.assert_allclose(Gaussian(777)("prior", (1, 3))[0], known, rtol=1e-5)


def test_excerpts_are_parts_of_one_whole() -> None:
    excerpts = Excerpts(Gaussian(0), 10)
    twice = Gaussian(0)
    first, second = twice("vocoder", (1, 2, 30)), twice("vocoder", (1, 2, 30))
    for begin, end in ((0, 4), (3, 10), (0, 10), (0, 10)):
        part = excerpts.between(begin, end)
        shape = (1, 2, 3 * (end - begin))
        np.testing.assert_array_equal(part("vocoder", shape), first[..., 3 * begin : 3 * end])
        np.testing.assert_array_equal(part("vocoder", shape), second[..., 3 * begin : 3 * end])
