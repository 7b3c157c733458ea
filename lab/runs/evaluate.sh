#!/usr/bin/env bash
# Judges the judges, measures what ships on held-out people, and writes table and plots.
#   bash lab/runs/evaluate.sh [--run NAME=WEIGHTS[,SETTING=VALUE ...] ...]
# runs/clips holds clips of lab.synthesis; nothing else should run during the last command.
# runs/photos may hold photographs with a face, and photos.csv, which tells kinds of people.
set -euo pipefail
cd "$(dirname "$0")/../.."

runs=("$@")
[ ${#runs[@]} -gt 0 ] || runs=(--run shipped=assets/flashtalk-tiny)

python -m lab.evaluation.studies.validate --clips runs/clips --out runs/evaluation
python -m lab.evaluation.studies.decoder --clips runs/clips --out runs/evaluation
python -m lab.evaluation --clips runs/clips --out runs/evaluation "${runs[@]}"
if [ -d runs/photos ]; then
    python -m lab.evaluation.studies.photographs runs/photos/*.jpg --count 40 \
        --described runs/photos/photos.csv --out runs/photographs
fi
python -m lab.evaluation.studies.recovery --clips runs/clips --out runs/evaluation "${runs[@]}"
python -m lab.evaluation --bench --clips runs/clips --out runs/evaluation "${runs[@]}"
