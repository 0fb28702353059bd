// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The cache's clock: boottime plus the wall clock taken at load.
 */
#include <linux/ktime.h>

#include "clock.h"
#include "kfc.h"

u64 kfc_now(const struct kfc_cache *c)
{
	return ktime_get_boottime_seconds() + c->wall_base;
}

/**
 * kfc_clock_init() - take the wall clock; it never counts again
 * @c: gets wall_base and loaded_at
 *
 * Context: any.
 */
void kfc_clock_init(struct kfc_cache *c)
{
	c->wall_base = ktime_get_real_seconds() - ktime_get_boottime_seconds();
	c->loaded_at = kfc_now(c);
}
