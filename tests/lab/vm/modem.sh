#!/system/bin/sh
# modem start [WAV] | stop | hold | resume: for the telephony script; a call's speech, see labcard.
# A card that is not there (no profile with sound) is no reason for a call to fail.
[ -S /lab/state/run/modem.sock ] || exit 0
speech=/lab/state/speech.wav
if [ "$1" = start ] && [ $# -eq 1 ] && [ -f "$speech" ]; then
	set -- start "$speech"
fi
exec /lab/vm/labcard modem "$@"
