#!/lab/bin/busybox sh
# shellcheck shell=dash
# cable.sh up COUNT: what is on both ends of the guest's USB cables: a computer in /pc, and COUNT
# phones at ports of their own. cable.sh phone N: one phone's init, in its own mounts.
# A phone N is pulled while /lab/state/usb/N.pulled is there, and killed adbds are started again.
B=/lab/bin/busybox
export PATH=/lab/vm/bin:/lab/bin
state=/lab/state/usb
gadgets=/sys/kernel/config/usb_gadget

computer() {
	for folder in run tmp work lab; do
		mount -t tmpfs -o mode=1777 "pc-$folder" "/pc/$folder"
	done
	mount --bind /dev /pc/dev
	mount -t proc proc /pc/proc
	mount -t sysfs sys /pc/sys
	mount -t configfs configfs /pc/sys/kernel/config
	mount --bind "$state" /pc/lab
	chroot /pc /usr/lib/systemd/systemd-udevd --daemon
}

gadget() { # N
	mkdir "$gadgets/phone$1"
	cd "$gadgets/phone$1" || exit
	echo 0x18d1 > idVendor
	echo 0x4ee7 > idProduct
	mkdir strings/0x409 configs/c.1 functions/ffs.adb"$1"
	echo Lab > strings/0x409/manufacturer
	echo "USB phone" > strings/0x409/product
	echo "LABUSB$1" > strings/0x409/serialnumber
	ln -s functions/ffs.adb"$1" configs/c.1/
	cd /
}

# Debian's adbd does not get over the end of a USB connection: it waits for ever until a thread is
# gone that glibc's pthread_kill still finds, where a phone's does not. It is started anew then.
hangs() { # ADBD
	worker='' monitor=''
	for task in "/proc/$1/task"/*; do
		read -r name 2> /dev/null < "$task/comm" || continue
		case $name in
		UsbFfs-worker) worker=1 ;;
		UsbFfs-monitor) monitor=1 ;;
		esac
	done
	if [ -n "$worker" ]; then
		worked=1
	elif [ -n "$worked" ] && [ -n "$monitor" ]; then
		return 0
	fi
	return 1
}

phone() { # N
	mkdir -p /dev/usb-ffs/adb
	mount -t functionfs -o uid=2000,gid=2000,rmode=0770,fmode=0660 "adb$1" /dev/usb-ffs/adb
	mkfifo "$state/$1.pause"
	exec 9<> "$state/$1.pause"
	adbd='' worked=''
	while :; do
		if [ -n "$adbd" ] && hangs "$adbd"; then
			kill -KILL "$adbd"
			wait "$adbd"
		fi
		if [ -z "$adbd" ] || ! kill -0 "$adbd" 2> /dev/null; then
			/lab/bin/adbd-up "$((5600 + $1))" &
			adbd=$! worked=''
			echo "$adbd" > "$state/$1.adbd"
		fi
		read -r port < "$gadgets/phone$1/UDC"
		if [ -e "$state/$1.pulled" ]; then
			[ -z "$port" ] || echo > "$gadgets/phone$1/UDC"
		elif [ -z "$port" ] && [ -e /dev/usb-ffs/adb/ep2 ]; then
			echo "dummy_udc.$(($1 - 1))" > "$gadgets/phone$1/UDC"
		fi
		# shellcheck disable=SC3045 # a pause that starts no program
		read -r -t 0.2 _ <&9
	done
}

case $1 in
up)
	while read -r module; do
		if [ "$module" = dummy_hcd ]; then
			insmod "/lab/vm/modules/$module.ko" "num=$2"
		else
			insmod "/lab/vm/modules/$module.ko"
		fi
	done < /lab/vm/modules/usb
	mount -t configfs configfs /sys/kernel/config
	mkdir -p "$state"
	computer
	number=1
	while [ "$number" -le "$2" ]; do
		gadget "$number"
		setsid unshare -m "$B" sh "$0" phone "$number" < /dev/null > "$state/$number.log" 2>&1 &
		number=$((number + 1))
	done
	;;
phone) phone "$2" ;;
esac
