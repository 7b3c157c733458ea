"""What tests of sessions ask of a talk."""

from collections.abc import Iterable, Sequence

import numpy as np

from flashtalk.stream.piece import VideoPiece
from flashtalk.stream.session import Session


def talk(session: Session, slices: Iterable[np.ndarray]) -> list[VideoPiece]:
    chunks = [chunk for samples in slices for chunk in session.push(samples)]
    return chunks + list(session.flush())


def picture(chunks: Sequence[VideoPiece]) -> np.ndarray:
    return np.concatenate([chunk.frames for chunk in chunks])


def sound(chunks: Sequence[VideoPiece]) -> np.ndarray:
    return np.concatenate([chunk.samples for chunk in chunks])


def nearly_equal(one: np.ndarray, other: np.ndarray) -> bool:
    """Up to one level of brightness, because decoding in pieces adds up in another order.

    Where the painters draw an edge, random weights make a few levels of it, in one value of 10,000.
    """
    if one.shape != other.shape:
        return False
    away = np.abs(one.astype(int) - other)
    return away.max() <= 4 and (away > 1).mean() < 1e-4
