#!/bin/sh
# Every stage of the demo model, one after the other; each goes on where it stopped. Usage: all.sh RUN_FOLDER BUNDLE_FOLDER [cpu|cuda] [processes of the flow]
set -eu
here=$(cd "$(dirname "$0")" && pwd)
run=$1 bundle=$2 device=${3:-cpu} processes=${4:-1}
stage() { script=$1; shift; python3 "$here/$script" --work "$run" --device "$device" "$@"; }
shared() { if [ "$processes" -gt 1 ]; then torchrun --standalone --nproc-per-node "$processes" "$here/flow.py" --work "$run" --device "$device" "$@"; else stage flow.py "$@"; fi; }
stage autoencoder.py
stage faces.py recognizer
stage faces.py judge
stage detector.py
stage scenes.py
[ -f "$run/latents.pt" ] || stage flow.py latents
shared train
shared straighten
stage autoencoder.py --polish
stage export.py --to "$bundle"
stage evaluate.py --bundle "$bundle"
