#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# guest: mem=1024 smp=1 disk=2048 kernels=6.12 timeout=300
# shellcheck disable=SC2317  # functions are called by check
#
# auth_file=: who is let in and who is not, in both protocols; other users while
# it serves; files that are none; and that nothing of it all can be read anywhere.

. "$(dirname "$0")/lib.sh"

USER=kfcname$RANDOM$RANDOM
PASSWORD=kfcpass$RANDOM$RANDOM
FILE=$T/users
printf '%s:%s\n' "$USER" "$PASSWORD" > "$FILE"
chmod 600 "$FILE"

# refused NAME REGEX PARAM: it is not loaded, and one line says why
refused() {
	log_mark
	if insmod "$KFC_KO" port="$PORT" "$3" 2> "$T/insmod"; then
		not_ok "insmod, $1" "it was loaded"
		kfc_unload
		return
	fi
	same "insmod, $1" "$(log_new | grep -cE "$2") of $(log_new | wc -l)" "1 of 1"
}
printf 'one\n%s\n' "$PASSWORD" > "$T/bad"
refused "a file that is not there" "auth_file=$T/none: can't be read: error -2$" "auth_file=$T/none"
refused "lines that are none" "auth_file=$T/bad: line 1 is not user:password" "auth_file=$T/bad"
refused "no path" "auth_file=: not the whole path" "auth_file=$USER:$PASSWORD"
check "refused: nothing left" nothing_left

MARK=0
must_load "insmod" memory_mb=32 auth_file="$FILE"
relay limit 200 /usr/bin/python3 "$E2E/auth.py" text sasl clients reload \
	--host "$HOST" --port "$PORT" --user "$USER" --password "$PASSWORD" --file "$FILE" \
	--folder "$T"
stats auth_cmds auth_errors | sed 's/^/# /'
holds "stats: logins and failures" "$(stat auth_cmds) > 50 && $(stat auth_errors) > 20 &&
	$(stat auth_cmds) > $(stat auth_errors)"
for name in ascii sasl; do
	same "settings: auth_enabled_$name" \
		"$(sed -n "s/^auth_enabled_$name //p" /proc/kfatcache/settings)" yes
done

# None of what is in the file, nor of what clients sent: the names begin so, the
# passwords do, and those that reload made of them end so.
secret() { grep -aE "kfcname|kfcpass|ssapcfk"; }
# ask FORMAT WORD...: all that is answered
ask() {
	exec 8<> "/dev/tcp/$HOST/$PORT"
	# shellcheck disable=SC2059  # that is what it is
	printf "$@" >&8
	limit 20 cat <&8
	exec 8>&-
}
value="$USER $PASSWORD"
ask 'set k 0 0 %d\r\n%s\r\nstats\r\nstats settings\r\nquit\r\n' ${#value} "$value" > "$T/stats"
same "stats are to be had" "$(grep -c -e '^STAT auth_cmds' -e '^STAT auth_enabled' "$T/stats")" 3
{
	dmesg
	cat "$T/stats" /proc/kfatcache/* /proc/modules /proc/slabinfo /proc/vmallocinfo
	find /sys/module/kfatcache -type f -readable -exec cat {} + 2> /dev/null
} > "$T/everything"
check "there is something to look through" grep -q 'auth_file=.*: read again' "$T/everything"
secret < "$T/everything" > "$T/found"
same "no name and no password anywhere" "$(wc -l < "$T/found")" 0
sed 's/^/# /' "$T/found"

# someone who is not known yet holds up nothing
exec 7<> "/dev/tcp/$HOST/$PORT"
printf 'set k 0 0 100\r\n' >&7
unload_check "auth_file"
exec 7>&-

# --- where nobody has to
must_load "insmod without" memory_mb=32
same "without: settings" "$(grep -c '^auth_enabled.* no$' /proc/kfatcache/settings)" 2
same "without: the parameter" "$(cat /sys/module/kfatcache/parameters/auth_file)" ""
log_mark
if echo "$FILE" 2> /dev/null > /sys/module/kfatcache/parameters/auth_file; then
	not_ok "without: it can't be had later" "it was taken"
else
	same "without: it can't be had later" "$(log_new | grep -c 'was not given at load')" 1
fi
same "without: served" "$(ask 'get k\r\nquit\r\n' | tr -d '\r')" END
unload_check "without"
finish
