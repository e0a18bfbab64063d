#!/system/bin/sh
# shellcheck shell=ksh disable=SC3028
# Offhook's recorder on the phone. Runs as root; records each call into a spool folder.
#
#   offhookd.sh on         capture is on: begin, detached from whoever asked
#   offhookd.sh start      begin again, if capture is on
#   offhookd.sh stop       capture is off: end; a call that is being recorded is kept
#   offhookd.sh status     key=value lines
#   offhookd.sh supervise  run, again and again until told to stop (what start starts)
#   offhookd.sh run        the loop itself
#
# Truth is `dumpsys telephony.registry`; Telecom's log lines say when to ask it.

# What the host and the boot module must know to work with these scripts: the commands above, the
# words of status, the sidecar. Another number is another language.
PROTOCOL=1

set -u
umask 077
H=${OFFHOOK_ON_PHONE:-${0%/*}}
SPOOL=$H/spool
RUN=$H/run
PCM=$H/offhook-pcm
MODULE=${H%/*}/modules/offhook
NL='
'

# shellcheck source=common.sh
. "$H/common.sh"
# shellcheck source=calls.sh
. "$H/calls.sh"
# shellcheck source=events.sh
. "$H/events.sh"
# shellcheck source=loop.sh
. "$H/loop.sh"
# shellcheck source=record.sh
. "$H/record.sh"
# shellcheck source=status.sh
. "$H/status.sh"

# --- the loop ---------------------------------------------------------------------------------

finish() {
  trap '' TERM INT HUP
  [ -n "$capture" ] && stop_capture true
  stop_events
  rm -f "$RUN/events" "$RUN/state" "$RUN/daemon.pid"
  say 'ended'
  exit 0
}

run() {
  put "$RUN/daemon.pid" "$$"
  capture='' recording='' logcat='' starting='' PRECISE='' room=''
  trap finish TERM INT HUP
  resumed='' cut_part=0
  recover
  follow
}

tidy_up() {
  recover_file
  resumed=''
}

stay_alive() { # without a supervisor nobody would start us again: become one, which does
  if ! kill -0 "$PPID" 2>/dev/null && ! [ -f "$RUN/stop" ]; then
    say 'the supervisor was killed; another one begins'
    stop_events
    rm -f "$RUN/daemon.pid"
    trap - TERM INT HUP
    exec sh "$0" supervise </dev/null
  fi
}

# --- beginning and end ------------------------------------------------------------------------

load_config() {
  CARD=0 DEVICE=0 RATE=48000 CHANNELS=2 CONSENT='' VERSION='' LEGS=''
  MIN_FREE_KB=204800 SPOOL_MAX_KB=2097152 LEAST_KB=2048
  BOOT=$(</proc/sys/kernel/random/boot_id)
  while IFS='=' read -r key value; do
    case $key in
      CARD | DEVICE | RATE | CHANNELS | MIN_FREE_KB | SPOOL_MAX_KB)
        case $value in *[!0-9]* | '') ;; *) eval "$key=\$value" ;; esac ;;
      LEGS) LEGS=$(print -r -- "$value" | tr -cd 'a-z,') ;;
      CONSENT) CONSENT=$(print -r -- "$value" | tr -cd 'A-Za-z0-9 _,:.-') ;;
      VERSION) VERSION=$(print -r -- "$value" | tr -cd 'A-Za-z0-9.+-') ;;
    esac
  done <"$H/config"
}

lock_is_free() { # and is ours then; held by whoever lives of supervisor and loop: never two
  exec 9>"$RUN/lock"
  # mksh keeps descriptors above 2 from its children unless they are named again.
  flock -n 9 9>&9
}

take_lock() {
  lock_is_free || {
    echo 'already running' >&2
    exit 4
  }
}

one_at_a_time() { # a start whose computer is gone must not overtake the stop after it
  exec 8>"$RUN/command"
  flock 8 8>&8
}

start() {
  one_at_a_time
  [ "$1" = start ] || rm -f "$H/off"
  [ ! -f "$H/off" ] || { echo 'capture is off' >&2; exit 6; }
  take_lock
  rm -f "$RUN/stop" "$RUN/state" # of before a reboot
  exec 9>&-
  setsid sh "$0" supervise </dev/null >/dev/null 2>>"$RUN/log" &
  tries=100
  while [ "$tries" -gt 0 ] && ! [ -f "$RUN/state" ]; do
    tries=$((tries - 1))
    sleep 0.1
  done
  [ -f "$RUN/state" ] || { echo "the recorder did not start: $(tail -n 3 "$RUN/log")" >&2; exit 5; }
}

supervise() {
  take_lock
  leave_cgroup
  trap '' HUP
  put "$RUN/supervisor.pid" "$$"
  while ! [ -f "$RUN/stop" ]; do
    rm -f "$RUN/state"
    now_ms
    begun=$NOW
    sh "$0" run </dev/null 9>&9 &
    wait $!
    [ -f "$RUN/stop" ] && break
    say 'the loop was killed; it starts again'
    # At once, for a call may be on; but not for ever as fast as it can.
    now_ms
    [ $((NOW - begun)) -gt 5000 ] || sleep 1
  done
  rm -f "$RUN/supervisor.pid"
}

end_whoever_runs() { # asked again and again: the supervisor may just be starting another loop
  pid_in "$RUN/daemon.pid"
  if is_ours "$PID" offhookd; then
    # It has a recording to finish, perhaps; at last it has had its time.
    if [ "$tries" -gt 120 ]; then kill -KILL "$PID"; else kill -TERM "$PID"; fi
    return
  fi
  # Without a loop its supervisor ends by itself, for it finds the file `stop`.
  pid_in "$RUN/supervisor.pid"
  if [ "$tries" -gt 40 ] && is_ours "$PID" offhookd; then kill -KILL "$PID"; fi
}

stop() {
  : >"$H/off" # nobody but `on` starts it again
  : >"$RUN/stop"
  one_at_a_time
  : >"$RUN/stop" # a start that was under way has taken it away
  : >"$H/off"
  tries=0
  until lock_is_free; do
    end_whoever_runs
    tries=$((tries + 1))
    [ "$tries" -lt 200 ] || { echo 'the recorder does not end' >&2; exit 4; }
    sleep 0.1
  done
  load_config
  capture='' recording='' resumed='' room=''
  recover
  rm -f "$RUN/daemon.pid" "$RUN/supervisor.pid" "$RUN/state" "$RUN/stop" "$RUN/events"
  [ ! -f "$RUN/call.wav" ] || { echo 'a recording could not be moved to the spool' >&2; exit 7; }
  [ ! -f "$RUN/undo" ] || { echo 'controls are not as they were' >&2; exit 8; }
}

mkdir -p "$SPOOL" "$RUN"
case ${1:-} in
  on | start) start "$1" ;;
  supervise) supervise ;;
  run)
    load_config
    run
    ;;
  stop) stop ;;
  status) load_config && status ;;
  *)
    echo "usage: ${0##*/} on|start|stop|status" >&2
    exit 2
    ;;
esac
