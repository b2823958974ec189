#!/bin/sh
# Make the sample data again: the held-back stretch, and the model trained on the frames before it.
# Usage: sample_data/build.sh DATA RUN
#   DATA  directory with frames_*.npz of the trajectory li32_L8.66 (200 frames at 4 fs)
#   RUN   directory for the training run; a run that was stopped goes on
set -eu
here=$(cd "$(dirname "$0")" && pwd)
eldyn convert "$1" "$here/li32_800K.eldyn" --frames 140:200 --encoding log16 --overwrite
OMP_NUM_THREADS=${OMP_NUM_THREADS:-2} eldyn-train fit li32_small --data "$1" --out "$2"
mkdir -p "$here/models"
cp "$2/model.safetensors" "$here/models/pooled_li32.safetensors"
