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
  capture='' recording='' logcat='' PRECISE='' room=''
  trap finish TERM INT HUP
  resumed='' cut_part=0
  recover
  new_call
  now_ms
  last=0 burst=0 stale='' unseen=0 heard='' news='' proven='' other_at='' voip=''
  checked=$NOW seen=$NOW looked=$NOW alert=$NOW
  load_trust
  start_events
  notice_is_up
  write_state idle
  say 'ready'
  while :; do
    was=$last
    now_ms
    looked=$NOW
    step
    judge_events
    now_ms
    # The log's word comes a moment before the registry knows: look a few times, closely.
    if [ "$burst" -gt 0 ]; then
      burst=$((burst - 1))
      listen 0.05 50
    elif [ "$STATE" != 0 ]; then
      listen 0.25 250
    elif [ -z "$OTHER_APP" ] && may_wait; then
      listen "$IDLE_S" "${IDLE_S}000"
    else
      listen 1 1000
    fi
    now_ms
    if [ "$STATE" != 0 ]; then
      passed "$seen" 5000 && keep_notice
    else
      passed "$checked" 25000 && look_after
    fi
  done
}

notice_is_up() { # -> unseen, how often it was missed
  now_ms
  seen=$NOW
  if show_notice; then unseen=0 && return; fi
  unseen=$((unseen + 1))
  say 'the phone does not show the notification; nothing is recorded until it does'
  false
}

shown_lately() { # NOW is set
  [ "$unseen" = 0 ] && ! passed "$seen" 5000
}

keep_notice() { # somebody may have wiped it away in the middle of a call: no recording without it
  notice_is_up && return
  if [ "$unseen" -ge 2 ] && [ -n "$capture" ]; then
    stop_capture true
    allowed=no
    say 'refused: the rest of this call, for the phone does not show the notification'
    write_state refused
  fi
}

passed() { # passed SINCE MS: so long ago, or the clock was set back. NOW is set; 32 bits do for
  ago=$((NOW - $1)) # a difference.
  [ "$ago" -ge "$2" ] || [ "$ago" -lt 0 ]
}

look_after() { # between calls. What needs a process is done seldom: each wakes the phone for longer
  checked=$NOW
  news=$news$voip
  recover_file
  resumed=''
  new_call
  if [ "$unseen" -gt 0 ] || passed "$seen" 300000; then
    trim_log
    notice_is_up
  fi
  # Without a supervisor nobody would start us again: become one, which starts another of us.
  if ! kill -0 "$PPID" 2>/dev/null && ! [ -f "$RUN/stop" ]; then
    say 'the supervisor was killed; another one begins'
    stop_events
    rm -f "$RUN/daemon.pid"
    trap - TERM INT HUP
    exec sh "$0" supervise </dev/null
  fi
}

new_call() {
  direction='' number='' ringing_ms='' offhook_ms='' active_ms='' part=0 allowed=''
  wait_ms=0 failed_at=0 holds=0 most_calls=1 parties=''
}

step() {
  read_state || { STATE=$last; return; }
  if [ -n "$capture" ] && ! kill -0 "$capture" 2>/dev/null; then lost_capture; fi
  # The next call may ring or be dialled before we saw the line idle.
  if [ -n "$capture" ]; then
    if [ "$STATE" = 0 ] || { [ -n "$recording" ] && ! talking; }; then
      stop_capture false
      new_call
      last=0 burst=0
      [ "$STATE" != 0 ] || write_state idle
    fi
  fi
  case $STATE in
    0)
      if [ "$last" != 0 ]; then
        write_state idle
        new_call
      fi
      stale=$NUMBERS
      other_app
      ;;
    1)
      # A second call that rings during the first one is not a new call to us.
      if [ "$last" = 0 ] && ! talking; then
        now_ms
        new_call
        # Some phones leave the last caller's number there: better none than a wrong one. The
        # call log has it in the end.
        case $stale in *" $NUMBER "*) NUMBER= ;; esac
        clean_number "$NUMBER"
        direction=in number=$CLEAN sim=$SIM ringing_ms=$NOW
        write_state ringing
      fi
      ;;
    2)
      if [ -z "$offhook_ms" ]; then
        now_ms
        offhook_ms=$NOW
        direction=${direction:-out}
        sim=$SIM
        if [ -n "$resumed" ]; then
          offhook_ms=$resumed part=$cut_part direction=$cut_direction number=$cut_number
          sim=$cut_sim ringing_ms=$cut_ringing
        fi
        write_state offhook
      fi
      ;;
  esac
  resumed=''
  if [ "$STATE" != 0 ] && [ -z "$capture" ]; then
    now_ms
    if passed "$failed_at" "$wait_ms"; then
      [ -n "$allowed" ] || { if may_record; then allowed=yes; else allowed=no; fi; }
      [ "$allowed" = no ] || arm_capture
    fi
  fi
  [ -z "$capture" ] || [ -n "$recording" ] || ! talking || start_capture
  [ -z "$recording" ] || note_calls
  last=$STATE
}

other_app() { # a call that the radio knows nothing of is another app's, and is not recorded
  [ -n "$OTHER_APP" ] || other_at=''
  if [ -n "$OTHER_APP" ]; then
    now_ms
    other_at=${other_at:-$NOW}
    # The radio may just be slow to say so; or a phone's never does, then Telecom has to be asked.
    [ -z "$voip" ] && passed "$other_at" 1500 || return
  elif [ -z "$news" ] || [ "$burst" -gt 0 ]; then
    return
  fi
  news=''
  ask_telecom
  if [ $((CELLULAR + WAITING)) -gt 0 ] && [ -n "$OTHER_APP" ]; then
    PRECISE=no
    say "this phone does not say what its radio's calls do"
  elif [ "$FOREIGN" -gt 0 ] && [ -z "$voip" ]; then
    voip=yes
    write_state idle
    say "another app's call: not recorded"
  elif [ "$FOREIGN" = 0 ] && [ -n "$voip" ]; then
    voip=''
    write_state idle
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

leave_cgroup() { # with KernelSU's su we are adbd's children, and would be killed with it
  for procs in /acct/cgroup.procs /dev/cg2_bpf/cgroup.procs /sys/fs/cgroup/cgroup.procs; do
    [ -w "$procs" ] && echo $$ >"$procs" 2>/dev/null && return
  done
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
