#!/system/bin/sh
# shellcheck shell=ksh
# Say when something changes in folders: one line of inotifyd an event, for as long as standard
# input stays open. So it ends with the connection that started it.
#
#   watch.sh FOLDER:MASK…
#
# Letters of a mask: w closed after writing, y moved here, n made here, D and x the folder is gone.

set -u
for watched in "$@"; do
  shift
  [ -d "${watched%:*}" ] && set -- "$@" "$watched"
done
if [ $# -gt 0 ]; then
  inotifyd - "$@" </dev/null &
  watcher=$!
  trap 'kill $watcher 2>/dev/null' EXIT
  trap 'exit 0' HUP INT TERM
fi
echo ready
cat >/dev/null
