#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# guest: mem=1024 smp=2,1 disk=2048 kernels=6.12,6.1 timeout=300
# dmesg-allow: \S+ invoked oom-killer|Out of memory: Killed process \d+ \(hog\)|oom-kill:.*task=hog,|Call Trace:$
# shellcheck disable=SC2317  # functions are called by check
#
# A process takes all memory, until the OOM killer takes it, while clients go on: it alone
# dies, every answer is right, and what the cache gave meanwhile comes back.

echo -1000 > /proc/self/oom_score_adj	# and all that is started here, but for one
. "$(dirname "$0")/lib.sh"

mib() { echo $(($(stat "$1") >> 20)); }
holds_mib() { [ "$(mib kfc_memory_bytes)" = "$1" ]; }
killed() { log_all | grep -c 'Out of memory: Killed process [0-9]* (hog)'; }

cat > "$T/hog.py" <<-'END'
	import mmap
	with open("/proc/self/oom_score_adj", "w") as f:
	    f.write("1000")
	with open("/proc/self/comm", "w") as f:
	    f.write("hog")
	full = b"\1" * (1 << 20)
	kept = []
	while True:
	    # private, or it would stay until the process has ended
	    m = mmap.mmap(-1, 1 << 20, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
	    m[:] = full
	    kept.append(m)
END
# hog: whoever runs it is told of its end
hog() { limit 100 /usr/bin/python3 -S "$T/hog.py"; }

wipe "$DEV"
must_load "insmod" device="$DEV" memory_mb=64 slab_size=2
check "1,600 objects" objects load --count 1600 --sizes 20000-30000 --seed 1
in_background "$T/mixed" objects mixed --conns 3 --count 600 --seconds 300 --sizes 20-4000 --batch 16 \
	--stop "$T/stop" --max-misses 10000000 --max-refused 10000000
MIXED=$BG
for i in 1 2 3; do
	log_mark
	hog > "$T/hog" 2>&1
	same "all memory taken, $i: who took it is killed" "$?" 137
	same "all memory taken, $i: by the OOM killer" "$(killed)" 1
done
touch "$T/stop"
if wait "$MIXED"; then
	ok "mixed commands meanwhile: right or a miss, no connection lost"
else
	not_ok "mixed commands meanwhile" "$(grep -m 1 '^!' "$T/mixed")"
fi
note "$(tail -n 1 "$T/mixed")"
holds "the cache gave of its own" "$(stat kfc_shrinks) > 0"
check "everything is there" objects verify --count 1600 --sizes 20000-30000 --seed 1 --max-misses "$(gave_way)"
same "the device is fine" "$(stat kfc_device_state)" ok
check "its memory comes back" wait_for 90 holds_mib 64
hog > "$T/hog" 2>&1 &
HOG=$!
sleep 1
check "rmmod while memory is taken" kfc_unload
wait "$HOG"
check "nothing left" nothing_left
finish
