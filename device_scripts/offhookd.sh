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
# Truth is `dumpsys telephony.registry`; Telecom's log lines only make it look sooner.

set -u
umask 077
H=${OFFHOOK_ON_PHONE:-${0%/*}}
SPOOL=$H/spool
RUN=$H/run
PCM=$H/offhook-pcm
NL='
'

# shellcheck source=common.sh
. "$H/common.sh"
# shellcheck source=calls.sh
. "$H/calls.sh"

write_state() { # write_state idle|ringing|offhook|recording|refused|failed
  now_ms
  put "$RUN/state" "state=$1${NL}at=$NOW${NL}pid=$$"
}

# --- recording --------------------------------------------------------------------------------

may_record() { # asked while the phone still rings or dials: none of it delays the recording
  # shellcheck disable=SC2046 # the fields of df's last line
  set -- $(df -k "$H" | tail -n 1)
  room=$((${4:-0} - MIN_FREE_KB)) # KiB; times 1000 is bytes enough
  if [ "$room" -le 0 ]; then
    say "refused: ${4:-0} KiB free, $MIN_FREE_KB are wanted"
  elif [ -f "$RUN/call.wav" ]; then
    say 'refused: an earlier recording could not be moved to the spool'
  elif ! show_notice; then
    say 'refused: the phone does not show the notification'
  else
    return 0
  fi
  write_state refused
  return 1
}

arm_capture() { # the helper with its journal written and its controls set, waiting to be told
  set -- "$PCM" capture -D "$CARD" -d "$DEVICE" -r "$RATE" -c "$CHANNELS"
  while IFS= read -r control; do
    [ -n "$control" ] && set -- "$@" --hold "$control"
  done <"$H/controls"
  rm -f "$RUN/result" "$RUN/go"
  mkfifo "$RUN/go"
  exec 4<>"$RUN/go"
  "$@" --journal "$RUN/undo" --die-with-parent --go --max-bytes "${room}000" \
    -o "$RUN/call.wav" \
    <&4 >"$RUN/result" 2>"$RUN/error" 9>&- &
  capture=$!
  put "$RUN/capture.pid" "$capture"
}

start_capture() {
  print g >&4
  now_ms
  part=$((part + 1)) active_ms=$NOW recording=yes burst=0
  put "$RUN/call" "direction=$direction${NL}number=$number${NL}sim=$sim${NL}\
ringing_ms=$ringing_ms${NL}offhook_ms=$offhook_ms${NL}active_ms=$active_ms${NL}part=$part${NL}boot=$BOOT"
  write_state recording
  say "recording, part $part"
  name_recording
}

name_recording() { # -> stem, made while there is time
  seconds=${active_ms%???}
  stem=$(date -d "@$seconds" "+%Y%m%d_%H%M%S.${active_ms#"$seconds"}%z")_$direction
  [ "$part" -gt 1 ] && stem=${stem}_part$part
  copy=0
  while [ -e "$SPOOL/$stem.wav" ] || [ -e "$SPOOL/$stem.json" ]; do
    copy=$((copy + 1))
    stem=${stem%%~*}~$copy
  done
}

stop_capture() { # stop_capture CUT: also one that was armed and never told to begin
  kill -TERM "$capture" 2>/dev/null
  wait "$capture"
  code=$?
  capture=
  now_ms
  if [ -n "$recording" ]; then
    [ "$code" = 0 ] || say "the helper ended with $code: $(<"$RUN/error") $(<"$RUN/result")"
    if [ "$1" = true ]; then NOW=null; fi
    file_recording "$1" "$NOW" "$code"
  else
    clear_call
  fi
}

clear_call() {
  recording=
  [ ! -f "$RUN/undo" ] || restore_controls
  rm -f "$RUN/result" "$RUN/error" "$RUN/capture.pid" "$RUN/go"
  [ -f "$RUN/call.wav" ] || rm -f "$RUN/call" # else it waits to be filed: see recover_file
}

file_recording() { # file_recording CUT CALL_ENDED_MS|null CODE: into the spool, sidecar first
  recording=
  [ "$3" = 0 ] || "$PCM" repair "$RUN/call.wav" >/dev/null 2>&1
  # 44 bytes are a header without a sound after it. Sizes are compared by their length first:
  # mksh counts in 32 bits.
  size=44
  [ "$3" = 0 ] && [ -s "$RUN/call.wav" ] && size=long
  [ "$size" = long ] || size=$(stat -c %s "$RUN/call.wav" 2>/dev/null || echo 0)
  if [ "${#size}" -le 2 ] && [ "$size" -le 44 ]; then
    say "nothing was recorded: $(<"$RUN/error") $(<"$RUN/result")"
    rm -f "$RUN/call.wav"
    clear_call
    return
  fi
  quoted=null
  [ -n "$number" ] && quoted="\"$number\""
  result=null
  [ -s "$RUN/result" ] && result=$(<"$RUN/result")
  case $result in
    '{'*'}') ;;
    *) result=null ;;
  esac
  if put "$SPOOL/$stem.json" "{\"schema\":1,\"recorder\":\"offhook\",\"version\":\"$VERSION\",\
\"route\":\"alsa\",\"direction\":\"$direction\",\"number\":$quoted,\"sim\":$sim,\
\"ringing_ms\":${ringing_ms:-null},\"offhook_ms\":${offhook_ms:-null},\
\"started_ms\":$active_ms,\"call_ended_ms\":$2,\"part\":$part,\"cut\":$1,\
\"consent\":\"$CONSENT\",\"card\":$CARD,\"device\":$DEVICE,\"legs\":\"$LEGS\",\
\"capture\":$result}" && move "$RUN/call.wav" "$SPOOL/$stem.wav"; then
    say "recorded, cut=$1"
  else
    rm -f "$SPOOL/$stem.json"
    say 'nothing was recorded to the spool: the recording stays where it is'
    write_state failed
  fi
  clear_call
}

restore_controls() {
  "$PCM" restore "$RUN/undo" >"$RUN/restore" 2>&1 && return
  say "controls not restored: $(<"$RUN/restore")"
  # A control that has vanished with its card needs no value: the others have theirs.
  "$PCM" restore --drop-missing "$RUN/undo" >/dev/null 2>&1
}

recover() {
  # The helper ends by itself when its parent dies, and puts the controls back: let it.
  pid_in "$RUN/capture.pid"
  if ! wait_gone "$PID" offhook-pcm 50; then
    kill -KILL "$PID" 2>/dev/null
    wait_gone "$PID" offhook-pcm 20
  fi
  pid_in "$RUN/logcat.pid"
  is_ours "$PID" logcat && kill "$PID" 2>/dev/null
  rm -f "$RUN/logcat.pid"
  [ -f "$RUN/undo" ] && restore_controls
  recover_file
  clear_call
}

recover_file() { # a recording that nobody filed: of a killed recorder, or of a full disk
  [ -f "$RUN/call.wav" ] || return
  direction=unknown number='' sim=0 ringing_ms='' offhook_ms='' active_ms='' part=1 boot=''
  if [ -f "$RUN/call" ]; then
    while IFS='=' read -r key value; do
      case $key=$value in
        direction=in | direction=out) direction=$value ;;
        number=*) clean_number "$value"; number=$CLEAN ;;
        sim=[0-9]) sim=$value ;;
        ringing_ms=*[!0-9]* | offhook_ms=*[!0-9]* | active_ms=*[!0-9]* | part=*[!0-9]*) ;;
        ringing_ms=*) ringing_ms=$value ;;
        offhook_ms=*) offhook_ms=$value ;;
        active_ms=?*) active_ms=$value ;;
        part=?*) part=$value ;;
        boot=*) boot=$value ;;
      esac
    done <"$RUN/call"
  fi
  written=$(stat -c %Y "$RUN/call.wav")
  active_ms=${active_ms:-${written}000}
  say 'a cut recording was found'
  name_recording
  file_recording true null 1
  # The call may still go on, if all this was a moment ago: what comes next is its next part.
  if [ "$boot" = "$BOOT" ] && [ $(($(date +%s) - written)) -lt 30 ]; then
    resumed=$offhook_ms
    cut_part=$part
    cut_direction=$direction cut_number=$number cut_sim=$sim cut_ringing=$ringing_ms
  fi
}

# --- the loop ---------------------------------------------------------------------------------

start_events() { # Telecom's log, through a pipe that never ends: a dead logcat only slows us
  [ -p "$RUN/events" ] || mkfifo "$RUN/events"
  exec 3<>"$RUN/events"
  logcat -b main,system -v threadtime -T 1 -s Telecom:I >&3 2>/dev/null 9>&- &
  logcat=$!
  put "$RUN/logcat.pid" "$logcat"
}

finish() {
  trap '' TERM INT HUP
  [ -n "$capture" ] && stop_capture true
  [ -n "$logcat" ] && kill "$logcat" 2>/dev/null
  rm -f "$RUN/logcat.pid" "$RUN/events" "$RUN/state" "$RUN/daemon.pid"
  say 'ended'
  exit 0
}

run() {
  put "$RUN/daemon.pid" "$$"
  capture='' recording='' logcat=''
  trap finish TERM INT HUP
  resumed='' cut_part=0
  recover
  new_call
  now_ms
  last=0 checked=$NOW burst=0 stale='' unseen=0
  start_events
  show_notice || say 'the phone does not show the notification; nothing is recorded until it does'
  write_state idle
  say 'ready'
  while :; do
    step
    # The log's word comes a moment before the registry knows: look a few times, closely.
    if [ "$burst" -gt 0 ]; then
      burst=$((burst - 1)) pause=0.05
    elif [ "$STATE" = 0 ]; then
      pause=1
    else
      pause=0.25
    fi
    lines=0
    while IFS= read -r -t "$pause" event <&3; do
      case $event in *setCallState*) burst=8; break ;; esac
      # Whoever floods the log must not keep us from looking.
      lines=$((lines + 1))
      [ "$lines" -lt 20 ] || break
    done 2>/dev/null # a signal's interruption
    now_ms
    if [ "$STATE" = 0 ]; then
      passed "$checked" 30000 && look_after
    else
      passed "$checked" 5000 && keep_notice
    fi
  done
}

keep_notice() { # somebody may have wiped it away in the middle of a call: no recording without it
  checked=$NOW
  if show_notice; then
    unseen=0
    return
  fi
  say 'the phone does not show the notification'
  unseen=$((unseen + 1))
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

look_after() {
  checked=$NOW
  trim_log
  show_notice || say 'the phone does not show the notification'
  is_ours "$logcat" logcat || { exec 3>&-; start_events; }
  recover_file
  resumed=''
  new_call
}

new_call() {
  direction='' number='' ringing_ms='' offhook_ms='' active_ms='' part=0 allowed=''
  wait_ms=0 failed_at=0
}

step() {
  read_state || { STATE=$last; return; }
  if [ -n "$capture" ] && ! kill -0 "$capture" 2>/dev/null; then
    wait "$capture"
    code=$?
    say "the helper ended by itself with $code: $(<"$RUN/error") $(<"$RUN/result")"
    capture=
    now_ms
    if [ -n "$recording" ]; then file_recording true null "$code"; else clear_call; fi
    # It is tried again for as long as the call lasts: what keeps the PCM may let go of it.
    now_ms
    failed_at=$NOW wait_ms=$((wait_ms * 2 + 250)) allowed=''
    [ "$wait_ms" -le 5000 ] || wait_ms=5000
    [ "$STATE" = 0 ] || write_state failed
  fi
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
  last=$STATE
}

load_config() {
  CARD=0 DEVICE=0 RATE=48000 CHANNELS=2 MIN_FREE_KB=204800 CONSENT='' VERSION='' LEGS=''
  BOOT=$(</proc/sys/kernel/random/boot_id)
  while IFS='=' read -r key value; do
    case $key in
      CARD | DEVICE | RATE | CHANNELS | MIN_FREE_KB)
        case $value in *[!0-9]* | '') ;; *) eval "$key=\$value" ;; esac ;;
      LEGS) LEGS=$(print -r -- "$value" | tr -cd 'a-z,') ;;
      CONSENT) CONSENT=$(print -r -- "$value" | tr -cd 'A-Za-z0-9 _,:.-') ;;
      VERSION) VERSION=$(print -r -- "$value" | tr -cd 'A-Za-z0-9.+-') ;;
    esac
  done <"$H/config"
}

take_lock() { # held by whoever lives of supervisor and loop: never two
  exec 9>"$RUN/lock"
  # mksh keeps descriptors above 2 from its children unless they are named again.
  flock -n 9 9>&9 || {
    echo 'already running' >&2
    exit 4
  }
}

leave_cgroup() { # with KernelSU's su we are adbd's children, and would be killed with it
  for procs in /acct/cgroup.procs /dev/cg2_bpf/cgroup.procs /sys/fs/cgroup/cgroup.procs; do
    [ -w "$procs" ] && echo $$ >"$procs" 2>/dev/null && return
  done
}

mkdir -p "$SPOOL" "$RUN"
case ${1:-} in
  on | start)
    [ "$1" = start ] || rm -f "$H/off"
    [ ! -f "$H/off" ] || { echo 'capture is off' >&2; exit 6; }
    take_lock
    exec 9>&-
    rm -f "$RUN/stop"
    setsid sh "$0" supervise </dev/null >/dev/null 2>>"$RUN/log" &
    tries=50
    while [ "$tries" -gt 0 ] && ! [ -f "$RUN/state" ]; do
      tries=$((tries - 1))
      sleep 0.1
    done
    [ -f "$RUN/state" ] || { echo "the recorder did not start: $(tail -n 3 "$RUN/log")" >&2; exit 5; }
    ;;
  supervise)
    take_lock
    leave_cgroup
    load_config
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
    ;;
  run)
    load_config
    run
    ;;
  stop)
    : >"$H/off" # nobody but `on` starts it again
    : >"$RUN/stop"
    pid_in "$RUN/daemon.pid"
    is_ours "$PID" offhookd && kill -TERM "$PID"
    if ! wait_gone "$PID" offhookd 100; then
      kill -KILL "$PID"
      wait_gone "$PID" offhookd 20
    fi
    pid_in "$RUN/supervisor.pid"
    if ! wait_gone "$PID" offhookd 30; then kill -KILL "$PID"; fi
    take_lock
    load_config
    recover
    rm -f "$RUN/daemon.pid" "$RUN/supervisor.pid" "$RUN/state" "$RUN/stop" "$RUN/events"
    [ ! -f "$RUN/call.wav" ] || { echo 'a recording could not be moved to the spool' >&2; exit 7; }
    [ ! -f "$RUN/undo" ] || { echo 'controls are not as they were' >&2; exit 8; }
    ;;
  status)
    pid_in "$RUN/daemon.pid"
    if is_ours "$PID" offhookd; then echo "daemon=$PID"; else echo 'daemon='; fi
    pid_in "$RUN/supervisor.pid"
    if is_ours "$PID" offhookd; then echo "supervisor=$PID"; else echo 'supervisor='; fi
    [ -f "$RUN/state" ] && cat "$RUN/state"
    if [ -f "$H/off" ]; then echo 'off=yes'; else echo 'off=no'; fi
    if notice_up; then echo 'notice=shown'; else echo 'notice=missing'; fi
    if [ -f "$RUN/undo" ]; then echo 'undo=pending'; else echo 'undo=none'; fi
    set -- "$SPOOL"/*.wav
    if [ -e "$1" ]; then echo "spool=$#"; else echo 'spool=0'; fi
    echo "problem=$(grep -E 'refused|not restored|ended with|ended by itself|nothing was recorded' "$RUN/log" 2>/dev/null | tail -n 1 | tr -d '\n')"
    ;;
  *)
    echo "usage: ${0##*/} on|start|stop|status" >&2
    exit 2
    ;;
esac
