"""``flashtalk plan``: what does a preset need, and has this machine got it?

Bytes of every network, the most memory of every phase of a session, and a verdict.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from flashtalk.cli.check_files import check_files
from flashtalk.cli.chunk_work import chunk_work
from flashtalk.cli.options import PlanOptions
from flashtalk.config import PRESETS, Preset, mode_named, preset_named
from flashtalk.errors import FlashTalkError
from flashtalk.geometry import parse_size
from flashtalk.placement import ALL_RESIDENT, PLACEMENTS, placement_named
from flashtalk.placement.machine import Machine, fetched_bytes, this_machine
from flashtalk.placement.plan import GIB, RESERVE_BYTES, Budget, Footprint, footprints
from flashtalk.weights.dry_run import DryRun, dry_run_of


def plan(options: PlanOptions) -> int:
    """Print the plan; returns 0 if it fits, 1 if it does not."""
    if options.check_published:
        return check_files(options.preset)
    wanted = [placement_named(options.placement).name] if options.placement else [*PLACEMENTS]
    dry_run, footprint = planned(options.preset, options.size, options.mode)
    preset = dry_run.preset
    machine = this_machine()
    missing_bytes = max(0, footprint.download_bytes - fetched_bytes(preset))
    budgets = {name: footprint.budget(name, preset.geometry) for name in footprint.placements}
    if preset.source is None:
        fits, sentence = processor_verdict(preset, budgets[ALL_RESIDENT.name], machine)
        budgets = {"together": budgets[ALL_RESIDENT.name]}
    else:
        candidates = [budgets[name] for name in wanted]
        given_gib = options.gpu_memory_gib
        fits, sentence = gpu_verdict(preset, candidates, machine, given_gib, missing_bytes)
    lines = [*networks_table(preset, footprint), ""]
    lines += [*mode_lines(dry_run), ""] if preset.mode else []
    lines += phase_table(budgets)
    lines += [*footprint.placements_note.splitlines(), ""]
    lines += [*machine_lines(machine, footprint, missing_bytes), "", sentence, ""]
    sys.stdout.write("\n".join(lines))
    return 0 if fits else 1


def planned(
    name_or_folder: str, size: str | None, mode: str | None = None
) -> tuple[DryRun, Footprint]:
    """The preset at one size of picture, and what it takes; :class:`FlashTalkError` if unknown."""
    if not Path(name_or_folder).is_dir():
        preset_named(name_or_folder)
    dry_run = dry_run_of(name_or_folder, parse_size(size) if size else None, mode)
    found = footprints().get(dry_run.preset.name)
    if found is None:
        raise FlashTalkError(
            f"There is no plan for {name_or_folder}: its networks have other sizes than "
            f"{' and '.join(PRESETS)}. Count them in a clone of the repository: python -m "
            f"lab.memory --weights {name_or_folder}"
        )
    if dry_run.local:
        found = replace(found, networks=tuple(replace(n, download_bytes=0) for n in found.networks))
    return dry_run, found


def mode_lines(dry_run: DryRun) -> list[str]:
    """What the mode chose, and what a chunk of it computes."""
    preset = dry_run.preset
    mode, work = mode_named(preset.mode), chunk_work(preset, dry_run.sizes)
    saved = "; memory is without 8-bit products, which take less"
    return [
        f"mode {mode.name}: {work.steps} steps, --acceleration {mode.acceleration}",
        f"  a chunk computes {work.flop / 1e12:,.0f} TFLOP: {work.steps} x "
        f"{work.prediction / 1e12:.1f} of the transformer, {work.decode / 1e12:.1f} of the decoder,"
        f" {work.encode / 1e12:.1f} of the encoder",
        f"  live, that is {work.flop / 1e12 / preset.geometry.new_s:,.0f} TFLOP/s"
        + (saved if "fp8" in mode.acceleration else ""),
    ]


def networks_table(preset: Preset, footprint: Footprint) -> list[str]:
    """Bytes of every network."""
    geometry = preset.geometry
    rows = [
        (each.name, each.dtype, each.parameters, each.bytes, each.download_bytes)
        for each in footprint.networks
    ]
    sums = [sum(sizes) for sizes in zip(*(row[2:] for row in rows), strict=True)]
    rows.append(("all", "", sums[0], sums[1], sums[2]))
    return [
        f"{preset.title} at {geometry.height_px}x{geometry.width_px}: chunks of "
        f"{geometry.chunk_frames} frames, {geometry.tokens:,} tokens",
        "",
        f"{'network':<16}{'parameters':>16}  {'type':<9}{'weights, GiB':>13}{'to fetch, GB':>14}",
        *(
            f"{name:<16}{count:>16,}  {dtype:<9}{size / GIB:>13.3f}{download / 1e9:>14.2f}"
            for name, dtype, count, size, download in rows
        ),
        *footprint.networks_note.splitlines(),
    ]


def phase_table(budgets: dict[str, Budget]) -> list[str]:
    """Weights and activations of every phase, a column for each budget."""
    columns = list(budgets.values())
    lines = ["peak by phase, GiB   activations" + "".join(f"{name:>11}" for name in budgets)]
    for phase, *others in zip(*(each.phases for each in columns), strict=True):
        totals = "".join(f"{each.total / GIB:>11.2f}" for each in (phase, *others))
        lines.append(f"  {phase.name:<18}{phase.activations / GIB:>12.2f}{totals}")
    for name, values in (
        ("peak", [each.peak.total for each in columns]),
        ("peak and reserve", [each.gpu_bytes for each in columns]),
        ("in host memory", [each.host_bytes for each in columns]),
    ):
        lines.append(f"{name:<32}" + "".join(f"{value / GIB:>11.2f}" for value in values))
    return lines


def machine_lines(machine: Machine, footprint: Footprint, missing_bytes: int) -> list[str]:
    """Memory and disk of this machine, and what it lacks."""
    gpu = f"{machine.gpu}, {machine.gpu_bytes / GIB:.1f} GiB"
    lines = [
        "this machine",
        f"  GPU           {gpu if machine.gpu else 'no GPU that PyTorch can use'}",
        f"  host memory   {machine.ram_bytes / GIB:.1f} GiB, {machine.ram_free_bytes / GIB:.1f} "
        "available",
    ]
    if footprint.download_bytes:
        lines.append(
            f"  disk          {machine.disk_free_bytes / 1e9:.1f} GB free at {machine.disk}; "
            f"{missing_bytes / 1e9:.1f} GB to fetch"
        )
    return lines


def gpu_verdict(
    preset: Preset,
    candidates: Sequence[Budget],
    machine: Machine,
    given_gib: float | None,
    missing_bytes: int,
) -> tuple[bool, str]:
    """Whether one of ``candidates``, best first, fits; and the sentence that says so.

    With ``given_gib`` the GPU is judged and nothing else; without, this machine as it is.
    """
    what = f"{preset.name} at {preset.geometry.height_px}x{preset.geometry.width_px}"
    gpu_gib = machine.gpu_bytes / GIB if given_gib is None else given_gib
    least = {each.placement: PLACEMENTS[each.placement].least_gib for each in candidates}
    fitting = (
        each for each in candidates if gpu_gib >= max(least[each.placement], each.gpu_bytes / GIB)
    )
    best, last = next(fitting, None), candidates[-1]
    if given_gib is None and machine.gpu is None:
        return False, (
            f"Does not fit: {what} needs a GPU with at least {last.gpu_bytes / GIB:.1f} GiB "
            f"(placement {last.placement}), and PyTorch finds none here. Run it on a machine "
            "with a GPU, plan for one with --gpu-memory-gib, or use flashtalk-tiny."
        )
    if best is None:
        return False, (
            f"Does not fit: {what} needs {last.gpu_bytes / GIB:.1f} GiB of GPU memory in placement "
            f"{last.placement}, which is for {least[last.placement]:g} GiB or more; the "
            f"GPU has {gpu_gib:.1f} GiB. Use a larger GPU, or flashtalk-tiny."
        )
    fits = (
        f"{what} needs {best.gpu_bytes / GIB:.1f} of the GPU's {gpu_gib:.1f} GiB in placement "
        f"{best.placement}"
    )
    if given_gib is not None:
        return True, f"Fits: {fits}."
    if machine.ram_free_bytes < best.host_bytes:
        return False, (
            f"Does not fit: {fits}, but {best.host_bytes / GIB:.1f} GiB of host memory, and "
            f"{machine.ram_free_bytes / GIB:.1f} GiB are available. Use a machine with more memory."
        )
    if machine.disk_free_bytes < missing_bytes:
        return False, (
            f"Does not fit: {fits}, but {missing_bytes / 1e9:.1f} GB are to be fetched, and "
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
