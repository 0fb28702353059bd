/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef KFC_RESTART_H
#define KFC_RESTART_H

#include <linux/types.h>

#include "kfc.h"

int kfc_restart_init(struct kfc_cache *c);
void kfc_restart_start(struct kfc_cache *c);
bool kfc_restart_step(struct kfc_cache *c);
void kfc_restart_finish(struct kfc_cache *c);
bool kfc_restart_save(struct kfc_cache *c, u64 *items);
void kfc_restart_exit(struct kfc_cache *c);
bool kfc_restart_range_ready(struct kfc_cache *c, const struct kfc_ipos *pos);
bool kfc_restart_forget(struct kfc_cache *c, const struct kfc_ipos *pos);
void kfc_restart_lock(struct kfc_cache *c);
void kfc_restart_unlock(struct kfc_cache *c);
void kfc_restart_link(struct kfc_cache *c);
u64 kfc_restart_bound(const struct kfc_cache *c);

/**
 * kfc_restart_ready() - may an operation on a key look at the index?
 * @c: the cache
 * @pos: of the key
 *
 * Any context. Return: false while the entries of the last load that belong
 * there are still on the device; they are read next, try again then
 */
static inline bool kfc_restart_ready(struct kfc_cache *c,
				     const struct kfc_ipos *pos)
{
	/* Pairs with the release at the end of a load. */
	return likely(!smp_load_acquire(&c->loading)) ||
	       kfc_restart_range_ready(c, pos);
}

/* save.c */
bool kfc_save(struct kfc_cache *c, struct page **pages, u64 *items);

/* recover.c */
int kfc_recover(struct kfc_cache *c);

#endif /* KFC_RESTART_H */
