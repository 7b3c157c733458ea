"""``flashtalk serve --workers N``: engines of the page that run elsewhere, warm."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING

from flashtalk.cli.loading import recipe_for, size_of
from flashtalk.cli.serve_options import ServeOptions
from flashtalk.errors import FlashTalkError
from flashtalk.parallel.ranks import rank_count

if TYPE_CHECKING:
    from flashtalk.cluster.workers import Workers

NO_RAY = "--workers needs Ray, which is not installed: pip install '.[cluster]'."
NOT_BOTH = "--workers starts its processes itself: start without torchrun, or without --workers."
TOO_MANY = (
    "{workers} workers of {each} processors do not fit on this machine, which has {here}. Give "
    "fewer --workers or --threads, or a --cluster of several machines."
)


def check_workers(options: ServeOptions) -> None:
    """Refuse workers that cannot be.

    Raises:
        FlashTalkError: Ray is missing, torchrun has started this, or the machine is too small.
    """
    most = options.workers_max or options.workers
    if most is None:
        return
    if find_spec("ray") is None:
        raise FlashTalkError(NO_RAY)
    if rank_count() > 1:
        raise FlashTalkError(NOT_BOTH)
    each, here = _processors(options), os.cpu_count() or 1
    if options.cluster is None and most * each > here:
        raise FlashTalkError(TOO_MANY.format(workers=most, each=each, here=here))


@contextmanager
def workers_of(options: ServeOptions) -> Iterator[Workers]:
    """Workers as ``options`` ask for them, warm; they end with the block.

    Raises:
        FlashTalkError: there is no such cluster, or a worker cannot start.
    """
    from flashtalk.cluster.remote import Needs
    from flashtalk.cluster.scaling import Bounds
    from flashtalk.cluster.start import joined
    from flashtalk.cluster.workers import Workers

    assert options.workers is not None
    bounds = Bounds(options.workers, options.workers_max or options.workers)
    ranks, gpus = max(1, options.gpus_per_worker), min(1, options.gpus_per_worker)
    recipe = recipe_for(options, size_of(options.size)) | {"threads": options.threads or 1}
    sharing = {"ulysses": options.ulysses, "autoencoder": options.shared_autoencoder}
    needs = Needs(options.threads or 1, gpus, ranks, sharing)
    with joined(options.cluster, os.cpu_count() or 1), Workers(recipe, bounds, needs) as workers:
        workers.start()
        for notice in workers.keep_up() if options.size == "auto" else ():
            logging.info(notice)
        yield workers


def _processors(options: ServeOptions) -> int:
    return (options.threads or 1) * max(1, options.gpus_per_worker)
