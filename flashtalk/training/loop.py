"""The training loop that every entry point shares: schedule, averages, checkpoints, resume, stop.

Knows nothing of what is trained: a step is a function that returns a loss and figures to log.
Checkpoints are written to a temporary name and renamed, so that a stop never leaves half a file.
"""

from __future__ import annotations

import json
import logging
import math
import signal
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

log = logging.getLogger(__name__)

Step = Callable[[int], tuple[Tensor, dict[str, float]]]


@dataclass(frozen=True)
class LoopConfig:
    """How long and how fast to train."""

    out: Path
    """Folder of ``checkpoint.pt`` and ``log.jsonl``."""
    steps: int
    """Length of the cosine schedule."""
    learning_rate: float = 1e-3
    warmup_steps: int = 100
    weight_decay: float = 0.01
    clip_norm: float = 1.0
    average_decay: float = 0.998
    """Decay of the exponential moving average of the weights, which is what ships."""
    checkpoint_every_s: float = 120.0
    log_every: int = 20

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ValueError(f"steps must be at least 1, got {self.steps}")
        if not 0.0 <= self.average_decay < 1.0:
            raise ValueError(f"average_decay must be in [0, 1), got {self.average_decay}")

    def rate_at(self, step: int) -> float:
        """Linear warm-up, then a cosine to 2 % of the peak."""
        if step < self.warmup_steps:
            return self.learning_rate * (step + 1) / self.warmup_steps
        progress = min(1.0, (step - self.warmup_steps) / max(1, self.steps - self.warmup_steps))
        return self.learning_rate * (0.02 + 0.98 * 0.5 * (1.0 + math.cos(math.pi * progress)))


def train(model: nn.Module, step: Step, config: LoopConfig) -> None:
    """Train ``model`` in place until ``config.steps`` or a stop signal; resumes by itself."""
    config.out.mkdir(parents=True, exist_ok=True)
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(
        parameters, lr=config.learning_rate, betas=(0.9, 0.98), weight_decay=config.weight_decay
    )
    average = {name: value.detach().clone() for name, value in model.state_dict().items()}
    done = resume(config.out, model, optimizer, average)
    stop = {"asked": False}
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.update(asked=True))

    figures: dict[str, float] = {}
    since, saved = time.monotonic(), time.monotonic()
    with (config.out / "log.jsonl").open("a") as lines:
        while done < config.steps and not stop["asked"]:
            for group in optimizer.param_groups:
                group["lr"] = config.rate_at(done)
            loss, values = step(done)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(parameters, config.clip_norm)
            optimizer.step()
            update_average(average, model, min(config.average_decay, (1 + done) / (10 + done)))
            done += 1
            for name, value in values.items():
                figures[name] = figures.get(name, 0.0) + value / config.log_every
            if done % config.log_every == 0:
                pace = (time.monotonic() - since) / config.log_every
                record = {"step": done, "s_per_step": round(pace, 3)}
                record |= {name: round(value, 5) for name, value in figures.items()}
                lines.write(json.dumps(record) + "\n")
                lines.flush()
                left_min = pace * (config.steps - done) / 60
                log.info("%s (%.0f min left)", record, left_min)
                figures, since = {}, time.monotonic()
            if time.monotonic() - saved > config.checkpoint_every_s:
                save(config, done, model, optimizer, average)
                saved = time.monotonic()
    save(config, done, model, optimizer, average)
    log.info("stopped at step %d of %d; checkpoint in %s", done, config.steps, config.out)


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
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    average: dict[str, Tensor],
) -> None:
    """Write ``checkpoint.pt`` atomically."""
    state = {
        "step": done,
        "model": model.state_dict(),
        "average": average,
        "optimizer": optimizer.state_dict(),
        "config": {name: str(value) for name, value in asdict(config).items()},
    }
    temporary = config.out / "checkpoint.tmp"
    torch.save(state, temporary)
    temporary.rename(config.out / "checkpoint.pt")


def resume(
    out: Path, model: nn.Module, optimizer: torch.optim.Optimizer, average: dict[str, Tensor]
) -> int:
    """Load the newest checkpoint of ``out`` if there is one; returns the steps done."""
    path = out / "checkpoint.pt"
    if not path.exists():
        return 0
    state = torch.load(path, weights_only=True)
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    for name, value in state["average"].items():
        average[name].copy_(value)
    log.info("resuming %s at step %d", path, state["step"])
    return int(state["step"])


def load_average(out: Path, model: nn.Module) -> nn.Module:
    """Put the averaged weights of a finished or running training into ``model``."""
    state = torch.load(out / "checkpoint.pt", weights_only=True)
    model.load_state_dict(state["average"])
    return model.eval().requires_grad_(False)


def load_part(out: Path, part: str, module: nn.Module) -> nn.Module:
    """Put the averaged weights below ``part.`` of a training's checkpoint into ``module``."""
    average = torch.load(out / "checkpoint.pt", weights_only=True)["average"]
    prefix = part + "."
    module.load_state_dict(
        {name.removeprefix(prefix): v for name, v in average.items() if name.startswith(prefix)}
    )
    return module.eval().requires_grad_(False)
