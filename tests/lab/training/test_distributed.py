"""Two processes on the CPU (gloo): equal draws, equal weights, repeated or sharded."""

import multiprocessing
import os
import socket
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
import torch.multiprocessing as processes
from torch import Tensor

from flashtalk.config import Preset
from flashtalk.errors import FlashTalkError
from flashtalk.models.networks import Networks
from flashtalk.weights import build_networks, modules_of
from lab.training import stage2
from lab.training.data.talks import Person, TalkSource
from lab.training.distributed import ALONE, join_ranks
from lab.training.losses.stage2_loss import Distillation, Stage2Config
from lab.training.options import Splitting
from lab.training.stage2 import Stage2

pytest.importorskip("accelerate")

CONFIG = Stage2Config(chunks=2, batch=1)
MODES = ("repeated", "sharded")
RUNS = (("repeated", 3), ("sharded", 3), ("stopped", 2), ("stopped", 3), ("bfloat16", 1))
"""Folders of trainings and the step that they end with; the second of a folder resumes it."""


@dataclass(frozen=True)
class Job:
    """What both processes do, and where they write it down."""

    preset: Preset
    weights: dict[str, dict[str, Tensor]]
    people: list[Person]
    folder: Path
    port: int

    def networks(self) -> Networks:
        networks = build_networks(self.preset)
        for name, module in modules_of(networks).items():
            module.load_state_dict(self.weights[name])
            module.requires_grad_(False)
        return networks

    def source(self) -> TalkSource:
        return TalkSource(self.people, self.preset.geometry)


class Witness(TalkSource):
    """A talk source that remembers what was asked of it: k is the number of chunks."""

    asked: ClassVar[list[int]] = []

    def draw(self, size: int, chunks: int, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        self.asked.append(chunks)
        return super().draw(size, chunks, rng)


def toy(out: Path, steps: int, **settings: object) -> Stage2:
    """Stage 2 of toy networks, which are given as they are."""
    usual = {"rate": 1e-3, "critic_rate": 1e-3, "critic_ratio": 2, "warmup_steps": 1}
    return Stage2(data=Path("clips"), out=out, steps=steps, loss=CONFIG, **usual, **settings)


def work(rank: int, job: Job) -> None:
    """One of the two processes."""
    torch.set_num_threads(1)
    place = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": 2, "MASTER_PORT": job.port}
    os.environ.update({name: str(value) for name, value in place.items()})
    os.environ["MASTER_ADDR"] = "127.0.0.1"
    # Accelerate joins the group that is there. Ranks that wait for each other fail, and soon.
    torch.distributed.init_process_group("gloo", timeout=timedelta(seconds=60))
    ranks = join_ranks("cpu")
    report: dict[str, Any] = {"rank": ranks.index, "count": ranks.count}
    for mode, steps in RUNS:
        source = Witness(job.people, job.preset.geometry)
        source.asked.clear()
        splitting = Splitting(
            recompute=mode in ("sharded", "stopped"),
            shard=mode != "repeated",
            compute_dtype="bfloat16" if mode == "bfloat16" else "float32",
        )
        config = toy(job.folder / mode, steps, splitting=splitting)
        learner = stage2.distill(job.networks(), source, config, ranks)
        parameters = dict(learner.transformer.named_parameters())
        report[mode] = {
            "chunks": list(source.asked),
            "local": sum(
                getattr(p, "to_local", lambda p=p: p)().numel() for p in parameters.values()
            ),
        }
        if mode == "repeated":
            report[mode]["weights"] = {name: p.detach() for name, p in parameters.items()}
    report["any"] = (ranks.any(rank == 1), ranks.any(False))
    report["same"] = refusal(lambda: ranks.require_same("roll-out", (3, 1)))
    report["other k"] = refusal(lambda: ranks.require_same("roll-out", (3 + rank, 1)))
    networks = job.networks()
    own_seed = replace(CONFIG, chunks=5, seed=rank)
    models = (networks, networks.transformer, networks.transformer)
    step = Distillation(*models, job.source(), own_seed, ranks).critic_step
    report["other seed"] = refusal(lambda: [step(index) for index in range(2)])
    torch.save(report, job.folder / f"rank{rank}.pt")
    torch.distributed.destroy_process_group()


def refusal(call) -> str:
    try:
        call()
    except FlashTalkError as error:
        return str(error)
    return ""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def job(toy_networks: Networks, speech: np.ndarray, tmp_path_factory) -> Job:
    pictures = np.random.default_rng(0).integers(0, 255, (2, 5, 64, 64, 3), dtype=np.uint8)
    return Job(
        preset=toy_networks.preset,
        weights={name: part.state_dict() for name, part in modules_of(toy_networks).items()},
        people=[
            Person(each, half) for each, half in zip(pictures, np.split(speech, 2), strict=True)
        ],
        folder=tmp_path_factory.mktemp("ranks"),
        port=free_port(),
    )


@pytest.fixture(scope="module")
def reports(job: Job) -> list[dict[str, Any]]:
    multiprocessing.set_forkserver_preload(["torch._dynamo", "accelerate", stage2.__name__])
    processes.set_sharing_strategy("file_system")  # there are more tensors than files
    processes.start_processes(work, args=(job,), nprocs=2, start_method="forkserver")
    return [torch.load(job.folder / f"rank{rank}.pt", weights_only=True) for rank in range(2)]


def checkpoint(job: Job, mode: str) -> dict[str, Any]:
    return torch.load(job.folder / mode / "checkpoint.pt", weights_only=True)


@pytest.mark.parametrize("mode", MODES)
def test_ranks_make_equally_many_chunks(reports, mode) -> None:
    first, second = (report[mode]["chunks"] for report in reports)
    assert first == second and len(first) == 2 + 3  # two generator and three critic updates


def test_ranks_hold_equal_weights_after_the_steps(reports, job) -> None:
    first, second = (report["repeated"]["weights"] for report in reports)
    assert all(torch.equal(second[name], value) for name, value in first.items())
    started = job.weights["transformer"]
    assert any(not torch.equal(first[name], started[name]) for name in first)


def test_sharded_weights_are_trained_as_repeated_ones(reports, job) -> None:
    sizes = [report["sharded"]["local"] for report in reports]
    whole = sum(value.numel() for value in job.networks().transformer.parameters())
    assert sum(sizes) == whole and max(sizes) < 0.6 * whole
    repeated, sharded = (checkpoint(job, mode) for mode in MODES)
    for key in ("model", "average"):
        assert set(repeated[key]) == set(sharded[key])
        for name, value in repeated[key].items():
            assert torch.allclose(sharded[key][name], value, atol=1e-4), name
    critic = (each["others"]["fake_score"]["model"] for each in (repeated, sharded))
    # a step of AdamW is 1e-3 long wherever a gradient is, even one of hardly more than rounding
    for one, other in zip(*(each.values() for each in critic), strict=True):
        away = (one - other).abs()
        assert away.max() < 3e-4 and away.mean() < 2e-5


def test_a_sharded_training_that_was_stopped_goes_on_as_if_it_had_not_been(reports, job) -> None:
    assert all(len(report["stopped"]["chunks"]) == 2 for report in reports)  # of the third step
    straight, stopped = (checkpoint(job, mode) for mode in ("sharded", "stopped"))
    for one, other in zip(tensors_of(straight), tensors_of(stopped), strict=True):
        assert torch.equal(one, other)
    assert straight["step"] == stopped["step"] == 3


def tensors_of(state: Any) -> list[Tensor]:
    """All tensors of a checkpoint: weights, average and both optimizers."""
    if isinstance(state, Tensor):
        return [state]
    if isinstance(state, dict):
        return [tensor for name in state for tensor in tensors_of(state[name])]
    return []


def test_layers_may_be_computed_in_sixteen_bits(reports, job) -> None:
    """The weights stay float32, and the step is that of float32 up to rounding."""
    trained = checkpoint(job, "bfloat16")["model"]
    moved = 0.0
    for name, value in job.weights["transformer"].items():
        assert trained[name].dtype == torch.float32 and trained[name].isfinite().all()
        moved = max(moved, (trained[name] - value).abs().max().item())
    assert 5e-4 < moved < 2e-3  # AdamW's first step is as long as its rate, 1e-3


def test_a_sharded_training_goes_on_alone(reports, job) -> None:
    before = checkpoint(job, "sharded")
    config = toy(job.folder / "sharded", 4)
    learner = stage2.distill(job.networks(), job.source(), config)
    after = checkpoint(job, "sharded")
    assert (before["step"], after["step"]) == (3, 4)  # a step of the critic alone
    assert after["others"]["fake_score"]["optimizer"]["state"][0]["step"] == 4
    for name, value in learner.transformer.state_dict().items():
        assert torch.equal(value, before["model"][name])


def test_ranks_that_would_draw_different_k_are_stopped(reports) -> None:
    for report in reports:
        assert report["same"] == ""
        assert "disagree on the roll-out: [[3, 1], [4, 1]]" in report["other k"]
        assert "disagree on the roll-out" in report["other seed"]


def test_one_flag_is_enough(reports) -> None:
    assert all(report["any"] == (True, False) for report in reports)
    assert [report["rank"] for report in reports] == [0, 1]


def test_sharding_needs_company(toy_networks) -> None:
    with pytest.raises(FlashTalkError, match="accelerate launch"):
        ALONE.shard(toy_networks.transformer)
