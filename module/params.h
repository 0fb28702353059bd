/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef KFC_PARAMS_H
#define KFC_PARAMS_H

#include <linux/cpumask.h>
#include <linux/types.h>
#include <linux/uuid.h>

#include "peer.h"

#define KFC_MAX_LISTEN 8
/* Mode of the UNIX socket, as memcached's -a. */
#define KFC_UNIX_MODE 0700

enum kfc_format {
	KFC_FORMAT_ASK,		/* only a blank device or one of ours */
	KFC_FORMAT_FORCE,	/* format what has no usable superblock of ours */
	KFC_FORMAT_NEW,		/* empty one of ours, too */
};

/*
 * struct kfc_config - the parameters, checked and with their defaults filled in
 *
 * Written by params.c at load; afterwards only memory_bytes, memory_min_mb,
 * memory_min_auto, idle_timeout, max_conns, io_depth, read_timeout_ms,
 * set_wait_ms, dump_enabled, flush_enabled and reinsert_pct may change
 * (WRITE_ONCE by params.c and kfc_cache_resize(), READ_ONCE by everybody else).
 */
struct kfc_config {
	const char *device;		/* paths; NULL: memory only */
	u16 port;			/* 0: no TCP */
	const char *listen;		/* "127.0.0.1,::1" */
	const char *unix_path;		/* NULL: no UNIX socket */
	u16 unix_mode;
	u16 udp_port;			/* 0: no UDP */
	struct kfc_peers udp_peers;	/* who else may use it */
	bool listen_loopback;		/* all of listen is this machine's own */
	u64 memory_bytes;		/* slab buffers and memory tier */
	u32 memory_min_mb;		/* pressure leaves so much of it, unless */
	bool memory_min_auto;		/* ... that follows from memory_bytes */
	u64 index_bytes;		/* 0 until the devices' size is known */
	bool index_auto;		/* index_mb was not given */
	u64 index_start;		/* bytes that an empty one has at least */
	u32 slab_bytes;
	u32 item_max;			/* as memcached's -I, bytes */
	u32 max_conns;
	u32 threads;
	u32 idle_timeout;		/* s, 0 = off */
	u32 io_depth;			/* device reads in flight */
	u32 read_timeout_ms;
	u32 set_wait_ms;
	u32 dump_enabled;		/* 0 or 1 */
	u32 flush_enabled;		/* likewise */
	u32 discard;			/* 0 or 1 */
	u32 reinsert_pct;		/* of a slab, 0 = off */
	u64 upload_bytes;
	enum kfc_format format;
	bool recover_crash;		/* after a crash, keep what can be */
	bool has_uuid;
	uuid_t uuid;
	cpumask_var_t cpus;		/* where workers may run */
};

struct kfc_cache;

int kfc_params_load(struct kfc_config *cfg);
int kfc_params_devices(struct kfc_config *cfg, u32 nr, u64 bytes);
void kfc_params_live(struct kfc_cache *c);
void kfc_params_free(struct kfc_config *cfg);

#endif /* KFC_PARAMS_H */
