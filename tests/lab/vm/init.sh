#!/lab/bin/busybox sh
# /init of a `vm` phone: kernel, devices, network, sound card, storage; then it says "lab: ready"
# on the second serial line.
# The kernel's command line brings lab.name, lab.card and lab.adbd.
B=/lab/bin/busybox
export PATH=/lab/vm/bin:/lab/bin

fail() {
	echo "lab: failed: $*"
	$B poweroff -f
	exec sleep 1000
}

$B --install -s /lab/vm/bin 2> /dev/null
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs -o mode=0755 dev /dev
mkdir -p /dev/pts
mount -t devpts -o mode=0620,ptmxmode=0666 devpts /dev/pts
ln -sf pts/ptmx /dev/ptmx
ln -s /proc/self/fd /dev/fd
chmod 0666 /dev/fuse
for folder in data storage mnt lab/state tmp system/xbin; do
	mount -t tmpfs -o mode=0755 "lab-${folder#*/}" "/$folder" || fail "mount $folder"
done
chmod 1777 /tmp

name=lab card=plain
read -r words < /proc/cmdline
for word in $words; do
	case $word in
	lab.name=*) name=${word#*=} ;;
	lab.card=*) card=${word#*=} ;;
	esac
done
hostname "$name"

load() { # MODULE [OPTION...]
	module=$1
	shift
	insmod "/lab/vm/modules/$module.ko" "$@" || fail "module $module"
}
while read -r module; do
	load "$module"
done < /lab/vm/modules/first
ip link set lo up
ip addr add 10.0.2.15/24 dev eth0 || fail "no network card"
ip link set eth0 up
/lab/vm/door 7000 "$name" || fail "the back door"

/lab/bin/storage || fail "storage"
if [ -d "/lab/vm/cards/$card" ]; then
	# shellcheck source=/dev/null
	. /lab/vm/card.sh
fi
mount -o remount,ro /
echo "lab: ready" > /dev/ttyS1
exec /lab/bin/init < /dev/null > /dev/null 2>&1
