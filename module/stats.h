/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef KFC_STATS_H
#define KFC_STATS_H

#include <linux/percpu.h>
#include <linux/types.h>

struct kfc_cache;

/*
 * Counters that only go up, one set a CPU. What `stats` calls them: stats.c.
 */
struct kfc_counters {
	u64 total_connections;
	u64 rejected_connections;
	u64 listen_disabled_num;
	u64 accept_errors;
	u64 conn_yields;
	u64 idle_kicks;
	u64 bytes_read;
	u64 bytes_written;
	u64 udp_requests;
	u64 udp_refused;
	u64 udp_dropped;
	u64 cmd_get;
	u64 cmd_set;
	u64 cmd_flush;
	u64 cmd_touch;
	u64 get_hits;
	u64 get_misses;
	u64 get_expired;
	u64 get_flushed;
	u64 delete_misses;
	u64 delete_hits;
	u64 incr_misses;
	u64 incr_hits;
	u64 decr_misses;
	u64 decr_hits;
	u64 cas_misses;
	u64 cas_hits;
	u64 cas_badval;
	u64 touch_hits;
	u64 touch_misses;
	u64 store_too_large;
	u64 store_no_memory;
	u64 auth_cmds;
	u64 auth_errors;
	u64 total_items;
	u64 reclaimed;
	u64 reinserted;
	u64 reinserted_bytes;
	u64 reinsert_dropped;
	u64 ev_space;
	u64 ev_index;
	u64 ev_device;
	u64 ev_tag;
	u64 false_reads;
	u64 rmw_retries;
	u64 bad_page;
	u64 bad_header;
	u64 bad_body;
	u64 bad_summary;
	u64 read_errors;
	u64 read_timeouts;
	u64 write_errors;
	u64 discards;
	u64 discard_errors;
	u64 dev_hits;
	u64 dev_reads;
	u64 dev_read_bytes;
	u64 rmw_reads;
	u64 dump_reads;
	u64 sweep_reads;
	u64 promotions;
	u64 reclaim_reads;
	u64 reclaim_read_bytes;
	u64 mem_hits;
	u64 pages_replaced;
	u64 shrinks;
	u64 uploads_evicted;
	u64 hogs_closed;
	u64 answers_cut;
	u64 set_waits;
	u64 ext_page_allocs;
	u64 ext_page_evictions;
	u64 ext_page_reclaims;
	u64 ext_objects_evicted;
	u64 ext_bytes_evicted;
	u64 ext_objects_read;
	u64 ext_bytes_read;
	u64 ext_objects_written;
	u64 ext_bytes_written;
};

/* Any context; a counter may be read torn between CPUs, never lost. */
#define kfc_counter(c, field)						\
	((u64 __percpu *)(c)->counters +				\
	 offsetof(struct kfc_counters, field) / sizeof(u64))
#define kfc_count(c, field)		this_cpu_inc(*kfc_counter(c, field))
#define kfc_count_add(c, field, n)	this_cpu_add(*kfc_counter(c, field), n)

/**
 * struct kfc_emit - where kfc_stats_print() sends its lines
 * @line: called once a line; may return false to stop
 * @arg: the caller's own
 */
struct kfc_emit {
	bool (*line)(struct kfc_emit *e, const char *name, const char *value);
	void *arg;
};

void kfc_stats_sum(struct kfc_cache *c, struct kfc_counters *sum);
void kfc_stats_print(struct kfc_cache *c, struct kfc_emit *e);
void kfc_stats_settings(struct kfc_cache *c, struct kfc_emit *e);
void kfc_stats_items(struct kfc_cache *c, struct kfc_emit *e);
void kfc_stats_slabs(struct kfc_cache *c, struct kfc_emit *e);
void kfc_stats_reset(struct kfc_cache *c);
void kfc_stats_announce(struct kfc_cache *c);

#endif /* KFC_STATS_H */
