// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The module's parameters: declared, checked, and filled into a kfc_config.
 *
 * A number is kept as it was given until kfc_params_load() looks at it, so that
 * each mistake has one line that says what is allowed. The few that may change
 * at run time pass the same checks then.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cpumask.h>
#include <linux/inet.h>
#include <linux/log2.h>
#include <linux/math64.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/nsproxy.h>
#include <linux/printk.h>
#include <linux/sched.h>
#include <linux/sched/isolation.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/un.h>
#include <net/net_namespace.h>

#include "bound.h"
#include "kfc.h"
#include "net.h"
#include "params.h"
#include "record.h"
#include "sb.h"
#include "super.h"

/* The compiler's own, of times when a name could be anybody's. */
#undef unix

/**
 * struct kfc_number - a parameter that is a number
 * @name: its name
 * @val: its value; READ_ONCE where it may change at run time
 * @min: the least allowed
 * @max: the most allowed
 * @unit: of the number, for messages
 * @live: offset in struct kfc_config of what follows it at run time, 0 for none
 * @given: somebody gave it
 * @change: what else makes it so at run time, for what is not a field of u32
 * @bad: what was given, where that is no number
 */
struct kfc_number {
	const char *name;
	u32 val;
	u32 min;
	u32 max;
	const char *unit;
	u16 live;
	bool given;
	int (*change)(struct kfc_cache *c, u32 val);
	char bad[24];
};

enum {
	KFC_PORT,
	KFC_UDP_PORT,
	KFC_MEMORY_MB,
	KFC_MEMORY_MIN_MB,
	KFC_INDEX_MB,
	KFC_SLAB_SIZE,
	KFC_ITEM_MAX,
	KFC_THREADS,
	KFC_UPLOAD_MB,
	KFC_MAX_CONNS,
	KFC_IDLE_TIMEOUT,
	KFC_IO_DEPTH,
	KFC_READ_TIMEOUT_MS,
	KFC_SET_WAIT_MS,
	KFC_DUMP_ENABLED,
	KFC_FLUSH_ENABLED,
	KFC_DISCARD,
	KFC_REINSERT_PCT,
};

static int kfc_memory_change(struct kfc_cache *c, u32 mb)
{
	u64 slab = c->cfg.slab_bytes;
	int err = kfc_cache_resize(c, (u64)mb << 20);

	if (err == -EINVAL)
		pr_err("memory_mb=%u: allowed while loaded are %llu to %llu MiB\n",
		       mb, (kfc_log_least(&c->log) * slab) >> 20,
		       (c->log.max_bufs * slab) >> 20);
	else if (err)
		pr_err("memory_mb=%u: only %llu MiB may be taken\n", mb,
		       kfc_bound_spare() >> 20);
	return err;
}

static int kfc_memory_min_check(u32 mb, u64 memory_bytes)
{
	if ((u64)mb << 20 <= memory_bytes)
		return 0;
	pr_err("memory_min_mb=%u: allowed are 0 to memory_mb=%llu MiB\n", mb,
	       memory_bytes >> 20);
	return -EINVAL;
}

static int kfc_memory_min_change(struct kfc_cache *c, u32 mb)
{
	int err = kfc_memory_min_check(mb, READ_ONCE(c->cfg.memory_bytes));

	if (err)
		return err;
	WRITE_ONCE(c->cfg.memory_min_mb, mb);
	WRITE_ONCE(c->cfg.memory_min_auto, false);
	return 0;
}

static struct kfc_number kfc_numbers[] = {
	[KFC_PORT] = { "port", 11211, 0, 65535, ", 0 for no TCP" },
	[KFC_UDP_PORT] = { "udp_port", 0, 0, 65535, ", 0 for no UDP" },
	[KFC_MEMORY_MB] = { "memory_mb", 64, 4, 16 << 20, " MiB",
		.change = kfc_memory_change },
	[KFC_MEMORY_MIN_MB] = { "memory_min_mb", 0, 0, 16 << 20, " MiB",
		.change = kfc_memory_min_change },
	[KFC_INDEX_MB] = { "index_mb", 0, 0, 16 << 20, " MiB" },
	[KFC_SLAB_SIZE] = { "slab_size", 4, 1, 64, " MiB, powers of two" },
	[KFC_ITEM_MAX] = { "item_max", 1 << 20, 1024, KFC_VLEN_MAX, " bytes" },
	[KFC_THREADS] = { "threads", 0, 0, U16_MAX, "" },
	[KFC_UPLOAD_MB] = { "upload_mb", 16, 1, 1 << 20, " MiB" },
	[KFC_MAX_CONNS] = { "max_conns", 1024, 1, 1 << 20, "",
		offsetof(struct kfc_config, max_conns) },
	[KFC_IDLE_TIMEOUT] = { "idle_timeout", 0, 0, 31536000, " s, 0 for off",
		offsetof(struct kfc_config, idle_timeout) },
	[KFC_IO_DEPTH] = { "io_depth", 256, 1, 4096, "",
		offsetof(struct kfc_config, io_depth) },
	[KFC_READ_TIMEOUT_MS] = { "read_timeout_ms", 1000, 10, 600000, " ms",
		offsetof(struct kfc_config, read_timeout_ms) },
	[KFC_SET_WAIT_MS] = { "set_wait_ms", 500, 0, 60000, " ms",
		offsetof(struct kfc_config, set_wait_ms) },
	[KFC_DUMP_ENABLED] = { "dump_enabled", 1, 0, 1, "",
		offsetof(struct kfc_config, dump_enabled) },
	[KFC_FLUSH_ENABLED] = { "flush_enabled", 1, 0, 1, "",
		offsetof(struct kfc_config, flush_enabled) },
	[KFC_DISCARD] = { "discard", 0, 0, 1, "" },
	[KFC_REINSERT_PCT] = { "reinsert_pct", 50, 0, 90, " %, 0 for off",
		offsetof(struct kfc_config, reinsert_pct) },
};

/* Without a device nothing is written twice for what is reinserted. */
#define KFC_REINSERT_MEMORY	90
/*
 * Growth waits for its turn of a CPU. A table of a few hundred slots, as a 512th
 * of a small index is, would be full of one client's sets before that comes.
 */
#define KFC_INDEX_START		(64U << 10)
/* The smallest slab, in bytes, that is taken by itself. */
#define KFC_LEAST_SLAB	(256U << 10)

/* The loaded cache, for run-time changes; kernel_param_lock(). */
static struct kfc_cache *kfc_live;

static int kfc_number_check(const struct kfc_number *n)
{
	if (n->bad[0])
		pr_err("%s=%s: not a number; allowed are %u to %u%s\n",
		       n->name, n->bad, n->min, n->max, n->unit);
	else if (n->given && (n->val < n->min || n->val > n->max))
		pr_err("%s=%u: allowed are %u to %u%s\n", n->name, n->val,
		       n->min, n->max, n->unit);
	else
		return 0;
	return -EINVAL;
}

/* A change at run time: as at load, the sum of all bounds has to fit. */
static int kfc_number_change(struct kfc_number *n, u32 val)
{
	u32 *field = (u32 *)((u8 *)&kfc_live->cfg + n->live);
	u64 before = kfc_bound(kfc_live), after;
	u32 was = *field;

	WRITE_ONCE(*field, val);
	after = kfc_bound(kfc_live);
	if (after > before && !kfc_bound_fits(kfc_live, 0)) {
		WRITE_ONCE(*field, was);
		pr_err("%s=%u: takes %llu MiB more, but only %llu MiB may be taken\n",
		       n->name, val, (after - before) >> 20,
		       kfc_bound_spare() >> 20);
		return -ENOMEM;
	}
	kfc_cache_tuned(kfc_live);
	return 0;
}

/* What echo writes when it is given nothing. */
static bool kfc_blank(const char *text)
{
	return !text || !*skip_spaces(text);
}

static int kfc_number_set(const char *text, const struct kernel_param *kp)
{
	struct kfc_number *n = kp->arg;
	struct kfc_number new = *n;
	int err = 0;

	new.given = true;
	new.bad[0] = 0;
	if (!text || kstrtou32(text, 0, &new.val))
		snprintf(new.bad, sizeof(new.bad), "%s",
			 kfc_blank(text) ? "(nothing)" : text);
	if (kfc_live) {
		strim(new.bad);
		err = kfc_number_check(&new);
		if (!err && new.change)
			err = new.change(kfc_live, new.val);
		else if (!err)
			err = kfc_number_change(&new, new.val);
	}
	if (!err)
		*n = new;
	return err;
}

static int kfc_number_get(char *buf, const struct kernel_param *kp)
{
	const struct kfc_number *n = kp->arg;

	return sysfs_emit(buf, "%u\n", n->val);
}

static const struct kernel_param_ops kfc_number_ops = {
	.flags = KERNEL_PARAM_OPS_FL_NOARG,
	.set = kfc_number_set,
	.get = kfc_number_get,
};

static char *p_device;
module_param_named(device, p_device, charp, 0444);
MODULE_PARM_DESC(device, "Block device for the objects, by /dev/disk/by-id/..., or up to 8, separated by commas; without one the cache is in memory only");

static char *p_listen = "127.0.0.1";
module_param_named(listen, p_listen, charp, 0444);
MODULE_PARM_DESC(listen, "IPv4 and IPv6 addresses to listen on, up to 8, separated by commas (default 127.0.0.1)");

static char *p_unix;
module_param_named(unix, p_unix, charp, 0444);
MODULE_PARM_DESC(unix, "UNIX socket to listen on as well, an absolute path; with port=0 it is the only one");

static char *p_unix_mode;
module_param_named(unix_mode, p_unix_mode, charp, 0444);
MODULE_PARM_DESC(unix_mode, "Mode of the UNIX socket, octal (default 0700)");

static char *p_udp_peers;
module_param_named(udp_peers, p_udp_peers, charp, 0444);
MODULE_PARM_DESC(udp_peers, "Who may use UDP beside loopback: up to 16 networks as 10.1.2.0/24, separated by commas");

static char *p_cpus;
module_param_named(cpus, p_cpus, charp, 0444);
MODULE_PARM_DESC(cpus, "CPUs that workers may run on, as 0-3,8 (default: all housekeeping CPUs)");

static char *p_format = "";
module_param_named(format, p_format, charp, 0444);
MODULE_PARM_DESC(format, "force: format a device that is neither blank nor ours; new: empty one of ours");

static char *p_recover = "";
module_param_named(recover, p_recover, charp, 0444);
MODULE_PARM_DESC(recover, "crash: after a crash rebuild what can be; overwritten and deleted objects may come back (default: start empty)");

static char *p_uuid;
module_param_named(uuid, p_uuid, charp, 0444);
MODULE_PARM_DESC(uuid, "Refuse any device but those whose superblock has this UUID");

module_param_cb(port, &kfc_number_ops, &kfc_numbers[KFC_PORT],
		0444);
__MODULE_PARM_TYPE(port, "uint");
MODULE_PARM_DESC(port, "TCP port (default 11211; 0: no TCP, with unix= alone)");

module_param_cb(udp_port, &kfc_number_ops, &kfc_numbers[KFC_UDP_PORT],
		0444);
__MODULE_PARM_TYPE(udp_port, "uint");
MODULE_PARM_DESC(udp_port, "UDP port for gets, at the addresses of listen= (default 0: off)");

module_param_cb(memory_mb, &kfc_number_ops, &kfc_numbers[KFC_MEMORY_MB],
		0644);
__MODULE_PARM_TYPE(memory_mb, "uint");
MODULE_PARM_DESC(memory_mb, "Memory for objects, MiB, at least 4 slabs (default 64)");

module_param_cb(memory_min_mb, &kfc_number_ops,
		&kfc_numbers[KFC_MEMORY_MIN_MB], 0644);
__MODULE_PARM_TYPE(memory_min_mb, "uint");
MODULE_PARM_DESC(memory_min_mb, "What of memory_mb is kept when the machine is short of memory, MiB (default: half of it, all of it without a device)");

module_param_cb(index_mb, &kfc_number_ops, &kfc_numbers[KFC_INDEX_MB],
		0444);
__MODULE_PARM_TYPE(index_mb, "uint");
MODULE_PARM_DESC(index_mb, "Memory for the index, MiB (default 0: 2 % of the device, or 10 % of memory_mb without one, but at most 1/8 of RAM)");

module_param_cb(slab_size, &kfc_number_ops, &kfc_numbers[KFC_SLAB_SIZE],
		0444);
__MODULE_PARM_TYPE(slab_size, "uint");
MODULE_PARM_DESC(slab_size, "Size of a slab, MiB, a power of two from 1 to 64 (default 4; without a device as item_max needs it, 256 KiB and up)");

module_param_cb(item_max, &kfc_number_ops, &kfc_numbers[KFC_ITEM_MAX],
		0444);
__MODULE_PARM_TYPE(item_max, "uint");
MODULE_PARM_DESC(item_max, "Largest object, bytes, as memcached's -I; at most half a slab (default 1048576, or a quarter of a slab where that is less)");

module_param_cb(threads, &kfc_number_ops, &kfc_numbers[KFC_THREADS],
		0444);
__MODULE_PARM_TYPE(threads, "uint");
MODULE_PARM_DESC(threads, "Worker threads (default 0: one for each online CPU that workers may run on)");

module_param_cb(upload_mb, &kfc_number_ops, &kfc_numbers[KFC_UPLOAD_MB],
		0444);
__MODULE_PARM_TYPE(upload_mb, "uint");
MODULE_PARM_DESC(upload_mb, "Memory for values that are still arriving, MiB (default 16)");

module_param_cb(max_conns, &kfc_number_ops, &kfc_numbers[KFC_MAX_CONNS],
		0644);
__MODULE_PARM_TYPE(max_conns, "uint");
MODULE_PARM_DESC(max_conns, "Most connections at once (default 1024)");

module_param_cb(idle_timeout, &kfc_number_ops, &kfc_numbers[KFC_IDLE_TIMEOUT],
		0644);
__MODULE_PARM_TYPE(idle_timeout, "uint");
MODULE_PARM_DESC(idle_timeout, "Close connections that were idle for so many seconds (default 0: off)");

module_param_cb(io_depth, &kfc_number_ops, &kfc_numbers[KFC_IO_DEPTH],
		0644);
__MODULE_PARM_TYPE(io_depth, "uint");
MODULE_PARM_DESC(io_depth, "Most device reads in flight at once (default 256)");

module_param_cb(read_timeout_ms, &kfc_number_ops, &kfc_numbers[KFC_READ_TIMEOUT_MS],
		0644);
__MODULE_PARM_TYPE(read_timeout_ms, "uint");
MODULE_PARM_DESC(read_timeout_ms, "A device read that takes longer is answered as a miss, ms (default 1000)");

module_param_cb(set_wait_ms, &kfc_number_ops, &kfc_numbers[KFC_SET_WAIT_MS],
		0644);
__MODULE_PARM_TYPE(set_wait_ms, "uint");
MODULE_PARM_DESC(set_wait_ms, "How long a set may wait for a place while the device writes, ms (default 500)");

module_param_cb(dump_enabled, &kfc_number_ops, &kfc_numbers[KFC_DUMP_ENABLED],
		0644);
__MODULE_PARM_TYPE(dump_enabled, "uint");
MODULE_PARM_DESC(dump_enabled, "0: refuse lru_crawler metadump and stats cachedump, as memcached's -X (default 1)");

module_param_cb(flush_enabled, &kfc_number_ops, &kfc_numbers[KFC_FLUSH_ENABLED],
		0644);
__MODULE_PARM_TYPE(flush_enabled, "uint");
MODULE_PARM_DESC(flush_enabled, "0: refuse flush_all, as memcached's -F (default 1)");

module_param_cb(discard, &kfc_number_ops, &kfc_numbers[KFC_DISCARD],
		0444);
__MODULE_PARM_TYPE(discard, "uint");
MODULE_PARM_DESC(discard, "1: tell the device which slabs are of no use any more (default 0)");
module_param_cb(reinsert_pct, &kfc_number_ops, &kfc_numbers[KFC_REINSERT_PCT],
		0644);
__MODULE_PARM_TYPE(reinsert_pct, "uint");
MODULE_PARM_DESC(reinsert_pct, "How much of a slab may be kept when it makes room: objects that were used since they were written, per cent of its bytes (default 50, 90 without a device; 0: none)");

static u32 kfc_value(int which)
{
	return kfc_numbers[which].val;
}

/*
 * Without a device a slab need not be worth an I/O: it is as small as the
 * largest object lets it be, so that little memory is in slabs that are empty.
 */
static u32 kfc_params_slab(u32 item_max)
{
	return max_t(u32, roundup_pow_of_two(2 * item_max), KFC_LEAST_SLAB);
}

static int kfc_params_numbers(struct kfc_config *cfg)
{
	u32 slab = kfc_value(KFC_SLAB_SIZE);
	u64 least;
	int i, err = 0;

	for (i = 0; i < ARRAY_SIZE(kfc_numbers) && !err; i++)
		err = kfc_number_check(&kfc_numbers[i]);
	if (err)
		return err;
	if (!is_power_of_2(slab)) {
		pr_err("slab_size=%u: allowed are 1, 2, 4, 8, 16, 32 and 64 MiB\n",
		       slab);
		return -EINVAL;
	}
	cfg->slab_bytes = slab << 20;
	if (!p_device && !kfc_numbers[KFC_SLAB_SIZE].given)
		cfg->slab_bytes = kfc_params_slab(kfc_value(KFC_ITEM_MAX));
	least = DIV_ROUND_UP(4ULL * cfg->slab_bytes, 1 << 20);
	if (kfc_value(KFC_MEMORY_MB) < least) {
		pr_err("memory_mb=%u: allowed are %llu (4 slabs of %u KiB) to %u MiB\n",
		       kfc_value(KFC_MEMORY_MB), least, cfg->slab_bytes >> 10,
		       kfc_numbers[KFC_MEMORY_MB].max);
		return -EINVAL;
	}
	cfg->port = kfc_value(KFC_PORT);
	cfg->udp_port = kfc_value(KFC_UDP_PORT);
	cfg->memory_bytes = (u64)kfc_value(KFC_MEMORY_MB) << 20;
	cfg->memory_min_auto = !kfc_numbers[KFC_MEMORY_MIN_MB].given;
	cfg->memory_min_mb = kfc_value(KFC_MEMORY_MIN_MB);
	if (kfc_memory_min_check(cfg->memory_min_mb, cfg->memory_bytes))
		return -EINVAL;
	cfg->index_bytes = (u64)kfc_value(KFC_INDEX_MB) << 20;
	cfg->index_auto = !cfg->index_bytes;
	cfg->index_start = KFC_INDEX_START;
	cfg->upload_bytes = (u64)kfc_value(KFC_UPLOAD_MB) << 20;
	cfg->max_conns = kfc_value(KFC_MAX_CONNS);
	cfg->idle_timeout = kfc_value(KFC_IDLE_TIMEOUT);
	cfg->io_depth = kfc_value(KFC_IO_DEPTH);
	cfg->read_timeout_ms = kfc_value(KFC_READ_TIMEOUT_MS);
	cfg->set_wait_ms = kfc_value(KFC_SET_WAIT_MS);
	cfg->dump_enabled = kfc_value(KFC_DUMP_ENABLED);
	cfg->flush_enabled = kfc_value(KFC_FLUSH_ENABLED);
	cfg->discard = kfc_value(KFC_DISCARD);
	if (!p_device && !kfc_numbers[KFC_REINSERT_PCT].given)
		kfc_numbers[KFC_REINSERT_PCT].val = KFC_REINSERT_MEMORY;
	cfg->reinsert_pct = kfc_value(KFC_REINSERT_PCT);
	return 0;
}

static int kfc_params_item_max(struct kfc_config *cfg)
{
	struct kfc_number *n = &kfc_numbers[KFC_ITEM_MAX];
	u32 most = min_t(u32, cfg->slab_bytes / 2, KFC_VLEN_MAX);
	u64 cost;

	if (!n->given && kfc_numbers[KFC_SLAB_SIZE].given)
		n->val = min(n->val, cfg->slab_bytes / 4);
	if (n->val > most) {
		pr_err("item_max=%u: allowed are %u to %u bytes with slab_size=%u\n",
		       n->val, n->min, most, cfg->slab_bytes >> 20);
		return -EINVAL;
	}
	cost = kfc_upload_cost(n->val);
	if (cost > cfg->upload_bytes) {
		pr_err("upload_mb=%u: allowed are %u, room for one object of item_max=%u, to %u MiB\n",
		       kfc_value(KFC_UPLOAD_MB),
		       (u32)DIV_ROUND_UP_ULL(cost, 1 << 20),
		       n->val, kfc_numbers[KFC_UPLOAD_MB].max);
		return -EINVAL;
	}
	cfg->item_max = n->val;
	return 0;
}

static int kfc_params_cpus(struct kfc_config *cfg)
{
	u32 threads = kfc_value(KFC_THREADS);
	cpumask_var_t asked;
	u32 online, cpu;
	int err = 0;

	/* isolcpus= and nohz_full= both take CPUs away. */
	cpumask_and(cfg->cpus, housekeeping_cpumask(HK_TYPE_KTHREAD),
		    housekeeping_cpumask(HK_TYPE_DOMAIN));
	if (p_cpus) {
		if (!zalloc_cpumask_var(&asked, GFP_KERNEL))
			return -ENOMEM;
		if (cpulist_parse(p_cpus, asked)) {
			pr_err("cpus=%s: not a list of CPUs; allowed are %*pbl\n",
			       p_cpus, cpumask_pr_args(cfg->cpus));
			err = -EINVAL;
		} else if (!cpumask_intersects(asked, cfg->cpus)) {
			pr_err("cpus=%s: none of these is a housekeeping CPU; allowed are %*pbl\n",
			       p_cpus, cpumask_pr_args(cfg->cpus));
			err = -EINVAL;
		} else {
			cpumask_and(cfg->cpus, cfg->cpus, asked);
		}
		free_cpumask_var(asked);
	}
	if (err)
		return err;
	online = 0;
	for_each_cpu_and(cpu, cfg->cpus, cpu_online_mask)
		online++;
	if (!online) {
		pr_err("cpus=%s: none of these is online; online are %*pbl\n",
		       p_cpus ?: "", cpumask_pr_args(cpu_online_mask));
		return -EINVAL;
	}
	if (threads > online) {
		pr_err("threads=%u: allowed are 1 to %u, one for each online CPU of %*pbl\n",
		       threads, online, cpumask_pr_args(cfg->cpus));
		return -EINVAL;
	}
	cfg->threads = threads ?: online;
	kfc_numbers[KFC_THREADS].val = cfg->threads;
	return 0;
}

static int kfc_params_listen(struct kfc_config *cfg)
{
	struct sockaddr_storage addr;
	char *copy, *rest, *one;
	int nr = 0, err = 0;

	copy = kstrdup(p_listen, GFP_KERNEL);
	if (!copy)
		return -ENOMEM;
	rest = copy;
	cfg->listen_loopback = true;
	while (!err && (one = strsep(&rest, ","))) {
		if (++nr > KFC_MAX_LISTEN ||
		    inet_pton_with_scope(current->nsproxy->net_ns, AF_UNSPEC,
					 one, NULL, &addr))
			err = -EINVAL;
		else if (!kfc_addr_loopback(&addr))
			cfg->listen_loopback = false;
	}
	kfree(copy);
	if (err)
		pr_err("listen=%s: allowed are up to %d IPv4 or IPv6 addresses, separated by commas\n",
		       p_listen, KFC_MAX_LISTEN);
	cfg->listen = p_listen;
	return err;
}

static int kfc_params_unix(struct kfc_config *cfg)
{
	u32 mode = KFC_UNIX_MODE;

	if (!p_unix && !cfg->port) {
		pr_err("port=0: no TCP, and no unix= either; without that allowed are 1 to 65535\n");
		return -EINVAL;
	}
	if (!p_unix && p_unix_mode) {
		pr_err("unix_mode=%s: there is no unix=\n", p_unix_mode);
		return -EINVAL;
	}
	if (!p_unix)
		return 0;
	if (*p_unix != '/' || strlen(p_unix) >= UNIX_PATH_MAX) {
		pr_err("unix=%s: allowed are absolute paths of up to %d bytes\n",
		       p_unix, UNIX_PATH_MAX - 1);
		return -EINVAL;
	}
	if (p_unix_mode && (kstrtou32(p_unix_mode, 8, &mode) || mode > 0777)) {
		pr_err("unix_mode=%s: allowed are 0 to 0777, octal\n",
		       p_unix_mode);
		return -EINVAL;
	}
	cfg->unix_path = p_unix;
	cfg->unix_mode = mode;
	return 0;
}

/* UDP answers whoever a datagram says it comes from: so that is to be known. */
static int kfc_params_udp(struct kfc_config *cfg)
{
	if (p_udp_peers && !cfg->udp_port) {
		pr_err("udp_peers=%s: there is no udp_port=\n", p_udp_peers);
		return -EINVAL;
	}
	if (p_udp_peers && !kfc_peers_parse(&cfg->udp_peers, p_udp_peers)) {
		pr_err("udp_peers=%s: allowed are up to %d addresses or networks, as 10.1.2.0/24, of /8 or /7 (IPv6) at the widest, separated by commas\n",
		       p_udp_peers, KFC_MAX_PEERS);
		return -EINVAL;
	}
	if (cfg->udp_port && !cfg->listen_loopback && !p_udp_peers) {
		pr_err("udp_port=%u: listen=%s is more than loopback, so udp_peers= has to say who may use it\n",
		       cfg->udp_port, p_listen);
		return -EINVAL;
	}
	return 0;
}

static int kfc_params_device(struct kfc_config *cfg)
{
	if (p_device && !*p_device) {
		pr_err("device=: no path; leave device= out for a cache in memory only\n");
		return -EINVAL;
	}
	cfg->device = p_device;
	if (cfg->discard && !p_device) {
		pr_err("discard=1: there is no device=\n");
		return -EINVAL;
	}
	if (!strcmp(p_format, "force")) {
		cfg->format = KFC_FORMAT_FORCE;
	} else if (!strcmp(p_format, "new")) {
		cfg->format = KFC_FORMAT_NEW;
	} else if (*p_format) {
		pr_err("format=%s: allowed are force and new\n", p_format);
		return -EINVAL;
	}
	if (!strcmp(p_recover, "crash")) {
		cfg->recover_crash = true;
	} else if (*p_recover) {
		pr_err("recover=%s: allowed is crash\n", p_recover);
		return -EINVAL;
	}
	if (!p_uuid)
		return 0;
	if (uuid_parse(p_uuid, &cfg->uuid)) {
		pr_err("uuid=%s: not a UUID, as 01234567-89ab-cdef-0123-456789abcdef\n",
		       p_uuid);
		return -EINVAL;
	}
	if (!p_device) {
		pr_err("uuid=%s: names a device, but there is no device=\n",
		       p_uuid);
		return -EINVAL;
	}
	cfg->has_uuid = true;
	return 0;
}

/**
 * kfc_params_load() - check the parameters
 * @cfg: zeroed; gets them, with defaults filled in. Its strings are the
 *	module's own and last as long as that
 *
 * Context: a process, whose network namespace counts.
 * Return: 0, -ENOMEM, or -EINVAL with one line that says what was given and
 * what is allowed; nothing is left behind then.
 */
int kfc_params_load(struct kfc_config *cfg)
{
	int err;

	if (!zalloc_cpumask_var(&cfg->cpus, GFP_KERNEL))
		return -ENOMEM;
	kernel_param_lock(THIS_MODULE);
	err = kfc_params_numbers(cfg) ?: kfc_params_item_max(cfg) ?:
	      kfc_params_cpus(cfg) ?: kfc_params_listen(cfg) ?:
	      kfc_params_unix(cfg) ?: kfc_params_udp(cfg) ?:
	      kfc_params_device(cfg);
	kernel_param_unlock(THIS_MODULE);
	if (err)
		kfc_params_free(cfg);
	return err;
}

/**
 * kfc_params_devices() - what depends on the devices, now that they are known
 * @cfg: from kfc_params_load(); gets the size of the index
 * @nr: how many there are
 * @bytes: their size, 0 without one
 *
 * Context: any. Return: 0, or -EINVAL with a line
 */
int kfc_params_devices(struct kfc_config *cfg, u32 nr, u64 bytes)
{
	u64 most = (u64)totalram_pages() << PAGE_SHIFT >> 3;
	u64 want = bytes ? kfc_super_index_auto(bytes) :
		   max(div_u64(cfg->memory_bytes, 10), 1ULL << 20);

	if (cfg->index_auto)
		cfg->index_bytes = min(want, most);
	/* More than a slot can tell apart. */
	if (!nr && cfg->memory_bytes > KFC_PAGES_MAX * KFC_PAGE) {
		pr_err("memory_mb=%llu: without a device at most %llu MiB\n",
		       cfg->memory_bytes >> 20,
		       (u64)(KFC_PAGES_MAX * KFC_PAGE) >> 20);
		return -EINVAL;
	}
	if (cfg->memory_bytes >= 4ULL * cfg->slab_bytes * nr)
		return 0;
	pr_err("memory_mb=%llu: with %u devices at least %llu MiB, 4 slabs of %u MiB for each\n",
	       cfg->memory_bytes >> 20, nr,
	       4ULL * cfg->slab_bytes * nr >> 20, cfg->slab_bytes >> 20);
	return -EINVAL;
}

/**
 * kfc_params_live() - let parameters change at run time from now on
 * @c: the cache whose cfg follows, NULL to end it
 *
 * Context: a process; sleeps.
 */
void kfc_params_live(struct kfc_cache *c)
{
	kernel_param_lock(THIS_MODULE);
	kfc_live = c;
	kernel_param_unlock(THIS_MODULE);
}

/**
 * kfc_params_free() - free what kfc_params_load() allocated
 * @cfg: the parameters, kfc_params_live() ended
 *
 * Context: any.
 */
void kfc_params_free(struct kfc_config *cfg)
{
	free_cpumask_var(cfg->cpus);
}
