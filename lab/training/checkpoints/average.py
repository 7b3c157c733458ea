"""Between two trainings: the weights that lie so far on the way from one run to another.

    python -m lab.training.checkpoints.average --first runs/stage1 --second runs/stage2 \\
        --share 0.7 --out runs/between

A network that is trained on often learns the new at the expense of the old. A point on the straight
line between both has most of both (weight-space ensembles, Wortsman et al. 2022). A share of 2 goes
as far again: from one of two networks and their mean it gives the other. Writes a run as a training
does, which ``lab.training.checkpoints.export`` and ``--init`` read.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from flashtalk.errors import FlashTalkError, command
from lab.options import read_options
from lab.training.loop import read_checkpoint, write_checkpoint


def between(
    first: Mapping[str, Tensor],
    second: Mapping[str, Tensor],
    share: float,
    whole: Sequence[str] = (),
) -> dict[str, Tensor]:
    """``share`` of the way from the weights of ``first`` to those of ``second``.

    Tensors that are no floating-point numbers are ``second``'s. So are those whose name begins with
    one of ``whole``. Raises :class:`FlashTalkError` if the two are not of the same network or
    ``share`` is not in 0..2. It is also raised if nothing is named so.
    """
    if not 0.0 <= share <= 2.0:
        raise FlashTalkError(f"The share must be between 0 and 2, got {share:g}.")
    shapes = [{name: value.shape for name, value in run.items()} for run in (first, second)]
    if shapes[0] != shapes[1]:
        other = sorted(name for name, _ in shapes[0].items() ^ shapes[1].items())
        raise FlashTalkError(
            f"The two runs are of different networks: they differ in {other[0]}. Give two "
            "trainings of the same network, made by the same version of the code."
        )
    unknown = [each for each in whole if not any(name.startswith(each) for name in first)]
    if unknown:
        raise FlashTalkError(f"The two runs have no weights that begin with {unknown[0]!r}.")
    return {
        name: value.lerp(second[name], share)
        if value.is_floating_point() and not name.startswith(tuple(whole))
        else second[name]
        for name, value in first.items()
    }


@dataclass(frozen=True, kw_only=True)
class Average:
    """Write the run that lies between two others."""

    first: Path
    """Folder of a training."""
    second: Path
    """Folder of one that went on."""
    share: float
    """0 is the first, 1 the second, 2 as far again."""
    whole: tuple[str, ...] = ()
    """Beginnings of the names of weights that are taken from the second alone."""
    out: Path
    """Folder of the new run."""


def average_runs(config: Average) -> None:
    """Write the run that ``config`` describes; raises as :func:`between` does."""
    first, second = (read_checkpoint(run) for run in (config.first, config.second))
    average = between(first["average"], second["average"], config.share, config.whole)
    write_checkpoint(config.out, {"average": average, "step": second["step"]})


@command
def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point."""
    average_runs(read_options(Average, arguments))


if __name__ == "__main__":
    sys.exit(main())
