"""What a model is: one frozen dataclass per idea and the named presets.

Above :mod:`flashtalk.geometry`, below everything that computes. Both sizes of the family are
instances of the same dataclasses. Neither session nor chunk step asks which of them is running.
"""

from flashtalk.config.modes import MODES, mode_named
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
    Size,
)
from flashtalk.config.presets import (
    FOURTEEN_B,
    FOURTEEN_B_EXACT,
    PRESETS,
    TINY,
    preset_named,
)

__all__ = [
    "FOURTEEN_B",
    "FOURTEEN_B_EXACT",
    "MODES",
    "PRESETS",
    "TINY",
    "WHOLE_COST",
    "AutoencoderConfig",
    "FramingWay",
    "HubFiles",
    "Preset",
    "PublishedSource",
    "SamplerConfig",
    "Size",
    "SpeechEncoderConfig",
    "SpeechFeatures",
    "TinyDenoiserConfig",
    "TransformerConfig",
    "mode_named",
    "preset_named",
]
