// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * New records: what goes into them, and how they get into the store.
 */
#include <linux/mm.h>

#include "op.h"

/* What memcached 1.6 counts for an item beside key, value and flags. */
#define MC_ITEM_HEAD	(48 + 8 + 1 + 2)

#define KFC_MONTH	(60 * 60 * 24 * 30)

/**
 * kfc_expiry() - when something expires
 * @c: the cache
 * @exptime: as clients say it: seconds from now, UNIX time if that is more than
 *	30 days, 0 for never, or negative for at once
 *
 * Any context. Return: UNIX seconds, 0 for never
 */
u32 kfc_expiry(struct kfc_cache *c, s64 exptime)
{
	u64 now = kfc_now(c);

	if (!exptime)
		return 0;
	if (exptime < 0)
		return 1;
	if (exptime > KFC_MONTH)
		return min_t(u64, exptime, U32_MAX);
	return min_t(u64, now + exptime, U32_MAX);
}

/**
 * kfc_item_size() - what memcached would count for an object
 * @klen: length of its key
 * @flags: the client's
 * @vlen: length of its value
 *
 * Any context. Return: bytes
 */
u64 kfc_item_size(u32 klen, u32 flags, u64 vlen)
{
	return MC_ITEM_HEAD + klen + vlen + (flags ? 4 : 0);
}

/**
 * kfc_size_ok() - whether an object is small enough
 * @c: the cache
 * @klen: length of its key
 * @flags: the client's
 * @vlen: length of its value
 *
 * item_max counts as memcached's -I does. Any context.
 */
bool kfc_size_ok(struct kfc_cache *c, u32 klen, u32 flags, u64 vlen)
{
	return kfc_item_size(klen, flags, vlen) <= c->cfg.item_max &&
	       vlen <= kfc_log_max_value(&c->log, klen);
}

static u32 fill_value(struct kfc_rsv *r, u32 at, const struct kfc_value *val)
{
	u32 done = 0;

	if (val->flat) {
		kfc_rec_copy_in(r->pages, r->off, at, val->flat, val->len);
		return at + val->len;
	}
	while (done < val->len) {
		u32 n = min_t(u32, val->len - done, PAGE_SIZE);

		kfc_rec_copy_in(r->pages, r->off, at + done,
				page_address(val->pages[done / PAGE_SIZE]), n);
		done += n;
	}
	return at + done;
}

/* A number that became shorter may have half a MiB of them behind it. */
static void fill_spaces(struct kfc_rsv *r, u32 at, u32 end)
{
	char spaces[128];
	u32 n;

	memset(spaces, ' ', sizeof(spaces));
	for (; at < end; at += n) {
		n = min_t(u32, end - at, sizeof(spaces));
		kfc_rec_copy_in(r->pages, r->off, at, spaces, n);
	}
}

static void fill(struct kfc_rsv *r, const struct kfc_body *b)
{
	u32 at = r->head, end = at + b->len;

	if (b->old && b->old_first)
		at = kfc_rec_copy_value(r->pages, r->off, at, b->old);
	if (b->val)
		at = fill_value(r, at, b->val);
	if (b->old && !b->old_first)
		at = kfc_rec_copy_value(r->pages, r->off, at, b->old);
	if (b->num) {
		kfc_rec_copy_in(r->pages, r->off, at, b->num, b->num_len);
		fill_spaces(r, at + b->num_len, end);
	}
}

/**
 * kfc_put() - write a record and publish it
 * @cl: the client
 * @lk: the key, and what the command found
 * @b: the value
 * @attr: what else the record is to have
 * @only_if: only if the key still is what @lk says
 * @order: set to the order number
 *
 * Context: the client's thread; what @b points to is valid. Does not sleep.
 * Return: KFC_CMD_DONE; KFC_CMD_BUSY without a place in the log; KFC_RETRY where
 * @only_if did not hold
 */
int kfc_put(struct kfc_client *cl, struct kfc_lookup *lk,
	    const struct kfc_body *b, const struct kfc_attr *attr,
	    bool only_if, u64 *order)
{
	struct kfc_rsv r;

	if (kfc_log_reserve(cl->cache, &lk->key, b->len, lk->pos.tag, attr,
			    &r))
		return KFC_CMD_BUSY;
	fill(&r, b);
	if (!kfc_store_put(cl->cache, lk, &r, only_if, order))
		return KFC_CMD_DONE;
	kfc_log_abort(cl->cache, &r);
	return KFC_RETRY;
}
