#!/bin/sh
# Brings a task of the built-in service into the state that is asked for, and names it.
set -eu
url=${CONFORMANCE_BASE_URL:-http://127.0.0.1:8080/v1}

call() {
    curl -sf "$url/tasks/$1" -H "Authorization: Bearer $CONFORMANCE_OWNER_KEY" -H "content-type: application/json" -d "$2"
}

case $1 in
    running) model=sim-long ;;
    failed) model=sim-fails ;;
    *) echo "no way into $1" >&2; exit 1 ;;
esac
task=$(call submit "{\"model\": \"$model\", \"params\": {\"prompt\": \"by a hook\"}}" | sed 's/.*"task_id":"\([^"]*\)".*/\1/')
until call query "{\"task_id\": \"$task\"}" | grep -q "\"status\":\"$1\""; do
    sleep 0.1
done
echo "{\"task_id\": \"$task\"}"
