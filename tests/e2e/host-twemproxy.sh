#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# shellcheck disable=SC2317  # functions are called by check
#
# nutcracker (twemproxy) on the host in front of two guests: one module is one
# instance, and keys are spread over both.

# shellcheck source-path=SCRIPTDIR
KFC_ON_HOST=1
. "$(dirname "$0")/lib.sh"

guest() { "$E2E/../../tools/vm/guest.py" "$@"; }
# short, and on a disk: the sockets' paths, and the guests' files
D=$(mktemp -d /var/tmp/kfc-twem.XXXXXX)
# shellcheck disable=SC2016	# it is evaluated at the end
AT_EXIT='for g in one two; do guest stop "$D/$g" > /dev/null 2>&1; done; rm -rf "$D"'

# start NAME: its port is in $D/NAME.port
start() {
	guest start "$D/$1" --kernel "$KERNEL" --mem 512 --limit 500 --forward 0:11211 \
		> "$D/$1.start" 2>&1 || { cat "$D/$1.start"; return 1; }
	guest exec "$D/$1" "insmod $KFC_KO listen=0.0.0.0 memory_mb=32" || return 1
	grep -oE '[0-9]+' "$D/$1.start" | tail -n 1 > "$D/$1.port"
	memcping --servers="$HOST:$(< "$D/$1.port")"
}

in_background "$D/start.one" start one
first=$BG
check "a guest with the module" start two
check "another one" wait "$first"
[ "$FAILED" = 0 ] || finish

relay limit 120 /usr/bin/python3 "$E2E/matrix/twemproxy.py" \
	"$KFC_CACHE/unpacked/nutcracker/usr/sbin/nutcracker" twemproxy \
	"$HOST:$(< "$D/one.port")" "$HOST:$(< "$D/two.port")"

for g in one two; do
	check "guest $g: rmmod" guest exec "$D/$g" "rmmod kfatcache"
	check "guest $g: no warning" guest exec "$D/$g" \
		"! dmesg | grep -E 'WARNING:|BUG|Oops|Call Trace'"
done
finish
