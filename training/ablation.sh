#!/bin/sh
# The paper's ablation within reach of two CPU cores: the objective with and without the scaled
# Jensen-Shannon divergence, on 32³ points, and the report that compares them. About an hour and a
# half; stopped at any time, the same command goes on.
#
#   training/ablation.sh DATA OUT     DATA: the 200 frames at 8.66 Å, of which 0-139 train
set -eu
data=$1
out=$2
held_back=sample_data/li32_800K.eldyn # frames 140-199

mkdir -p "$out"
for recipe in paper_32 paper_32_without_sjsd; do
    run="$out/$recipe"
    [ -e "$run/model.safetensors" ] || eldyn-train fit "$recipe" --data "$data" --out "$run"
    [ -e "$run.eldyn" ] || eldyn rollout --model "$run/model.safetensors" --start "$held_back" \
        --frame 2 --frames 500 --sampler ddpm --device cpu --out "$run.eldyn"
done
eldyn evaluate "with sJSD=$out/paper_32.eldyn" "without sJSD=$out/paper_32_without_sjsd.eldyn" \
    --reference "$held_back" --training "$data" --training-frames :140 \
    --model "$out/paper_32/model.safetensors" \
    --model "$out/paper_32_without_sjsd/model.safetensors" \
    --run "with sJSD=$out/paper_32" --run "without sJSD=$out/paper_32_without_sjsd" \
    --out "$out/report" --overwrite
