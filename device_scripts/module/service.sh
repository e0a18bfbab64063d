#!/system/bin/sh
# Started at each boot by Magisk, KernelSU or APatch (late_start), in their busybox's own shell:
# starts Offhook's recorder, which shows its notification first and only then records; or, where
# another's app records, what keeps the notification shown. Nothing
# here needs the phone to be unlocked: /data/adb is open before that.
MODULE=${0%/*}
H=${MODULE%/modules/*}/offhook
PROTOCOL=1 # of the scripts that this one may start

unset ASH_STANDALONE
export PATH=/product/bin:/system_ext/bin:/system/bin:/system/xbin:/vendor/bin

if [ -f "$H/offhookd.sh" ]; then
  script=$H/offhookd.sh
elif [ -f "$H/notice.sh" ]; then
  script=$H/notice.sh
else
  exit 0
fi
mkdir -p "$H/run"
until [ "$(getprop sys.boot_completed)" = 1 ]; do
  sleep 2
done
if ! grep -qx "PROTOCOL=$PROTOCOL" "$script"; then
  echo "$(date +%s)000 refused: the boot module is of another version; run offhook enable again" \
    >>"$H/run/log"
  exit 0
fi
for _ in 1 2 3; do
  /system/bin/sh "$script" start </dev/null >/dev/null 2>>"$H/run/log"
  case $? in
    0 | 4 | 6) exit 0 ;; # it runs, somebody was faster, or capture is off
  esac
  sleep 10
done
