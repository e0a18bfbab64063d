#!/bin/sh
# host_mounts.sh TREE MOUNTPOINT HOSTNAME: the first process of a `host` phone, in namespaces of
# its own. Says its process id as the host counts it, mounts the tree with what a phone has of its
# own on top, and becomes the phone's init, which lasts until standard input ends. Uses the host's mount, then the phone's programs.
set -e
tree=$1 root=$2
read -r pid _ < /proc/self/stat
echo "pid $pid"

mount --bind "$tree" "$root"
mount -o remount,bind,ro "$root"
for folder in data storage mnt lab/state tmp system/xbin sys dev; do
	mount -t tmpfs -o mode=0755 "offhook-lab" "$root/$folder"
done
mount -t proc proc "$root/proc"
# The phone's root is root of this namespace only, but /proc/sys is the whole machine's.
for path in sys sysrq-trigger; do
	[ -e "$root/proc/$path" ] || continue
	mount --bind "$root/proc/$path" "$root/proc/$path"
	mount -o remount,bind,ro "$root/proc/$path"
done
for node in null zero full random urandom tty fuse; do
	: > "$root/dev/$node"
	mount --bind "/dev/$node" "$root/dev/$node"
done
mkdir "$root/dev/pts"
mount -t devpts -o newinstance,ptmxmode=0666,mode=0620 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
chmod 1777 "$root/tmp"
hostname "$3" 2> /dev/null || true

exec chroot "$root" /system/bin/sh -c '
	/lab/bin/storage </dev/null || exit 1
	echo ready
	exec /lab/bin/init >/dev/null 2>&1'
