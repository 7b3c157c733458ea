#!/usr/bin/env bash
# Trains a checkpoint of the published layout on 8 GPUs: Stage 1, export, Stage 2, export.
# Settings are in lab/training/recipes.py. Begins with checkpoints/undistilled.
set -euo pipefail
cd "$(dirname "$0")/../.."

recipe() {
    accelerate launch --multi_gpu --num_machines 1 --num_processes 8 --mixed_precision no \
        --dynamo_backend no -m lab.training.recipes "$@"
}
# weights of a run in the published layout, beside what is not trained
export_weights() {
    python -m lab.training.checkpoints.export --published "$1" --transformer "$2" --out "$3"
    cp -r "$1"/{vae,text_encoder,tokenizer,image_encoder,wav2vec2} "$3"
}

python -m lab.training.plan --preset flashtalk-14b --batch 1 --recompute
recipe stage1-14b
export_weights checkpoints/undistilled runs/14b-stage1 checkpoints/14b
recipe stage2-14b
export_weights checkpoints/14b runs/14b new-14b
