// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The kernel's shrinker: it asks for memory when that is short.
 */
#include <linux/atomic.h>
#include <linux/errno.h>
#include <linux/shrinker.h>

#include "compat.h"
#include "kfc.h"
#include "pressure.h"
#include "shrinker.h"

static unsigned long kfc_shrinker_count(struct shrinker *s,
					struct shrink_control *sc)
{
	return kfc_pressure_pages(kfc_shrinker_data(s));
}

static unsigned long kfc_shrinker_scan(struct shrinker *s,
				       struct shrink_control *sc)
{
	return kfc_pressure_give(kfc_shrinker_data(s), sc->nr_to_scan) ?:
	       SHRINK_STOP;
}

/**
 * kfc_shrinker_start() - give memory back when the machine is short of it
 * @c: the cache, serving
 *
 * Context: may sleep. Return: 0 or -ENOMEM
 */
int kfc_shrinker_start(struct kfc_cache *c)
{
	struct shrinker *s = kfc_shrinker_alloc(c);
	int err;

	if (!s)
		return -ENOMEM;
	s->count_objects = kfc_shrinker_count;
	s->scan_objects = kfc_shrinker_scan;
	s->seeks = DEFAULT_SEEKS;
	/* Less is not given: small wishes are added up to that. */
	s->batch = c->log.slab_pages;
	err = kfc_shrinker_register(s);
	if (err)
		return err;
	c->shrinker = s;
	return 0;
}

/**
 * kfc_shrinker_stop() - nobody asks for memory any more
 * @c: the cache; never started will do
 *
 * Context: may sleep; waits for whoever is asking.
 */
void kfc_shrinker_stop(struct kfc_cache *c)
{
	if (c->shrinker)
		kfc_shrinker_free(c->shrinker);
	c->shrinker = NULL;
}
