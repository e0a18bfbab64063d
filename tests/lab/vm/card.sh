# Sourced by /init: a loopback sound card, dressed as the card of $card's phone.
# shellcheck shell=sh disable=SC2154
table=/lab/vm/cards/$card
# id, the number of the PCM that a call is captured from (none: no such), how the call comes
# through, and the number of the card that has that PCM
read -r id call model call_card < "$table/card"

# The second card is behind all the phone's other PCMs: it takes what is played and gives silence.
options="index=0,1 enable=1,1 id=$id,spare pcm_substreams=1,8"
while read -r module; do
	if [ "$module" = snd_aloop ]; then
		# shellcheck disable=SC2086 # several words
		load "$module" $options
	else
		load "$module"
	fi
done < /lab/vm/modules/sound

mkdir -p /lab/vm/asound /lab/vm/dev
mount --bind /proc/asound /lab/vm/asound

node() { # DIRECTORY NAME OF: a device node NAME with the numbers of the kernel's OF
	numbers=$(cat "/sys/class/sound/$3/dev")
	mknod "$1/$2" c "${numbers%:*}" "${numbers#*:}" || fail "node $2"
}
node /lab/vm/dev pcmC0D0p pcmC0D0p
rm -rf /dev/snd
mkdir /dev/snd
node /dev/snd controlC0 controlC0
node /dev/snd timer timer
[ "$call_card" = 0 ] || node /dev/snd "controlC$call_card" controlC1
while IFS=' :-' read -r of number rest; do
	of=${of#0} number=${number#0}
	case $rest in
	*'playback 1'*) node /dev/snd "pcmC${of}D${number}p" pcmC1D1p ;;
	esac
	case $rest in
	*'capture 1'*)
		if [ "$of $number" = "$call_card $call" ]; then
			node /dev/snd "pcmC${of}D${number}c" pcmC0D1c
		else
			node /dev/snd "pcmC${of}D${number}c" pcmC1D1c
		fi
		;;
	esac
done < "$table/pcm"
chown 1000:1005 /dev/snd/*
chmod 0660 /dev/snd/*

# What /proc says of the card.
mount -t tmpfs -o mode=0555 lab-asound /proc/asound
cp "$table/cards" "$table/pcm" /lab/vm/asound/version /proc/asound/
mkdir /proc/asound/card0
echo "$id" > /proc/asound/card0/id
ln -s card0 "/proc/asound/$id"
if [ -f "$table/verbose" ] && [ "$call" != none ]; then
	# An older kernel also tells what each PCM does: CONFIG_SND_VERBOSE_PROCFS.
	there=/proc/asound/card$call_card/pcm${call}c/sub0
	mkdir -p "$there"
	for name in status hw_params sw_params; do
		: > "$there/$name"
		mount --bind "/lab/vm/asound/card0/pcm1c/sub0/$name" "$there/$name"
	done
fi
chmod 0444 /proc/asound/cards /proc/asound/pcm /proc/asound/version

/lab/vm/labcard serve "$model" "$table/controls" > /dev/console 2>&1 < /dev/null || fail "labcard"
