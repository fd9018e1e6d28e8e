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

# A signal reaches what runs at the moment too; a shell alone would not pass it on.
stopped=
trap 'stopped=1; kill -TERM "$child" 2> /dev/null' TERM INT HUP
run() {
    "$@" &
    child=$!
    wait "$child"
    code=$?
    # A wait that a signal ends gives more than 128; what was waited for goes on.
    while [ "$code" -gt 128 ]; do
        kill -0 "$child" 2> /dev/null
        gone=$?
        wait "$child"
        again=$?
        [ "$again" = 127 ] || code=$again
        [ "$gone" = 0 ] || break
    done
}

child=
run carafe export accounts contacts opportunities -o "${OUT:-crm.sqlite}" --lines --incremental
result=$code

# 1: this machine (disk full), 3: the CRM, 6: the quota. What was read by then is kept.
tries=0
while [ -z "$stopped" ] && [ "$tries" -lt "${TRIES:-5}" ]; do
    case $result in 1 | 3 | 6) ;; *) break ;; esac
    run sleep "${PAUSE:-300}"
    [ -z "$stopped" ] || break
    run carafe resume last
    result=$code
    tries=$((tries + 1))
done
exit "$result"
