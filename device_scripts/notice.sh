#!/system/bin/sh
# shellcheck shell=ksh
# Keeps the phone's notification shown while a recorder that is not ours has calls recorded for
# Offhook. Runs as root. Where it can't be shown, that recorder is disabled between two calls
# until it can: no notification, no recording. The same where our module was turned off in the root
# manager, for then nobody would show it after a reboot.
#
#   notice.sh start      keep it shown, detached from whoever asked
#   notice.sh restart    begin anew, with this script and these settings; a recorder that was disabled
#                        is enabled first
#   notice.sh stop       no more, and the recorder as it was
#   notice.sh end        the same, for when nobody is left to show it: the recorder stays disabled
#   notice.sh status     key=value lines
#   notice.sh run        the loop itself

PROTOCOL=1

set -u
umask 077
H=${OFFHOOK_ON_PHONE:-${0%/*}}
RUN=$H/run
MODULE=${H%/*}/modules/offhook

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
  done 2>/dev/null <"$H/keep"
}

calling() { dumpsys telephony.registry 2>/dev/null | grep -q 'mCallState=[12]'; }

writing() { # it has a recording open: it moves the last one, or writes its end
  for app in $(pidof "$RECORDER"); do
    for each in $app $(pgrep -P "$app" 2>/dev/null); do ls -l "/proc/$each/fd" 2>/dev/null; done
  done | grep -q "/$RECORDER/files/"
}

suspend() { # 0 once it is disabled; never in a call, nor while it writes: a recording would be cut
  [ -n "$RECORDER" ] && [ -z "$sure" ] || return 0
  calling && return 1
  if writing; then # but not for ever: one that hangs may have it open for days
    busy=$((busy + 1))
    [ "$busy" -gt 24 ] || return 1
  fi
  [ -e "$RUN/suspended" ] || say "refused: $RECORDER is disabled, for $1"
  : >"$RUN/suspended"
  # What keeps it from being disabled may pass: it is asked again.
  pm disable-user --user 0 "$RECORDER" >/dev/null 2>&1 || return 1
  sure=yes busy=0
}

resume() {
  sure='' busy=0
  [ -e "$RUN/suspended" ] || return 0
  if [ "$ENABLED" = 1 ]; then word=enable; else word=default-state; fi
  pm $word --user 0 "$RECORDER" >/dev/null 2>&1 || return 1
  rm -f "$RUN/suspended"
  say 'the notification is shown again, and calls are recorded'
}

is_leaving() { # its user turned our module off: with the next boot nobody shows the notification
  [ -e "$MODULE/disable" ] || [ -e "$MODULE/remove" ]
}

run() {
  exec 9>"$RUN/notice.lock"
  flock -n 9 9>&9 || exit 4
  leave_cgroup
  trap '' HUP
  nap=''
  trap '[ -z "$nap" ] || kill "$nap" 2>/dev/null; rm -f "$RUN/notice.pid"; exit 0' TERM INT
  put "$RUN/notice.pid" "$$"
  unseen=0
  while [ -f "$H/keep" ]; do # else it was taken away under our feet
    wait_s=$EVERY_S
    if ! show_notice 9>&-; then # what hangs in it has not the lock
      unseen=$((unseen + 1)) wait_s=5
      [ "$unseen" -lt 2 ] || suspend 'the phone does not show the notification'
    elif is_leaving; then
      unseen=0
      suspend 'nobody would show the notification after a reboot' || wait_s=5
    else
      unseen=0
      resume
    fi
    trim_log
    sleep "$wait_s" 9>&- &
    nap=$!
    wait "$nap"
    nap=''
  done
}

start() {
  [ -f "$H/keep" ] || exit 0
  pid_in "$RUN/notice.pid"
  is_ours "$PID" notice.sh && exit 0
  setsid sh "$0" run </dev/null >/dev/null 2>>"$RUN/log" &
}

stop() {
  pid_in "$RUN/notice.pid"
  if is_ours "$PID" notice.sh; then
    kill -TERM "$PID"
    if ! wait_gone "$PID" notice.sh 50; then
      kill -KILL -- "-$PID" # with what it waits for, which may be about to disable the recorder
      wait_gone "$PID" notice.sh 50
    fi
  fi
  rm -f "$RUN/notice.pid"
}

begun() { # once the loop has said that it runs
  left=50
  while :; do
    pid_in "$RUN/notice.pid"
    is_ours "$PID" notice.sh && return 0
    [ "$left" -gt 0 ] || return 1
    left=$((left - 1))
    sleep 0.1
  done
}

status() {
  echo "protocol=$PROTOCOL"
  pid_in "$RUN/notice.pid"
  if is_ours "$PID" notice.sh; then echo 'keeper=yes'; else echo 'keeper=no'; fi
  if [ -e "$RUN/suspended" ]; then echo 'suspended=yes'; else echo 'suspended=no'; fi
  if is_leaving; then echo 'module=off'; fi
}

mkdir -p "$RUN"
sure='' busy=0
load_keep
case ${1:-} in
  start) start ;;
  restart)
    stop
    resume # now: the loop would find out in a minute
    start
    begun || exit 1
    ;;
  run) run ;;
  stop)
    stop
    resume
    ;;
  end)
    stop
    tries=720 # an hour: a call may be on
    until suspend 'nobody is left to show the notification'; do
      tries=$((tries - 1))
      if [ "$tries" = 0 ] || ! [ -f "$H/keep" ]; then break; fi # `disable` may come meanwhile
      sleep 5
    done
    ;;
  status) status ;;
  *)
    echo "usage: ${0##*/} start|restart|stop|end|status" >&2
    exit 2
    ;;
esac
