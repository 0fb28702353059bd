#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# guest: mem=1024 smp=2 disk=2048 kernels=6.12,6.1 timeout=300
# shellcheck disable=SC2317  # functions are called by check
#
# Every mistake in a parameter or with a device has its errno and its one line,
# and leaves nothing behind; what may be formatted is, and nothing else is
# written to.

. "$(dirname "$0")/lib.sh"

# insmod's words for an errno
words() {
	case $1 in
	EINVAL) echo "Invalid parameters" ;;
	ENOENT) echo "Unknown symbol in module" ;;
	ENOTBLK) echo "Block device required" ;;
	EBUSY) echo "Device or resource busy" ;;
	EROFS) echo "Read-only file system" ;;
	ENOSPC) echo "No space left on device" ;;
	EOPNOTSUPP) echo "Operation not supported" ;;
	ENOMEM) echo "Cannot allocate memory" ;;
	EMEDIUMTYPE) echo "Wrong medium type" ;;
	ENODEV) echo "No such device" ;;
	EFBIG) echo "File too large" ;;
	EADDRINUSE) echo "Address already in use" ;;
	EADDRNOTAVAIL) echo "Cannot assign requested address" ;;
	esac
}

mark() { MARK="params.sh $((++MARKS))"; echo "$MARK" > /dev/kmsg; }
said() {
	dmesg | sed "1,/$MARK\$/d" | grep 'kfatcache: ' |
		grep -v -e 'taints kernel' -e 'verification failed'
}
# exclusive, as a mount or mkfs would open it
claimable() { dd if=/dev/null of="$1" oflag=excl conv=nocreat,notrunc status=none 2> /dev/null; }

# refused NAME ERRNO REGEX PARAM...: PORT is added
refused() {
	local name=$1 errno=$2 regex=$3 lines why="" p
	shift 3
	mark
	if insmod "$KFC_KO" port="$PORT" "$@" 2> "$T/insmod"; then
		rmmod kfatcache
		not_ok "$name: $errno" "it was loaded"
		return
	fi
	lines=$(said)
	grep -qF "$(words "$errno")" "$T/insmod" || why="insmod said: $(tail -n 1 "$T/insmod")"
	[ "$(wc -l <<< "$lines")" = 1 ] || why="$why; not one line: $lines"
	grep -qE -- "$regex" <<< "$lines" || why="$why; the line is: ${lines:-none}"
	loaded && why="$why; the module is still loaded"
	[ -e /proc/kfatcache ] && why="$why; /proc/kfatcache is left"
	for p; do
		[[ $p == device=/dev/loop* ]] || continue
		[[ $errno =~ EBUSY|EROFS ]] || [[ $p == *,* ]] || claimable "${p#device=}" ||
			why="$why; ${p#device=} cannot be claimed"
	done
	if [ -z "$why" ]; then ok "$name: $errno"; else not_ok "$name: $errno" "${why#; }"; fi
}

# untouched NAME ERRNO REGEX PARAM...: refused, and $IMG is what it was
untouched() {
	cp --sparse=always "$IMG" "$T/before"
	refused "$@"
	same "$1: nothing written" "$(cmp "$IMG" "$T/before" 2>&1)" ""
	rm "$T/before"
}

# takes NAME PARAM...: loads, and unloads again; $UUID and $SAID are left
takes() {
	local name=$1
	shift
	mark
	UUID="" SAID=""
	if ! insmod "$KFC_KO" port="$PORT" memory_mb=32 "$@" 2> "$T/insmod"; then
		not_ok "$name" "$(tail -n 1 "$T/insmod"); $(said | tail -n 1)"
		return 1
	fi
	UUID=$(setting kfc_uuid)
	SAID=$(said)
	if kfc_unload; then ok "$name"; else not_ok "$name" "rmmod failed"; fi
}

setting() { awk -v n="$1" '$1 == n { print $2 }' /proc/kfatcache/settings; }

# LOOP over IMG, a file of $1 MiB of zeros in memory
image() {
	losetup -d "$LOOP" 2> /dev/null
	rm -f "$IMG"
	truncate -s "${1:-64}M" "$IMG"
	LOOP=$(losetup -f --show "$IMG")
}
# put OFFSET BYTES (printf's escapes); from the end of a negative OFFSET
put() {
	local at=$1
	[ "$at" -ge 0 ] || at=$(($(stat_size) + at))
	# shellcheck disable=SC2059  # the bytes are the format
	printf "$2" | dd of="$LOOP" bs=1 seek="$at" conv=notrunc,fsync status=none
}
stat_size() { blockdev --getsize64 "$LOOP"; }
# hex OFFSET LENGTH of the image
hex() { od -An -v -tx1 -j "$1" -N "$2" "$IMG" | tr -d ' \n'; }

numbers() {
	local p low high
	while read -r p low high; do
		refused "$p=$low" EINVAL "$p=$low: .*allowed are [0-9]" "$p=$low"
		refused "$p=$high" EINVAL "$p=$high: .*allowed are [0-9]" "$p=$high"
	done <<- E
		port 0 65536
		memory_mb 3 99999999
		index_mb -1 99999999
		slab_size 0 65
		item_max 1023 16777216
		threads -1 3
		upload_mb 0 99999999
		max_conns 0 1048577
		idle_timeout -1 31536001
		io_depth 0 4097
		read_timeout_ms 9 600001
		set_wait_ms -1 60001
	E
	for p in port memory_mb index_mb slab_size item_max max_conns threads; do
		refused "$p=x1" EINVAL "$p=x1: not a number; allowed are [0-9]" "$p=x1"
	done
	refused "port= with nothing" EINVAL 'port=\(nothing\): .*allowed' port=
	refused "slab_size=3" EINVAL 'slab_size=3: allowed are 1, 2, 4' slab_size=3
	refused "memory_mb below 4 slabs" EINVAL 'memory_mb=15: allowed are 16' memory_mb=15
	refused "item_max above half a slab" EINVAL 'item_max=524289: allowed are 1024 to 524288' \
		slab_size=1 item_max=524289
	refused "upload_mb below item_max" EINVAL 'upload_mb=1: allowed are 2' \
		item_max=2000000 upload_mb=1
	refused "memory_mb above what there is" ENOMEM \
		'[0-9]+ MiB, but only [0-9]+ MiB .*lower memory_mb=4096' memory_mb=4096
}

others() {
	refused "cpus=x" EINVAL 'cpus=x: not a list of CPUs; allowed are 0' cpus=x
	refused "cpus=77" EINVAL 'cpus=77: .*allowed are 0' cpus=77
	refused "threads above cpus" EINVAL 'threads=2: allowed are 1 to 1' threads=2 cpus=1
	refused "listen=nowhere" EINVAL 'listen=nowhere: allowed are' listen=nowhere
	refused "listen=300.1.1.1" EINVAL 'listen=300.1.1.1: allowed are' listen=300.1.1.1
	refused "listen= with nothing" EINVAL 'listen=: allowed are' listen=
	refused "listen: nine addresses" EINVAL 'listen=.*: allowed are up to 8' \
		listen=::1,::1,::1,::1,::1,::1,::1,::1,::1
	refused "listen: another machine" EADDRNOTAVAIL 'cannot listen on 192.0.2.1' listen=192.0.2.1
	refused "format=yes" EINVAL 'format=yes: allowed are force and new' format=yes
	refused "uuid=5" EINVAL 'uuid=5: not a UUID' uuid=5
	refused "uuid without a device" EINVAL 'uuid=.*there is no device=' \
		uuid=01234567-89ab-cdef-0123-456789abcdef
	in_background "$T/bound" /usr/bin/python3 -B -c '
import socket, sys, time
s = socket.socket(); s.bind(("127.0.0.1", int(sys.argv[1]))); s.listen(); time.sleep(60)' "$PORT"
	wait_for 10 listening
	refused "a port in use" EADDRINUSE 'cannot listen on 127.0.0.1:' memory_mb=32
	kill "$BG"
	wait "$BG" 2> /dev/null
}

listening() { [ "$(sockets 0A)" = 1 ]; }

settings() {
	mark
	insmod "$KFC_KO"
	same "default: port" "$(setting tcpport)" 11211
	same "default: memory_mb" "$(setting maxbytes)" $((64 << 20))
	same "default: listen" "$(setting inter)" 127.0.0.1
	same "default: max_conns" "$(setting maxconns)" 1024
	same "default: idle_timeout" "$(setting idle_timeout)" 0
	same "default: threads" "$(setting num_threads)" 2
	same "default: item_max" "$(setting item_size_max)" 1048576
	same "default: index_mb, 10 % of memory_mb" "$(setting kfc_index_bytes)" 6710886
	same "one line at load" "$(said | wc -l)" 1
	local p v dir=/sys/module/kfatcache/parameters
	for p in max_conns=77 idle_timeout=60 io_depth=128 read_timeout_ms=500 set_wait_ms=0; do
		v=${p#*=} p=${p%=*}
		check "$p at run time" eval "echo $v > $dir/$p"
		same "$p at run time: shown" "$(cat "$dir/$p")" "$v"
	done
	same "max_conns at run time: it counts" "$(setting maxconns)" 77
	same "io_depth at run time: it counts" "$(setting kfc_io_depth)" 128
	for p in max_conns=0 idle_timeout=x io_depth=9999 read_timeout_ms=1 set_wait_ms=60001; do
		v=${p#*=} p=${p%=*}
		mark
		(echo "$v" > "$dir/$p") 2> "$T/echo"
		same "$p=$v at run time: EINVAL" "$(grep -c 'Invalid argument' "$T/echo")" 1
		same "$p=$v at run time: one line" "$(said | grep -c "$p=$v: .*allowed are")" 1
	done
	same "max_conns after that" "$(setting maxconns)" 77
	for p in port memory_mb device listen format uuid; do
		same "$p is fixed" "$(stat_mode "$dir/$p")" 444
	done
	kfc_unload
	insmod "$KFC_KO" port="$PORT" slab_size=1 cpus=1
	same "item_max is a quarter of a slab" "$(setting item_size_max)" 262144
	same "cpus=1: one thread" "$(setting num_threads)" 1
	same "cpus=1: on that" "$(setting kfc_cpus)" 1
	unload_check "settings"
}
stat_mode() { /usr/bin/stat -c %a "$1"; }

devices() {
	refused "device= with nothing" EINVAL 'device=: no path' device=
	refused "no such path" ENOENT 'device=/dev/nothing: no such path' device=/dev/nothing
	refused "a file" ENOTBLK "device=/etc/passwd: a file.*losetup" device=/etc/passwd
	refused "a directory" ENOTBLK "device=/dev: a directory.*losetup" device=/dev
	refused "a character device" ENOTBLK "device=/dev/null: a character device" device=/dev/null
	refused "named twice" EINVAL 'named twice' device="$DEV,$DEV"
	ln -s "$DEV" "$T/link"
	refused "named twice, by a link" EINVAL 'named twice' device="$T/link,$DEV"
	refused "two devices" EINVAL 'several devices' device="$DEV,$LOOP"

	image
	mkswap "$LOOP" > /dev/null
	swapon "$LOOP"
	refused "swap in use" EBUSY "device=$LOOP: in use" device="$LOOP" format=force
	swapoff "$LOOP"
	image
	mkfs.ext4 -q "$LOOP"
	mkdir "$T/mnt"
	mount "$LOOP" "$T/mnt"
	refused "mounted" EBUSY "device=$LOOP: in use" device="$LOOP"
	refused "mounted, and force" EBUSY "device=$LOOP: in use" device="$LOOP" format=force
	umount "$T/mnt"
	wipe "$DEV"
	if addpart "$DEV" 1 2048 262144 && mkfs.ext4 -q "${DEV}p1" && mount "${DEV}p1" "$T/mnt"; then
		refused "a partition of it mounted" EBUSY "device=$DEV: in use" \
			device="$DEV" format=force
		umount "$T/mnt"
	else
		not_ok "a partition of it mounted" "cannot make one"
	fi
	delpart "$DEV" 1
	wipe "$DEV"

	image
	blockdev --setro "$LOOP"
	refused "read-only" EROFS "device=$LOOP: read-only" device="$LOOP"
	blockdev --setrw "$LOOP"
	losetup -d "$LOOP"
	LOOP=$(losetup -r -f --show "$IMG")
	refused "a read-only loop device" EROFS "device=$LOOP: read-only" device="$LOOP"

	image 1
	refused "1 MiB" ENOSPC 'too small.* at least [0-9]+ MiB' device="$LOOP"
	image 16
	untouched "16 MiB" ENOSPC 'too small.* at least [0-9]+ MiB' device="$LOOP"
	local least
	least=$(said | sed -n 's/.* at least \([0-9]*\) MiB.*/\1/p')
	image $((least - 1))
	refused "1 MiB below the least size" ENOSPC "at least $least MiB" device="$LOOP"
	image "$least"
	takes "the least size, $least MiB" device="$LOOP"
	same "the least size: 8 slabs" "$(grep -c ' 8 slabs of 4 MiB' <<< "$SAID")" 1
	image $((5 << 20))
	refused "5 TiB" EFBIG 'too large; at most 4194304 MiB' device="$LOOP" index_mb=1

	image
	echo 1 > "/sys/block/${LOOP#/dev/}/queue/rotational"
	takes "a rotational disk" device="$LOOP"
	same "a rotational disk: a remark" "$(grep -c 'a rotational disk' <<< "$SAID")" 1
	echo 0 > "/sys/block/${LOOP#/dev/}/queue/rotational"
	losetup -d "$LOOP"
	LOOP=$(losetup -b 4096 -f --show "$IMG")
	takes "logical blocks of 4 KiB" device="$LOOP"
	if modprobe null_blk nr_devices=1 gb=1 zoned=1 zone_size=4 memory_backed=1; then
		refused "zoned" EOPNOTSUPP 'device=/dev/nullb0: a zoned device' device=/dev/nullb0
		rmmod null_blk
	else
		not_ok "zoned" "no null_blk"
	fi
	takes "by a link" device="$T/link"
	same "model, serial and size in the line" \
		"$(grep -c 'QEMU NVMe Ctrl, serial [^ ]*, 2048 MiB' <<< "$SAID")" 1
	wipe "$DEV"
}

# seen NAME REGEX: what is on $LOOP is refused, and called by its name
seen() {
	untouched "$1" EMEDIUMTYPE "neither blank nor ours: .*$2.*nothing was written" device="$LOOP"
}

foreign() {
	image
	mkfs.ext4 -q "$LOOP"
	seen "ext4" "ext4"
	untouched "ext4, and new" EMEDIUMTYPE "ext4" device="$LOOP" format=new
	image
	mkswap "$LOOP" > /dev/null
	seen "swap" "swap"
	image
	echo ',,L' | sfdisk -q "$LOOP" > /dev/null 2>&1
	seen "an MBR" "MBR"
	image
	put 512 'EFI PART'
	put 510 '\x55\xaa'
	seen "a GPT" "a GPT"
	image
	put -512 'EFI PART'
	seen "the backup of a GPT" "second half of a GPT"
	local at bytes name
	while read -r at bytes name; do
		image
		put "$at" "$bytes"
		seen "$name" "$name"
	done <<- 'E'
		0 XFSB xfs
		65600 _BHRfS_M btrfs
		512 LABELONE LVM
		0 LUKS\xba\xbe LUKS
		4096 \xfc\x4e\x2b\xa9 md RAID
		-65536 \xfc\x4e\x2b\xa9 md RAID
		135168 \x0c\xb1\xba\x00\x00\x00\x00\x00 ZFS
		82 FAT32 FAT
		700000 abc unknown data, at 700000 bytes from the start: 61 62 63
		-20000 abc unknown data, at 20000 bytes before the end: 61 62 63
		1048575 z unknown data
		-1048576 z unknown data
	E
	image
	put 1048576 'z'
	takes "data in the middle only" device="$LOOP"
	image
	mkfs.ext4 -q "$LOOP"
	takes "ext4, and force" device="$LOOP" format=force
	same "ext4, and force: said so" "$(grep -c ': formatted' <<< "$SAID")" 1
}

ours() {
	local first key
	image
	takes "a blank one" device="$LOOP"
	first=$UUID
	key=$(hex 40 16)
	same "both copies" "$(hex 0 4096)" "$(hex $(($(stat_size) - 4096)) 4096)"
	same "epoch 1" "$(hex 96 8)" 0100000000000000
	takes "again" device="$LOOP"
	same "again: the same uuid" "$UUID" "$first"
	same "again: not formatted" "$(grep -cE 'formatted|emptied' <<< "$SAID")" 0
	same "again: epoch 2" "$(hex 96 8)" 0200000000000000
	same "again: valid_from follows" "$(hex 104 8)" 0000000000020000
	takes "force changes nothing on a good one" device="$LOOP" format=force
	same "force: the same uuid" "$UUID" "$first"
	same "force: the same hash key" "$(hex 40 16)" "$key"
	takes "new empties a good one" device="$LOOP" format=new
	same "new: the same uuid" "$UUID" "$first"
	same "new: another hash key" "$([ "$(hex 40 16)" != "$key" ] && echo yes)" yes
	same "new: said so" "$(grep -c ': emptied' <<< "$SAID")" 1

	takes "its uuid" device="$LOOP" uuid="$first"
	local other=01234567-89ab-cdef-0123-456789abcdef
	for p in "" format=force format=new; do
		untouched "another uuid${p:+, and $p}" ENODEV "this device has $first" \
			device="$LOOP" uuid=$other ${p:+$p}
	done
	untouched "slab_size=8 where it is 4" EINVAL 'formatted with slab_size=4, not 8' \
		device="$LOOP" slab_size=8
	takes "an index larger than its area" device="$LOOP" index_mb=16
	same "an index larger than its area: said so" \
		"$(grep -c 'index of [0-9]* MiB, not 16' <<< "$SAID")" 1

	put 100 'XX'
	takes "the first copy damaged" device="$LOOP"
	same "the first copy damaged: the uuid" "$UUID" "$first"
	same "the first copy damaged: repaired" "$(hex 0 4096)" \
		"$(hex $(($(stat_size) - 4096)) 4096)"
	put -3996 'XX'
	takes "the last copy damaged" device="$LOOP"
	same "the last copy damaged: the uuid" "$UUID" "$first"
	cp --sparse=always "$IMG" "$T/good"
	put 100 'XX'
	put -3996 'XX'
	untouched "both damaged" EMEDIUMTYPE 'superblocks are damaged' device="$LOOP"
	untouched "both damaged, and new" EMEDIUMTYPE 'superblocks are damaged' device="$LOOP" format=new
	untouched "both damaged, and its uuid" ENODEV "uuid=$first is not here" \
		device="$LOOP" format=force uuid="$first"
	takes "both damaged, and force" device="$LOOP" format=force
	same "both damaged, and force: a new uuid" "$([ "$UUID" != "$first" ] && echo yes)" yes

	losetup -d "$LOOP"
	cp --sparse=always "$T/good" "$IMG"
	LOOP=$(losetup -f --show "$IMG")
	put 8 '\x09'
	untouched "another version" EMEDIUMTYPE 'format version 9, this module knows 1' device="$LOOP"
	losetup -d "$LOOP"
	cp --sparse=always "$T/good" "$IMG"
	truncate -s 80M "$IMG"
	LOOP=$(losetup -f --show "$IMG")
	untouched "another size" EMEDIUMTYPE 'had 64 MiB when it was formatted' device="$LOOP"
	takes "another size, and force" device="$LOOP" format=force
	image
	untouched "blank, and a uuid" ENODEV "uuid=$other is not here" device="$LOOP" uuid=$other
	untouched "blank, a uuid, and force" ENODEV "uuid=$other is not here" \
		device="$LOOP" uuid=$other format=force
	takes "blank, and new" device="$LOOP" format=new
	takes "what was written through the page cache is seen" device="$LOOP"
	wipe "$LOOP"
	takes "and wiped so, it is blank" device="$LOOP"
	same "and wiped so, it is blank: said so" "$(grep -c ': formatted' <<< "$SAID")" 1
}

MARKS=0 MARK=none LOOP=""
mount -t tmpfs -o size=600m params "$T" || finish
IMG=$T/image
# shellcheck disable=SC2016  # it is for later
AT_EXIT='losetup -d "$LOOP" 2> /dev/null; umount "$T/mnt" 2> /dev/null; umount "$T"'
modprobe -a loop ext4
wipe "$DEV"
image
note "parameters"
numbers
others
settings
note "devices"
devices
note "what somebody else keeps there"
foreign
note "what is ours"
ours
check "in the end: nothing left" nothing_left "$DEV"
finish
