# shellcheck shell=ksh disable=SC2034,SC2153,SC2154
# One recording: armed while the phone rings, begun when somebody can be heard, filed in the spool.

room_for_it() { # -> room, KiB that a recording may take; false and a word in the log when none
  now_ms
  # What was asked a moment ago, less what was recorded since: calls may come one after another.
  if [ "${room:-0}" -lt "$LEAST_KB" ] || passed "$room_at" 60000; then
    # shellcheck disable=SC2046 # the fields of df's last line
    set -- $(df -k "$H" | tail -n 1)
    room=$((${4:-0} - MIN_FREE_KB)) room_at=$NOW
    filled="${4:-0} KiB free, $MIN_FREE_KB are to stay free"
    # shellcheck disable=SC2046 # the fields of du's only line
    set -- $(du -sk "$SPOOL")
    left=$((SPOOL_MAX_KB - ${1:-0}))
    if [ "$left" -lt "$room" ]; then
      room=$left filled="the spool is full, ${1:-0} of $SPOOL_MAX_KB KiB"
    fi
  fi
  [ "$room" -lt "$LEAST_KB" ] || return 0
  say "refused: $filled"
  room=''
  return 1
}

less_room() { # less_room RESULT: what the helper says that it wrote, in its JSON
  case $1 in
    *'"bytes":'[0-9][0-9][0-9][0-9]*)
      value=${1#*'"bytes":'}
      value=${value%%[!0-9]*}
      [ -z "$room" ] || room=$((room - ${value%???})) ;;
    *) room='' ;;
  esac
}

may_record() { # asked while the phone still rings or dials: none of it delays the recording
  if [ -f "$RUN/call.wav" ]; then
    say 'refused: an earlier recording could not be moved to the spool'
  elif ! room_for_it; then
    :
  elif ! shown_lately && ! notice_is_up; then
    say 'refused: the phone does not show the notification'
  else
    return 0
  fi
  write_state refused
  return 1
}

arm_capture() { # the helper with its journal written and its controls set, waiting to be told
  set -- "$PCM" capture -D "$CARD" -d "$DEVICE" -r "$RATE" -c "$CHANNELS"
  held=''
  while IFS= read -r control; do
    [ -n "$control" ] && held=yes && set -- "$@" --hold "$control"
  done <"$H/controls"
  [ -z "$held" ] || set -- "$@" --journal "$RUN/undo"
  rm -f "$RUN/result" "$RUN/go"
  mkfifo "$RUN/go"
  exec 4<>"$RUN/go"
  # room is in KiB; times 1000 is bytes enough.
  set -- "$@" --die-with-parent=$$ --go --max-bytes "${room}000" -o "$RUN/call.wav"
  (
    put "$RUN/capture.pid" "${BASHPID:-}"
    exec "$@" <&4 >"$RUN/result" 2>"$RUN/error" 9>&-
  ) &
  capture=$!
}

start_capture() {
  print g >&4
  now_ms
  part=$((part + 1)) active_ms=$NOW recording=yes burst=0
  holds=0 most_calls=1 parties='' pattern=$FORE$BACK$RING on_hold=''
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
  # A sidecar alone is of a recording whose filing was cut short: this one.
  while [ -e "$SPOOL/$stem.wav" ]; do
    copy=$((copy + 1))
    stem=${stem%%~*}~$copy
  done
}

calls_noted() { :; }
first_look() { :; }

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

lost_capture() { # the helper has ended, and nobody told it to
  wait "$capture"
  code=$?
  capture=
  full=''
  case $(<"$RUN/result") in
    *'"ended":"max-bytes"'*) full=yes && say 'refused: the rest of this call: there is no more room' ;;
    *) say "the helper ended by itself with $code: $(<"$RUN/error") $(<"$RUN/result")" ;;
  esac
  if [ -n "$recording" ]; then file_recording true null "$code"; else clear_call; fi
  now_ms
  if [ -n "$full" ]; then
    allowed=no
    write_state refused
    return
  fi
  # It is tried again for as long as the call lasts: what keeps the PCM may let go of it.
  failed_at=$NOW wait_ms=$((wait_ms * 2 + 250)) allowed=''
  [ "$wait_ms" -le 5000 ] || wait_ms=5000
  [ "$STATE" = 0 ] || write_state failed
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
  conference=false
  [ -z "$parties" ] || conference=true
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
\"holds\":$holds,\"calls\":$most_calls,\"conference\":$conference,\"parties\":${parties:-null},\
\"consent\":\"$CONSENT\",\"card\":$CARD,\"device\":$DEVICE,\"legs\":\"$LEGS\",\
\"capture\":$result}" && move "$RUN/call.wav" "$SPOOL/$stem.wav"; then
    say "recorded, cut=$1"
    less_room "$result"
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
  # Or what was just about to become it.
  { is_ours "$PID" logcat || is_ours "$PID" offhookd; } && kill -KILL "$PID" 2>/dev/null
  rm -f "$RUN/logcat.pid"
  [ -f "$RUN/undo" ] && restore_controls
  recover_file
  clear_call
}

recover_file() { # a recording that nobody filed: of a killed recorder, or of a full disk
  [ -f "$RUN/call.wav" ] || return
  direction=unknown number='' sim=0 ringing_ms='' offhook_ms='' active_ms='' part=1 boot=''
  holds=0 most_calls=1 parties=''
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
