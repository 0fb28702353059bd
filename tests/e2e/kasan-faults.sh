#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# guest: mem=256 smp=2 disk=512 kernels=6.12-kasan timeout=400
# shellcheck disable=SC2086  # $SMALL and $DEVICE are several words
# dmesg-allow: vmalloc error|page allocation failure|Call Trace:$
# dmesg-allow: kmemleak: Cannot allocate a scan area
# leak-allow: kobject_init_and_add.*\n *sysfs_slab_add
#
# Faults to order. Loading meets each of its allocations failing, one a time: it
# is refused with nothing left behind, or does without. The kernel itself loses
# the name of a kmem_cache that sysfs has no memory for (mm/slub.c in 6.12).

. "${0%/*}/lib.sh"
. "${0%/*}/faults.sh"

wipe "$DEV"
SMALL="port=$PORT memory_mb=4 slab_size=1 index_mb=1 threads=$THREADS"
DEVICE="$SMALL device=$DEV"
# In a soak every one, until there are no more, and of the pages, most of which are
# those of buffers, one of ten; else some all over.
ROUNDS=${KFC_SOAK:+100000}
STEP=${KFC_SOAK:+1}
PAGES=${KFC_SOAK:+10}
allocations
relay py -m faultload "$KFC_KO" "${ROUNDS:-6}" \
	-- "memory only: small allocations" 1 "${STEP:-5}" 10 $SMALL \
	-- "device: small allocations" 1 "${STEP:-9}" 10 $DEVICE \
	-- "device: pages" 1 "${PAGES:-97}" 0 $DEVICE unix=/tmp/kfc.sock udp_port=11299
check "loading: nothing left" nothing_left "$DEV"
calm
wipe "$DEV"
finish
