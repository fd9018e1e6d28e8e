#!/bin/sh
# A nightly export that looks after itself. cron or a Kubernetes CronJob starts it; what it
# prints is its log, and its exit code says how it went (docs/reference.md, "Exit codes").
#
#   OUT    where the export goes       default crm.sqlite
#   TRIES  how often it is gone on with where the CRM fails or a quota is used up   default 5
#   PAUSE  seconds before that         default 300
#
# The token is in a file: CARAFE_TOKEN_FILE. Runs have a folder of their own, so that
# `resume last` here means this export and never somebody's import.
set -u
export CARAFE_RUNS_DIR="${CARAFE_RUNS_DIR:-runs}"

carafe export accounts contacts opportunities -o "${OUT:-crm.sqlite}" --lines --incremental
code=$?

# 1: this machine (disk full), 3: the CRM, 6: the quota. What was read by then is kept.
tries=0
while [ "$tries" -lt "${TRIES:-5}" ] && { [ "$code" = 1 ] || [ "$code" = 3 ] || [ "$code" = 6 ]; }; do
    sleep "${PAUSE:-300}"
    carafe resume last
    code=$?
    tries=$((tries + 1))
done
exit "$code"
