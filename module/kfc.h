/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef KFC_H
#define KFC_H

#include <linux/siphash.h>
#include <linux/types.h>

#include "dev.h"
#include "index.h"
#include "log.h"
#include "params.h"
#include "stats.h"
#include "super.h"

struct kfc_net;
struct kfc_prefixes;
struct kfc_reboot;
struct kfc_restart;
struct kmem_cache;
struct shrinker;
struct kfc_super_state;
struct kfc_users;

/**
 * struct kfc_ghost - fingerprints of keys that were evicted unused
 * @buckets: of some each, the oldest falls out; written by the writer thread
 * @nr: how many buckets; constant
 */
struct kfc_ghost {
	u64 *buckets;
	u64 nr;
};

/**
 * struct kfc_cache - one cache; everything that changes hangs from here
 * @cfg: checked parameters
 * @counters: per-CPU counters that only go up; any context, this_cpu ops
 * @counters_base: sums at the last `stats reset`, written by that alone
 * @hkey: SipHash key of this cache; constant after load
 * @order: last order number given out (the CAS value), epoch in the high bits;
 *	grows under the bucket lock of the key that draws it
 * @valid_from: records with a lower order number are gone (flush_all)
 * @kept_from: @valid_from as it is on a device; writer thread, READ_ONCE
 *	elsewhere
 * @flush_at: kfc_now() at which a delayed flush_all falls due, 0 for none
 * @wall_base: wall clock at load less boottime then, in seconds; constant
 *	after load
 * @loaded_at: kfc_now() at load; constant after load
 * @index: where each object lies
 * @log: the objects
 * @ghost: of memtier.c, empty with a device
 * @devs: the devices, in the order of the set; constant after load
 * @nr_devs: how many, 0 in memory-only mode; constant
 * @uuid: of the superblock; constant after load
 * @super: super.c's own, one a device; NULL in memory-only mode
 * @saved: what the last unload left
 * @restart: restart.c's own, NULL in memory-only mode; constant after load
 * @loading: entries of the last load are still on their way to the index; set
 *	before anybody is served, cleared once with release
 * @reboot: reboot.c's own
 * @net: workers and listeners, net.h
 * @space: called when sets that found no place may try again; any context
 *	that may wake a task. Set before the log starts, constant afterwards
 * @fits: called at load, when it is known how large the index is that comes
 *	back. Returns 0, or -ENOMEM with a line
 * @shrinker: shrinker.c's own; NULL while nobody asks for memory
 * @reads: device reads in flight
 * @read_pages: pages of reads that are in flight or not sent yet
 * @overdue: of the reads in flight, those that nobody waits for any more
 * @max_read_pages: how many @read_pages may be; READ_ONCE
 * @answers: of all clients, see struct kfc_client
 * @window: pages of a value that are held at once on its way out; constant
 * @dumping: a metadump, and a cachedump, is under way; cmpxchg()
 * @index_full: it was said that the index is full; set once
 * @index_look: jiffies from which on to see whether that is to be said; cmpxchg()
 * @op_cache: of struct kfc_op; constant after load
 * @prefixes: of stats detail; constant after load
 * @users: who may use the cache, NULL for everybody; which of the two is
 *	constant while there are clients. RCU; authfile.c alone replaces it
 */
struct kfc_cache {
	struct kfc_config cfg;
	struct kfc_counters __percpu *counters;
	struct kfc_counters counters_base;
	siphash_key_t hkey;
	atomic64_t order;
	u64 valid_from;
	u64 kept_from;
	u64 flush_at;
	s64 wall_base;
	u64 loaded_at;
	struct kfc_index index;
	struct kfc_log log;
	struct kfc_ghost ghost;
	struct kfc_dev *devs[KFC_DEVICES_MAX];
	u32 nr_devs;
	uuid_t uuid;
	struct kfc_super_state *super;
	struct kfc_saved saved;
	struct kfc_restart *restart;
	bool loading;
	struct kfc_reboot *reboot;
	struct kfc_net *net;
	void (*space)(struct kfc_cache *c);
	int (*fits)(struct kfc_cache *c);
	struct shrinker *shrinker;
	atomic_t reads;
	atomic_t read_pages;
	atomic_t overdue;
	u32 max_read_pages;
	atomic_t answers;
	u32 window;
	struct kmem_cache *op_cache;
	struct kfc_prefixes *prefixes;
	bool dumping[2];
	bool index_full;
	unsigned long index_look;
	struct kfc_users __rcu *users;
};

/**
 * kfc_now() - the cache's clock: UNIX seconds that no clock step moves
 * @c: the cache
 *
 * Boottime plus the wall clock taken at load. Any context.
 */
u64 kfc_now(const struct kfc_cache *c);

int kfc_cache_init(struct kfc_cache *c);
void kfc_cache_exit(struct kfc_cache *c);
u64 kfc_cache_pages(const struct kfc_cache *c);
u64 kfc_cache_bound(const struct kfc_cache *c);
u64 kfc_cache_held(const struct kfc_cache *c);
void kfc_cache_tuned(struct kfc_cache *c);
int kfc_cache_resize(struct kfc_cache *c, u64 bytes);

#endif /* KFC_H */
