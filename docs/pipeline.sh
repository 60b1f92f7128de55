#!/usr/bin/env bash
# A whole study from a script: fetch, loop, evaluate, bound, plot; data on stdout, decisions by exit code.
#
#   docs/pipeline.sh [PRESET] [DIRECTORY]       default: fig5-beam-mini, which needs no download
set -euo pipefail

preset=${1:-fig5-beam-mini}
place=${2:-runs/pipeline}
biasloop=${BIASLOOP:-biasloop}
mkdir -p "$place"

# 3 means that something must be fetched first; anything else but 0 is a failure.
code=0
"$biasloop" loop --preset "$preset" --output "$place/study" --dry-run --json >"$place/plan.json" || code=$?
if [ "$code" = 3 ]; then
    "$biasloop" fetch --preset "$preset" --json >"$place/fetched.json"
    "$biasloop" loop --preset "$preset" --output "$place/study" --dry-run --json >"$place/plan.json"
elif [ "$code" != 0 ]; then
    exit "$code"
fi

# One object a round; the last line names the runs. Running this script again goes on where it stopped.
"$biasloop" loop --preset "$preset" --output "$place/study" --json >"$place/rounds.jsonl"
run=$(tail -n 1 "$place/rounds.jsonl" | python3 -c 'import json, sys; print(json.load(sys.stdin)["runs"][0])')

"$biasloop" evaluate run "$run" --json >"$place/metrics.json"
"$biasloop" bound --from "$run" --json >"$place/bound.json"
"$biasloop" plot "$place/study" --output "$place/study.png" --force --json >"$place/figure.json"
"$biasloop" runs verify "$place/study" --json >"$place/verified.json"
echo "$place"
