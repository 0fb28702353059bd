// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * What the cache tells of itself: counters, gauges, settings, and the line
 * that it writes to the log once it serves.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cpumask.h>
#include <linux/kernel.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/percpu.h>
#include <linux/printk.h>
#include <linux/string.h>

#include "auth.h"
#include "bound.h"
#include "kfc.h"
#include "net.h"
#include "prefix.h"
#include "pressure.h"
#include "version.h"

/* Room for KFC_MAX_LISTEN IPv6 addresses, or a path of a device. */
#define KFC_VALUE_SIZE 512

#define KFC_COUNTER(field, name) { offsetof(struct kfc_counters, field), name }
#define KFC_COUNTERS (sizeof(struct kfc_counters) / sizeof(u64))

/*
 * memcached's names where memcached has the counter, extstore's for the device,
 * kfc_ for our own.
 */
static const struct {
	u32 off;
	const char *name;
} kfc_counters[] = {
	KFC_COUNTER(total_connections, "total_connections"),
	KFC_COUNTER(rejected_connections, "rejected_connections"),
	KFC_COUNTER(listen_disabled_num, "listen_disabled_num"),
	KFC_COUNTER(accept_errors, "kfc_accept_errors"),
	KFC_COUNTER(conn_yields, "conn_yields"),
	KFC_COUNTER(idle_kicks, "idle_kicks"),
	KFC_COUNTER(bytes_read, "bytes_read"),
	KFC_COUNTER(bytes_written, "bytes_written"),
	KFC_COUNTER(udp_requests, "kfc_udp_requests"),
	KFC_COUNTER(udp_refused, "kfc_udp_refused"),
	KFC_COUNTER(udp_dropped, "kfc_udp_dropped"),
	KFC_COUNTER(cmd_get, "cmd_get"),
	KFC_COUNTER(cmd_set, "cmd_set"),
	KFC_COUNTER(cmd_flush, "cmd_flush"),
	KFC_COUNTER(cmd_touch, "cmd_touch"),
	KFC_COUNTER(get_hits, "get_hits"),
	KFC_COUNTER(get_misses, "get_misses"),
	KFC_COUNTER(get_expired, "get_expired"),
	KFC_COUNTER(get_flushed, "get_flushed"),
	KFC_COUNTER(delete_misses, "delete_misses"),
	KFC_COUNTER(delete_hits, "delete_hits"),
	KFC_COUNTER(incr_misses, "incr_misses"),
	KFC_COUNTER(incr_hits, "incr_hits"),
	KFC_COUNTER(decr_misses, "decr_misses"),
	KFC_COUNTER(decr_hits, "decr_hits"),
	KFC_COUNTER(cas_misses, "cas_misses"),
	KFC_COUNTER(cas_hits, "cas_hits"),
	KFC_COUNTER(cas_badval, "cas_badval"),
	KFC_COUNTER(touch_hits, "touch_hits"),
	KFC_COUNTER(touch_misses, "touch_misses"),
	KFC_COUNTER(store_too_large, "store_too_large"),
	KFC_COUNTER(store_no_memory, "store_no_memory"),
	KFC_COUNTER(auth_cmds, "auth_cmds"),
	KFC_COUNTER(auth_errors, "auth_errors"),
	KFC_COUNTER(total_items, "total_items"),
	KFC_COUNTER(reclaimed, "reclaimed"),
	KFC_COUNTER(reinserted, "kfc_reinserted"),
	KFC_COUNTER(reinserted_bytes, "kfc_reinserted_bytes"),
	KFC_COUNTER(reinsert_dropped, "kfc_reinsert_dropped"),
	KFC_COUNTER(ev_space, "kfc_evictions_space"),
	KFC_COUNTER(ev_index, "kfc_evictions_index_full"),
	KFC_COUNTER(ev_device, "kfc_evictions_device_error"),
	KFC_COUNTER(ev_tag, "kfc_evictions_tag"),
	KFC_COUNTER(false_reads, "kfc_false_reads"),
	KFC_COUNTER(rmw_retries, "kfc_rmw_retries"),
	KFC_COUNTER(bad_page, "kfc_checksum_failures_page"),
	KFC_COUNTER(bad_header, "kfc_checksum_failures_header"),
	KFC_COUNTER(bad_body, "kfc_checksum_failures_value"),
	KFC_COUNTER(bad_summary, "kfc_checksum_failures_summary"),
	KFC_COUNTER(read_errors, "kfc_device_read_errors"),
	KFC_COUNTER(read_timeouts, "kfc_device_read_timeouts"),
	KFC_COUNTER(write_errors, "kfc_device_write_errors"),
	KFC_COUNTER(discards, "kfc_discards"),
	KFC_COUNTER(discard_errors, "kfc_discard_errors"),
	KFC_COUNTER(dev_hits, "kfc_device_hits"),
	KFC_COUNTER(dev_reads, "kfc_device_reads"),
	KFC_COUNTER(dev_read_bytes, "kfc_device_read_bytes"),
	KFC_COUNTER(rmw_reads, "kfc_device_reads_modify"),
	KFC_COUNTER(dump_reads, "kfc_device_reads_dump"),
	KFC_COUNTER(sweep_reads, "kfc_sweep_reads"),
	KFC_COUNTER(promotions, "kfc_promotions"),
	KFC_COUNTER(reclaim_reads, "kfc_device_reads_reclaim"),
	KFC_COUNTER(reclaim_read_bytes, "kfc_device_read_bytes_reclaim"),
	KFC_COUNTER(mem_hits, "kfc_memory_hits"),
	KFC_COUNTER(pages_replaced, "kfc_lent_pages_replaced"),
	KFC_COUNTER(shrinks, "kfc_shrinks"),
	KFC_COUNTER(uploads_evicted, "kfc_uploads_evicted"),
	KFC_COUNTER(hogs_closed, "kfc_hogs_closed"),
	KFC_COUNTER(answers_cut, "kfc_answers_cut"),
	KFC_COUNTER(set_waits, "kfc_set_waits"),
	KFC_COUNTER(ext_page_allocs, "extstore_page_allocs"),
	KFC_COUNTER(ext_page_evictions, "extstore_page_evictions"),
	KFC_COUNTER(ext_page_reclaims, "extstore_page_reclaims"),
	KFC_COUNTER(ext_objects_evicted, "extstore_objects_evicted"),
	KFC_COUNTER(ext_bytes_evicted, "extstore_bytes_evicted"),
	KFC_COUNTER(ext_objects_read, "extstore_objects_read"),
	KFC_COUNTER(ext_bytes_read, "extstore_bytes_read"),
	KFC_COUNTER(ext_objects_written, "extstore_objects_written"),
	KFC_COUNTER(ext_bytes_written, "extstore_bytes_written"),
};

static_assert(ARRAY_SIZE(kfc_counters) == KFC_COUNTERS);

/* Per cent of its slots at which the index is full: see index.c. */
#define KFC_INDEX_FILL 76

/**
 * struct kfc_lines - lines on their way to a kfc_emit
 * @e: where to
 * @stop: it wants no more
 */
struct kfc_lines {
	struct kfc_emit *e;
	bool stop;
};

/* A line has exactly three fields: a value is never empty and has no blank. */
static __printf(3, 4) void kfc_line(struct kfc_lines *l, const char *name,
				    const char *fmt, ...)
{
	char value[KFC_VALUE_SIZE], *p;
	va_list args;

	if (l->stop)
		return;
	va_start(args, fmt);
	vscnprintf(value, sizeof(value), fmt, args);
	va_end(args);
	for (p = value; *p; p++)
		if (*p <= ' ' || *p == 0x7f)
			*p = '_';
	l->stop = !l->e->line(l->e, name, value[0] ? value : "NULL");
}

static void kfc_u64(struct kfc_lines *l, const char *name, u64 value)
{
	kfc_line(l, name, "%llu", value);
}

/* Adds up the CPUs; what was counted at the last `stats reset` included. */
static void kfc_stats_raw(struct kfc_cache *c, struct kfc_counters *sum)
{
	u64 *to = (u64 *)sum;
	int cpu, i;

	memset(sum, 0, sizeof(*sum));
	for_each_possible_cpu(cpu) {
		const u64 *from = (u64 *)per_cpu_ptr(c->counters, cpu);

		for (i = 0; i < KFC_COUNTERS; i++)
			to[i] += READ_ONCE(from[i]);
	}
}

/**
 * kfc_stats_sum() - the counters of all CPUs since the last `stats reset`
 * @c: the cache
 * @sum: gets them
 *
 * Context: any; no locks. Counters of commands under way may or may not be in.
 */
void kfc_stats_sum(struct kfc_cache *c, struct kfc_counters *sum)
{
	const u64 *from = (u64 *)&c->counters_base;
	u64 base[KFC_COUNTERS], *to = (u64 *)sum;
	int i;

	/* The base first: it is never ahead of a later sum. */
	for (i = 0; i < KFC_COUNTERS; i++)
		base[i] = READ_ONCE(from[i]);
	/* Pairs with smp_wmb() in kfc_stats_reset(). */
	smp_rmb();
	kfc_stats_raw(c, sum);
	for (i = 0; i < KFC_COUNTERS; i++)
		to[i] -= base[i];
}

/**
 * kfc_stats_reset() - count from zero again
 * @c: the cache
 *
 * Context: any; no locks.
 */
void kfc_stats_reset(struct kfc_cache *c)
{
	u64 sum[KFC_COUNTERS], *to = (u64 *)&c->counters_base;
	int i;

	kfc_stats_raw(c, (struct kfc_counters *)sum);
	/* Pairs with smp_rmb() in kfc_stats_sum(). */
	smp_wmb();
	for (i = 0; i < KFC_COUNTERS; i++)
		WRITE_ONCE(to[i], sum[i]);
}

static void kfc_stats_server(struct kfc_cache *c, struct kfc_lines *l,
			     const struct kfc_net_info *net)
{
	u32 us;
	u64 s = div_u64_rem(div_u64(net->cpu_ns, NSEC_PER_USEC), USEC_PER_SEC,
			    &us);

	kfc_u64(l, "pid", net->pid);
	kfc_u64(l, "uptime", kfc_now(c) - c->loaded_at);
	kfc_u64(l, "time", kfc_now(c));
	kfc_line(l, "version", "%s", KFC_MC_VERSION);
	kfc_u64(l, "pointer_size", 8 * sizeof(void *));
	kfc_line(l, "rusage_user", "0.000000");
	kfc_line(l, "rusage_system", "%llu.%06u", s, us);
	kfc_u64(l, "max_connections", READ_ONCE(c->cfg.max_conns));
	kfc_u64(l, "curr_connections", net->curr_connections);
	kfc_u64(l, "accepting_conns", net->accepting);
	kfc_u64(l, "kfc_udp_overflows", net->udp_overflows);
	kfc_u64(l, "threads", net->threads);
}

static u64 kfc_evictions(const struct kfc_counters *n)
{
	return n->ev_space + n->ev_index + n->ev_tag + n->ev_device;
}

static void kfc_stats_counters(struct kfc_cache *c, struct kfc_lines *l)
{
	struct kfc_counters n;
	int i;

	kfc_stats_sum(c, &n);
	for (i = 0; i < KFC_COUNTERS; i++)
		kfc_u64(l, kfc_counters[i].name,
			*(u64 *)((u8 *)&n + kfc_counters[i].off));
	kfc_u64(l, "evictions", kfc_evictions(&n));
}

/* Of several devices each has lines of its own. */
static void kfc_stats_members(struct kfc_cache *c, struct kfc_lines *l)
{
	char name[32];
	u32 nr;

	for (nr = 0; nr < c->nr_devs; nr++) {
		const struct kfc_member *m = &c->log.members[nr];

		snprintf(name, sizeof(name), "kfc_device_%u_name", nr);
		kfc_line(l, name, "%s", m->dev->name);
		snprintf(name, sizeof(name), "kfc_device_%u_state", nr);
		kfc_line(l, name, READ_ONCE(m->failed) ? "failed" : "ok");
		snprintf(name, sizeof(name), "kfc_device_%u_slabs", nr);
		kfc_u64(l, name, m->nr_slabs);
	}
}

static void kfc_stats_device(struct kfc_cache *c, struct kfc_lines *l,
			     const struct kfc_net_info *net,
			     const struct kfc_log_info *log)
{
	if (!c->nr_devs) {
		kfc_line(l, "kfc_device_state", "none");
		return;
	}
	kfc_line(l, "kfc_device_state", !log->devs_failed ? "ok" :
		 log->devs_failed < c->nr_devs ? "degraded" : "failed");
	if (c->nr_devs > 1)
		kfc_stats_members(c, l);
	kfc_u64(l, "extstore_pages_free", log->slabs_free);
	kfc_u64(l, "extstore_pages_used", log->slabs_used);
	kfc_u64(l, "extstore_objects_used", log->dev_items);
	kfc_u64(l, "extstore_bytes_used", log->dev_bytes_used);
	kfc_u64(l, "extstore_bytes_fragmented",
		log->dev_slabs * c->cfg.slab_bytes - log->dev_bytes_used);
	kfc_u64(l, "extstore_limit_maxbytes", log->dev_limit);
	kfc_u64(l, "extstore_io_queue", log->io_queue);
	kfc_u64(l, "kfc_reads_in_flight", atomic_read(&c->reads));
	kfc_u64(l, "kfc_read_pages", atomic_read(&c->read_pages));
	kfc_u64(l, "kfc_read_pages_kept", net->kept_pages);
	kfc_u64(l, "kfc_answers_queued", atomic_read(&c->answers));
}

static void kfc_stats_pools(struct kfc_cache *c, struct kfc_lines *l,
			    const struct kfc_net_info *net,
			    const struct kfc_log_info *log)
{
	u64 cache = kfc_cache_bound(c);
	u64 network = kfc_net_bound(c);

	kfc_u64(l, "kfc_index_slots", log->index_slots);
	kfc_u64(l, "kfc_index_slots_most", log->index_most);
	kfc_u64(l, "kfc_index_used", log->index_used);
	kfc_u64(l, "kfc_index_bytes", log->index_bytes);
	kfc_u64(l, "kfc_index_level", log->index_level);
	kfc_u64(l, "kfc_index_growths", log->index_growths);
	kfc_u64(l, "kfc_index_growths_put_off", log->index_put_off);
	kfc_u64(l, "kfc_ghost_bytes", c->ghost.nr * sizeof(u64));
	kfc_u64(l, "kfc_slabs", log->slabs_total);
	kfc_u64(l, "kfc_copies", log->copies);
	kfc_u64(l, "kfc_copy_bytes", log->copy_bytes);
	kfc_u64(l, "kfc_lent_pages", READ_ONCE(c->log.nr_orphans));
	kfc_u64(l, "kfc_memory_bytes", log->mem_held);
	kfc_u64(l, "kfc_memory_min_bytes", kfc_pressure_floor(c));
	kfc_u64(l, "kfc_shrunk_bytes", log->mem_given);
	kfc_u64(l, "kfc_upload_bytes", net->upload_bytes);
	kfc_u64(l, "kfc_connection_bytes", net->conn_bytes);
	kfc_u64(l, "kfc_bound_index",
		kfc_index_bound(kfc_index_size(c->cfg.index_bytes)));
	kfc_u64(l, "kfc_bound_memory", READ_ONCE(c->cfg.memory_bytes));
	kfc_u64(l, "kfc_bound_uploads", c->cfg.upload_bytes);
	kfc_u64(l, "kfc_bound_store", cache);
	kfc_u64(l, "kfc_bound_network", network);
	kfc_u64(l, "kfc_bound_total", cache + network);
}

/**
 * kfc_stats_print() - what `stats` and /proc/kfatcache/stats tell
 * @c: the cache, serving
 * @e: where the lines go
 *
 * Context: any that may call @e->line; no locks.
 */
void kfc_stats_print(struct kfc_cache *c, struct kfc_emit *e)
{
	struct kfc_lines l = { .e = e };
	struct kfc_net_info net = {};
	struct kfc_log_info log = {};

	kfc_net_info(c, &net);
	kfc_log_info(c, &log);
	kfc_stats_server(c, &l, &net);
	kfc_stats_counters(c, &l);
	kfc_u64(&l, "curr_items", log.items);
	kfc_u64(&l, "bytes", log.mem_bytes);
	kfc_u64(&l, "limit_maxbytes", log.mem_limit);
	kfc_stats_device(c, &l, &net, &log);
	kfc_stats_pools(c, &l, &net, &log);
}

/**
 * kfc_stats_settings() - what `stats settings` tells
 * @c: the cache, serving
 * @e: where the lines go
 *
 * memcached's names where a setting means the same here; yes and no for
 * booleans, as clients expect.
 *
 * Context: any that may call @e->line; no locks.
 */
void kfc_stats_settings(struct kfc_cache *c, struct kfc_emit *e)
{
	const struct kfc_config *cfg = &c->cfg;
	const char *auth = kfc_auth_required(c) ? "yes" : "no";
	struct kfc_lines l = { .e = e };

	kfc_u64(&l, "maxbytes", READ_ONCE(cfg->memory_bytes));
	kfc_u64(&l, "maxconns", READ_ONCE(cfg->max_conns));
	kfc_u64(&l, "tcpport", cfg->port);
	kfc_u64(&l, "udpport", cfg->udp_port);
	kfc_line(&l, "inter", "%s", cfg->listen);
	kfc_u64(&l, "verbosity", 0);
	kfc_u64(&l, "oldest", 0);
	kfc_line(&l, "evictions", "on");
	kfc_line(&l, "domain_socket", "%s", cfg->unix_path ?: "NULL");
	kfc_line(&l, "umask", "%o",
		 cfg->unix_path ? cfg->unix_mode : KFC_UNIX_MODE);
	kfc_u64(&l, "num_threads", cfg->threads);
	kfc_line(&l, "stat_key_prefix", ":");
	kfc_line(&l, "detail_enabled", "%s",
		 kfc_prefix_enabled(c) ? "yes" : "no");
	kfc_line(&l, "cas_enabled", "yes");
	kfc_line(&l, "binding_protocol", "ascii");
	kfc_line(&l, "auth_enabled_sasl", "%s", auth);
	kfc_line(&l, "auth_enabled_ascii", "%s", auth);
	kfc_u64(&l, "item_size_max", cfg->item_max);
	kfc_line(&l, "maxconns_fast", "no");
	kfc_line(&l, "slab_reassign", "no");
	kfc_u64(&l, "slab_automove", 0);
	kfc_line(&l, "lru_crawler", "no");
	kfc_line(&l, "lru_maintainer_thread", "no");
	kfc_line(&l, "hash_algorithm", "siphash");
	kfc_u64(&l, "idle_timeout", READ_ONCE(cfg->idle_timeout));
	kfc_line(&l, "flush_enabled",
		 READ_ONCE(cfg->flush_enabled) ? "yes" : "no");
	kfc_line(&l, "dump_enabled",
		 READ_ONCE(cfg->dump_enabled) ? "yes" : "no");
	kfc_line(&l, "ssl_enabled", "no");
	kfc_line(&l, "kfc_device", "%s", cfg->device ?: "");
	if (c->nr_devs)
		kfc_line(&l, "kfc_uuid", "%pU", c->uuid.b);
	kfc_u64(&l, "kfc_slab_size", cfg->slab_bytes);
	kfc_u64(&l, "kfc_index_bytes", cfg->index_bytes);
	kfc_u64(&l, "kfc_upload_bytes", cfg->upload_bytes);
	kfc_line(&l, "kfc_discard", cfg->discard ? "yes" : "no");
	kfc_u64(&l, "kfc_io_depth", READ_ONCE(cfg->io_depth));
	kfc_u64(&l, "kfc_read_timeout_ms", READ_ONCE(cfg->read_timeout_ms));
	kfc_u64(&l, "kfc_set_wait_ms", READ_ONCE(cfg->set_wait_ms));
	kfc_u64(&l, "kfc_reinsert_pct", READ_ONCE(cfg->reinsert_pct));
	kfc_line(&l, "kfc_cpus", "%*pbl", cpumask_pr_args(cfg->cpus));
}

/**
 * kfc_stats_items() - what `stats items` tells
 * @c: the cache
 * @e: where the lines go
 *
 * There is one class, and nothing is told while it is empty. Context: any that
 * may call @e->line; no locks.
 */
void kfc_stats_items(struct kfc_cache *c, struct kfc_emit *e)
{
	struct kfc_lines l = { .e = e };
	struct kfc_log_info log = {};
	struct kfc_counters n;

	kfc_log_info(c, &log);
	if (!log.items)
		return;
	kfc_stats_sum(c, &n);
	kfc_u64(&l, "items:1:number", log.items);
	kfc_u64(&l, "items:1:age", kfc_now(c) - log.oldest);
	kfc_u64(&l, "items:1:mem_requested", log.mem_bytes);
	kfc_u64(&l, "items:1:evicted", kfc_evictions(&n));
	kfc_u64(&l, "items:1:outofmemory", n.store_no_memory);
	kfc_u64(&l, "items:1:reclaimed", n.reclaimed);
}

/**
 * kfc_stats_slabs() - what `stats slabs` tells
 * @c: the cache
 * @e: where the lines go
 *
 * As kfc_stats_items(); a chunk is a record, a page a slab.
 *
 * Context: any that may call @e->line; no locks.
 */
void kfc_stats_slabs(struct kfc_cache *c, struct kfc_emit *e)
{
	struct kfc_lines l = { .e = e };
	struct kfc_log_info log = {};
	struct kfc_counters n;

	kfc_log_info(c, &log);
	if (log.items) {
		kfc_stats_sum(c, &n);
		kfc_u64(&l, "1:total_pages", log.slabs_used);
		kfc_u64(&l, "1:used_chunks", log.items);
		kfc_u64(&l, "1:get_hits", n.get_hits);
		kfc_u64(&l, "1:cmd_set", n.cmd_set);
		kfc_u64(&l, "1:delete_hits", n.delete_hits);
		kfc_u64(&l, "1:incr_hits", n.incr_hits);
		kfc_u64(&l, "1:decr_hits", n.decr_hits);
		kfc_u64(&l, "1:cas_hits", n.cas_hits);
		kfc_u64(&l, "1:cas_badval", n.cas_badval);
		kfc_u64(&l, "1:touch_hits", n.touch_hits);
	}
	kfc_u64(&l, "active_slabs", log.items ? 1 : 0);
	kfc_u64(&l, "total_malloced", log.mem_limit);
}

/**
 * kfc_stats_announce() - the one line of a cache that serves
 * @c: the cache
 *
 * Context: a process.
 */
void kfc_stats_announce(struct kfc_cache *c)
{
	u64 bound = kfc_bound(c) >> 20;
	struct kfc_log_info log = {};
	char addresses[KFC_ADDRESSES_SIZE];
	char devices[sizeof(c->devs[0]->name) + sizeof(c->devs[0]->what) + 4];
	u64 objects;
	u32 nr;

	kfc_log_info(c, &log);
	objects = max(div_u64(log.index_most * KFC_INDEX_FILL, 100), 1ULL);
	if (kfc_net_addresses(c, addresses, sizeof(addresses)) < 0)
		strscpy(addresses, "?", sizeof(addresses));
	if (!c->nr_devs) {
		pr_info("memory only, %llu MiB; the index holds %llu objects; %u log heads; at most %llu MiB of memory in all; listening on %s\n",
			log.mem_limit >> 20, objects, c->log.nr_heads, bound,
			addresses);
		return;
	}
	if (c->nr_devs == 1) {
		snprintf(devices, sizeof(devices), "%s (%s)",
			 c->devs[0]->name, c->devs[0]->what);
	} else {
		snprintf(devices, sizeof(devices), "%u devices", c->nr_devs);
		for (nr = 0; nr < c->nr_devs; nr++)
			pr_info("device %u of %u: %s (%s); %u slabs of %u MiB\n",
				nr, c->nr_devs, c->devs[nr]->name,
				c->devs[nr]->what, c->log.members[nr].nr_slabs,
				c->cfg.slab_bytes >> 20);
	}
	pr_info("%s; %llu slabs of %u MiB; the index holds %llu objects, so that objects of %llu bytes on average fill the device; %u log heads; at most %llu MiB of memory in all; listening on %s\n",
		devices, log.slabs_total,
		c->cfg.slab_bytes >> 20, objects,
		div64_u64(log.dev_limit, objects), c->log.nr_heads, bound,
		addresses);
}
