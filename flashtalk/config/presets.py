"""The named presets: flashtalk-tiny, embedded in this repository, and flashtalk-14b."""

from __future__ import annotations

from dataclasses import replace

from flashtalk.config.networks import (
    AutoencoderConfig,
    SpeechEncoderConfig,
    SpeechFeatures,
    TinyDenoiserConfig,
    TransformerConfig,
)
from flashtalk.config.preset import HubFiles, Preset, PublishedSource, SamplerConfig
from flashtalk.errors import FlashTalkError
from flashtalk.geometry import ChunkGeometry

TINY_SPEECH = SpeechFeatures(layers=2, width=128)

TINY = Preset(
    name="flashtalk-tiny",
    geometry=ChunkGeometry(
        height_px=256,
        width_px=256,
        spatial_stride=32,
        speech_window_frames=75,
        lookahead_frames=5,
    ),
    transformer=TinyDenoiserConfig(
        dim=192,
        ffn_dim=576,
        heads=4,
        layers=6,
        latent_channels=44,
        mask_channels=1,
        flow_prior_cells=(8, 8),
        speech=TINY_SPEECH,
        audio_hidden=192,
        audio_tokens=4,
        audio_width=192,
    ),
    autoencoder=AutoencoderConfig(latent_channels=44),
    speech_encoder=SpeechEncoderConfig(features=TINY_SPEECH, voice_gate=True),
    sampler=SamplerConfig(),
    trained_chunk_frames=(33, 17),
    first_fragment_frames=4,  # its latents are decoded apart, so a small one costs nothing
    live_lookahead_frames=3,  # docs/evaluation.md: lips as with 5
    weights="flashtalk-tiny",
    picture_sizes=((512, 512), (256, 256)),
    framings=("face", "picture"),
    least_face=0.35,  # its landmark network misplaced a mouth at 0.30, none at 0.42
)

RELEASED = "Soul-AILab/SoulX-FlashTalk-14B"
RELEASED_REVISION = "f3fda6499a6022862cadd39fc41ae63b64706e1b"
"""The commit of the released weights that a public benchmark pins.

It was not compared by us with the repository. ``flashtalk-14b@main`` follows the branch.
"""

FOURTEEN_B = Preset(
    name="flashtalk-14b",
    geometry=ChunkGeometry(height_px=768, width_px=448, spatial_stride=8),
    transformer=TransformerConfig(
        dim=5120,
        ffn_dim=13824,
        heads=40,
        layers=40,
        latent_channels=16,
        mask_channels=4,
        speech=SpeechFeatures(layers=12, width=768),
        audio_hidden=512,
        audio_tokens=32,
        audio_width=768,
        text_dim=4096,
        image_dim=1280,
    ),
    sampler=SamplerConfig(),
    weights=RELEASED,
    speech_loudness_lufs=-23.0,
    prompt=(
        "A person looks at the camera and talks. Only the person in front moves; the background "
        "does not change."
    ),
    sizes=(
        (768, 448),
        (448, 768),
        (640, 640),
        (720, 416),
        (416, 720),
        (640, 384),
        (384, 640),
        (576, 320),
        (320, 576),
    ),
    crop="whole",
    device="cuda",
    source=PublishedSource(
        transformer=HubFiles(
            RELEASED,
            ("config.json", "diffusion_pytorch_model*.safetensors*"),
            revision=RELEASED_REVISION,
        ),
        wan=HubFiles(
            "Wan-AI/Wan2.1-I2V-14B-480P-Diffusers",
            (
                "vae/*.json",
                "vae/*.safetensors",
                "text_encoder/*.json",
                "text_encoder/*.safetensors",
                "tokenizer/*",
                "image_encoder/*.json",
                "image_encoder/*.safetensors",
            ),
            revision="b184e23a8a16b20f108f727c902e769e873ffc73",
        ),
        wav2vec=HubFiles(
            "TencentGameMate/chinese-wav2vec2-base",
            ("config.json", "preprocessor_config.json", "*.safetensors", "pytorch_model.bin"),
            revision="3991242c806928916fff4a8c0e4f76acf661b743",
        ),
    ),
)

assert FOURTEEN_B.source is not None
FOURTEEN_B_EXACT = replace(
    FOURTEEN_B,
    name="flashtalk-14b-exact",
    source=replace(
        FOURTEEN_B.source,
        wan=HubFiles(
            RELEASED,
            (
                "Wan2.1_VAE.pth",
                "models_t5_umt5-xxl-enc-bf16.pth",
                "models_clip_open-clip-xlm-roberta-large-vit-huge-14.pth",
                "google/umt5-xxl/*",
            ),
            revision=RELEASED_REVISION,
        ),
        original=True,
    ),
)
"""The same with the encoders that lie beside the transformer, to the last digit. One repository,
and 8 GB less to fetch.
"""

PRESETS: dict[str, Preset] = {
    preset.name: preset for preset in (TINY, FOURTEEN_B, FOURTEEN_B_EXACT)
}


def preset_named(name: str) -> Preset:
    """The preset called ``name``; raises :class:`FlashTalkError` listing the known ones."""
    if name not in PRESETS:
        raise FlashTalkError(f"Unknown preset {name!r}. Known presets: {', '.join(PRESETS)}.")
    return PRESETS[name]
