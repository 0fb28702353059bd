// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * What only meta commands do to an object: serve it stale while one client
 * refreshes it, make it on a miss, mark it.
 *
 * A record never changes, so that each of these is a new version of it. Where
 * memcached keeps the unique, the new version carries the old one.
 */
#include "op.h"
#include "prefix.h"

/*
 * Whether a client is to refresh what it was given: if nobody else was told to,
 * and the object is stale or has less to live than the client's R says.
 */
static bool wins(struct kfc_cache *c, const struct mp_req *req,
		 const struct kfc_lookup *lk)
{
	const struct kfc_rec *r = &lk->rec;
	u32 exptime = r->exptime;

	if (req->op != MP_META_GET || r->marks & KFC_REC_WON)
		return false;
	if (r->marks & KFC_REC_STALE)
		return true;
	if (mp_meta_before(req, 'T', 'R'))
		exptime = kfc_expiry(c, req->exptime);
	return mp_meta_has(req, 'R') && exptime &&
	       exptime < kfc_expiry(c, req->meta.recache);
}

/* Everything as in the present version, its unique, too. */
static void keep_all(struct kfc_cache *c, const struct kfc_lookup *lk,
		     struct kfc_attr *attr)
{
	*attr = (struct kfc_attr) {
		.flags = lk->rec.flags,
		.exptime = lk->rec.exptime,
		.cas = lk->rec.cas,
		.marks = lk->rec.marks | KFC_REC_CAS,
		.fetched = kfc_slot_fetched(&c->log, lk->slot),
	};
}

/**
 * kfc_meta_win() - tell one client, and one only, to refresh an object
 * @cl: the client
 * @req: the request
 * @lk: a lookup that found the object
 *
 * Where the new version finds no place the next client gets another chance.
 *
 * Context: the client's thread; @lk->rec is valid; does not sleep.
 * Return: whether this client is the one
 */
bool kfc_meta_win(struct kfc_client *cl, const struct mp_req *req,
		  struct kfc_lookup *lk)
{
	struct kfc_body b = { .old = &lk->rec, .len = lk->rec.vlen };
	struct kfc_attr attr;
	u64 order;

	/* Who has gone, or may not have asked, does not refresh it. */
	if (cl->closed || cl->forged || !wins(cl->cache, req, lk))
		return false;
	keep_all(cl->cache, lk, &attr);
	attr.marks |= KFC_REC_WON;
	if (!mp_meta_has(req, 'u'))
		attr.fetched = true;
	return kfc_put(cl, lk, &b, &attr, true, &order) == KFC_CMD_DONE;
}

/* As memcached counts it: with T it is a touch, and what was made is a hit. */
static void count_hit(struct kfc_cache *c, const struct mp_req *req, bool hit,
		      bool device)
{
	if (!mp_meta_has(req, 'T')) {
		kfc_count(c, cmd_get);
		kfc_count_get(c, req, hit, device);
		return;
	}
	kfc_count(c, cmd_touch);
	kfc_count(c, touch_hits);
	kfc_prefix_count(c, req, hit);
}

static int create(struct kfc_client *cl, const struct mp_req *req,
		  struct kfc_lookup *lk)
{
	struct kfc_attr attr = {
		.marks = KFC_REC_WON,
		/* It was asked for, so it counts as used. */
		.fetched = !mp_meta_has(req, 'u'),
	};
	struct kfc_body b = { };
	struct mp_meta_item it;
	int ret;
	u64 order;

	attr.exptime = kfc_meta_expiry(cl->cache, req);
	if (mp_meta_has(req, 'b'))
		attr.marks |= KFC_REC_BASE64;
	if (mp_meta_has(req, 'E')) {
		attr.marks |= KFC_REC_CAS;
		attr.cas = req->meta.cas_new;
	}
	ret = kfc_put(cl, lk, &b, &attr, true, &order);
	if (ret != KFC_CMD_DONE)
		return ret;
	memset(&lk->rec, 0, sizeof(lk->rec));
	lk->slot = 0;
	lk->rec.exptime = attr.exptime;
	lk->rec.marks = attr.marks & ~KFC_REC_WON;
	lk->rec.cas = attr.marks & KFC_REC_CAS ? attr.cas : order;
	lk->rec.time = kfc_now(cl->cache);
	kfc_meta_item(cl->cache, lk, &it);
	kfc_meta_made(cl->cache, req, &it);
	it.won = true;
	kfc_count(cl->cache, total_items);
	count_hit(cl->cache, req, kfc_answer_hit(cl, req, lk, &it), false);
	return KFC_CMD_DONE;
}

static int missed(struct kfc_client *cl, const struct mp_req *req,
		  struct kfc_lookup *lk)
{
	if (req->vivify)
		return create(cl, req, lk);
	kfc_answer_miss(cl, req);
	kfc_count(cl->cache, cmd_get);
	kfc_count_get(cl->cache, req, false, false);
	return KFC_CMD_DONE;
}

/**
 * kfc_meta_get() - mg that may make an object, or change its time to live
 * @cl: the client
 * @req: the request, with T or N
 * @lk: the lookup, read if it was on the device
 * @found: the object is there and lives
 *
 * Context: the client's thread, rcu_read_lock() held.
 * Return: as enum kfc_cmd_ret, or KFC_RETRY
 */
int kfc_meta_get(struct kfc_client *cl, const struct mp_req *req,
		 struct kfc_lookup *lk, bool found)
{
	struct kfc_body b = { .old = &lk->rec, .len = lk->rec.vlen };
	bool touch = mp_meta_has(req, 'T');
	struct kfc_cache *c = cl->cache;
	struct mp_meta_item it;
	struct kfc_attr attr;
	bool won;
	u64 order;
	int ret;

	if (!found)
		return missed(cl, req, lk);
	won = wins(c, req, lk);
	kfc_meta_item(c, lk, &it);
	keep_all(c, lk, &attr);
	if (!mp_meta_has(req, 'u'))
		attr.fetched = true;
	if (touch) {
		attr.exptime = kfc_expiry(c, req->exptime);
		it.ttl_new = kfc_ttl(c, attr.exptime);
	}
	if (won)
		attr.marks |= KFC_REC_WON;
	if (touch || won) {
		ret = kfc_put(cl, lk, &b, &attr, true, &order);
		if (ret != KFC_CMD_DONE)
			return ret;
	} else if (attr.fetched) {
		kfc_store_used(c, lk);
	}
	it.won = won;
	count_hit(c, req, kfc_answer_hit(cl, req, lk, &it), lk->pinned);
	return KFC_CMD_DONE;
}

/**
 * kfc_meta_invalidate() - md with I or x: mark an object stale, or empty it
 * @cl: the client
 * @req: the request
 * @lk: a lookup that found the object
 *
 * Context: the client's thread, rcu_read_lock() held.
 * Return: as kfc_put()
 */
int kfc_meta_invalidate(struct kfc_client *cl, const struct mp_req *req,
			struct kfc_lookup *lk)
{
	struct kfc_body b = { .old = &lk->rec, .len = lk->rec.vlen };
	struct kfc_attr attr;
	u64 order;

	keep_all(cl->cache, lk, &attr);
	attr.marks &= ~KFC_REC_CAS;
	if (mp_meta_has(req, 'I')) {
		attr.marks |= KFC_REC_STALE;
		attr.marks &= ~KFC_REC_WON;
		if (mp_meta_has(req, 'T'))
			attr.exptime = kfc_expiry(cl->cache, req->exptime);
	}
	if (mp_meta_has(req, 'x')) {
		b.old = NULL;
		b.len = 0;
		attr.flags = 0;
		attr.exptime = kfc_expiry(cl->cache, req->exptime);
	}
	if (mp_meta_has(req, 'E')) {
		attr.marks |= KFC_REC_CAS;
		attr.cas = req->meta.cas_new;
	}
	return kfc_put(cl, lk, &b, &attr, true, &order);
}
