#!/bin/sh
# Make the sample data again: the held-back stretch, and the models trained on the frames before it.
# Usage: sample_data/build.sh DATA RUN [COMPRESSED]
#   DATA        directory with frames_*.npz of the trajectory li32_L8.66 (200 frames at 4 fs)
#   RUN         directory for the training runs; one that was stopped goes on
#   COMPRESSED  the trajectory li32_L8.26 (375 frames): makes the spatial model, too, after 140 frames
#               of AIMD (make gpaw)
set -eu
here=$(cd "$(dirname "$0")" && pwd)
eldyn convert "$1" "$here/li32_800K.eldyn" --frames 140:200 --encoding log16 --overwrite
OMP_NUM_THREADS=${OMP_NUM_THREADS:-2} eldyn-train fit li32_small --data "$1" --out "$2"
mkdir -p "$here/models"
cp "$2/model.safetensors" "$here/models/pooled_li32.safetensors"
[ $# -ge 3 ] || exit 0
parts=$2.spatial.data
mkdir -p "$parts"
[ -e "$parts/train.eldyn" ] || eldyn convert "$1" "$parts/train.eldyn" --frames :140
eldyn-train aimd aimd_li32_branch --out "$parts/branch.eldyn"
eldyn-train fit spatial_li32 --data "$parts/train.eldyn" --data "$parts/branch.eldyn" --data "$3" \
    --out "$2.spatial"
cp "$2.spatial/model.safetensors" "$here/models/spatial_li32.safetensors"
