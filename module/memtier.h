/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef KFC_MEMTIER_H
#define KFC_MEMTIER_H

#include <linux/types.h>

struct kfc_cache;
struct kfc_config;
struct kfc_key;
struct kfc_slab;

u64 kfc_ghost_bytes(const struct kfc_config *cfg);
int kfc_ghost_init(struct kfc_cache *c);
void kfc_ghost_exit(struct kfc_cache *c);
void kfc_ghost_add(struct kfc_cache *c, u64 hash);
bool kfc_tier_keeps(struct kfc_cache *c, const struct kfc_key *key);
struct kfc_slab *kfc_tier_victim(struct kfc_cache *c);

#endif /* KFC_MEMTIER_H */
