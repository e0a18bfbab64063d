# shellcheck shell=ksh disable=SC2034
# What the phone's calls are doing, by `dumpsys telephony.registry`. The variables set here are
# the recorder's.

read_state() { # -> STATE 0 idle, 1 ringing, 2 off-hook; FORE and BACK the calls', or nothing
  STATE=0 FORE='' BACK='' SIM=0 NUMBER='' NUMBERS='' block=-1 seen=-1
  lines=$(dumpsys telephony.registry 2>/dev/null |
    grep -E '^ *(Phone Id=|mCallState=|m(Fore|Back)groundCallState=|mCallIncomingNumber=)|Foreground call state: ')
  [ -n "$lines" ] || return 1
  old=$IFS
  IFS=$NL
  set -f
  for line in $lines; do
    case $line in
      *'Phone Id='*) block=${line##*=} ;;
      *mCallState=[0-2]*)
        seen=${line##*mCallState=}
        if [ "${seen%%[!0-9]*}" -gt "$STATE" ]; then
          STATE=${seen%%[!0-9]*} SIM=${block%%[!0-9]*} FORE='' BACK='' NUMBER=''
        fi
        # What follows in this block belongs to the call only if its state is the one we took.
        ;;
      *mForegroundCallState=*)
        if [ "$seen" = "$STATE" ] && [ -z "$FORE" ]; then FORE=${line##*mForegroundCallState=}; fi ;;
      *mBackgroundCallState=*)
        if [ "$seen" = "$STATE" ] && [ -z "$BACK" ]; then BACK=${line##*mBackgroundCallState=}; fi ;;
      *'Foreground call state: '*)
        if [ "$seen" = "$STATE" ] && [ -z "$FORE" ]; then
          FORE=${line##*Foreground call state: }
          FORE=${FORE%%,*}
          BACK=${line##*Background call state: }
        fi ;;
      *mCallIncomingNumber=*)
        NUMBERS="$NUMBERS ${line#*mCallIncomingNumber=} "
        if [ "$seen" = "$STATE" ] && [ -z "$NUMBER" ]; then NUMBER=${line#*mCallIncomingNumber=}; fi ;;
    esac
  done
  set +f
  IFS=$old
  FORE=${FORE%%[!0-9]*} BACK=${BACK%%[!0-9]*}
  SIM=${SIM:-0}
}

clean_number() { # -> CLEAN, only what can be in a number: the sidecar is JSON
  CLEAN=$1
  case $CLEAN in
    *[!0-9+*#' ().-']*) CLEAN= ;; # an address of another kind: half of it would be a wrong number
    *[' ().-']*) CLEAN=$(print -r -- "$CLEAN" | tr -d ' ().-') ;;
  esac
  [ ${#CLEAN} -le 40 ] || CLEAN=
}

talking() { # somebody can be heard: a call is active or held, not only dialled or ringing
  case $FORE$BACK in
    '') [ "$STATE" = 2 ] ;; # an older phone does not say; off-hook has to do
    *[12]*) [ "$STATE" != 0 ] ;;
    *) false ;;
  esac
}
