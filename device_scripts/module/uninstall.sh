#!/system/bin/sh
# Run by Magisk, KernelSU or APatch when the user removes the module there. The recorder ends, the
# phone's controls are put back, and everything of Offhook's goes, but for what was recorded:
# nobody knows whether a computer has it. `offhook sync` pulls it, `offhook disable` removes it.
MODULE=${0%/*}
H=${MODULE%/modules/*}/offhook

unset ASH_STANDALONE
export PATH=/product/bin:/system_ext/bin:/system/bin:/system/xbin:/vendor/bin

tidy() {
  if [ -f "$H/run/undo" ] || [ -f "$H/run/call.wav" ]; then
    exit 1 # something could not be put back or kept: its files stay, for `offhook disable`
  fi
  for file in "$H"/* "$H"/.[!.]*; do
    case $file in
      */spool) ;;
      *) rm -rf "$file" ;;
    esac
  done
  rmdir "$H/spool" "$H" 2>/dev/null
  exit 0
}

booted() { [ "$(getprop sys.boot_completed)" = 1 ]; }

another_ends() { # another's recorder would go on without the notification
  /system/bin/sh "$H/notice.sh" end
  tidy
}

[ -d "$H" ] || exit 0
[ ! -f "$H/offhookd.sh" ] || /system/bin/sh "$H/offhookd.sh" stop </dev/null >/dev/null 2>&1
[ -f "$H/notice.sh" ] || tidy
if booted; then another_ends </dev/null >/dev/null 2>&1; fi
# The managers do this early in the next boot, and wait for it: no app can be disabled yet.
{
  until booted; do
    sleep 2
  done
  [ -f "$MODULE/module.prop" ] || another_ends # else `enable` was faster
} </dev/null >/dev/null 2>&1 &
exit 0
