#!/bin/sh
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# guest: bare=1 mem=512 smp=1 kernels=6.12,6.1 timeout=120
#
# The module loads on a kernel that has no other module, serves and unloads.
# There is nothing here but busybox.

failed=0

ok() { echo "ok bare: $1"; }
not_ok() { echo "not ok bare: $1 - $2"; failed=1; }

[ -z "$(cat /proc/modules)" ] && ok "no module loaded" ||
	not_ok "no module loaded" "$(head -n 1 /proc/modules)"
ip link set lo up
if insmod /kfatcache.ko memory_mb=16; then
	ok "insmod"
else
	not_ok "insmod" "$(dmesg | tail -n 1)"
	exit 1
fi
answer=$(printf 'set k 0 0 5\r\nhello\r\nget k\r\nquit\r\n' |
	timeout 20 nc 127.0.0.1 11211 | tr -d '\r' | tr '\n' ' ')
[ "$answer" = "STORED VALUE k 0 5 hello END " ] && ok "it serves" ||
	not_ok "it serves" "$answer"
[ "$(cut -d' ' -f1 /proc/modules)" = kfatcache ] && ok "still no other module" ||
	not_ok "still no other module" "$(cat /proc/modules)"
rmmod kfatcache && ok "rmmod" || not_ok "rmmod" "it stays"
exit $failed
