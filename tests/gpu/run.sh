#!/usr/bin/env bash
# All that needs an accelerator, in at most ten minutes: tests, then ratios on a 1B and a 7B shape.
# Figures come to $OUT (build/gpu). Without an accelerator: DEVICE=cpu SHAPES=tiny tests/gpu/run.sh
set -u -o pipefail
cd "$(dirname "$0")/../.."
out=${OUT:-build/gpu} device=${DEVICE:-cuda:0} shapes=${SHAPES:-1B,7B} python=${PYTHON:-.venv/bin/python}
mkdir -p "$out"
# On the processor the same tests run on a device that is pretended.
chosen=$([ "$device" = cpu ] && echo "not gpu" || echo "gpu")
timeout 270 "$python" -m pytest -q -p no:cacheprovider -m "$chosen" \
    tests/unit/test_devices.py tests/unit/test_device_costs.py tests/integration/test_device_runs.py \
    2>&1 | tee "$out/tests.txt"
tests=$?
timeout 300 "$python" tests/gpu/figures.py --device "$device" --shapes "$shapes" --seconds 270 \
    --out "$out/figures.json" 2>&1 | tee "$out/figures.txt"
figures=$?
exit $((tests || figures))
