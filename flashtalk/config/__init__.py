"""What a model is: one frozen dataclass per idea and the named presets.

Above :mod:`flashtalk.geometry`, below everything that computes. Both sizes of the family are
instances of the same dataclasses. Nothing else in the code asks which of them is running.
"""

from flashtalk.config.modes import MODES, Mode, mode_named
from flashtalk.config.networks import (
    AutoencoderConfig,
    SpeechEncoderConfig,
    SpeechFeatures,
    TinyDenoiserConfig,
    TransformerConfig,
)
from flashtalk.config.preset import (
    WHOLE_COST,
    FramingWay,
    HubFiles,
    Preset,
    PublishedSource,
    SamplerConfig,
)
from flashtalk.config.presets import (
    FOURTEEN_B,
    FOURTEEN_B_EXACT,
    PRESETS,
    TINY,
    TINY_SPEECH,
    preset_named,
)

__all__ = [
    "FOURTEEN_B",
    "FOURTEEN_B_EXACT",
    "MODES",
    "PRESETS",
    "TINY",
    "TINY_SPEECH",
    "WHOLE_COST",
    "AutoencoderConfig",
    "FramingWay",
    "HubFiles",
    "Mode",
    "Preset",
    "PublishedSource",
    "SamplerConfig",
    "SpeechEncoderConfig",
    "SpeechFeatures",
    "TinyDenoiserConfig",
    "TransformerConfig",
    "mode_named",
    "preset_named",
]
