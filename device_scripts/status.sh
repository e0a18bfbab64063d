# shellcheck shell=ksh
# What the recorder says of itself, to the host: its state file, and key=value lines.

write_state() { # write_state idle|ringing|offhook|recording|refused|failed
  now_ms
  put "$RUN/state" "state=$1${NL}at=$NOW${NL}pid=$$${NL}voip=${voip:-no}"
}

cost() { # -> ticks of the processor (100 a second), wake-ups, seconds of life, children included
  ticks=0 wakes=0 begun=''
  for file in daemon supervisor logcat; do
    pid_in "$RUN/$file.pid"
    if [ -z "$PID" ] || ! read -r line <"/proc/$PID/stat"; then continue; fi 2>/dev/null
    # shellcheck disable=SC2086 # its fields; a name with spaces in it stands before the bracket
    set -- ${line##*) }
    shift 11
    ticks=$((ticks + $1 + $2 + $3 + $4))
    [ "$file" != daemon ] || begun=$9
    while read -r key value; do
      case $key in voluntary_ctxt_switches:) wakes=$((wakes + value)) ;; esac
    done <"/proc/$PID/status"
  done
  lived=''
  if [ -n "$begun" ]; then
    read -r line _ </proc/uptime
    lived=$((${line%.*} - ${begun%??}))
  fi
}

events_word() { # what wakes the recorder: a buffer of the log; or `dead`, `untrusted`: the clock
  pid_in "$RUN/logcat.pid"
  word=''
  [ -r "$RUN/trust" ] && read -r word <"$RUN/trust"
  if [ "$word" != untrusted ] && ! is_ours "$PID" logcat; then word=dead; fi
  echo "events=${word:-system}"
}

boot_word() { # whether the root manager starts it at boot
  if ! [ -f "$MODULE/service.sh" ]; then
    echo 'boot=no'
  elif [ -e "$MODULE/remove" ]; then
    echo 'boot=removed'
  elif [ -e "$MODULE/disable" ]; then
    echo 'boot=disabled'
  else
    echo 'boot=yes'
  fi
}

status() {
  echo "protocol=$PROTOCOL"
  echo "version=$VERSION"
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
  # shellcheck disable=SC2046 # the fields of du's only line
  set -- $(du -sk "$SPOOL")
  echo "spool_kb=${1:-0}${NL}spool_max_kb=$SPOOL_MAX_KB"
  events_word
  boot_word
  cost
  echo "ticks=$ticks${NL}wakes=$wakes${NL}lived=$lived"
  echo "problem=$(grep -E 'refused|not restored|ended with|ended by itself|nothing was recorded' "$RUN/log" 2>/dev/null | tail -n 1 | tr -d '\n')"
}
