// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Memory pressure: what the log does without for a while.
 *
 * Whoever reclaims memory lowers a number and wakes the writer thread, which
 * gives slabs back as it does when memory_mb is lowered; what they held stays on
 * the device. So nothing is waited for but a lock that is tried, and there is no
 * I/O. When nobody has asked for a while the number goes up again, slowly.
 */
#include <linux/jiffies.h>
#include <linux/math64.h>

#include "kfc.h"
#include "pressure.h"

/* Nobody has asked for memory for so long: it may be taken again, */
#define KFC_EASE_MS	10000
/* ... a slab in so long. */
#define KFC_EASE_STEP_MS 1000

static u64 min_bytes(const struct kfc_cache *c)
{
	if (!READ_ONCE(c->cfg.memory_min_auto))
		return (u64)READ_ONCE(c->cfg.memory_min_mb) << 20;
	/* Without a device the tier is the store: nothing of it is given. */
	return READ_ONCE(c->cfg.memory_bytes) >> (c->nr_devs ? 1 : 0);
}

static u32 floor_bufs(const struct kfc_cache *c)
{
	u64 bufs = div_u64(min_bytes(c) + c->log.geo.slab_bytes - 1,
			   c->log.geo.slab_bytes);

	return max_t(u64, bufs, kfc_log_least(&c->log));
}

/* Slabs that may be asked for. A failed device's tier is the store itself. */
static u32 above_floor(const struct kfc_cache *c)
{
	u32 want = READ_ONCE(c->log.want_bufs), least = floor_bufs(c);

	if (want <= least || READ_ONCE(c->log.failed))
		return 0;
	return want - least;
}

/**
 * kfc_pressure_floor() - memory that pressure leaves to the log
 * @c: the cache
 *
 * Any context. Return: bytes: memory_min_mb, and never less than the log needs
 */
u64 kfc_pressure_floor(const struct kfc_cache *c)
{
	return min((u64)floor_bufs(c) * c->log.geo.slab_bytes,
		   READ_ONCE(c->cfg.memory_bytes));
}

/**
 * kfc_pressure_pages() - what could be given back
 * @c: the cache
 *
 * Any context. Return: pages
 */
u64 kfc_pressure_pages(const struct kfc_cache *c)
{
	return (u64)above_floor(c) * c->log.slab_pages;
}

/**
 * kfc_pressure_give() - have the writer thread give memory back
 * @c: the cache
 * @pages: how much is asked for; whole slabs are given, one at least
 *
 * Context: any that may take a spinlock; does not sleep.
 * Return: pages that are on their way, 0 where there is nothing to give now
 */
u64 kfc_pressure_give(struct kfc_cache *c, u64 pages)
{
	struct kfc_log *l = &c->log;
	u32 n;

	if (!spin_trylock(&l->lock))
		return 0;
	n = min_t(u64, max(div_u64(pages, l->slab_pages), 1ULL),
		  above_floor(c));
	WRITE_ONCE(l->want_bufs, l->want_bufs - n);
	kfc_pressure_note(l, n);
	spin_unlock(&l->lock);
	if (!n)
		return 0;
	kfc_count(c, shrinks);
	kfc_log_kick(l);
	return (u64)n * l->slab_pages;
}

/**
 * kfc_pressure_note() - memory is short: none is taken again for a while
 * @l: the log
 * @slabs: by how many want_bufs was lowered for that
 *
 * Context: @l->lock is held.
 */
void kfc_pressure_note(struct kfc_log *l, u32 slabs)
{
	WRITE_ONCE(l->given_bufs, l->given_bufs + slabs);
	WRITE_ONCE(l->ease_at, jiffies + msecs_to_jiffies(KFC_EASE_MS));
}

/**
 * kfc_pressure_ease() - take a slab again, if it is time to
 * @c: the cache
 *
 * Context: the writer thread. Return: whether there is one more to be had
 */
bool kfc_pressure_ease(struct kfc_cache *c)
{
	struct kfc_log *l = &c->log;
	unsigned long at = READ_ONCE(l->ease_at);
	bool more = false;

	if (!READ_ONCE(l->given_bufs) || time_before(jiffies, at))
		return false;
	spin_lock(&l->lock);
	/* They may have been asked for since, or memory_mb may be another. */
	if (l->given_bufs && !time_before(jiffies, l->ease_at)) {
		WRITE_ONCE(l->given_bufs, l->given_bufs - 1);
		WRITE_ONCE(l->want_bufs, l->want_bufs + 1);
		WRITE_ONCE(l->ease_at,
			   jiffies + msecs_to_jiffies(KFC_EASE_STEP_MS));
		more = true;
	}
	spin_unlock(&l->lock);
	return more;
}
