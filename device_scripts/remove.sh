#!/system/bin/sh
# shellcheck shell=ksh
# Remove a file, and what lies beside it, if it is still the one that is meant. The last line says:
#
#   removed   it is gone now, by this
#   same      it could be removed (with look, which removes nothing)
#   closed    the same, but its folder can't be written to (with look)
#   gone      it was not there
#   nofile    something else has its name: a link, a folder
#   outside   its folder is not where it was, below the source's: a link leads elsewhere
#   other     it has other bytes, or changed meanwhile
#   unread    it can't be read, or its folder can't be entered
#   refused   it is there yet: the phone does not remove it
#
# Before it, "beside removed", or same, or why not, for each file beside it, in their order.
#
#   remove.sh remove|look TOP BELOW NAME SIZE SHA256 [NAME SIZE SHA256]…
#
# TOP is the source's folder; BELOW the way from there to the file's: nothing, or /a/b. All is done
# from within that folder, which a link that is put in its place can't change any more.

set -u
mode=$1 top=$2 below=$3 name=$4 size=$5 sum=$6
shift 6

end() {
  echo "$1"
  exit 0
}

look() { stat -c '%d %i %s %y %z' "./$1" 2>/dev/null; }

there() { [ -e "./$1" ] || [ -L "./$1" ]; }

same() { # same NAME SIZE SHA256: or why not, in $why; what it is like, in $seen
  why=gone
  there "$1" || return 1
  why=nofile
  [ -f "./$1" ] && [ ! -L "./$1" ] || return 1
  why=unread
  seen=$(look "$1") && [ -n "$seen" ] || return 1
  hash=$(sha256sum 2>/dev/null <"./$1") && [ -n "$hash" ] || return 1
  why=other
  [ "${hash%% *}" = "$3" ] && [ "$(stat -c %s "./$1" 2>/dev/null)" = "$2" ] &&
    [ "$(look "$1")" = "$seen" ]
}

enter() { # a name may end with a newline, which $( ) would take: an x stands behind it
  cd -P "$1" 2>/dev/null && pwd -P && echo x
}

base=$(enter "$top")
here=$(enter "$top$below")
if [ -z "$base" ] || [ -z "$here" ]; then
  if [ -d "$top$below" ]; then end unread; else end gone; fi
fi
[ "${here%?x}" = "${base%?x}$below" ] || end outside
cd -P "${here%?x}" 2>/dev/null || end gone
[ "$(pwd -P && echo x)" = "$here" ] || end outside

same "$name" "$size" "$sum" || end "$why"
was=$seen
while [ $# -gt 0 ]; do
  if ! same "$1" "$2" "$3"; then
    echo "beside $why"
  elif [ "$mode" != remove ]; then
    echo 'beside same'
  else
    [ "$(look "$name")" = "$was" ] || end other
    rm -f "./$1" 2>/dev/null
    there "$1" && end refused
    echo 'beside removed'
  fi
  shift 3
done
if [ "$mode" != remove ]; then
  if [ -w . ]; then end same; else end closed; fi
fi
[ "$(look "$name")" = "$was" ] || end other
rm -f "./$name" 2>/dev/null
there "$name" && end refused
end removed
