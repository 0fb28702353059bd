/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef KFC_BOUND_H
#define KFC_BOUND_H

#include <linux/types.h>

struct kfc_cache;

u64 kfc_bound(const struct kfc_cache *c);
u64 kfc_bound_spare(void);
bool kfc_bound_fits(const struct kfc_cache *c, u64 more);
int kfc_bound_check(const struct kfc_cache *c);

#endif /* KFC_BOUND_H */
