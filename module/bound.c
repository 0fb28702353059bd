// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The sum of all memory bounds, held against what the machine has.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/errno.h>
#include <linux/math64.h>
#include <linux/mm.h>
#include <linux/printk.h>

#include "bound.h"
#include "kfc.h"
#include "net.h"

/**
 * kfc_bound() - the most memory that a cache ever takes
 * @c: the cache; its parameters are what counts
 *
 * Context: any.
 * Return: bytes.
 */
u64 kfc_bound(const struct kfc_cache *c)
{
	return kfc_cache_bound(c) + kfc_net_bound(c);
}

/**
 * kfc_bound_spare() - memory that a cache may take now
 *
 * Context: any.
 * Return: bytes: what is available less 10 % of RAM.
 */
u64 kfc_bound_spare(void)
{
	s64 pages = si_mem_available() - (s64)(totalram_pages() / 10);

	return pages > 0 ? (u64)pages << PAGE_SHIFT : 0;
}

/**
 * kfc_bound_fits() - may a cache take as much as its bounds say?
 * @c: the cache, serving or not yet made
 * @more: bytes that are about to be added to them
 *
 * What it holds already is no more available, and need not be.
 *
 * Context: any.
 */
bool kfc_bound_fits(const struct kfc_cache *c, u64 more)
{
	u64 sum = kfc_bound(c) + more, held = kfc_cache_held(c);

	return sum <= held || sum - held <= kfc_bound_spare();
}

/**
 * kfc_bound_check() - refuse a cache that the machine has no memory for
 * @c: the cache, nothing large allocated yet
 *
 * Context: any.
 * Return: 0, or -ENOMEM with a line.
 */
int kfc_bound_check(const struct kfc_cache *c)
{
	u64 sum = kfc_bound(c);
	u64 spare = kfc_bound_spare();

	if (kfc_bound_fits(c, 0))
		return 0;
	pr_err("the sum of all memory bounds is %llu MiB, but only %llu MiB may be taken (memory available less 10 %% of RAM): lower memory_mb=%llu, index_mb=%llu, upload_mb=%llu, max_conns=%u or io_depth=%u\n",
	       sum >> 20, spare >> 20, c->cfg.memory_bytes >> 20,
	       c->cfg.index_bytes >> 20, c->cfg.upload_bytes >> 20,
	       c->cfg.max_conns, c->cfg.io_depth);
	return -ENOMEM;
}
