#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# guest: mem=1024 soakmem=4096 smp=1 disk=2048 kernels=6.12 timeout=300
# shellcheck disable=SC2317  # functions are called by check
#
# Clients by the thousand, 36,000 in a soak: at max_conns and beyond it, while there
# are no sockets to be had, slow ones, ones that come and go, and one that asks for
# gigabytes. 60-limits has a few of each, and what happens at the budgets.

. "$(dirname "$0")/lib.sh"

CONNS=2000 SLOW=200 UPLOAD=8
if [ -n "${KFC_SOAK:-}" ]; then CONNS=36000 SLOW=1000 UPLOAD=32; fi

# crowd CASE LABEL CONNS
crowd() {
	relay limit 1500 /usr/bin/python3 -S -m crowd "$HOST" "$PORT" "$2" "$1" --conns "$3"
}

must_load "$CONNS clients: insmod" memory_mb=32 max_conns=$CONNS
log_mark
crowd crowd "$CONNS clients" $CONNS
holds "$CONNS clients: at most a line a change in the log" "$(log_new | wc -l) <= 4"
crowd storm "storm" 1000
unload_check "$CONNS clients"

wipe "$DEV"
must_load "slow: insmod" device="$DEV" memory_mb=32 max_conns=$((SLOW + 10)) upload_mb=$UPLOAD
log_mark
crowd senders "$SLOW slow senders" $SLOW
crowd readers "$SLOW slow readers" $SLOW
crowd gigabytes "gigabytes" 10
same "slow: no client can cause a line in the log" "$(log_new | wc -l)" 0
same "no sockets are short after all of these" \
	"$(dmesg | grep -ciE 'out of socket memory|tcp: out of memory|too many orphaned')" 0
unload_check "slow" "$DEV"
wipe "$DEV"
finish
