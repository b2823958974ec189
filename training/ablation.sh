#!/bin/sh
# The paper's ablation within reach of two CPU cores: the objective with and without the scaled
# Jensen-Shannon divergence on 32³ points, with the paper's denoiser and with one that knows context
# noise, and the two reports that training/README.md quotes. About an hour and a half; stopped at any
# time, the same command goes on.
#
#   training/ablation.sh DATA OUT     DATA: the 200 frames at 8.66 Å, of which 0-139 train
set -eu
data=$1
out=$2
held_back=sample_data/li32_800K.eldyn # frames 140-199
train=$out/train.eldyn

rollout() { # MODEL START FRAME OUT
    eldyn rollout --model "$1" --start "$2" --frame "$3" --frames 500 --sampler ddpm \
        --device cpu --out "$4" --resume
}

mkdir -p "$out"
[ -e "$train" ] || eldyn convert "$data" "$train" --frames :140
for name in with without; do
    run=$out/$name
    recipe=paper_32
    [ "$name" = with ] || recipe=paper_32_without_sjsd
    eldyn-train fit "$recipe" --data "$data" --out "$run"
    eldyn-train fit paper_32_context_noise --autoencoder "$run/model.safetensors" \
        --data "$data" --out "$run.context_noise"
    rollout "$run/model.safetensors" "$held_back" 2 "$run.eldyn"
    rollout "$run.context_noise/model.safetensors" "$held_back" 2 "$run.context_noise.eldyn"
    rollout "$run.context_noise/model.safetensors" "$train" 70 "$run.from_training.eldyn"
done
eldyn evaluate "with sJSD=$out/with.eldyn" "without sJSD=$out/without.eldyn" \
    "with, context noise=$out/with.context_noise.eldyn" \
    "without, context noise=$out/without.context_noise.eldyn" \
    --reference "$held_back" --training "$data" --training-frames :140 \
    --model "$out/with/model.safetensors" --model "$out/without/model.safetensors" \
    --model "$out/with.context_noise/model.safetensors" \
    --model "$out/without.context_noise/model.safetensors" \
    --run "with sJSD=$out/with" --run "without sJSD=$out/without" \
    --out "$out/held_back" --overwrite
eldyn evaluate "with sJSD=$out/with.from_training.eldyn" \
    "without sJSD=$out/without.from_training.eldyn" --reference "$train" \
    --model "$out/with.context_noise/model.safetensors" \
    --model "$out/without.context_noise/model.safetensors" \
    --out "$out/training_stretch" --overwrite
