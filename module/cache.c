// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * A cache as a whole: made on an open device or on none, and ended.
 */
#include <linux/printk.h>
#include <linux/random.h>

#include "bound.h"
#include "kfc.h"
#include "memtier.h"
#include "restart.h"
#include "store.h"
#include "super.h"

/* Pages of reads for each read that may be in flight, on the average. */
#define KFC_READ_PAGES 8
/* Longer values leave in parts. */
#define KFC_WINDOW_PAGES (262144 / KFC_PAGE)

static u32 max_read_pages(const struct kfc_config *cfg)
{
	u32 one = kfc_class_pages(kfc_class_of(cfg->item_max / KFC_PAGE + 3));

	return READ_ONCE(cfg->io_depth) * KFC_READ_PAGES + 4 * one;
}

/**
 * kfc_cache_pages() - size of all devices
 * @c: the cache; its devices are open
 *
 * Return: pages of KFC_PAGE bytes, 0 without a device
 */
u64 kfc_cache_pages(const struct kfc_cache *c)
{
	u64 pages = 0;
	u32 i;

	for (i = 0; i < c->nr_devs; i++)
		pages += c->devs[i]->pages;
	return pages;
}

/**
 * kfc_cache_bound() - the most memory that the store takes
 * @c: the cache; its configuration is complete and the device known
 *
 * Return: bytes: index, slab buffers and table, fingerprints, reads in flight,
 * dumps, what loading and unloading need
 */
u64 kfc_cache_bound(const struct kfc_cache *c)
{
	u64 slabs = div_u64(kfc_cache_pages(c) * KFC_PAGE, c->cfg.slab_bytes);
	u64 index = kfc_index_size(c->cfg.index_bytes);

	return kfc_index_bound(index) +
	       kfc_log_bound(&c->cfg, slabs, c->nr_devs) +
	       kfc_restart_bound(c) +
	       (c->nr_devs ? 0 : kfc_ghost_bytes(&c->cfg)) +
	       ARRAY_SIZE(c->dumping) * KFC_PAGE +
	       (u64)max_read_pages(&c->cfg) * KFC_PAGE;
}

/**
 * kfc_cache_held() - memory of the store that it has for sure
 * @c: the cache
 *
 * Context: any.
 * Return: bytes of slab buffers and of the index, the greater part of
 * kfc_cache_bound(); 0 before kfc_cache_init()
 */
u64 kfc_cache_held(const struct kfc_cache *c)
{
	return (u64)READ_ONCE(c->log.nr_bufs) * c->cfg.slab_bytes +
	       READ_ONCE(c->index.bytes);
}

/**
 * kfc_cache_tuned() - a parameter was changed at run time
 * @c: the cache
 *
 * What was computed from it is so again. Context: any.
 */
void kfc_cache_tuned(struct kfc_cache *c)
{
	WRITE_ONCE(c->max_read_pages, max_read_pages(&c->cfg));
}

static int start_empty(struct kfc_cache *c, struct kfc_geometry *geo)
{
	memset(geo, 0, sizeof(*geo));
	geo->slab_bytes = c->cfg.slab_bytes;
	get_random_bytes(&c->hkey, sizeof(c->hkey));
	c->valid_from = 1;
	return 0;
}

/**
 * kfc_cache_init() - make a cache and start its background thread
 * @c: the cache, with cfg, counters and devs set
 *
 * Context: may sleep. Return: 0 or a negative errno with nothing left behind
 */
int kfc_cache_init(struct kfc_cache *c)
{
	struct kfc_geometry geo;
	u64 size;
	int err;

	/* First: it may say that the index can't be as large as was asked. */
	err = c->nr_devs ? kfc_super_load(c, &geo) : start_empty(c, &geo);
	if (err)
		return err;
	err = c->fits ? c->fits(c) : 0;
	if (err)
		goto super;
	size = kfc_index_size(c->cfg.index_bytes);
	err = kfc_index_init(&c->index, size,
			     c->saved.found == KFC_FOUND_CLEAN ? c->saved.level :
			     kfc_index_start(size, c->cfg.index_start));
	if (err)
		goto super;
	kfc_cache_tuned(c);
	c->window = KFC_WINDOW_PAGES;
	err = kfc_log_init(c, &geo, atomic64_read(&c->order) + 1);
	if (err)
		goto index;
	err = c->nr_devs ? kfc_restart_init(c) : kfc_ghost_init(c);
	if (err)
		goto log;
	err = kfc_log_start(c);
	if (err)
		goto restart;
	kfc_restart_start(c);
	return 0;
restart:
	kfc_restart_exit(c);
	kfc_ghost_exit(c);
log:
	kfc_log_exit(c);
index:
	kfc_index_exit(&c->index);
super:
	kfc_super_undo(c);
	kfc_super_free(c);
	return err;
}

/* It is enough that one of the devices takes it. */
static int give_up(struct kfc_cache *c)
{
	int err = 0;
	u32 nr;

	if (c->log.disowned)
		return 0;
	for (nr = 0; nr < c->nr_devs; nr++) {
		err = kfc_super_give_up(c, nr);
		if (!err)
			break;
	}
	return err;
}

/* Whatever a later load may pick up, it is nothing that was lost here. */
static void unload_devices(struct kfc_cache *c)
{
	const char *name = c->devs[0]->name;
	bool clean = false;
	u64 items = 0;
	int err = 0;

	if (!READ_ONCE(c->log.failed))
		kfc_log_settle(c);
	if (!READ_ONCE(c->log.failed))
		clean = kfc_restart_save(c, &items);
	if (!READ_ONCE(c->log.failed))
		err = kfc_super_unload(c, clean, items);
	if (READ_ONCE(c->log.failed)) {
		clean = false;
		err = give_up(c);
	}
	if (err && READ_ONCE(c->log.failed))
		pr_warn("kfatcache: %s: failed, and that cannot be written to it, error %d: do not load it with recover=crash, take format=new\n",
			name, err);
	else if (err || !clean)
		pr_warn("kfatcache: %s: not unloaded cleanly, error %d: the next load starts empty\n",
			name, err);
}

/**
 * kfc_cache_exit() - end a cache
 * @c: the cache; no client is left and no read in flight
 *
 * With a device, all of it is written for the next load. Context: sleeps.
 */
void kfc_cache_exit(struct kfc_cache *c)
{
	WARN_ON_ONCE(atomic_read(&c->reads) || atomic_read(&c->read_pages));
	kfc_restart_finish(c);
	kfc_log_stop(c);
	kfc_index_stop(&c->index);
	if (c->nr_devs)
		unload_devices(c);
	kfc_restart_exit(c);
	kfc_ghost_exit(c);
	kfc_log_exit(c);
	kfc_index_exit(&c->index);
	kfc_super_free(c);
}

/**
 * kfc_cache_resize() - change the memory for objects
 * @c: the cache, serving
 * @bytes: as memory_mb says it
 *
 * The writer thread gets or gives buffers until it is so; without a device
 * objects go with them. Nothing is logged: clients may ask for it.
 *
 * Context: any that may take a spinlock, any number at once.
 * Return: 0; -EINVAL out of bounds; -ENOMEM: the machine has not so much
 */
int kfc_cache_resize(struct kfc_cache *c, u64 bytes)
{
	u64 was = READ_ONCE(c->cfg.memory_bytes);

	/* What comes with each byte: lent pages and tables, see log_bound. */
	if (bytes > was && !kfc_bound_fits(c, (bytes - was) / 4 * 5))
		return -ENOMEM;
	return kfc_log_resize(c, bytes);
}
