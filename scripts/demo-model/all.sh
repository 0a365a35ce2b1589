#!/bin/sh
# Every stage of the demo model, one after the other; each goes on where it stopped. Usage: all.sh RUN_FOLDER BUNDLE_FOLDER [cpu|cuda] [processes]
set -eu
here=$(cd "$(dirname "$0")" && pwd)
run=$1 bundle=$2 device=${3:-cpu} processes=${4:-1}
half=
if [ "$device" = cuda ] || grep -q avx512_bf16 /proc/cpuinfo; then half=--half; fi
stage() { script=$1; shift; python3 "$here/$script" --work "$run" --device "$device" $half "$@"; }
shared() {
    if [ "$processes" -gt 1 ]; then
        script=$1
        shift
        torchrun --standalone --nproc-per-node "$processes" "$here/$script" --work "$run" --device "$device" $half "$@"
    else
        stage "$@"
    fi
}
shared autoencoder.py
stage faces.py recognizer
stage faces.py judge
stage detector.py
stage scenes.py
[ -f "$run/latents.pt" ] || stage flow.py latents
shared flow.py train
shared flow.py straighten
stage autoencoder.py --polish
stage export.py --to "$bundle"
stage evaluate.py --bundle "$bundle"
