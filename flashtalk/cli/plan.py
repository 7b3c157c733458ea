"""``flashtalk plan``: what does a preset need, and has this machine got it?

Exact bytes of every network, the highest use of memory in every phase of a session (found by
running the real code on tensors without memory), and a verdict.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from flashtalk.cli.options import PlanOptions
from flashtalk.config import Preset, preset_named
from flashtalk.geometry import parse_size
from flashtalk.memory import (
    GIB,
    RESERVE_BYTES,
    Budget,
    Machine,
    Parts,
    activation_peaks,
    budget_of,
    fetched_bytes,
    parts_of,
    this_machine,
)
from flashtalk.placement import ALL_RESIDENT, PLACEMENTS, Placement, placement_named

ENDLESS = 1e9  # GiB: for arrangements that are only shown, never chosen
SHOWN = {
    "80gb": ALL_RESIDENT,
    "+ offload": Placement("+ offload", ENDLESS, encoders_leave=True),
    "+ FP8": Placement("+ FP8", ENDLESS, fp8=True),
    **{name: placement for name, placement in PLACEMENTS.items() if placement != ALL_RESIDENT},
}
"""The columns of the table: the placements, and between them what each of two measures saves."""


def plan(options: PlanOptions) -> int:
    """Print the plan; returns 0 if it fits, 1 if it does not."""
    preset = preset_named(options.preset)
    if options.size:
        preset = preset.with_size(parse_size(options.size))
    wanted = [placement_named(options.placement)] if options.placement else [*PLACEMENTS.values()]
    machine = this_machine()
    parts = parts_of(preset)
    activations = activation_peaks(parts, preset)
    lines = [*networks_table(preset, parts), ""]
    if preset.source is None:
        budget = budget_of(parts, activations, ALL_RESIDENT)
        lines += [*phase_table({"": budget}), "", *machine_lines(machine, preset, parts)]
        fits, sentence = processor_verdict(preset, budget, machine)
    else:
        shown = {name: budget_of(parts, activations, each) for name, each in SHOWN.items()}
        lines += [*phase_table(shown), "", *machine_lines(machine, preset, parts)]
        candidates = [budget_of(parts, activations, placement) for placement in wanted]
        fits, sentence = gpu_verdict(preset, parts, candidates, machine, options.gpu_memory_gib)
    sys.stdout.write("\n".join([*lines, "", sentence]) + "\n")
    return 0 if fits else 1


# --- tables ---------------------------------------------------------------------------------------
def networks_table(preset: Preset, parts: Parts) -> list[str]:
    """Bytes of every network."""
    geometry = preset.geometry
    lines = [
        f"{preset.name} at {geometry.height_px}x{geometry.width_px}: chunks of "
        f"{geometry.chunk_frames} frames, {geometry.tokens:,} tokens",
        "",
        f"{'network':<16}{'parameters':>16}  {'type':<9}{'weights, GiB':>13}{'to fetch, GB':>14}",
    ]
    for part in parts.parts:
        lines.append(
            f"{part.name:<16}{part.parameters:>16,}  {part.dtype:<9}{part.bytes / GIB:>13.3f}"
            f"{part.download_bytes / 1e9:>14.2f}"
        )
    lines.append(
        f"{'all':<16}{sum(part.parameters for part in parts.parts):>16,}  {'':<9}"
        f"{sum(part.bytes for part in parts.parts) / GIB:>13.3f}{parts.download_bytes / 1e9:>14.2f}"
    )
    if preset.source is not None:
        blocks = parts.blocks
        lines.append(
            f"of the transformer, {blocks.count} blocks of {blocks.plain / GIB:.3f} GiB, "
            f"{blocks.fp8 / GIB:.3f} GiB with FP8 weights"
        )
    return lines


def phase_table(budgets: dict[str, Budget]) -> list[str]:
    """Weights and activations of every phase; with several budgets, one column for each."""
    first = next(iter(budgets.values()))
    several = len(budgets) > 1
    head = "".join(f"{name:>11}" for name in budgets) if several else f"{'together':>11}"
    lines = [f"{'peak by phase, GiB':<20}{'activations':>12}{head}"]
    for row, phase in enumerate(first.phases):
        totals = "".join(f"{each.phases[row].total / GIB:>11.2f}" for each in budgets.values())
        lines.append(f"  {phase.name:<18}{phase.activations / GIB:>12.2f}{totals}")
    rows = {
        "peak": [each.peak.total for each in budgets.values()],
        "peak and reserve": [each.gpu_bytes for each in budgets.values()],
        "in host memory": [each.host_bytes for each in budgets.values()],
    }
    for name, values in rows.items():
        lines.append(f"{name:<32}" + "".join(f"{value / GIB:>11.2f}" for value in values))
    if several:
        lines += [
            "80gb: all resident, bfloat16. + offload: text and image encoder leave after a session "
            "is open.",
            "+ FP8: the blocks store 8 bits a weight. 48gb: both. 24gb: both, and "
            f"{PLACEMENTS['24gb'].resident_blocks} blocks stay, the others",
            "are streamed from the host. The reserve, "
            f"{RESERVE_BYTES / GIB:.0f} GiB, is an allowance for what no tensor shows.",
        ]
    return lines


def machine_lines(machine: Machine, preset: Preset, parts: Parts) -> list[str]:
    """What is here."""
    gpu = "no GPU that PyTorch can use"
    if machine.gpu:
        gpu = f"{machine.gpu}, {machine.gpu_bytes / GIB:.1f} GiB"
    lines = [
        "this machine",
        f"  GPU           {gpu}",
        f"  host memory   {machine.ram_bytes / GIB:.1f} GiB, {machine.ram_free_bytes / GIB:.1f} "
        "available",
    ]
    if parts.download_bytes:
        lines.append(
            f"  disk          {machine.disk_free_bytes / 1e9:.1f} GB free at {machine.disk}; "
            f"{_missing_bytes(preset, parts) / 1e9:.1f} GB to fetch"
        )
    return lines


# --- verdicts -------------------------------------------------------------------------------------
def gpu_verdict(
    preset: Preset,
    parts: Parts,
    candidates: Sequence[Budget],
    machine: Machine,
    given_gib: float | None,
) -> tuple[bool, str]:
    """Whether one of ``candidates``, best first, fits; and the sentence that says so.

    With ``given_gib`` the GPU is judged and nothing else; without, this machine as it is.
    """
    what = f"{preset.name} at {preset.geometry.height_px}x{preset.geometry.width_px}"
    gpu_gib = given_gib if given_gib is not None else machine.gpu_bytes / GIB
    fitting = [
        budget
        for budget in candidates
        if gpu_gib >= max(budget.placement.least_gib, budget.gpu_bytes / GIB)
    ]
    last = candidates[-1]
    if given_gib is None and machine.gpu is None:
        return False, (
            f"Does not fit: {what} needs a GPU with at least {last.gpu_bytes / GIB:.1f} GiB "
            f"(placement {last.placement.name}), and PyTorch finds none here. Run it on a machine "
            "with a GPU, plan for one with --gpu-memory-gib, or use flashtalk-tiny."
        )
    if not fitting:
        return False, (
            f"Does not fit: {what} needs {last.gpu_bytes / GIB:.1f} GiB of GPU memory in placement "
            f"{last.placement.name}, which is for {last.placement.least_gib:g} GiB or more; the "
            f"GPU has {gpu_gib:.1f} GiB. Use a larger GPU, or flashtalk-tiny."
        )
    best = fitting[0]
    fits = (
        f"{what} needs {best.gpu_bytes / GIB:.1f} of the GPU's {gpu_gib:.1f} GiB in placement "
        f"{best.placement.name}"
    )
    if given_gib is not None:
        return True, f"Fits: {fits}."
    if machine.ram_free_bytes < best.host_bytes:
        return False, (
            f"Does not fit: {fits}, but {best.host_bytes / GIB:.1f} GiB of host memory, and "
            f"{machine.ram_free_bytes / GIB:.1f} GiB are available. Use a machine with more memory."
        )
    missing = _missing_bytes(preset, parts)
    if machine.disk_free_bytes < missing:
        return False, (
            f"Does not fit: {fits}, but {missing / 1e9:.1f} GB are to be fetched, and "
            f"{machine.disk_free_bytes / 1e9:.1f} GB are free at {machine.disk}. Make room, or set "
            "HF_HOME to a folder on a larger disk."
        )
    return True, f"Fits: {fits}; host memory and disk suffice too."


def processor_verdict(preset: Preset, budget: Budget, machine: Machine) -> tuple[bool, str]:
    """The embedded models run in host memory; a GPU is welcome and not needed."""
    needed = budget.gpu_bytes
    fits = machine.ram_free_bytes >= needed
    return fits, (
        f"{'Fits' if fits else 'Does not fit'}: {preset.name} runs on the processor and needs "
        f"{needed / GIB:.1f} GiB of host memory, {RESERVE_BYTES / GIB:.0f} of them for Python and "
        f"its libraries; {machine.ram_free_bytes / GIB:.1f} GiB are available. No GPU is needed."
    )


def _missing_bytes(preset: Preset, parts: Parts) -> int:
    return max(0, parts.download_bytes - fetched_bytes(preset))
