"""The options of every command, written once: a dataclass is a command line.

Field names are option names, docstrings are the help. Nothing here imports PyTorch, so that help
and refusals come at once. ``check`` refuses values that no later station would refuse in the
command's words. It is not ``__post_init__``, whose sentences the parser would put into a frame.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, UseAppendAction, arg

from flashtalk.acceleration.settings import VARIABLE, Acceleration, acceleration_of
from flashtalk.config import TINY, FramingWay, mode_named
from flashtalk.errors import FlashTalkError
from flashtalk.inputs.area import Area
from flashtalk.provenance.certificate import Certificate
from flashtalk.provenance.credentials import check as check_certificate
from flashtalk.provenance.marking import Marking

MAX_SEED = 2**63 - 1  # what a torch.Generator takes
MODE_VARIABLE = "FLASHTALK_MODE"


_ON, _OFF = ("1", "on", "true", "yes"), ("0", "off", "false", "no")


def _is_off(variable: str) -> bool:
    return os.environ.get(variable, "").lower() in _OFF


def unset(default: str, metavar: str, *aliases: str) -> object:
    """How an option is shown whose default is found out later."""
    hint = f"(default: {default})"
    return arg(metavar=metavar, help_behavior_hint=hint, aliases=aliases)


def _check_seed(seed: int) -> None:
    if not 0 <= seed <= MAX_SEED:
        raise FlashTalkError(f"The seed must be between 0 and {MAX_SEED}, got {seed}.")


@dataclass(frozen=True, kw_only=True)
class ModelOptions:
    """Which model computes, and where."""

    preset: Annotated[str, arg(metavar="NAME")] = TINY.name
    """flashtalk-tiny, flashtalk-14b, a folder of weights, or a Hub id (owner/name)."""
    device: Annotated[str | None, unset("what the preset needs", "NAME")] = None
    """cpu, cuda or cuda:N."""
    placement: Annotated[str | None, unset("by how much memory there is", "NAME")] = None
    """How large networks share the GPU's memory: 80gb, 48gb or 24gb."""
    mode: Annotated[str | None, unset("the preset as published", "NAME")] = field(
        default_factory=lambda: os.environ.get(MODE_VARIABLE) or None
    )
    """How much is given up for speed in flashtalk-14b: quality, balanced or realtime."""
    tiny_vae: Annotated[str | None, unset("none", "PART")] = None
    """A small autoencoder for motion frames (encode) or pictures too (both); flashtalk-14b."""
    acceleration: Annotated[str | None, unset("the mode's or the usual", "WORDS")] = field(
        default_factory=lambda: os.environ.get(VARIABLE) or None
    )
    """Faster by: channels-last, bf16-convolutions, fp8-products, fused-qkv, compile, ahead,
    cuda-graphs, pinned-copies, encoder-thread, picture-thread, attention=KERNEL, split by
    commas; or none."""
    threads: Annotated[int | None, unset("PyTorch's choice", "N")] = None
    """CPU threads."""

    @property
    def accelerated(self) -> Acceleration | None:
        """The techniques of ``acceleration``, or else those of the mode; ``None``: the usual."""
        if self.acceleration is not None:
            return acceleration_of(self.acceleration)
        return None if self.mode is None else acceleration_of(mode_named(self.mode).acceleration)

    def check(self) -> None:
        """Raise :class:`FlashTalkError` for a value that cannot be used."""
        if self.threads is not None and self.threads < 1:
            raise FlashTalkError(f"--threads must be 1 or more, got {self.threads}.")
        if self.mode is not None:
            mode_named(self.mode)  # also where --acceleration takes the place of its techniques
        _ = self.accelerated


@dataclass(frozen=True, kw_only=True)
class MarkingOptions(ModelOptions):
    """How videos are marked as AI-generated; the watermark is in every one."""

    visible_mark: Annotated[bool, arg(help_behavior_hint="")] = field(
        default_factory=lambda: not _is_off("FLASHTALK_VISIBLE_MARK")
    )
    """Leave the visible mark out; the invisible watermark and the content credentials stay."""
    certificate: Annotated[Path | None, unset("one for development", "FILE")] = None
    """Sign content credentials with this certificate: PEM, those above it after it."""
    private_key: Annotated[Path | None, unset("none", "FILE")] = None
    """Its private key: PEM without a password."""

    def check(self) -> None:
        super().check()
        value = os.environ.get("FLASHTALK_VISIBLE_MARK", "")
        if value.lower() not in ("", *_ON, *_OFF):
            raise FlashTalkError(f"FLASHTALK_VISIBLE_MARK must be on or off, got {value!r}.")

    def marking(self) -> Marking:
        """The marks that options and variables ask for; a certificate signs for trial.

        Raises:
            FlashTalkError: the certificate or its key cannot be used.
        """
        chain = str(self.certificate or os.environ.get("FLASHTALK_CERTIFICATE") or "")
        key = str(self.private_key or os.environ.get("FLASHTALK_PRIVATE_KEY") or "")
        if bool(chain) != bool(key):
            given, missing = ("private key", "certificate")[:: 1 if key else -1]
            raise FlashTalkError(
                f"There is a {given} and no {missing}. Give both (--certificate and --private-key, "
                "or FLASHTALK_CERTIFICATE and FLASHTALK_PRIVATE_KEY), or none for development."
            )
        certificate = Certificate.of(chain, key) if chain else None
        if certificate is not None:
            check_certificate(certificate)
        return Marking(self.visible_mark, certificate)


@dataclass(frozen=True, kw_only=True)
class VideoOptions(ModelOptions):
    """Options of a talk: seed and sampling."""

    seed: Annotated[int, arg(metavar="N")] = 0
    """The same seed makes the same video again."""
    steps: Annotated[int | None, unset("the preset's", "N")] = None
    """Denoising steps."""
    chunk_frames: Annotated[int | None, unset("the preset's", "N")] = None
    """Frames of a chunk, 5 of the last one included; live speech on the page has short ones."""

    def check(self) -> None:
        super().check()
        _check_seed(self.seed)


@dataclass(frozen=True, kw_only=True)
class GenerateOptions(VideoOptions, MarkingOptions):
    """Make the person in a picture speak.

    Folders make many films with one start: one for each picture with each sound. Films that are
    there already are left as they are, so a start that broke off can be repeated. An OUT that is a
    file is replaced once the new video is complete.

    Exit codes: 0 done; 1 a video could not be made or written (of a folder, the others are there).
    2: the command cannot be used as it is. 130: stopped with Ctrl-C, what was made is kept.
    """

    portrait: Annotated[Path, arg(metavar="FILE|FOLDER")]
    """Picture of one person, or a folder of them."""
    out: Annotated[Path, arg(metavar="FILE|FOLDER")]
    """Video to write (.mp4); a folder if --portrait or --audio is one."""
    audio: Annotated[Path | None, unset("--say", "FILE|FOLDER")] = None
    """Sound file or video with sound, or a folder of them."""
    say: Annotated[str | None, unset("--audio", "TEXT")] = None
    """An English sentence that is spoken, in place of --audio; needs pip install '.[speech]'."""
    speaker: Annotated[str | None, unset("heart", "NAME")] = None
    """Who says it; heart needs no download."""
    prompt: Annotated[str | None, unset("the preset's", "TEXT")] = None
    """What is to be seen, for models that read a prompt."""
    size: Annotated[str, arg(metavar="HEIGHTxWIDTH")] = "auto"
    """In pixels, such as 256x256; auto: the preset's usual size, or by the portrait's aspect."""
    framing: FramingWay = "face"
    """Show head and shoulders, or the whole picture, in which the person speaks."""
    crop: Annotated[bool, arg(help_behavior_hint="")] = True
    """Use the picture's middle, do not cut it to the face."""
    area: Annotated[str | None, unset("around the face", "LEFT,TOP,WIDTH")] = None
    """The part that is shown, in shares of the picture, such as 0.25,0.1,0.5."""
    face: Annotated[int | None, unset("the largest", "N")] = None
    """Who speaks of several; 1 is the leftmost."""
    without_face: Annotated[bool, arg(help_behavior_hint="")] = False
    """Use the picture's middle where no face is found, do not refuse it."""
    max_minutes: Annotated[float, arg(metavar="MINUTES")] = 30.0
    """Longest accepted sound."""

    def check(self) -> None:
        super().check()
        if (self.audio is None) == (self.say is None):
            raise FlashTalkError("Give either --audio, a sound file, or --say, a sentence.")
        if Area.parse(self.area or "") and (self.framing == "picture" or not self.crop):
            raise FlashTalkError(
                "--area says what part of the picture is shown, and so do --framing picture and "
                "--no-crop. Give one of them."
            )
        if self.framing == "picture" and not (self.crop and self.size == "auto"):
            raise FlashTalkError(
                "--framing picture shows the whole picture at its own size, of up to 1280 pixels. "
                "Leave --size and --no-crop out."
            )
        if self.speaker is not None and self.say is None:
            raise FlashTalkError("--speaker says a sentence: give one with --say.")
        if not self.max_minutes > 0:
            raise FlashTalkError(f"--max-minutes must be above 0, got {self.max_minutes:g}.")


@dataclass(frozen=True, kw_only=True)
class EvaluateOptions(ModelOptions):
    """Compare settings: talks of portraits and voices, measured, in one report to look at.

    Each portrait says each voice in each variant. OUT gets the films, report.html (side by side, in
    step, with blind votes) and figures.csv. Talks that are there already are left as they are, so a
    start that broke off can be repeated.

    Exit codes: 0 done; 1 some talks could not be made (the report has the others). 2: the command
    cannot be used as it is. 130: stopped with Ctrl-C, the report has what was made.
    """

    portrait: Annotated[Path, arg(metavar="FILE|FOLDER")]
    """Picture of one person, or a folder of them."""
    audio: Annotated[Path, arg(metavar="FILE|FOLDER")]
    """Sound file or video with sound, or a folder of them."""
    out: Annotated[Path, arg(metavar="FOLDER")]
    """Folder of films, report.html and figures.csv."""
    vary: UseAppendAction[Annotated[tuple[str, ...], arg(metavar="NAME=VALUE,VALUE")]] = ()
    """Settings to compare: steps=2,4, chunk-frames=17,33, color-match=0,1, size=256x256,512x512,
    framing=face,picture, preset=flashtalk-tiny,flashtalk-14b. On a GPU also placement=80gb,48gb
    (bf16, FP8). Several are combined, each value with each."""
    seed: Annotated[int, arg(metavar="N")] = 0
    """Of every talk."""

    def check(self) -> None:
        super().check()
        _check_seed(self.seed)


@dataclass(frozen=True, kw_only=True)
class BenchOptions(VideoOptions):
    """Measure how fast this machine is: a table, and with --out the numbers as JSON.

    Every repeat opens a fresh session on the warm model, as a visitor does. It runs the session
    through the video encoder. It measures the time to the first playable bytes, seconds by stage
    for each chunk, and the real-time factor (a live page needs more than 1). With --random-weights
    it needs no files, and compares the plan with the memory that was really used.
    """

    portrait: Annotated[Path | None, unset("the first of the gallery", "FILE")] = None
    """Picture of one person."""
    audio: Annotated[Path | None, unset("the first of the gallery", "FILE")] = None
    """Sound file, repeated until --seconds are full."""
    random_weights: Annotated[bool, arg(help_behavior_hint="")] = False
    """Download nothing; compare with the plan."""
    ladder: Annotated[bool, arg(help_behavior_hint="")] = False
    """Step from the plain path through every technique of --acceleration; say what each gives."""
    size: Annotated[str | None, unset("the preset's", "HEIGHTxWIDTH")] = None
    """In pixels, such as 768x448."""
    seconds: Annotated[float | None, unset("20; 5 with random weights", "SECONDS")] = None
    """Video of each repeat."""
    repeats: Annotated[int, arg(metavar="N")] = 3
    """Fresh sessions."""
    threads: Annotated[int, arg(metavar="N")] = 2
    """CPU threads."""
    first_fragment_frames: Annotated[int | None, unset("as on the page", "N")] = None
    """Frames of the first chunk that are sent ahead; 0: none."""
    out: Annotated[Path | None, unset("none", "FILE", "--json")] = None
    """Also write the numbers to this file, as JSON."""
    chart: Annotated[Path | None, unset("none", "FILE")] = None
    """Also draw the ladder into this file, as SVG."""
    log: Annotated[Path | None, unset("none", "FILE")] = None
    """Also append a row to this Markdown table, such as docs/benchmarks.md."""

    @property
    def video_s(self) -> float:
        """Seconds of video of each repeat."""
        return self.seconds if self.seconds is not None else 5.0 if self.random_weights else 20.0

    def check(self) -> None:
        super().check()
        if self.seconds is not None and not 0 < self.seconds < math.inf:
            raise FlashTalkError(f"--seconds must be above 0, got {self.seconds:g}.")
        if self.repeats < 1:
            raise FlashTalkError(f"--repeats must be 1 or more, got {self.repeats}.")
        if self.chart is not None and not self.ladder:
            raise FlashTalkError("--chart draws a ladder: add --ladder, or leave it out.")


@dataclass(frozen=True, kw_only=True)
class PlanOptions:
    """Say what a preset needs, and whether this machine has it; fetches and loads nothing.

    Exit codes: 0 it fits; 1 it does not; 2 the command cannot be used as it is.
    """

    preset: Annotated[str, arg(metavar="NAME")] = TINY.name
    """flashtalk-tiny, flashtalk-14b, or a folder of weights."""
    gpu_memory_gib: Annotated[float | None, unset("this machine's", "GIB")] = None
    """Plan for a GPU with so much memory."""
    mode: Annotated[str | None, unset("the preset as published", "NAME")] = None
    """quality, balanced or realtime; then the work of a chunk is counted, too."""
    placement: Annotated[str | None, unset("the fastest that fits", "NAME")] = None
    """80gb, 48gb or 24gb."""
    size: Annotated[str | None, unset("the preset's", "HEIGHTxWIDTH")] = None
    """In pixels, such as 768x448."""
    check_published: bool = False
    """Ask the Hub instead: do names, shapes and types of the files fit? Reads headers alone."""

    def check(self) -> None:
        """Raise :class:`FlashTalkError` for a value that cannot be used."""
        if self.gpu_memory_gib is not None and not self.gpu_memory_gib > 0:
            raise FlashTalkError(
                f"--gpu-memory-gib must be above 0, got {self.gpu_memory_gib:g}. Leave it out to "
                "plan for the GPU of this machine."
            )


@dataclass(frozen=True, kw_only=True)
class VerifyOptions:
    """Say whether a video or picture carries FlashTalk's watermark and content credentials.

    Exit codes: 0 it carries the watermark or valid credentials that say so; 1 it carries neither;
    2 the file cannot be read.
    """

    file: Annotated[Path, Positional, arg(metavar="FILE")]
    """Video or picture."""
    out: Annotated[Path | None, unset("none", "FILE", "--json")] = None
    """Also write what was found to this file, as JSON."""

    def check(self) -> None:
        """Nothing but the file itself can be wrong."""
