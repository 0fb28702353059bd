#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# shellcheck disable=SC2317  # functions are called by check
# guest: mem=1024 smp=1 disk=2048 kernels=6.12 timeout=240
#
# Unload and load: what was there is there again, what was not is not, whatever
# happened to the device in between. host-reboot.sh does it by reboots.

. "$(dirname "$0")/lib.sh"

AT_EXIT=unpart
N=1500
NOTES=$T/notes
obj() { objects "$@" --sizes 100-3000; }
load() { must_load "$1: insmod" device="${DEV}p1" memory_mb=8 slab_size=1 index_mb=2 "${@:2}"; }
restart() { relay py -m restart "$HOST" "$PORT" "$@" "$NOTES"; }
said() { log_new | grep -q "$1"; }
image() { dd if="${DEV}p1" of=/dev/shm/image bs=1M iflag=direct status=none; }
put_back() { dd if=/dev/shm/image of="${DEV}p1" bs=1M oflag=direct status=none; }

check "a partition of 40 MiB" part 40

# --- all of it comes back
load "back"
check "back: $N objects" obj load --count $N --conns 3
restart store
items=$(stat curr_items)
same "back: none was evicted before" "$(evicted)" 0
lost=$(gave_way)
log_mark
check "back: rmmod" kfc_unload
check "back: a line says how many are kept" said "$items objects are kept"
load "back, again"
restart early
check "back: loaded" wait_for 20 said " $items objects are back after [0-9]* ms"
log_new | grep back | sed 's/^/# /'
restart check
check "back: the $N objects" obj verify --count $N --max-misses "$lost"
# and one for an object that is found to be expired
same "back: one read for each hit on the device" \
	$(($(stat kfc_device_reads) - $(stat kfc_false_reads) - $(stat kfc_device_reads_modify))) \
	$(($(stat kfc_device_hits) + $(stat get_expired)))
same "back: none was evicted" "$(evicted)" 0
check "back: rmmod at once" kfc_unload
load "back, third"
check "back: unloaded while it loads" kfc_unload

# --- a load that fails keeps it
/usr/bin/python3 -c 'import socket, sys, time
s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("127.0.0.1", int(sys.argv[1]))); s.listen(); time.sleep(60)' "$PORT" &
p=$!
wait_for 5 test "$(sockets 0A)" != 0 || sleep 1
if kfc_load device="${DEV}p1" slab_size=1 memory_mb=8 2> /dev/null; then
	not_ok "the port is taken: insmod fails" "it was loaded"
	kfc_unload
else
	ok "the port is taken: insmod fails"
fi
{ kill $p && wait $p; } 2> /dev/null || true
load "afterwards"
restart check

# --- a copy of the device as it is while it serves: what a crash leaves
check "crash: a copy of the device" image
check "crash: rmmod" kfc_unload
check "crash: the copy is put back" put_back
load "crash"
same "crash: it starts empty" "$(stat curr_items)" 0
check "crash: none of them is there" obj verify --count 200 --max-misses 200 --min-misses 200
check "crash: rmmod, empty" kfc_unload
check "crash: the copy again" put_back
load "recover=crash" recover=crash
check "recover=crash: right or a miss" obj verify --count $N --max-misses $((N / 2))
tail -n 1 "$T/out" | sed 's/^/# /'
printf 'flush_all\r\nquit\r\n' | limit 10 bash -c "exec 3<>/dev/tcp/$HOST/$PORT; cat >&3; cat <&3" > "$T/flush"
same "recover=crash: flush_all is answered" "$(tr -d '\r' < "$T/flush")" OK
check "recover=crash: a copy after it" image
check "recover=crash: rmmod" kfc_unload
check "recover=crash: the copy is put back" put_back
load "flushed" recover=crash
check "flushed: nothing of before is there" obj verify --count $N --max-misses $N --min-misses $N

# --- flushed and unloaded cleanly
check "flushed: one new object" obj load --count 1 --first $N
check "flushed: rmmod" kfc_unload
load "flushed, again"
check "flushed, again: still nothing" obj verify --count $N --max-misses $N --min-misses $N
check "flushed, again: but the new one" obj verify --count 1 --first $N

# --- damage to the index area costs what was there
check "damage: $N objects" obj load --count $N --conns 3
check "damage: rmmod" kfc_unload
check "damage: two of 8 ranges zeroed" dd if=/dev/zero of="${DEV}p1" bs=4096 seek=2 count=66 oflag=direct \
	conv=notrunc status=none
log_mark
load "damage"
check "damage: right or a miss" obj verify --count $N --max-misses $((N / 2)) --min-misses $((N / 8))
tail -n 1 "$T/out" | sed 's/^/# /'
check "damage: a line says how many are lost" said "[0-9]* are lost"
check "damage: rmmod" kfc_unload

# --- the clock is set back
load "clock"
check "clock: objects for ten minutes" obj load --count 500 --ttl 600 --gen 2
check "clock: rmmod" kfc_unload
date -s "@$(($(date +%s) - 86400))" > /dev/null
log_mark
load "clock, a day behind"
check "clock: a line says so" said "the clock is [0-9]* s behind the last unload"
check "clock: they are there" obj verify --count 500 --gen 2
check "clock: rmmod" kfc_unload
date -s "@$(($(date +%s) + 86400 + 700))" > /dev/null
load "clock, right again"
check "clock: they have expired" obj verify --count 500 --max-misses 500 --min-misses 500
date -s "@$(($(date +%s) - 700))" > /dev/null
check "clock: rmmod" kfc_unload

# --- another index_mb: what was saved keeps its size; format=new takes the new one
log_mark
load "index_mb" index_mb=4
check "index_mb: a line says so" said "index of 2 MiB as it was saved, not 4"
check "index_mb: it serves" obj verify --first 1000 --count 500 --max-misses 500
check "index_mb: rmmod" kfc_unload
load "format=new" format=new
same "format=new: it is empty" "$(stat curr_items)" 0
unload_check "the end" "${DEV}p1"

if kfc_load recover=always 2> "$T/why"; then
	not_ok "recover=always: refused" "it was loaded"
	kfc_unload
else
	check "recover=always: refused" grep 'recover=always: allowed is crash' "$T/why"
fi
finish
