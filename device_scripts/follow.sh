#!/system/bin/sh
# shellcheck shell=ksh disable=SC2034,SC2153,SC2154
# Tell the computer what the phone's calls do, for as long as standard input stays open: for the
# routes by which the computer records. The loop is the recorder's own; nothing is written on the
# phone, and it runs as the shell. It comes after common.sh, calls.sh, events.sh and loop.sh; what
# of theirs would write files is put out of work here.
#
#   state STATE voip=yes|no trust=BUFFERS
#   call at=MS late=yes| direction= sim= number= ringing=MS offhook=MS    it is active: record it
#   facts holds=N calls=N parties=N ids=N,N boot=ID        ids are Telecom's, of this boot
#   look active=yes|                          the first look is over: a call is active, or none is
#   end at=MS cut=true|false    cut: the call goes on, and is not to be recorded any further
#   say WORDS                   what the recorder would write into its log

NL='
'

say() { print -r -- "say $*"; }
put() { :; }
trim_log() { :; }
tidy_up() { resumed=''; }
stay_alive() { :; }
lost_capture() { :; }
first_look() { print -r -- "look active=${recording:+yes}"; }

open_events() { # the shell may make no fifo: a pipe of cat's, whose both ends are held here
  [ -z "$pipe" ] || return 0
  # shellcheck disable=SC2118 # mksh does
  {
    cat
    kill -TERM $$
  } 2>/dev/null |&
  pipe=$!
  exec 3<&p 4>&p
  log_to=4
}

write_state() { print -r -- "state $1 voip=${voip:-no} trust=$trust"; }

may_record() {
  now_ms
  shown_lately || notice_is_up && return
  say 'refused: the phone does not show the notification'
  write_state refused
  return 1
}

load_trust() { # TRUST: what was found out over an earlier connection
  trust=${TRUST:-system}
  [ "$trust" = untrusted ] || ! is_silenced || trust=untrusted
}

arm_capture() { capture=$$; }

start_capture() {
  now_ms
  part=$((part + 1)) active_ms=$NOW recording=yes burst=0
  holds=0 most_calls=1 parties='' pattern=$FORE$BACK$RING on_hold=''
  case $direction in
    in | out) began="late= ringing=$ringing_ms offhook=$offhook_ms" ;;
    *) began='late=yes' ;; # it had begun before we looked: nobody knows when
  esac
  print -r -- "call at=$active_ms $began direction=$direction sim=$sim number=$number"
  write_state recording
  ask_telecom
  [ "$CELLULAR" -le "$most_calls" ] || most_calls=$CELLULAR
  parties=$PARTIES
  calls_noted
}

calls_noted() {
  set -f
  # shellcheck disable=SC2086 # a list of numbers
  set -- $ids
  set +f
  list=''
  for each; do list=$list,$each; done
  print -r -- "facts holds=$holds calls=$most_calls parties=$parties ids=${list#,} boot=$BOOT"
}

stop_capture() { # stop_capture CUT
  capture=''
  [ -n "$recording" ] || return 0
  recording=''
  now_ms
  print -r -- "end at=$NOW cut=$1"
}

end() {
  trap '' TERM INT HUP
  # shellcheck disable=SC2086 # one that was not started is none
  kill "$input" $pipe $logcat ${starting:+$!} 2>/dev/null
  exit 0
}

set -u
H=/nonexistent RUN=/nonexistent TMPDIR=/data/local/tmp
BOOT=$(</proc/sys/kernel/random/boot_id)
capture='' recording='' logcat='' starting='' PRECISE='' pipe='' resumed='' cut_part=0 log_to=''
exec 5<&0 </dev/null
{
  cat <&5 >/dev/null
  kill -TERM $$
} &
input=$!
exec 5<&-
trap end TERM INT HUP PIPE
follow
