#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# guest: mem=1024 smp=2,1 disk=2048 kernels=6.12,6.1 timeout=600
#
# It loads, serves, and goes, in memory only and with a device.

. "$(dirname "$0")/lib.sh"

free_for_all() {
	py -c 'import os, sys; os.close(os.open(sys.argv[1], os.O_RDWR | os.O_EXCL))' "$1" 2> /dev/null
}

serve() {
	local what=$1 dev=${2:-}
	holds "$what: listens once" "$(sockets 0A) == 1"
	relay py -m store "$HOST" "$PORT" "$what" basics
	check "$what: 2,000 objects" objects load --count 2000
	check "$what: and back" objects verify --count 2000 --max-misses "$(gave_way)"
	check "$what: mixed commands" objects mixed --count 400 --ops 4000 --seconds 20
	check "$what: in pieces" objects split --count 15 --sizes 20-1000 --seconds 20
	py -m objects stats "$HOST" "$PORT" | grep -v ^RESULT | awk '{ print $1 }' |
		sort > "$T/names1"
	awk '{ print $1 }' /proc/kfatcache/stats | sort > "$T/names2"
	same "$what: stats and /proc have the same names" \
		"$(comm -3 "$T/names1" "$T/names2" | head -n 3 | tr '\n' ' ')" ""
	unload_check "$what" "$dev"
}

same "modinfo: depends on no module" "$(modinfo -F depends "$KFC_KO")" ""
n=$(modinfo -F parm "$KFC_KO" | wc -l)
holds "there are parameters" "$n >= 15"
same "every parameter has its text" "$(modinfo -F parm "$KFC_KO" | grep -c '^[a-z_]*:[^ (].* ')" "$n"

log_mark
must_load "memory only: insmod" memory_mb=64
same "memory only: one line at load" "$(log_new | wc -l)" 1
log_new | sed 's/^/# /'
serve "memory only"

wipe "$DEV"
log_mark
must_load "device: insmod" device="$DEV" memory_mb=64
holds "device: one or two lines at load" "$(log_new | wc -l) >= 1 && $(log_new | wc -l) <= 2"
log_new | sed 's/^/# /'
if free_for_all "$DEV"; then
	not_ok "device: claimed while loaded" "somebody else could claim it"
else
	ok "device: claimed while loaded"
fi
# once will do: the parser is the same, and it takes its time emulated
if [ "$KERNEL" = 6.12 ]; then
	check "textproto.py" limit 280 \
		/usr/bin/python3 -S -m textproto "$HOST" "$PORT"
fi
serve "device" "$DEV"

# what lies on it now is ours: taken without a word
must_load "device again: insmod" device="$DEV" memory_mb=64
check "device again: it serves" objects load --count 200 --seed 2
check "device again: and gives back" objects verify --count 200 --seed 2
unload_check "device again" "$DEV"
wipe "$DEV"

must_load "IPv6: insmod" memory_mb=32 listen=127.0.0.1,::1
check "IPv6: stores" py -m objects load ::1 "$PORT" --count 100
check "IPv6: and gives back over IPv4" objects verify --count 100
unload_check "IPv6"
finish
