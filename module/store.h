/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef KFC_STORE_H
#define KFC_STORE_H

#include <linux/types.h>

#include "index.h"
#include "log.h"
#include "record.h"

struct kfc_cache;

/* Where an object was found. */
enum kfc_where {
	KFC_NOWHERE,	/* the key is not in the cache */
	KFC_IN_MEMORY,	/* lookup.rec is valid until rcu_read_unlock() */
	KFC_ON_DEVICE,	/* to be read, see read.h */
};

/**
 * struct kfc_lookup - what is known of a key
 * @key: the key
 * @pos: where it lives in the index
 * @slot: the slot's value when it was looked at, 0 for none
 * @order: order number of the key's record, 0 where there is none (the slot
 *	may be another key's): what a modification relies on
 * @dead: the record is expired or flushed
 * @pinned: @slot points to the device and its slab is pinned by the caller
 * @rec: the record, where @order is not 0 and it was read
 */
struct kfc_lookup {
	struct kfc_key key;
	struct kfc_ipos pos;
	u64 slot;
	u64 order;
	bool dead;
	bool pinned;
	struct kfc_rec rec;
};

void kfc_key_init(struct kfc_cache *c, struct kfc_lookup *lk, const u8 *key,
		  u32 len);
enum kfc_where kfc_store_find(struct kfc_cache *c, struct kfc_lookup *lk);
bool kfc_store_dead(struct kfc_cache *c, u64 order, u32 exptime);
void kfc_store_used(struct kfc_cache *c, const struct kfc_lookup *lk);

int kfc_store_put(struct kfc_cache *c, const struct kfc_lookup *lk,
		  struct kfc_rsv *r, bool only_if, u64 *order);
int kfc_store_move(struct kfc_cache *c, const struct kfc_lookup *lk,
		   struct kfc_rsv *r);
bool kfc_store_meant(struct kfc_cache *c, struct page **pages,
		     struct kfc_lookup *lk);
int kfc_store_rewrite(struct kfc_cache *c, const struct kfc_lookup *lk,
		      u64 home);
int kfc_store_remove(struct kfc_cache *c, const struct kfc_lookup *lk);
int kfc_store_enter(struct kfc_cache *c, const struct kfc_ipos *pos, u64 value);
bool kfc_store_forget(struct kfc_cache *c, const struct kfc_lookup *lk);
void kfc_store_flush(struct kfc_cache *c);
bool kfc_store_flushed(const struct kfc_cache *c);
void kfc_store_check_flush(struct kfc_cache *c);

#endif /* KFC_STORE_H */
