# shellcheck shell=ksh disable=SC2034,SC2154
# Telecom's own log lines wake the recorder, so that it need not ask all the time. Telecom writes
# to the system buffer (android.telecom.Log uses Slog); what a vendor's does is found out: a call
# that nobody announced costs the log its trust, and from then on we ask every second.

IDLE_S=60     # between two questions while nothing happens and the log can be trusted
ALERT_MS=15000 # after an event the registry is asked every second: it may be slow to know
LATE_MS=5000  # a line of the log that comes later than this is none

load_trust() { # -> trust: the buffers of the log to read, or `untrusted`
  trust=system
  [ -r "$H/trust" ] && read -r trust <"$H/trust"
  case $trust in system | main,system | untrusted) ;; *) trust=system ;; esac
  [ "$trust" = untrusted ] || ! is_silenced || trust=untrusted
  put "$RUN/trust" "$trust"
}

is_silenced() { # what a tag may log, the most particular property first, as liblog asks
  for name in persist.log.tag.Telecom log.tag.Telecom persist.log.tag log.tag; do
    case $(getprop "$name") in
      '') ;;
      [VDIvdi]*) return 1 ;;
      *) return 0 ;;
    esac
  done
  return 1
}

open_events() { # a pipe that never ends: a dead logcat only slows us
  [ -p "$RUN/events" ] || mkfifo "$RUN/events"
  exec 3<>"$RUN/events"
  log_to=3
}

start_events() {
  logcat='' suspect=''
  open_events
  now_ms
  logcat_at=$NOW
  [ "$trust" != untrusted ] || return
  # It writes its number down itself, and ends if we did meanwhile: killed in between, we would
  # leave one that nobody knows.
  starting=yes
  (
    is_orphan && exit
    put "$RUN/logcat.pid" "${BASHPID:-}"
    is_orphan && exit
    exec logcat -b "$trust" -v threadtime -T 1 -s Telecom:I >&"$log_to" 2>/dev/null 9>&-
  ) &
  logcat=$!
  starting=''
}

is_orphan() { # in a subshell: the shell that began it is gone
  IFS= read -r stat </proc/self/stat || return 1
  stat=${stat##*") "}
  stat=${stat#* }
  [ "${stat%% *}" != "$$" ]
}

stop_events() {
  [ -z "$starting" ] || logcat=$! # we were told to end just as it began
  [ -z "$logcat" ] || kill "$logcat" 2>/dev/null
  logcat='' starting=''
  rm -f "$RUN/logcat.pid"
}

may_wait() { # the log can be trusted: after a first miss only once it has announced something
  events_live 2000 && passed "$alert" "$ALERT_MS" && { [ "$trust" = system ] || [ -n "$proven" ]; }
}

events_live() { # events_live MS: there has been a log for so long
  [ -n "$logcat" ] && kill -0 "$logcat" 2>/dev/null && passed "$logcat_at" "$1"
}

listen() { # listen SECONDS MS: for so long, or until Telecom says that a call changes
  while IFS= read -r -t "$1" event <&3; do
    case $event in
      *setCallState*)
        now_ms
        heard=yes suspect='' proven=yes burst=8 alert=$NOW
        case $event in *.TelephonyConnectionService*) ;; *) news=yes ;; esac # see other_app
        return ;;
    esac
    # Whoever floods the log must not keep us from looking.
    now_ms
    passed "$looked" "$2" && return
  done 2>/dev/null # a signal's interruption: a child has ended, perhaps logcat
}

judge_events() { # after each look: was the call that it found announced?
  if [ "$STATE" = 0 ]; then
    [ "$burst" -gt 0 ] || ! passed "$alert" "$ALERT_MS" || heard=''
  elif [ "$was" = 0 ] && [ -z "$heard" ] && events_live "$ALERT_MS"; then
    suspect=$looked
  fi
  if [ -n "$suspect" ] && passed "$suspect" "$LATE_MS"; then
    case $trust in system) trust=main,system proven='' ;; *) trust=untrusted ;; esac
    say "the log did not announce a call; now: $trust"
    put "$H/trust" "$trust"
    put "$RUN/trust" "$trust"
    stop_events
    start_events
  fi
  # It may have died: of a killed logd, of a full memory.
  if [ "$trust" != untrusted ] && ! kill -0 "$logcat" 2>/dev/null && passed "$logcat_at" 10000; then
    say 'logcat had ended; it starts again'
    start_events
  fi
}
