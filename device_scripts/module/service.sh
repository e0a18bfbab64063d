#!/system/bin/sh
# Started at each boot by Magisk, KernelSU or APatch (late_start), in their busybox's own shell:
# starts Offhook's recorder, which shows its notification first and only then records. Nothing
# here needs the phone to be unlocked: /data/adb is open before that.
MODULE=${0%/*}
H=${MODULE%/modules/*}/offhook
PROTOCOL=1 # of the scripts that this one may start

unset ASH_STANDALONE
export PATH=/product/bin:/system_ext/bin:/system/bin:/system/xbin:/vendor/bin

[ -f "$H/offhookd.sh" ] || exit 0
mkdir -p "$H/run"
until [ "$(getprop sys.boot_completed)" = 1 ]; do
  sleep 2
done
if ! grep -qx "PROTOCOL=$PROTOCOL" "$H/offhookd.sh"; then
  echo "$(date +%s)000 refused: the boot module is of another version; run offhook enable again" \
    >>"$H/run/log"
  exit 0
fi
for _ in 1 2 3; do
  /system/bin/sh "$H/offhookd.sh" start </dev/null >/dev/null 2>>"$H/run/log"
  case $? in
    0 | 4 | 6) exit 0 ;; # it runs, somebody was faster, or capture is off
  esac
  sleep 10
done
