#!/bin/sh
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# guest: bare=1 mem=512 smp=1 kernels=6.12,6.1 timeout=120
#
# The module loads on a kernel that has no other module, serves and unloads.
# There is nothing here but busybox.

failed=0

# is NAME WHAT WANTED
is() {
	if [ "$2" = "$3" ]; then
		echo "ok bare: $1"
	else
		echo "not ok bare: $1 - $2"
		failed=1
	fi
}

is "no module loaded" "$(cat /proc/modules)" ""
ip link set lo up
insmod /kfatcache.ko memory_mb=16
is "insmod" "$?" 0
answer=$(printf 'set k 0 0 5\r\nhello\r\nget k\r\nquit\r\n' |
	timeout 20 nc 127.0.0.1 11211 | tr -d '\r' | tr '\n' ' ')
is "it serves" "$answer" "STORED VALUE k 0 5 hello END "
is "still no other module" "$(cut -d' ' -f1 /proc/modules)" kfatcache
rmmod kfatcache
is "rmmod" "$?" 0
exit $failed
