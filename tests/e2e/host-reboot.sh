#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# shellcheck disable=SC2317  # functions are called by check
# guest: kernels=6.12 timeout=300
#
# A guest that is rebooted, one that starts another kernel by kexec, and one that
# is powered off, while the module is loaded and serves: the next one on the same
# disk has everything. A guest that is killed: the next one starts empty.

# shellcheck source-path=SCRIPTDIR
KFC_ON_HOST=1
. "$(dirname "$0")/lib.sh"

VM=$E2E/../../tools/vm/guest.py
IMAGE=$(echo "$KFC_CACHE/kernels/$KERNEL"/image/boot/vmlinuz-*)
DISK=$(mktemp "${TMPDIR:-/var/tmp}/kfc-disk.XXXXXX")
G=""
N=3000

cleanup_host() { stop > /dev/null 2>&1; rm -f "$DISK"; }
AT_EXIT=cleanup_host
truncate -s 256M "$DISK"
obj() { objects "$@" --sizes 100-3000; }

start() {
	G=$(mktemp -d "$T/g.XXX")
	PORT=$(py "$VM" start "$G" --kernel "$KERNEL" --smp 1 --limit 200 --disk "nvme:$DISK" \
		--forward 0:11211) || return 1
}
in_guest() { py "$VM" exec --seconds 60 "$G" "$@"; }
insmod_there() { in_guest "insmod $KFC_KO device=/dev/nvme0n1 memory_mb=16 listen=0.0.0.0"; }
stop() {
	[ -z "$G" ] || py "$VM" stop "$G"
	G=""
}
gone() { ! pgrep -f "file:$G/console.log" > /dev/null; }
# goes_down WORD: by that applet of busybox
goes_down() {
	in_guest "exec busybox $1 -f" > "$T/down" 2>&1
	wait_for 40 gone || { tail -n 3 "$T/down"; return 1; }
	tr -d '\r' < "$G/console.log" | grep 'kfatcache: ' | tail -n 3
	G=""
}
# The same kernel again, without the firmware's help.
kexecs() {
	in_guest "echo 8 > /proc/sys/kernel/printk
		(sleep 1; exec python3 $E2E/kexec.py $IMAGE $G/initrd) > /dev/kmsg 2>&1 &" || return 1
	wait_for 40 grep -q 'Starting new kernel' "$G/console.log" || { tail -n 3 "$G/console.log"; return 1; }
	tr -d '\r' < "$G/console.log" | grep 'kfatcache: ' | tail -n 3
	in_guest "modprobe nvme && sleep 2 && [ -b /dev/nvme0n1 ]"
}
back() { in_guest "dmesg | grep 'kfatcache: .* objects are back'"; }

check "boot" start
check "insmod" insmod_there
check "$N objects" obj load --count $N
check "reboot" goes_down reboot
sed 's/^/# /' "$T/out"
check "boot again" start
check "insmod again" insmod_there
check "after the reboot: all are back" obj verify --count $N
check "after the reboot: a line says so" back
sed 's/^/# /' "$T/out"
check "others" obj load --first $N --count 500
check "kexec" kexecs
sed 's/^/# /' "$T/out"
check "insmod after kexec" insmod_there
check "after kexec: all are back" obj verify --count $((N + 500))
check "after kexec: a line says so" back
check "poweroff" goes_down poweroff
check "boot, third" start
check "insmod, third" insmod_there
check "after the poweroff: all are back" obj verify --count $((N + 500))
# the plug is pulled
check "killed" stop
check "boot, fourth" start
check "insmod, fourth" insmod_there
check "after the kill: empty" obj verify --count $N --max-misses $N --min-misses $N
check "rmmod" in_guest "rmmod kfatcache"
stop
finish
