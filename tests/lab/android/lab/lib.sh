# For Android's answers: where the state is, and how it is read and written. Sourced by mksh.
# Values stand one to a line, with \\ and \n for a backslash and a line feed.
# shellcheck shell=ksh disable=SC2034
LAB=/lab/state
SYS=$LAB/sys
umask 000 # the shell and root both write here; on a phone a system service does it for them

now_ms() { # -> REPLY: milliseconds since 1970
	local now=$EPOCHREALTIME
	local part=${now#*.}
	REPLY=${now%.*}${part:0:3}
}

calc() { # EXPRESSION, a word each -> REPLY; mksh counts in 32 bits, milliseconds need more
	REPLY=$(/lab/bin/busybox expr "$@")
}

escaped() { # TEXT -> REPLY
	REPLY=${1//\\/\\\\}
	REPLY=${REPLY//$'\n'/\\n}
	REPLY=${REPLY//$'\r'/\\r}
}

unescaped() { # TEXT -> REPLY; nothing but \\, \n and \r is ever in there
	REPLY=${1//\\\\/$'\001'}
	REPLY=${REPLY//\\n/$'\n'}
	REPLY=${REPLY//\\r/$'\r'}
	REPLY=${REPLY//$'\001'/\\}
}

locked() { # COMMAND ARGS: runs it while nobody else changes the state
	local status
	exec 9> "$SYS/lock"
	flock 9 9>&9 # mksh gives a descriptor to a command only where it is told to
	"$@"
	status=$?
	exec 9>&-
	return $status
}

kv_get() { # FILE NAME -> REPLY; false when there is none
	local line
	while IFS= read -r line; do
		case $line in
		"$2"=*)
			unescaped "${line#*=}"
			return 0
			;;
		esac
	done < "$1"
	REPLY=
	return 1
}

kv_put() { # FILE NAME VALUE
	local line done=0
	escaped "$3"
	while IFS= read -r line; do
		if [[ ${line%%=*} == "$2" ]]; then
			line=$2=$REPLY done=1
		fi
		print -r -- "$line"
	done < "$1" > "$1.new"
	[ $done = 1 ] || print -r -- "$2=$REPLY" >> "$1.new"
	mv "$1.new" "$1"
}

kv_delete() { # FILE NAME -> false when there was none
	local line found=1
	while IFS= read -r line; do
		if [[ ${line%%=*} == "$2" ]]; then
			found=0
		else
			print -r -- "$line"
		fi
	done < "$1" > "$1.new"
	mv "$1.new" "$1"
	return $found
}

say_log() { # BUFFER PRIORITY TAG PID TID MESSAGE: one entry of the log, for logcat
	now_ms
	local when=$REPLY
	escaped "$6"
	print -r -- "$1	$when	$4	$5	$2	$3	$REPLY" >> $LAB/log/all
}

sql() { # STATEMENT: of the call log, as root or the shell
	/lab/bin/sqlite3 -batch -cmd '.timeout 5000' "$SYS/calllog.db" "$1"
}

sql_text() { # TEXT -> REPLY, as a literal of SQL
	REPLY="'${1//\'/\'\'}'"
}
