"""Several ranks: the same training script, one process per GPU.

Start it with ``accelerate launch --num_processes N -m lab.training.stage2 ...`` or torchrun.
Hugging Face Accelerate joins the processes and finds the devices. Weights are either repeated on
every rank, with gradients averaged here, or split over the ranks with PyTorch's ``fully_shard``
(FSDP2). The latter is called directly because ``Accelerator.prepare`` takes a single model with
FSDP2 and Stage 2 has three.

A process that is alone uses :data:`ALONE`, for which all of this does nothing. It does not need the
``accelerate`` package.

Collectives dead-lock when ranks disagree on how many forward passes there are. So whatever decides
that (the number of chunks, the exit step) is drawn from a generator that all ranks share.
:meth:`Ranks.require_same` checks it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, Protocol, TypeGuard

import torch
from torch import Tensor, nn

from flashtalk.errors import FlashTalkError
from flashtalk.models.networks import Networks
from flashtalk.placement.device import checked_device

if TYPE_CHECKING:
    from torch.distributed.tensor import DTensor


class Ranks(Protocol):
    """The processes in which a training runs."""

    index: int
    """This process, 0 .. count - 1."""
    count: int
    device: torch.device

    @property
    def leads(self) -> bool:
        """Whether this process writes files and logs."""

    def shard(self, model: nn.Module, compute_dtype: torch.dtype | None = None) -> None:
        """Splits the weights over the ranks, in place; gradients are then averaged by themselves.

        ``compute_dtype`` is what layers are gathered and computed in; the shards keep their type.
        """

    def average_gradients(self, parameters: Iterable[Tensor]) -> None:
        """Averages the gradients of repeated weights over the ranks."""

    def any(self, flag: bool) -> bool:
        """Whether ``flag`` is set on any rank."""

    def require_same(self, what: str, value: tuple[int, ...]) -> None:
        """Raises :class:`FlashTalkError` on every rank if ``value`` differs between them."""


class Alone:
    """The null object: a single process."""

    index = 0
    count = 1
    leads = True

    def __init__(self, device: torch.device | None = None) -> None:
        self.device = device or torch.device("cpu")

    def shard(self, model: nn.Module, compute_dtype: torch.dtype | None = None) -> None:
        raise FlashTalkError(
            "Sharding needs several processes, and this one is alone. Start the training with "
            "accelerate launch --num_processes N, or without --shard."
        )

    def average_gradients(self, parameters: Iterable[Tensor]) -> None:
        pass

    def any(self, flag: bool) -> bool:
        return flag

    def require_same(self, what: str, value: tuple[int, ...]) -> None:
        pass


ALONE = Alone()


class Team:
    """Several processes, joined by Accelerate."""

    def __init__(self, device: str = "cpu") -> None:
        try:
            from accelerate import Accelerator
        except ImportError as error:
            raise FlashTalkError(
                "Training on several ranks needs the accelerate package: "
                "pip install -r requirements-training.txt"
            ) from error
        self._accelerator = Accelerator(cpu=device == "cpu")
        self.index: int = self._accelerator.process_index
        self.count: int = self._accelerator.num_processes
        self.device: torch.device = self._accelerator.device

    @property
    def leads(self) -> bool:
        return self.index == 0

    def shard(self, model: nn.Module, compute_dtype: torch.dtype | None = None) -> None:
        from torch.distributed.device_mesh import init_device_mesh
        from torch.distributed.fsdp import (
            MixedPrecisionPolicy,
            fully_shard,
            register_fsdp_forward_method,
        )

        mesh = init_device_mesh(self.device.type, (self.count,))
        # Inputs stay as they are: bfloat16 would make 832 out of the timestep 833.33.
        policy = MixedPrecisionPolicy(
            param_dtype=compute_dtype, reduce_dtype=torch.float32, cast_forward_inputs=False
        )
        for block in blocks_of(model):
            fully_shard(block, mesh=mesh, mp_policy=policy)
        fully_shard(model, mesh=mesh, mp_policy=policy, reshard_after_forward=True)
        # The chunk step projects the speech outside of forward().
        register_fsdp_forward_method(model, "project_speech")

    def average_gradients(self, parameters: Iterable[Tensor]) -> None:
        whole = [p.grad for p in parameters if p.grad is not None and not _is_sharded(p)]
        if not whole:
            return
        flat = torch.cat([gradient.flatten() for gradient in whole])
        flat = self._accelerator.reduce(flat, reduction="mean")
        pieces = flat.split([gradient.numel() for gradient in whole])
        for gradient, piece in zip(whole, pieces, strict=True):
            gradient.copy_(piece.view_as(gradient))

    def any(self, flag: bool) -> bool:
        return bool(self._gathered(int(flag)).any())

    def require_same(self, what: str, value: tuple[int, ...]) -> None:
        values = self._gathered(*value).view(self.count, -1).tolist()
        if any(each != values[0] for each in values):
            raise FlashTalkError(
                f"The ranks disagree on the {what}: {values}. They would wait for each other "
                "forever. Start all of them with the same seed and settings."
            )

    def _gathered(self, *values: int) -> Tensor:
        return self._accelerator.gather(torch.tensor(values, device=self.device))


def blocks_of(model: nn.Module) -> nn.ModuleList:
    """The repeated layers of a transformer."""
    blocks = model.blocks
    assert isinstance(blocks, nn.ModuleList)
    return blocks


def denoiser_of(networks: Networks) -> Any:
    """The denoiser of ``networks``, a module that can be trained: no type says both."""
    if not isinstance(networks.transformer, nn.Module):
        raise TypeError(f"expected a module, got {type(networks.transformer).__name__}")
    return networks.transformer


def join_ranks(device: str = "cpu") -> Ranks:
    """The processes that a launcher started, or this one alone.

    Raises :class:`FlashTalkError` for a device that is not there.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        return Team(device)
    return Alone(checked_device(device))


def checkpoint_activations(
    model: nn.Module,
    again: Callable[[], AbstractContextManager[Any]] = nullcontext,
) -> None:
    """Keeps only each layer's input for the backward pass and computes the rest again.

    In place, and before :meth:`Ranks.shard`. The names in the state dict stay as they are. A new
    ``again`` is entered each time a layer is computed again.
    """
    from torch.distributed.algorithms._checkpoint.checkpoint_wrapper import checkpoint_wrapper

    blocks = blocks_of(model)
    for index, block in enumerate(blocks):
        blocks[index] = checkpoint_wrapper(
            block,
            preserve_rng_state=False,  # no dropout
            context_fn=lambda: (nullcontext(), again()),
        )


# --- whole tensors <-> shards -------------------------------------------------------------------
def gathered(state: Any, keep: bool = True) -> Any:
    """``state``, a tree of dicts and lists, with every shard made whole, on the CPU.

    Collective: all ranks call it, and only those with ``keep`` get the tensors (else ``None``).
    """
    if isinstance(state, Mapping):
        return {name: gathered(value, keep) for name, value in state.items()}
    if isinstance(state, list | tuple):
        return type(state)(gathered(value, keep) for value in state)
    if not isinstance(state, Tensor):
        return state
    whole = state.full_tensor() if _is_sharded(state) else state
    return whole.detach().to("cpu", copy=True) if keep else None


def scattered(state: Mapping[str, Tensor], like: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Whole tensors, split as the tensors of the same name and shape in ``like`` are."""
    return {name: _split_as(value, like[name]) for name, value in state.items()}


def _split_as(whole: Tensor, like: Tensor) -> Tensor:
    if not _is_sharded(like) or whole.shape != like.shape:
        return whole
    from torch.distributed.tensor import distribute_tensor

    # every rank has read the whole tensor: nothing needs to be sent
    return distribute_tensor(
        whole.to(like.device), like.device_mesh, like.placements, src_data_rank=None
    )


def _is_sharded(tensor: Tensor) -> TypeGuard[DTensor]:
    return hasattr(tensor, "full_tensor")
