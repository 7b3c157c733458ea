"""Stage 2's two losses: a roll-out of the generator, judged by the real and by the fake score.

Between the pure equations (:mod:`lab.training.losses.distillation`) and the entry point
(:mod:`lab.training.stage2`). Both losses begin alike: draw a talk, let the generator speak, take
its last chunk, noise it. The time of the noise is random.

Every random number of a step follows from (seed, step, network, rank). Only what decides how often
networks are called comes without the rank.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from flashtalk.config import Preset
from flashtalk.errors import FlashTalkError
from flashtalk.models.contracts import Denoiser
from flashtalk.models.networks import Networks
from flashtalk.stream.denoise import clean_estimate, hold_motion, renoise
from flashtalk.stream.schedule import shifted_timesteps
from lab.options import require_at_least
from lab.training.data.talks import TalkSource, gather_talk
from lab.training.distributed import ALONE, Ranks
from lab.training.losses.distillation import (
    critic_loss,
    dmd_gradient,
    dmd_loss,
    guided,
    interval_times,
    motion_alignment,
    score_times,
)
from lab.training.rollout import LastChunk, Talk, roll_out, shared_draw

log = logging.getLogger(__name__)

GENERATOR, CRITIC = 0, 1  # words of the random numbers' seeds


@dataclass(frozen=True)
class Stage2Config:
    """Settings of the distillation; defaults are the published ones where there are any."""

    chunks: int = 5
    """K: the longest roll-out. Published: 5."""
    batch: int = 2
    """Talks per rank."""
    draws: int = 1
    """Times and noises at which each roll-out is judged. Published: 1; where rolling out costs far
    more than judging, several make the gradients quieter for little."""
    audio_guidance: float = 4.0
    """Guidance of the real score; the public reproduction's, 1 = none."""
    text_guidance: float = 3.0
    """The same for text, in models that read a prompt."""
    motion_weight: float | None = None
    """Weight of the motion-alignment term, beside its own m / (T - m); unset 1, 0 for none.

    Anchored denoisers (the embedded model) copy the motion latents: for them there is no such term,
    whatever this says.
    """
    teacher_motion: Literal["clean", "noised"] = "clean"
    """Motion latents that the real score is given.

    The paper noises them. With clean ones its motion cannot differ from the student's, so nothing
    jumps at a border. Networks that predict clean latents need clean ones, see :meth:`require_fit`.
    """
    times: Literal["full", "interval"] = "full"
    """Where scores are compared: everywhere, or next to the exit step."""
    negative_prompt: str = "blurred, distorted, still picture, moving background"
    """Takes the prompt's place where the real score is asked without text."""
    seed: int = 0

    def __post_init__(self) -> None:
        require_at_least(1, self, "chunks", "batch", "draws")
        require_at_least(0, self, "audio_guidance", "text_guidance", "motion_weight", "seed")

    @property
    def alignment(self) -> float:
        """Weight of the motion-alignment term where there is one."""
        return 1.0 if self.motion_weight is None else self.motion_weight

    def require_fit(self, preset: Preset) -> None:
        """Raises :class:`FlashTalkError` for settings that mean nothing to networks of ``preset``.

        An anchored denoiser counts clean latents from the last motion latent. Trained only with
        motion latents, it says nothing about a chunk without them.
        """
        if self.teacher_motion == "noised" and preset.transformer.anchored:
            raise FlashTalkError(
                f"The teacher's motion latents cannot be noised for {preset.name}: it "
                "counts a chunk from the clean latents that it is given, and would have none to "
                "count from. Use --teacher-motion clean; noised is for models that predict "
                "velocities, such as flashtalk-14b."
            )
        if self.motion_weight is not None and preset.transformer.anchored:
            log.warning(
                "--motion-weight does nothing for %s: it copies the latents that it is given, so "
                "there is nothing to align.",
                preset.name,
            )


PUBLISHED_LOSS = Stage2Config()


class Distillation:
    """The generator's and the critic's loss of a step. Holds networks and settings, no state."""

    def __init__(
        self,
        networks: Networks,
        real_score: Denoiser,
        fake_score: Denoiser,
        source: TalkSource,
        config: Stage2Config,
        ranks: Ranks = ALONE,
    ) -> None:
        """``networks`` are those of the live session, the generator being its transformer.

        Raises :class:`FlashTalkError` if ``config`` does not fit them.
        """
        config.require_fit(networks.preset)
        self.networks = networks
        self.real_score = real_score
        self.fake_score = fake_score
        self.source = source
        self.config = config
        self.ranks = ranks
        self.sampler = networks.preset.sampler

    def generator_step(self, index: int) -> tuple[Tensor, dict[str, float]]:
        """DMD and motion alignment on the last chunk of a roll-out."""
        talk, chunk, exit_step, chance = self._chunk(index, GENERATOR)
        noisy, _, times = self._noised(chunk, exit_step, chance)
        with torch.no_grad():
            velocity = self._velocity(self.fake_score, talk, chunk, noisy, times)
            fake = clean_estimate(noisy, velocity, _wide(times))
            real = self.real_estimate(talk, chunk, noisy, times)
        student, motion, draws = chunk.estimate, chunk.num_motion, self.config.draws
        judged = times_over(student.detach(), draws)
        gradients = dmd_gradient(judged, fake, real, motion)
        loss = dmd_loss(student, gradients.unflatten(0, (draws, -1)).mean(dim=0), motion)
        figures = {
            "dmd": loss.item(),
            "real_gap": (judged - real)[:, :, motion:].abs().mean().item(),
            "score_gap": (fake - real)[:, :, motion:].abs().mean().item(),
        }
        # who counts from the given latents copies them: there is nothing to align
        copies = self.networks.transformer.anchored
        if self.config.alignment and not copies:
            aligned = motion_alignment(times_over(student, draws), real, motion)
            loss = loss + self.config.alignment * aligned
            figures["motion"] = aligned.item()
        return loss, figures

    def critic_step(self, index: int) -> tuple[Tensor, dict[str, float]]:
        """Flow matching of the fake score on the last chunk of another roll-out."""
        with torch.no_grad():
            talk, chunk, exit_step, chance = self._chunk(index, CRITIC)
        noisy, noise, times = self._noised(chunk, exit_step, chance)
        velocity = self._velocity(self.fake_score, talk, chunk, noisy, times)
        clean = times_over(chunk.estimate, self.config.draws)
        if self.networks.transformer.anchored:
            # as in Stage 1: its errors count alike at all times, not most where there is no noise
            share = times.view(-1, 1, 1, 1, 1)
            velocity, clean, noise = share * velocity, share * clean, share * noise
        loss = critic_loss(velocity, clean, noise, chunk.num_motion)
        return loss, {"critic": loss.item()}

    def real_estimate(self, talk: Talk, chunk: LastChunk, noisy: Tensor, times: Tensor) -> Tensor:
        """Clean latents [B, C, T, h, w] where the frozen model, guided, sees them.

        ``noisy`` holds the student's estimate at ``times`` [B], motion latents clean.
        """
        given = chunk.num_motion
        if self.config.teacher_motion == "noised":
            # SoulX-FlashTalk's own way: noised like the rest. Then nothing is clean, and a mask
            # that marks motion must not say otherwise.
            given = 0
            noise = torch.randn(
                chunk.state.motion_latents.shape,
                generator=torch.Generator().manual_seed(chunk.state.seed),
            ).to(noisy)
            copies = self.config.draws
            given_latents = times_over(chunk.state.motion_latents, copies)
            again = renoise(given_latents, times_over(noise, copies), _wide(times))
            noisy = hold_motion(noisy, again)

        def estimate(speech: Tensor, text: Tensor | None) -> Tensor:
            velocity = self._velocity(
                self.real_score, talk, chunk, noisy, times, speech=speech, text=text, given=given
            )
            return clean_estimate(noisy, velocity, _wide(times))

        silence = torch.zeros_like(chunk.speech)  # the null condition is zero features
        conditioned = estimate(chunk.speech, talk.conditions.text)
        unconditioned = estimate(silence, talk.null_text)
        speech_only = conditioned
        if talk.null_text is not None:
            speech_only = estimate(chunk.speech, talk.null_text)
        return guided(
            unconditioned,
            speech_only,
            conditioned,
            audio_scale=self.config.audio_guidance,
            text_scale=self.config.text_guidance,
        )

    # --- inside ---------------------------------------------------------------------------------
    def _chunk(self, index: int, network: int) -> tuple[Talk, LastChunk, int, np.random.Generator]:
        """A roll-out of its own for this step, and the chance that is left for the scores."""
        words = (self.config.seed, index, network)
        draw = shared_draw(words, self.config.chunks, self.sampler.steps)
        self.ranks.require_same("roll-out", (draw.chunks, draw.exit_step))
        chance = np.random.default_rng(np.random.SeedSequence((*words, 1 + self.ranks.index)))
        portraits, samples = self.source.draw(self.config.batch, draw.chunks, chance)
        device = self.ranks.device
        talk = gather_talk(
            self.networks, portraits.to(device), samples.to(device), self.config.negative_prompt
        )
        seed = int(chance.integers(2**31))
        return talk, roll_out(self.networks, talk, draw, self.sampler, seed), draw.exit_step, chance

    def _noised(
        self, chunk: LastChunk, exit_step: int, chance: np.random.Generator
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The estimate at random times, its noise and the times; motion latents clean.

        All of them ``draws`` times B.
        """
        clean = times_over(chunk.estimate.detach(), self.config.draws)
        generator = torch.Generator().manual_seed(int(chance.integers(2**31)))
        uniform = torch.rand(clean.shape[0], generator=generator).to(clean.device)
        noise = torch.randn(clean.shape, generator=generator).to(clean)
        if self.config.times == "full":
            times = score_times(uniform, self.sampler.shift)
        else:
            steps = shifted_timesteps(self.sampler)
            times = interval_times(uniform, steps, exit_step, self.sampler.shift)
        noisy = renoise(clean, noise, _wide(times))
        given = times_over(chunk.state.motion_latents, self.config.draws)
        return hold_motion(noisy, given), noise, times

    def _velocity(
        self,
        model: Denoiser,
        talk: Talk,
        chunk: LastChunk,
        noisy: Tensor,
        times: Tensor,
        *,
        speech: Tensor | None = None,
        text: Tensor | None = None,
        given: int | None = None,
    ) -> Tensor:
        """``model`` at ``noisy`` [B, C, T, h, w] and ``times`` [B], conditioned as in a session."""
        num_motion = chunk.num_motion if given is None else given
        geometry, state = self.networks.preset.geometry, chunk.state
        batch = state.motion_latents.shape[0]
        control = model.control(geometry, state.seed, state.chunk_index, batch)
        condition = model.condition(
            talk.conditions.reference_latents, geometry.chunk_latents, num_motion, control
        )
        # As in the chunk step, the speech is projected outside of forward(): sharded weights are
        # gathered for each of the two calls.
        audio_tokens = model.project_speech(chunk.speech if speech is None else speech)
        draws = self.config.draws
        text, image = (
            None if each is None else times_over(each, draws)
            for each in (talk.conditions.text if text is None else text, talk.conditions.image)
        )
        return model(
            noisy,
            1000.0 * times,
            times_over(condition, draws),
            times_over(audio_tokens, draws),
            text,
            image,
            num_motion=num_motion,
        )


def times_over(batch: Tensor, count: int) -> Tensor:
    """[B, ...] -> the whole batch ``count`` times, [count B, ...]."""
    return batch if count == 1 else batch.repeat(count, *(1 for _ in batch.shape[1:]))


def _wide(times: Tensor) -> Tensor:
    """Noise shares [B] -> timesteps 0 .. 1000 beside latents, [B, 1, 1, 1, 1]."""
    return 1000.0 * times.view(-1, 1, 1, 1, 1)
