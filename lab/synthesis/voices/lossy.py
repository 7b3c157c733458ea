"""Lossy sound codecs, there and back: what calls, messengers and recordings do to a voice.

Below `augment`. Packets go straight from encoder to decoder, without a container. The delay of the
pair is measured once and taken out, so the sound stays where its labels are. About 4 to 10 ms of
one core per second of sound.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

import av
import numpy as np
from scipy import fft
from scipy.signal import resample_poly

from flashtalk.errors import FlashTalkError
from lab.synthesis.voices.phones import SAMPLE_RATE_HZ


@dataclass(frozen=True)
class LossyCodec:
    """An encoder and decoder of PyAV, by their names there.

    sample_format: of the samples that the encoder takes
    bit_rates_bps: how narrow the line is, from the worst on
    """

    encoder: str
    decoder: str
    sample_format: str
    bit_rates_bps: tuple[int, ...]


LOSSY_CODECS = (
    LossyCodec("libopus", "libopus", "flt", (6000, 8000, 12_000, 16_000, 24_000)),  # live calls
    LossyCodec("libmp3lame", "mp3float", "fltp", (8000, 16_000, 24_000, 32_000)),
    LossyCodec("aac", "aac", "fltp", (12_000, 16_000, 24_000, 32_000)),  # phones and video files
)


def through_codec(samples: np.ndarray, codec: LossyCodec, bit_rate_bps: int) -> np.ndarray:
    """`samples` [S] at 16 kHz as they come out of the codec: float32 [S], not delayed.

    The same samples always give the same result with one build of PyAV. Raises FlashTalkError where
    that build has no such encoder.
    """
    heard = _round_trip(samples, codec, bit_rate_bps)[_delay_samples(codec) :][: len(samples)]
    return np.pad(heard, (0, len(samples) - len(heard)))


@lru_cache(maxsize=len(LOSSY_CODECS))
def _delay_samples(codec: LossyCodec) -> int:
    """How late the codec's sound is: the lag at which noise and what became of it agree best."""
    noise = np.random.default_rng(0).normal(0, 0.1, SAMPLE_RATE_HZ)
    noise = np.convolve(noise, np.hanning(9) / 4, "same").astype(np.float32)  # no codec keeps hiss
    heard = _round_trip(noise, codec, codec.bit_rates_bps[-1])
    size = fft.next_fast_len(2 * max(len(heard), len(noise)), real=True)
    agreement = fft.irfft(fft.rfft(heard, size) * np.conj(fft.rfft(noise, size)), size)
    return int(np.argmax(agreement[:SAMPLE_RATE_HZ]))


def _round_trip(samples: np.ndarray, codec: LossyCodec, bit_rate_bps: int) -> np.ndarray:
    """Encoded and decoded, float32 at 16 kHz, as late and as long as the codec makes it."""
    try:
        encoder = av.CodecContext.create(codec.encoder, "w")
        decoder = av.CodecContext.create(codec.decoder, "r")
    except ValueError as error:  # PyAV's unknown codec
        raise FlashTalkError(
            f"This build of PyAV has no codec {codec.encoder}; install its wheel with "
            "`pip install av`, or leave codecs out with lossy_odds=0."
        ) from error
    assert isinstance(encoder, av.AudioCodecContext)
    assert isinstance(decoder, av.AudioCodecContext)
    encoder.sample_rate, encoder.layout = SAMPLE_RATE_HZ, "mono"
    encoder.format, encoder.bit_rate = codec.sample_format, bit_rate_bps
    encoder.time_base = Fraction(1, SAMPLE_RATE_HZ)
    frame = av.AudioFrame.from_ndarray(
        np.ascontiguousarray(samples[None], np.float32), codec.sample_format, "mono"
    )
    frame.sample_rate, frame.pts, frame.time_base = SAMPLE_RATE_HZ, 0, encoder.time_base
    packets = [*encoder.encode(frame), *encoder.encode(None)]
    if encoder.extradata:  # what a container would carry
        decoder.extradata = encoder.extradata
    decoder.sample_rate, decoder.layout = SAMPLE_RATE_HZ, "mono"
    frames = [frame for packet in (*packets, None) for frame in decoder.decode(packet)]
    heard = np.concatenate([frame.to_ndarray().ravel() for frame in frames])
    if heard.dtype == np.int16:
        heard = heard / np.float32(32768)
    if frames[0].sample_rate != SAMPLE_RATE_HZ:  # Opus always comes out at 48 kHz
        heard = resample_poly(heard, 1, frames[0].sample_rate // SAMPLE_RATE_HZ)
    return heard.astype(np.float32)
