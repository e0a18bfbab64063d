# shellcheck shell=ksh disable=SC2034,SC2153,SC2154
# Following the phone's calls: when to look, what a call is, and when it is to be recorded. Who
# records is a hook's: record.sh on the phone, or the computer that follow.sh tells of it.
#
# The hooks: write_state, may_record, arm_capture, start_capture, stop_capture, lost_capture,
# calls_noted, first_look; and between calls tidy_up, trim_log, stay_alive.

follow() { # for ever; `late`: what goes on at the first look has begun before it
  new_call
  now_ms
  last=0 burst=0 stale='' unseen=0 heard='' news='' proven='' other_at='' voip=''
  checked=$NOW seen=$NOW looked=$NOW alert=$NOW late=yes
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

look_after() { # between calls. What needs a process is done seldom: each wakes the phone for longer
  checked=$NOW
  news=$news$voip
  tidy_up
  new_call
  if [ "$unseen" -gt 0 ] || passed "$seen" 300000; then
    trim_log
    notice_is_up
  fi
  stay_alive
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
        direction=${direction:-${late:+unknown}}
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
  [ -z "$capture" ] || [ -n "$recording" ] || ! talking || { own='' rang='' asked=0; start_capture; }
  [ -z "$recording" ] || note_calls
  [ -z "$late" ] || first_look
  last=$STATE late=''
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

note_calls() { # holds, second calls and conferences go on in one recording; its sidecar says so
  [ "$pattern" != "$FORE$BACK$RING" ] || { [ -z "$own" ] && [ "$asked" -lt 3 ]; } || return 0
  pattern=$FORE$BACK$RING
  case $FORE:$BACK in
    [13456]:*) on_hold='' ;;
    2:* | *:2) [ -n "$on_hold" ] || { on_hold=yes holds=$((holds + 1)); } ;;
  esac
  ask_telecom
  asked=$((asked + 1))
  if is_another; then
    say 'another call, with nothing seen between the two'
    stop_capture false
    new_call
    direction=${rang:-unknown} burst=2
    return
  fi
  own=${LIVE:-$own}
  case $RING in *[1-9]*) rang=in ;; esac
  [ "$CELLULAR" -le "$most_calls" ] || most_calls=$CELLULAR
  [ "${PARTIES:-0}" -le "${parties:-0}" ] || parties=$PARTIES
  calls_noted
}

is_another() { # none of the calls that this recording is of is left, and there is one all the same
  [ -n "$own" ] && [ -n "$LIVE" ] || return 1
  for id in $own; do
    case " $LIVE " in *" $id "*) return 1 ;; esac
  done
}
