#!/usr/bin/env bash
# Trains the embedded model from nothing: clips, speech, every part, export.
# Each step resumes where it was stopped. Settings are in lab/training/recipes.py.
# runs/pictures needs photographs and textures without a person, for the warp.
set -euo pipefail
cd "$(dirname "$0")/../.."

recipe() { python -m lab.training.recipes "$@"; }

python -m lab.synthesis --clips 1000 --seconds 8 --out runs/clips --workers 2
python -m lab.synthesis.corpus --minutes 160 --out runs/speech-data --workers 2
python -m lab.synthesis.corpus --minutes 60 --out runs/world-speech-data --workers 2 --languages \
    english spanish french italian portuguese hindi japanese mandarin

recipe speech-encoder
recipe landmarks
recipe decoder
recipe painters
recipe sharpening
recipe cover
recipe lids
recipe warp
recipe polish
recipe polished
recipe teeth
recipe covered
recipe flow

recipe stage1-tiny
recipe stage1-tiny-end  # on a GPU
recipe stage2-tiny      # on a GPU
recipe stage1-tiny-after
recipe between-tiny
recipe export-tiny

recipe world-speech
recipe export-world
