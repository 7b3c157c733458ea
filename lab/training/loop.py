"""The training loop that every entry point shares: schedule, averages, checkpoints, resume, stop.

Knows nothing of what is trained: a step is a function that returns a loss and figures to log. One
network trains alone (:func:`train`), or several take turns (:func:`train_together`): Stage 2 has a
generator and a critic. Checkpoints are written to a temporary name and renamed, so that a stop
never leaves half a file. They hold whole tensors, so a training may go on with another number of
ranks.
"""

from __future__ import annotations

import json
import logging
import math
import signal
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from flashtalk.errors import FlashTalkError
from lab.options import require_at_least, require_shares
from lab.training.distributed import ALONE, Ranks, gathered, scattered

log = logging.getLogger(__name__)

T = TypeVar("T")
Model = TypeVar("Model", bound=nn.Module)

CHECKPOINT = "checkpoint.pt"  # in the folder of a training

Step = Callable[[int], tuple[Tensor, dict[str, float]]]


@dataclass(frozen=True)
class LoopConfig:
    """How long and how fast to train. The command lines of trainings extend it."""

    out: Path
    """Folder of ``checkpoint.pt`` and ``log.jsonl``; a training that is there goes on."""
    steps: int
    """Length of the cosine schedule."""
    rate: float = 1e-3
    """Learning rate at its peak."""
    warmup_steps: int = 100
    final_share: float = 0.02
    """Where the cosine ends, as a share of the peak; 1 keeps the rate constant."""
    weight_decay: float = 0.01
    clip_norm: float = 1.0
    """Gradients that are longer are shortened to this."""
    accumulate: int = 1
    """Batches whose gradients are averaged before an update."""
    average_decay: float = 0.998
    """Decay of the exponential moving average of the weights, which is what ships."""
    checkpoint_every_s: float = 120.0
    """Seconds between checkpoints; there is one at the end and after a stop besides."""
    log_every: int = 20
    """Steps between lines of the log."""

    def __post_init__(self) -> None:
        require_at_least(1, self, "steps", "accumulate", "log_every")
        require_at_least(0, self, "rate", "warmup_steps", "checkpoint_every_s")
        require_shares(self, "final_share")
        if not 0.0 <= self.average_decay < 1.0:
            raise ValueError(f"average_decay must be in [0, 1), got {self.average_decay}")

    def share_at(self, step: int) -> float:
        """Linear warm-up, then a cosine to ``final_share``, as a share of the peak rate."""
        if step < self.warmup_steps:
            return (step + 1) / self.warmup_steps
        progress = min(1.0, (step - self.warmup_steps) / max(1, self.steps - self.warmup_steps))
        height = 0.5 * (1.0 + math.cos(math.pi * progress))
        return self.final_share + (1.0 - self.final_share) * height


@dataclass(frozen=True)
class Trainee:
    """One network and how it is updated."""

    name: str
    model: nn.Module
    step: Step
    """Called with the number of the batch: ``step * accumulate`` + batches of this step so far."""
    rate: float
    """Peak rate; the schedule is the loop's."""
    betas: tuple[float, float] = (0.9, 0.98)
    every: int = 1
    """Updated at each so many-th step, beginning with the first."""


def train(model: nn.Module, step: Step, config: LoopConfig) -> None:
    """Train ``model`` in place until ``config.steps`` or a stop signal; resumes by itself."""
    train_together([Trainee("model", model, step, config.rate)], config)


def train_together(trainees: Sequence[Trainee], config: LoopConfig, ranks: Ranks = ALONE) -> None:
    """Train several networks in turns, in their order within each step; resumes by itself.

    The first one is what ships: it has the average. The checkpoint holds it as a training of this
    network alone would. Each trainee's optimizer sees its own model only, whatever else its loss
    runs through.
    """
    if ranks.leads:
        config.out.mkdir(parents=True, exist_ok=True)
    runs = [_Run(trainee, config) for trainee in trainees]
    average = {name: value.detach().clone() for name, value in runs[0].model.state_dict().items()}
    done = resume(config.out, runs, average)
    stop = {"asked": False}
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.update(asked=True))

    journal = _Journal(config, ranks)
    saved_s = time.monotonic()
    stopping = False
    while done < config.steps and not stopping:
        for run in runs:
            if done % run.trainee.every == 0:
                journal.add(run.update(done, ranks))
        if done % runs[0].trainee.every == 0:
            updates = done // runs[0].trainee.every
            decay = min(config.average_decay, (1 + updates) / (10 + updates))
            update_average(average, runs[0].model, decay)
        done += 1
        journal.close_step(done)
        # every rank has to save and to stop after the same step
        stopping = ranks.any(stop["asked"])
        if ranks.any(time.monotonic() - saved_s > config.checkpoint_every_s):
            save(config, done, runs, average, ranks)
            saved_s = time.monotonic()
    save(config, done, runs, average, ranks)
    log.info("stopped at step %d of %d; checkpoint in %s", done, config.steps, config.out)


class _Run:
    """A trainee with its optimizer."""

    def __init__(self, trainee: Trainee, config: LoopConfig) -> None:
        self.trainee = trainee
        self.model = trainee.model
        self.config = config
        self.parameters = [p for p in trainee.model.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(
            self.parameters,
            lr=trainee.rate,
            betas=trainee.betas,
            weight_decay=config.weight_decay,
        )

    def update(self, step: int, ranks: Ranks) -> dict[str, float]:
        """One update of the weights; the figures to log."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.trainee.rate * self.config.share_at(step)
        self.optimizer.zero_grad(set_to_none=True)
        figures: dict[str, float] = {}
        count = self.config.accumulate
        for batch in range(count):
            loss, values = self.trainee.step(step * count + batch)
            (loss / count).backward()
            for name, value in values.items():
                figures[name] = figures.get(name, 0.0) + value / count
        ranks.average_gradients(self.parameters)
        nn.utils.clip_grad_norm_(self.parameters, self.config.clip_norm)
        self.optimizer.step()
        return figures

    def state(self, keep: bool) -> dict[str, Any]:
        """Model and optimizer, whole tensors on the CPU where ``keep`` is set. Collective."""
        return {
            "model": gathered(self.model.state_dict(), keep),
            "optimizer": gathered(self.optimizer.state_dict(), keep),
        }

    def load(self, state: dict[str, Any]) -> None:
        """The reverse of :meth:`state`."""
        self.model.load_state_dict(scattered(state["model"], self.model.state_dict()))
        moments = state["optimizer"]["state"]
        own = dict(enumerate(self.parameters))
        placed = {
            index: scattered(values, dict.fromkeys(values, own[index]))
            for index, values in moments.items()
        }
        self.optimizer.load_state_dict(state["optimizer"] | {"state": placed})


class _Journal:
    """``log.jsonl`` and the console: means of the figures since the last line."""

    def __init__(self, config: LoopConfig, ranks: Ranks) -> None:
        self.config = config
        self.path = config.out / "log.jsonl" if ranks.leads else None
        self.sums: dict[str, tuple[float, int]] = {}
        self.since_s = time.monotonic()

    def add(self, figures: dict[str, float]) -> None:
        """Figures of one update."""
        for name, value in figures.items():
            total, count = self.sums.get(name, (0.0, 0))
            self.sums[name] = (total + value, count + 1)

    def close_step(self, done: int) -> None:
        """Writes a line when it is time for one."""
        if done % self.config.log_every:
            return
        pace_s = (time.monotonic() - self.since_s) / self.config.log_every
        record: dict[str, float] = {"step": done, "s_per_step": round(pace_s, 3)}
        record |= {name: round(total / count, 5) for name, (total, count) in self.sums.items()}
        if self.path:
            with self.path.open("a") as lines:
                lines.write(json.dumps(record) + "\n")
            log.info("%s (%.0f min left)", record, pace_s * (self.config.steps - done) / 60)
        self.sums, self.since_s = {}, time.monotonic()


@torch.no_grad()
def update_average(average: dict[str, Tensor], model: nn.Module, decay: float) -> None:
    """Exponential moving average of weights; statistics and counters are copied."""
    for name, value in model.state_dict().items():
        if value.dtype.is_floating_point and "running_" not in name:
            average[name].lerp_(value, 1.0 - decay)
        else:
            average[name].copy_(value)


def save(
    config: LoopConfig,
    done: int,
    runs: Sequence[_Run],
    average: dict[str, Tensor],
    ranks: Ranks,
) -> None:
    """Write ``checkpoint.pt`` atomically. Collective: every rank gathers, the leader writes."""
    states = [run.state(ranks.leads) for run in runs]
    state = states[0] | {
        "step": done,
        "average": gathered(average, ranks.leads),
        "others": {
            run.trainee.name: other for run, other in zip(runs[1:], states[1:], strict=True)
        },
        "config": {name: str(value) for name, value in asdict(config).items()},
    }
    if ranks.leads:
        write_checkpoint(config.out, state)


def write_checkpoint(out: Path, state: dict[str, Any]) -> None:
    """Write the checkpoint of ``out``; what was there stays whole until the new one is."""
    out.mkdir(parents=True, exist_ok=True)
    temporary = (out / CHECKPOINT).with_suffix(".tmp")
    torch.save(state, temporary)
    temporary.rename(out / CHECKPOINT)


def has_checkpoint(out: Path) -> bool:
    """Whether a training in ``out`` has left anything yet."""
    return (out / CHECKPOINT).is_file()


def resume(out: Path, runs: Sequence[_Run], average: dict[str, Tensor]) -> int:
    """Load the newest checkpoint of ``out`` if there is one; returns the steps done."""
    if not has_checkpoint(out):
        return 0
    state = read_checkpoint(out)
    runs[0].load(state)
    for run in runs[1:]:
        run.load(state["others"][run.trainee.name])
    for name, value in scattered(state["average"], average).items():
        average[name].copy_(value)
    log.info("resuming %s at step %d", out, state["step"])
    return int(state["step"])


def read_checkpoint(out: Path) -> dict[str, Any]:
    """What a finished or running training left: ``average``, its averaged weights, ``step``, ...

    Raises :class:`FlashTalkError` if there is no checkpoint in ``out``.
    """
    if not has_checkpoint(out):
        raise FlashTalkError(
            f"There is no checkpoint in {out}. Give the folder that a training was given as --out; "
            "it holds one from the first minutes on."
        )
    # mapped: most of it are the optimizer's numbers, which few want
    return torch.load(out / CHECKPOINT, map_location="cpu", weights_only=True, mmap=True)


def load_average(out: Path, model: Model) -> Model:
    """Put the averaged weights of a finished or running training into ``model``."""
    model.load_state_dict(read_checkpoint(out)["average"])
    return model.eval().requires_grad_(False)


def device_of(model: nn.Module) -> torch.device:
    """Where the weights of ``model`` are; without weights, the CPU."""
    return next((weight.device for weight in model.parameters()), torch.device("cpu"))


def load_part(out: Path, part: str, module: Model) -> Model:
    """Put the averaged weights below ``part.`` of a training's checkpoint into ``module``."""
    average = read_checkpoint(out)["average"]
    prefix = part + "."
    module.load_state_dict(
        {name.removeprefix(prefix): v for name, v in average.items() if name.startswith(prefix)}
    )
    return module.eval().requires_grad_(False)


def load_trained(out: Path, beginnings: tuple[str, ...], module: Model) -> Model:
    """Put the averaged weights whose names begin so into ``module``; the others stay."""
    average = read_checkpoint(out)["average"]
    chosen = {name: value for name, value in average.items() if name.startswith(beginnings)}
    missing = module.load_state_dict(chosen, strict=False).unexpected_keys
    if missing or not chosen:
        raise FlashTalkError(
            f"{out} holds no weights that fit {', '.join(beginnings)} "
            f"({len(missing)} do not exist there). Train with this version of the code."
        )
    return module.eval().requires_grad_(False)


def prefetched(make: Callable[[], T], workers: int = 1) -> Iterator[T]:
    """Endless results of ``make``, made in threads while those before are trained on.

    With more than one of the ``workers``, ``make`` runs in several threads at once. That is safe
    for functions that share nothing but data and one of numpy's generators, which lock themselves.
    Who draws what is then a matter of chance. Raises :class:`FlashTalkError` without workers.
    """
    if workers < 1:
        raise FlashTalkError(
            f"Batches are made by one thread or more, got {workers}. Give --workers 1 or more."
        )
    return _prefetched(make, workers)


def _prefetched(make: Callable[[], T], workers: int) -> Iterator[T]:
    with ThreadPoolExecutor(workers) as pool:
        coming = deque(pool.submit(make) for _ in range(workers))
        while True:
            made = coming.popleft().result()
            coming.append(pool.submit(make))
            yield made
