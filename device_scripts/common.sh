# shellcheck shell=ksh disable=SC3028
# What the recorder's parts share: time, files, processes, and the phone's notification.
# The shell is mksh and the tools are toybox's, as on Android 9 and later.
#
# Each new process costs more than all that a shell does by itself, and the beginning and the end
# of a call are no time for it: hence the builtins, and files read with $(<file).

now_ms() { # -> NOW, milliseconds since 1970
  if [ -n "${EPOCHREALTIME:-}" ]; then
    NOW=${EPOCHREALTIME#*[.,]}
    NOW=${EPOCHREALTIME%[.,]*}${NOW%"${NOW#???}"}
  else
    NOW=$(date +%s)000
  fi
}

say() { # the log has times and states, never numbers or names
  now_ms
  echo "$NOW $*" >>"$RUN/log"
}

trim_log() {
  if [ "$(stat -c %s "$RUN/log" 2>/dev/null || echo 0)" -gt 262144 ]; then
    tail -c 65536 "$RUN/log" >"$RUN/log.new" && mv "$RUN/log.new" "$RUN/log"
  fi
}

put() { # put FILE TEXT: the file has the text, whole or not at all
  print -r -- "$2" >"$1.new" && move "$1.new" "$1"
}

move() { # mksh has it built in; another shell may not
  rename "$1" "$2" 2>/dev/null || mv "$1" "$2"
}

is_ours() { # is_ours PID WORD: the process lives and its command line has the word
  [ -n "$1" ] && [ -r "/proc/$1/cmdline" ] && grep -q -- "$2" "/proc/$1/cmdline" 2>/dev/null
}

pid_in() { # pid_in FILE -> PID, or nothing
  PID=
  [ -r "$1" ] && read -r PID <"$1"
  PID=${PID%%[!0-9]*}
}

wait_gone() { # wait_gone PID WORD TENTHS: until the process has ended
  left=$3
  while is_ours "$1" "$2"; do
    [ "$left" -gt 0 ] || return 1
    left=$((left - 1))
    sleep 0.1
  done
}

leave_cgroup() { # with KernelSU's su we are adbd's children, and would be killed with it
  for procs in /acct/cgroup.procs /dev/cg2_bpf/cgroup.procs /sys/fs/cgroup/cgroup.procs; do
    [ -w "$procs" ] && echo $$ >"$procs" 2>/dev/null && return
  done
}

# --- what the phone shows while capture is on -------------------------------------------------

as_shell() { # notifications of root's are refused; the shell's are shown
  case $(id -u) in
    2000) sh -c "$1" ;;
    # Magisk and KernelSU take -c, AOSP's own su a command.
    *) su 2000 -c "$1" 2>/dev/null || su 2000 sh -c "$1" ;;
  esac
}

notice_up() {
  cmd notification list 2>/dev/null | grep -q '|com.android.shell|[0-9]*|offhook|' ||
    as_shell 'cmd notification list' 2>/dev/null | grep -q '|com.android.shell|[0-9]*|offhook|'
}

show_notice() { # 0 when the phone shows that capture is on
  notice_up && return 0
  as_shell "cmd notification post -t 'Call recording is on' offhook \
'Offhook records the calls on this phone. To stop it: offhook disable'" >/dev/null 2>&1
  notice_up && return 0
  # One that was snoozed stays so, whatever is posted.
  as_shell 'cmd notification snoozed' 2>/dev/null | while read -r key _; do
    case $key in
      *'|com.android.shell|'*'|offhook|'*) as_shell "cmd notification unsnooze '$key'" ;;
    esac
  done >/dev/null 2>&1
  notice_up
}
