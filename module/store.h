/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef KFC_STORE_H
#define KFC_STORE_H

#include <linux/types.h>

#include "dev.h"
#include "index.h"
#include "log.h"
#include "record.h"

struct kfc_cache;
struct kfc_pages;

/* Where an object was found. */
enum kfc_where {
	KFC_NOWHERE,	/* the key is not in the cache */
	KFC_IN_MEMORY,	/* lookup.rec is valid until rcu_read_unlock() */
	KFC_ON_DEVICE,	/* to be read, see kfc_read_start() */
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

/**
 * struct kfc_read - a device read of one record
 * @io: the I/O; the caller sets io.done
 * @kept: where pages come from first, and go back to; NULL: the page allocator
 * @slab: pinned until kfc_read_unpin(), NULL afterwards
 * @seq: of its life
 * @slot: the slot that was followed
 * @nr_pages: pages allocated, our references
 * @pages: the pages
 * @inline_pages: @pages of small records
 */
struct kfc_read {
	struct kfc_io io;
	struct kfc_pages *kept;
	struct kfc_slab *slab;
	u64 seq;
	u64 slot;
	u32 nr_pages;
	struct page **pages;
	struct page *inline_pages[4];
};

void kfc_key_init(struct kfc_cache *c, struct kfc_lookup *lk, const u8 *key,
		  u32 len);
enum kfc_where kfc_store_find(struct kfc_cache *c, struct kfc_lookup *lk);
bool kfc_store_dead(struct kfc_cache *c, u64 order, u32 exptime);
void kfc_store_used(struct kfc_cache *c, const struct kfc_lookup *lk);

int kfc_read_pages(struct kfc_cache *c, struct kfc_slab *s, u32 page, u32 nr,
		   struct kfc_read *rd);
int kfc_read_prepare(struct kfc_cache *c, struct kfc_lookup *lk,
		     struct kfc_read *rd);
void kfc_read_start(struct kfc_cache *c, struct kfc_read *rd);
bool kfc_read_finish(struct kfc_cache *c, struct kfc_lookup *lk,
		     struct kfc_read *rd);
void kfc_read_unpin(struct kfc_cache *c, struct kfc_read *rd);
void kfc_read_free(struct kfc_cache *c, struct kfc_read *rd);
u32 kfc_read_max_pages(const struct kfc_cache *c);

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
