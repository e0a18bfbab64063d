#!/system/bin/sh
# shellcheck shell=ksh
# Keeps the phone's notification shown while a recorder that is not ours has calls recorded for
# Offhook. Runs as root. Where it can't be shown, that recorder is disabled between two calls
# until it can: no notification, no recording.
#
#   notice.sh start      keep it shown, detached from whoever asked
#   notice.sh stop       no more, and the recorder as it was
#   notice.sh end        the same, for when nobody is left to show it: the recorder stays disabled
#   notice.sh status     key=value lines
#   notice.sh run        the loop itself

PROTOCOL=1

set -u
umask 077
H=${OFFHOOK_ON_PHONE:-${0%/*}}
RUN=$H/run

# shellcheck source=common.sh
. "$H/common.sh"

load_keep() { # RECORDER, the app that records, if it may be disabled; ENABLED, its state before
  RECORDER='' ENABLED=0 EVERY_S=60
  while IFS='=' read -r key value; do
    case $key=$value in
      RECORDER=*[!A-Za-z0-9._]*) ;;
      RECORDER=*) RECORDER=$value ;;
      ENABLED=[01]) ENABLED=$value ;;
      EVERY_S=[1-9] | EVERY_S=[1-9][0-9]) EVERY_S=$value ;;
    esac
  done <"$H/keep"
}

calling() { dumpsys telephony.registry 2>/dev/null | grep -q 'mCallState=[12]'; }

suspend() { # never in a call: it would be cut
  [ -n "$RECORDER" ] && [ ! -e "$RUN/suspended" ] || return 0
  ! calling || return 0
  : >"$RUN/suspended"
  say "refused: $RECORDER is disabled, for the phone does not show the notification"
  pm disable-user --user 0 "$RECORDER" >/dev/null 2>&1
}

resume() {
  [ -e "$RUN/suspended" ] || return 0
  if [ "$ENABLED" = 1 ]; then word=enable; else word=default-state; fi
  pm $word --user 0 "$RECORDER" >/dev/null 2>&1 || return 1
  rm -f "$RUN/suspended"
  say 'the notification is shown again, and calls are recorded'
}

run() {
  exec 9>"$RUN/notice.lock"
  flock -n 9 9>&9 || exit 4
  trap '' HUP
  nap=''
  trap '[ -z "$nap" ] || kill "$nap" 2>/dev/null; rm -f "$RUN/notice.pid"; exit 0' TERM INT
  put "$RUN/notice.pid" "$$"
  unseen=0
  while :; do
    if show_notice; then
      unseen=0 wait_s=$EVERY_S
      resume
    else
      unseen=$((unseen + 1)) wait_s=5
      [ "$unseen" -lt 2 ] || suspend
    fi
    trim_log
    sleep "$wait_s" 9>&- &
    nap=$!
    wait "$nap"
    nap=''
  done
}

start() {
  pid_in "$RUN/notice.pid"
  is_ours "$PID" notice.sh && exit 0
  setsid sh "$0" run </dev/null >/dev/null 2>>"$RUN/log" &
}

stop() {
  pid_in "$RUN/notice.pid"
  if is_ours "$PID" notice.sh; then
    kill -TERM "$PID"
    wait_gone "$PID" notice.sh 50 || kill -KILL "$PID"
  fi
  rm -f "$RUN/notice.pid"
}

status() {
  echo "protocol=$PROTOCOL"
  pid_in "$RUN/notice.pid"
  if is_ours "$PID" notice.sh; then echo 'keeper=yes'; else echo 'keeper=no'; fi
  if [ -e "$RUN/suspended" ]; then echo 'suspended=yes'; else echo 'suspended=no'; fi
}

mkdir -p "$RUN"
load_keep
case ${1:-} in
  start) start ;;
  run) run ;;
  stop)
    stop
    resume
    ;;
  end)
    stop
    suspend
    ;;
  status) status ;;
  *)
    echo "usage: ${0##*/} start|stop|end|status" >&2
    exit 2
    ;;
esac
