/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef KFC_SHRINKER_H
#define KFC_SHRINKER_H

struct kfc_cache;

int kfc_shrinker_start(struct kfc_cache *c);
void kfc_shrinker_stop(struct kfc_cache *c);

#endif /* KFC_SHRINKER_H */
