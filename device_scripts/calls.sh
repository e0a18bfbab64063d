# shellcheck shell=ksh disable=SC2034
# What the phone's calls are doing, by `dumpsys telephony.registry`. The variables set here are
# the recorder's.
#
# Telecom tells one state for all SIMs (PhoneStateBroadcaster), its own calls and other apps'
# together; which SIM it is, and whether it is a cellular call at all, only the precise states
# say, which come from the radio. Android 7 has none, one Android 10 has them once, at the end.

read_state() { # -> STATE 0 idle, 1 ringing, 2 off-hook; FORE, BACK, RING the calls', or nothing
  STATE=0 FORE='' BACK='' RING='' SIM=0 NUMBER='' NUMBERS='' OTHER_APP=''
  best=-1 shared=''
  new_block
  lines=$(dumpsys telephony.registry 2>/dev/null |
    grep -E '^ *(Phone Id=|m(Ringing|Foreground|Background)?CallState=|mCallIncomingNumber=)|Foreground call state: ')
  [ -n "$lines" ] || return 1
  old=$IFS
  IFS=$NL
  set -f
  for line in $lines; do
    value=${line#*=}
    case $line in
      *'Phone Id='*) weigh_block && new_block "$value" ;;
      *mRingingCallState=*) b_ring=$value ;;
      *mForegroundCallState=*) b_fore=$value ;;
      *mBackgroundCallState=*) b_back=$value ;;
      *'Foreground call state: '*)
        value=${line##*Ringing call state: } && b_ring=${b_ring:-${value%%[!0-9]*}}
        value=${line##*Foreground call state: } && b_fore=${b_fore:-${value%%[!0-9]*}}
        value=${line##*Background call state: } && b_back=${b_back:-${value%%[!0-9]*}} ;;
      *mCallState=*) b_state=${value%%[!0-9]*} ;;
      *mCallIncomingNumber=*)
        NUMBERS="$NUMBERS $value "
        b_number=$value ;;
    esac
  done
  weigh_block
  set +f
  IFS=$old
  # Precise states that stand apart, after all SIMs, are the call's, whichever SIM it is on.
  if [ -z "$FORE$BACK$RING" ] && [ -n "$shared" ]; then
    FORE=${shared%% *} BACK=${shared##* } RING=${shared#* }
    RING=${RING% *}
  fi
  # PRECISE=no: this phone's were found to say nothing.
  if [ "$STATE" != 0 ] && [ -n "$FORE$BACK$RING" ]; then
    case $FORE$BACK$RING in
      *[!0]*) PRECISE=yes ;;
      *) if [ "$PRECISE" = no ]; then FORE='' BACK='' RING=''; else OTHER_APP=$STATE STATE=0; fi ;;
    esac
  fi
}

new_block() { # new_block [ID]: what follows is said of this SIM
  b_id=${1:-0} b_state='' b_fore='' b_back='' b_ring='' b_number=''
  b_id=${b_id%%[!0-9]*}
}

weigh_block() { # the SIM with a call is the one that counts
  b_fore=${b_fore%%[!0-9]*} b_back=${b_back%%[!0-9]*} b_ring=${b_ring%%[!0-9]*}
  weight=$((${b_state:-0} * 2))
  case $b_fore$b_back$b_ring in
    *[1-9]*)
      weight=$((weight + 1))
      shared="${b_fore:-0} ${b_ring:-0} ${b_back:-0}" ;;
  esac
  [ -n "$b_state" ] && [ "$weight" -gt "$best" ] || return 0
  best=$weight
  STATE=$b_state SIM=${b_id:-0} FORE=$b_fore BACK=$b_back RING=$b_ring NUMBER=$b_number
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
    # An older phone does not say: off-hook has to do, or a ring in a call that is recorded.
    '') [ "$STATE" = 2 ] || { [ "$STATE" = 1 ] && [ -n "$recording" ]; } ;;
    *[12]*) [ "$STATE" != 0 ] ;;
    *) false ;;
  esac
}

ask_telecom() { # -> CELLULAR, WAITING, FOREIGN how many calls; PARTIES of a conference, or nothing
  CELLULAR=0 WAITING=0 FOREIGN=0 PARTIES='' LIVE='' ids=' ' # LIVE: Telecom's ids of the CELLULAR
  lines=$(dumpsys telecom 2>/dev/null | grep -E '^ *\[(Call id=)?TC@[0-9]+')
  old=$IFS
  IFS=$NL
  set -f
  for line in $lines; do
    value=${line#*TC@}
    value=${value%%[!0-9]*}
    case $ids in *" $value "*) continue ;; esac # it stands there more than once
    ids="$ids$value "
    case $line in
      *DISCONNECTED*) ;;
      *.TelephonyConnectionService*)
        case $line in
          *'childs('[1-9]*)
            value=${line#*childs\(}
            PARTIES=${value%%[!0-9]*} ;;
          *'state=RINGING,'* | *", RINGING, "*) WAITING=$((WAITING + 1)) ;;
          *) CELLULAR=$((CELLULAR + 1)) LIVE="$LIVE $value" ;;
        esac ;;
      *) FOREIGN=$((FOREIGN + 1)) ;;
    esac
  done
  set +f
  IFS=$old
}
