#!/bin/sh
# systemd.sh FOLDER: a systemd user manager of its own, in namespaces of its own. It lasts until
# standard input ends, and takes all that it has started with it. FOLDER becomes the user's home.
# The first line it says is the process id, as the host counts it, of one inside; then "ready".
set -eu
folder=$1
if [ "${2:-}" != inside ]; then
	mount -t cgroup2 cgroup2 /sys/fs/cgroup # over what is there: also on a computer of cgroup 1
	group=/sys/fs/cgroup/offhook-test-$$
	mkdir "$group"
	unshare --pid --fork --kill-child=KILL sh "$0" "$folder" inside "$group" || true
	# What was killed is not gone at once.
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		find "$group" -depth -type d -exec rmdir {} + 2> /dev/null && exit 0
		sleep 0.2
	done
	exit 1
fi

read -r pid _ < /proc/self/stat
echo "$pid"
echo 0 > "$3/cgroup.procs"
mount -t proc proc /proc
mount -t tmpfs -o mode=0755 offhook-test /run
mkdir -p /run/systemd/system /run/user # by the first, programs know that systemd runs
mkdir -m 0700 "$XDG_RUNTIME_DIR"
# No unit of this computer's but what belongs to systemd: no desktop is started.
unset DBUS_SESSION_BUS_ADDRESS
systemd=/usr/lib/systemd/systemd
[ -x "$systemd" ] || systemd=/lib/systemd/systemd
SYSTEMD_UNIT_PATH="$XDG_CONFIG_HOME/systemd/user:${systemd%/systemd}/user" \
	"$systemd" --user --unit=default.target < /dev/null > "$folder/systemd.log" 2>&1 &
for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
	state=$(systemctl --user is-system-running 2> /dev/null || true)
	case $state in
		running | degraded) break ;;
	esac
	kill -0 $! 2> /dev/null || exit 1
	sleep 0.25
done
echo ready
cat > /dev/null
