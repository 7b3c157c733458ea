"""Trained checkpoints -> the folder of weights that the engine loads.

    python -m flashtalk.training.export --speech runs/speech-encoder \\
        --encoder runs/encoder --decoder runs/decoder --stage1 runs/stage1 \\
        --out assets/flashtalk-tiny

Takes the averaged weights of each training and leaves their helper heads behind.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from flashtalk.config import TINY
from flashtalk.training.loop import load_average, load_part
from flashtalk.weights import build_networks, modules_of, save_weights


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--speech", type=Path, required=True)
    parser.add_argument("--encoder", type=Path, required=True, help="autoencoder, --part encoder")
    parser.add_argument("--decoder", type=Path, required=True, help="autoencoder, --part decoder")
    parser.add_argument("--stage1", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--dtype", default="bfloat16", choices=("bfloat16", "float32"))
    arguments = parser.parse_args()
    networks = build_networks(TINY)
    load_part(arguments.speech, "encoder", networks.speech_encoder)
    load_average(arguments.encoder, networks.autoencoder)
    reading = networks.autoencoder.encoder_state()
    load_average(arguments.decoder, networks.autoencoder)
    networks.autoencoder.load_state_dict(reading, strict=False)
    load_average(arguments.stage1, networks.transformer)
    save_weights(arguments.out, TINY.name, modules_of(networks), getattr(torch, arguments.dtype))


if __name__ == "__main__":
    main()
