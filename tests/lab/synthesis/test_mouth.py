"""Teeth and tongue of a mouth of a few boxes."""

from types import SimpleNamespace

import numpy as np
import pytest

from lab.synthesis.heads.mouth import settle_teeth, settle_tongue, teeth_shown

EDGE = 0.98


def box(x: float, bottom: float, top: float, z: float) -> np.ndarray:
    corners = [
        (x + dx, y, z + dz) for y in (bottom, top) for dx in (-0.02, 0.02) for dz in (0, 0.02)
    ]
    return np.array(corners)


def rows() -> tuple[np.ndarray, np.ndarray]:
    """Two rows of three teeth, which rise to the back, and the gum around them as one piece."""
    parts, triangles, start = [], [], 0
    places = ((0.0, 1.2), (0.1, 1.1), (-0.1, 1.1))
    for x, z in places:
        rise = 0.3 * (1.2 - z)
        parts.append(box(x, 1.03 + rise, 1.1 + rise, z))
        parts.append(box(x, 0.95 + rise, 1.02 + rise, z - 0.01))
    parts.append(np.array([(x, y, 1.15) for y in (0.8, 0.93, 1.14, 1.3) for x in (-0.1, 0, 0.1)]))
    for part in parts:
        fan = [(start, start + k, start + k + 1) for k in range(1, len(part) - 1)]
        triangles += fan
        start += len(part)
    return np.concatenate(parts), np.array(triangles)


def test_both_rows_meet_at_the_edge() -> None:
    points, triangles = rows()
    moved = settle_teeth(points, triangles, EDGE)
    upper, lower = moved[:8], moved[8:16]
    assert upper[:, 1].min() == pytest.approx(EDGE)
    assert lower[:, 1].max() == pytest.approx(EDGE)
    assert moved[:48, [0, 2]].tolist() == points[:48, [0, 2]].tolist()


def test_every_tooth_goes_with_its_row() -> None:
    points, triangles = rows()
    moved = settle_teeth(points, triangles, EDGE)
    down = (moved - points)[:48, 1].reshape(6, 8)
    assert down[::2] == pytest.approx(down[0, 0])
    assert down[1::2] == pytest.approx(down[1, 0])
    assert down[0, 0] != pytest.approx(down[1, 0])


def test_gums_keep_their_far_edges() -> None:
    points, triangles = rows()
    moved = settle_teeth(points, triangles, EDGE)
    gum_before, gum = points[48:, 1].reshape(4, 3), moved[48:, 1].reshape(4, 3)
    assert gum[[0, 3]] == pytest.approx(gum_before[[0, 3]])
    assert (gum[[1, 2]] < gum_before[[1, 2]]).all()
    assert (moved[48:, 2] <= points[48:, 2]).all()


def test_the_tongue_lies_below_the_edge_and_keeps_its_root() -> None:
    tongue = np.random.default_rng(0).uniform(0.7, 1.3, (50, 3))
    settled = settle_tongue(tongue, edge=1.0)
    assert settled[:, 1].max() < 1.0
    assert settled[:, 1].min() == pytest.approx(tongue[:, 1].min())
    assert (np.argsort(settled[:, 1]) == np.argsort(tongue[:, 1])).all()


def test_women_show_more_than_men_and_the_old_less_than_the_young() -> None:
    def mean(gender: str, age: str) -> float:
        people = (SimpleNamespace(seed=seed, gender=gender, age=age) for seed in range(200))
        return float(np.mean([teeth_shown(person) for person in people]))

    assert mean("female", "young") > mean("male", "young") > mean("male", "old") > 0
