# What apps may do, for cmd and dumpsys: permissions, app operations, battery saving. Sourced after
# lib.sh. Grants stand in one file, a line each: PACKAGE<tab>PERMISSION.
# shellcheck shell=ksh disable=SC2154
GRANTS=$SYS/grants OPS=$SYS/appops SPARED=$SYS/spared
DANGEROUS='RECORD_AUDIO READ_CALL_LOG READ_CONTACTS READ_PHONE_STATE'

runtime_permissions() { # PACKAGE: as dumpsys lists them
	local name sdk granted
	kv_get $SYS/props ro.build.version.sdk && sdk=$REPLY
	for name in $DANGEROUS $([ "$sdk" -lt 33 ] || echo POST_NOTIFICATIONS); do
		granted=false
		! grep -qs "^$1	android.permission.$name$" $GRANTS || granted=true
		print "        android.permission.$name: granted=$granted, flags=[ USER_SENSITIVE_WHEN_GRANTED|USER_SENSITIVE_WHEN_DENIED ]"
	done
}

known() { # PACKAGE
	grep -q "^$1	" $SYS/packages
}

grant() { # grant|revoke PACKAGE PERMISSION
	if ! known "$2"; then
		print -r -u2 -- "Exception occurred while executing '$1':
java.lang.IllegalArgumentException: Unknown package: $2"
		return 255
	fi
	case " $DANGEROUS POST_NOTIFICATIONS " in
	*" ${3#android.permission.} "*) ;;
	*)
		print -r -u2 -- "Exception occurred while executing '$1':
java.lang.SecurityException: Permission $3 requested by $2 is not a changeable permission type"
		return 255
		;;
	esac
	if [ -e "$LAB/run/refuse-${3##*.}" ]; then
		print -r -u2 -- "java.lang.SecurityException: $3 is restricted"
		return 255
	fi
	touch $GRANTS
	grep -v "^$2	$3$" $GRANTS > $GRANTS.new
	[ "$1" = revoke ] || print -r -- "$2	$3" >> $GRANTS.new
	mv $GRANTS.new $GRANTS
}

appops() {
	case ${1-}:$# in
	get:3)
		REPLY=
		[ -f $OPS ] && kv_get $OPS "$2 $3"
		if [ -n "$REPLY" ]; then print -r -- "$3: $REPLY"; else print "No operations."; fi
		;;
	set:4)
		touch $OPS
		if [ "$4" = default ]; then kv_delete $OPS "$2 $3"; else kv_put $OPS "$2 $3" "$4"; fi
		;;
	*) print -u2 "Error: Unknown command: ${1-}" && return 255 ;;
	esac
}

deviceidle() {
	[ "${1-}" = whitelist ] || { print -u2 "Unknown command: ${1-}" && return 255; }
	touch $SPARED
	case ${2-} in
	'')
		print "system,com.android.shell,2000"
		cat $SPARED
		;;
	[+-]*)
		known "${2#?}" || { print -r "Unknown package: ${2#?}" && return 255; }
		grep -v "^user,${2#?}," $SPARED > $SPARED.new
		if [[ $2 == +* ]]; then
			print -r -- "user,${2#?},$(sed -n "s/^${2#?}	\([0-9]*\)	.*/\1/p" $SYS/packages)" >> $SPARED.new
			print -r -- "Added: ${2#?}"
		else
			print -r -- "Removed: ${2#?}"
		fi
		mv $SPARED.new $SPARED
		;;
	*) print "Package must be prefixed with +, -, or =: $2" && return 255 ;;
	esac
}
