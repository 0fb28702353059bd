// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Commands that store, change or remove an object.
 *
 * What depends on the object that is there is optimistic: look, decide, write
 * a new record, publish it if the object is still the same, else start over.
 * An object on the device is read first; the command is then run again and
 * finds what was read in client->held.
 */
#include <linux/rcupdate.h>

#include "op.h"
#include "prefix.h"
#include "restart.h"

/* How often a command starts over before it lets others run. */
#define KFC_RETRIES	16

static bool has_meta(const struct mp_req *req, char flag)
{
	return mp_from_meta(req) && mp_meta_has(req, flag);
}

/* The unique that what is stored gets, if not the order number. */
static void choose_cas(const struct mp_req *req, struct kfc_attr *attr)
{
	if (!has_meta(req, 'E'))
		return;
	attr->marks |= KFC_REC_CAS;
	attr->cas = req->meta.cas_new;
}

static u64 cas_of(const struct kfc_attr *attr, u64 order)
{
	return attr->marks & KFC_REC_CAS ? attr->cas : order;
}

static void refuse(struct kfc_client *cl, const struct mp_req *req,
		   enum kfc_result res)
{
	if (req->drop_old)
		kfc_cmd_drop_key(cl, req->key, req->klen);
	kfc_answer(cl, req, res, 0);
}

/**
 * kfc_cmd_too_large() - refuse a value that is too large before it comes
 * @cl: the client
 * @req: a request that has a value
 *
 * Context: the client's thread.
 * Return: true if it is and was answered: the value is to be thrown away
 */
bool kfc_cmd_too_large(struct kfc_client *cl, const struct mp_req *req)
{
	if (kfc_size_ok(cl->cache, req->klen, req->flags, req->vlen))
		return false;
	kfc_count(cl->cache, store_too_large);
	refuse(cl, req, KFC_TOO_LARGE);
	return true;
}

/* append and prepend to what is there */
static int join(struct kfc_client *cl, const struct mp_req *req,
		const struct kfc_value *val, struct kfc_lookup *lk)
{
	struct kfc_body b = {
		.old = &lk->rec,
		.val = val,
		.old_first = kfc_op_mode(req) == MP_APPEND,
	};
	struct kfc_attr attr = {
		.flags = lk->rec.flags,
		.exptime = lk->rec.exptime,
		.marks = lk->rec.marks & KFC_REC_BASE64,
	};
	u64 order, len = (u64)lk->rec.vlen + val->len;
	int ret;

	/* memcached has no other word for it. */
	if (len > KFC_VLEN_MAX ||
	    !kfc_size_ok(cl->cache, req->klen, attr.flags, len)) {
		kfc_answer(cl, req, KFC_NOT_STORED, 0);
		return KFC_CMD_DONE;
	}
	b.len = len;
	choose_cas(req, &attr);
	ret = kfc_put(cl, lk, &b, &attr, true, &order);
	if (ret == KFC_CMD_DONE) {
		kfc_count(cl->cache, total_items);
		kfc_answer(cl, req, KFC_STORED, cas_of(&attr, order));
	}
	return ret;
}

/* The unique is older than that of a stale object: refreshed too late. */
static bool stores_stale(const struct mp_req *req, const struct kfc_lookup *lk)
{
	return has_meta(req, 'I') && req->cas < lk->rec.cas;
}

/* What keeps a storage command from storing, or KFC_STORED. */
static enum kfc_result may_store(struct kfc_cache *c, const struct mp_req *req,
				 const struct kfc_lookup *lk, bool found)
{
	switch (kfc_op_mode(req)) {
	case MP_ADD:
		return found ? KFC_NOT_STORED : KFC_STORED;
	case MP_REPLACE:
		return found ? KFC_STORED : KFC_NOT_STORED;
	case MP_APPEND:
	case MP_PREPEND:
		if (!found)
			return req->vivify ? KFC_STORED : KFC_NOT_STORED;
		if (req->has_cas && lk->rec.cas != req->cas)
			return KFC_EXISTS;
		return KFC_STORED;
	case MP_CAS:
		if (!found) {
			kfc_count(c, cas_misses);
			return KFC_NOT_FOUND;
		}
		if (lk->rec.cas != req->cas && !stores_stale(req, lk)) {
			kfc_count(c, cas_badval);
			return KFC_EXISTS;
		}
		return KFC_STORED;
	default:
		return KFC_STORED;
	}
}

static int store(struct kfc_client *cl, const struct mp_req *req,
		 const struct kfc_value *val,
		 struct kfc_lookup *lk, bool found)
{
	enum kfc_result res = may_store(cl->cache, req, lk, found);
	struct kfc_body b = { .val = val, .len = val->len };
	enum mp_op mode = kfc_op_mode(req);
	struct kfc_attr attr = {
		.flags = req->flags,
		.exptime = kfc_expiry(cl->cache, req->exptime),
	};
	int ret;
	u64 order;

	if (res != KFC_STORED) {
		kfc_answer(cl, req, res, 0);
		return KFC_CMD_DONE;
	}
	if (mode == MP_APPEND || mode == MP_PREPEND) {
		if (found)
			return join(cl, req, val, lk);
		attr.exptime = kfc_expiry(cl->cache, req->vivify_exptime);
	}
	if (has_meta(req, 'b'))
		attr.marks |= KFC_REC_BASE64;
	if (mode == MP_CAS && lk->rec.cas != req->cas) {
		attr.exptime = lk->rec.exptime;
		attr.marks |= KFC_REC_STALE | (lk->rec.marks & KFC_REC_WON);
	}
	choose_cas(req, &attr);
	ret = kfc_put(cl, lk, &b, &attr, mode != MP_SET, &order);
	if (ret == KFC_CMD_DONE) {
		kfc_count(cl->cache, total_items);
		if (mode == MP_CAS)
			kfc_count(cl->cache, cas_hits);
		kfc_answer(cl, req, KFC_STORED, cas_of(&attr, order));
	}
	return ret;
}

/* From here on memcached keeps items in chunks, and takes none for a number. */
#define MC_CHUNKED	(512 << 10)

/* Digits that fit a u64, and room to see that what follows is no digit. */
#define KFC_NUMBER_LOOK	48

static bool parse_value(const struct kfc_rec *rec, u64 *v)
{
	u32 len = min_t(u32, rec->vlen, KFC_NUMBER_LOOK);
	char buf[KFC_NUMBER_LOOK];

	kfc_rec_copy_out(buf, rec, 0, len);
	return mp_get_u64((const u8 *)buf, len, v);
}

static void counted(struct kfc_client *cl, const struct mp_req *req,
		    bool found)
{
	struct kfc_cache *c = cl->cache;

	if (kfc_op_mode(req) == MP_INCR && found)
		kfc_count(c, incr_hits);
	else if (kfc_op_mode(req) == MP_INCR)
		kfc_count(c, incr_misses);
	else if (found)
		kfc_count(c, decr_hits);
	else
		kfc_count(c, decr_misses);
}

/* Put a number and answer with it. */
static int put_number(struct kfc_client *cl, const struct mp_req *req,
		      struct kfc_lookup *lk, u64 n, u32 width,
		      const struct kfc_attr *attr, struct mp_meta_item *it)
{
	char num[MP_U64_MAX_LEN];
	struct kfc_body b = { .num = num, .num_len = mp_put_u64(num, n) };
	int ret;
	u64 order;

	b.len = max(b.num_len, width);
	ret = kfc_put(cl, lk, &b, attr, true, &order);
	if (ret != KFC_CMD_DONE)
		return ret;
	if (!it->created)
		counted(cl, req, true);
	/* One that is no longer than it was takes the old one's place. */
	if (b.num_len > width)
		kfc_count(cl->cache, total_items);
	it->size = b.num_len;
	it->cas = cas_of(attr, order);
	kfc_answer_number(cl, req, n, it);
	return ret;
}

static int count_from(struct kfc_client *cl, const struct mp_req *req,
		      struct kfc_lookup *lk)
{
	struct mp_meta_item it = { };
	struct kfc_attr attr = { };

	attr.exptime = kfc_meta_expiry(cl->cache, req);
	kfc_meta_made(cl->cache, req, &it);
	if (has_meta(req, 'b'))
		attr.marks |= KFC_REC_BASE64;
	choose_cas(req, &attr);
	return put_number(cl, req, lk, req->initial, 0, &attr, &it);
}

static int count_up(struct kfc_client *cl, const struct mp_req *req,
		    struct kfc_lookup *lk)
{
	struct kfc_attr attr = {
		.flags = lk->rec.flags,
		.exptime = lk->rec.exptime,
		.marks = lk->rec.marks & ~KFC_REC_CAS,
		.fetched = kfc_slot_fetched(&cl->cache->log, lk->slot),
	};
	struct mp_meta_item it;
	bool none;
	u64 v;

	/* As in memcached these are no numbers, whatever their unique. */
	none = !lk->rec.vlen ||
	       kfc_item_size(lk->key.len, lk->rec.flags, lk->rec.vlen) >
	       MC_CHUNKED;
	if (!none && req->has_cas && req->cas != lk->rec.cas) {
		kfc_answer(cl, req, KFC_EXISTS, 0);
		return KFC_CMD_DONE;
	}
	if (none || !parse_value(&lk->rec, &v)) {
		kfc_answer(cl, req, KFC_NON_NUMERIC, 0);
		return KFC_CMD_DONE;
	}
	kfc_meta_item(cl->cache, lk, &it);
	if (has_meta(req, 'T')) {
		attr.exptime = kfc_expiry(cl->cache, req->exptime);
		it.ttl_new = kfc_ttl(cl->cache, attr.exptime);
	}
	choose_cas(req, &attr);
	if (kfc_op_mode(req) == MP_INCR)
		v += req->delta;
	else
		v = v > req->delta ? v - req->delta : 0;
	return put_number(cl, req, lk, v, lk->rec.vlen, &attr, &it);
}

static int touch(struct kfc_client *cl, const struct mp_req *req,
		 struct kfc_lookup *lk)
{
	struct kfc_body b = { .old = &lk->rec, .len = lk->rec.vlen };
	struct kfc_cache *c = cl->cache;
	/* As in memcached the unique stays. */
	struct kfc_attr attr = {
		.flags = lk->rec.flags,
		.exptime = kfc_expiry(c, req->exptime),
		.marks = lk->rec.marks | KFC_REC_CAS,
		.cas = lk->rec.cas,
		.fetched = true,
	};
	u64 order;
	bool hit;
	int ret;

	ret = kfc_put(cl, lk, &b, &attr, true, &order);
	if (ret != KFC_CMD_DONE)
		return ret;
	kfc_count(c, cmd_touch);
	kfc_count(c, touch_hits);
	if (req->op == MP_TOUCH && !req->binary) {
		kfc_answer(cl, req, KFC_TOUCHED, 0);
		return ret;
	}
	hit = kfc_answer_hit(cl, req, lk, NULL);
	if (req->op != MP_TOUCH)
		kfc_prefix_count(c, req, hit);
	return ret;
}

static int delete_key(struct kfc_client *cl, const struct mp_req *req,
		      struct kfc_lookup *lk)
{
	int ret = KFC_CMD_DONE;

	if (req->has_cas && req->cas != lk->rec.cas) {
		if (req->op == MP_META_DELETE)
			kfc_count(cl->cache, delete_misses);
		kfc_answer(cl, req, KFC_EXISTS, 0);
		return ret;
	}
	if (has_meta(req, 'I') || has_meta(req, 'x'))
		ret = kfc_meta_invalidate(cl, req, lk);
	else if (kfc_store_remove(cl->cache, lk))
		ret = KFC_RETRY;
	else
		kfc_count(cl->cache, delete_hits);
	if (ret != KFC_CMD_DONE)
		return ret;
	kfc_prefix_count(cl->cache, req, true);
	kfc_answer(cl, req, KFC_DELETED, 0);
	return ret;
}

static void missed(struct kfc_client *cl, const struct mp_req *req)
{
	struct kfc_cache *c = cl->cache;

	switch (req->op) {
	case MP_DELETE:
	case MP_META_DELETE:
		kfc_count(c, delete_misses);
		kfc_prefix_count(c, req, false);
		break;
	case MP_INCR:
	case MP_DECR:
	case MP_META_ARITH:
		counted(cl, req, false);
		break;
	case MP_GAT:
	case MP_GATS:
		kfc_prefix_count(c, req, false);
		fallthrough;
	default:
		kfc_count(c, cmd_touch);
		kfc_count(c, touch_misses);
		break;
	}
	if (req->op == MP_GAT || req->op == MP_GATS)
		kfc_answer_miss(cl, req);
	else
		kfc_answer(cl, req, KFC_NOT_FOUND, 0);
}

static int change(struct kfc_client *cl, const struct mp_req *req,
		  struct kfc_lookup *lk, bool found)
{
	bool counts = req->op == MP_INCR || req->op == MP_DECR ||
		      req->op == MP_META_ARITH;

	if (req->op == MP_META_GET)
		return kfc_meta_get(cl, req, lk, found);
	if (counts && !found && req->vivify)
		return count_from(cl, req, lk);
	if (!found) {
		if (lk->order && !kfc_store_remove(cl->cache, lk))
			kfc_count(cl->cache, reclaimed);
		missed(cl, req);
		return KFC_CMD_DONE;
	}
	if (counts)
		return count_up(cl, req, lk);
	if (req->op == MP_DELETE || req->op == MP_META_DELETE)
		return delete_key(cl, req, lk);
	return touch(cl, req, lk);
}

static bool tells_value(const struct mp_req *req)
{
	return req->op == MP_GAT || req->op == MP_GATS ||
	       req->op == MP_META_GET;
}

/* One try. The object is in memory or was read; RCU or the read holds it. */
static int try_modify(struct kfc_client *cl,
		      const struct mp_req *req,
		      const struct kfc_value *val,
		      struct kfc_lookup *lk)
{
	int ret;
	int err;

	if (!kfc_restart_ready(cl->cache, &lk->pos))
		return KFC_CMD_BUSY;
	/* A plain set takes the slot, whatever is there. */
	if (val && kfc_op_mode(req) == MP_SET)
		return store(cl, req, val, lk, false);
	rcu_read_lock();
	if (kfc_store_find(cl->cache, lk) != KFC_ON_DEVICE) {
		/* Or the log might wait for what waits for a place in it. */
		kfc_op_unhold(cl);
		if (tells_value(req) && kfc_awaits_pages(cl, req, lk)) {
			rcu_read_unlock();
			return KFC_CMD_BUSY;
		}
	} else if (!kfc_op_held(cl, lk)) {
		rcu_read_unlock();
		err = kfc_op_start(cl, lk, NULL);
		switch (err) {
		case 0:
			return KFC_CMD_WAIT;
		case -ETIMEDOUT:
			/* It goes on as after a miss: so it has to be one. */
			kfc_count(cl->cache, read_timeouts);
			if (kfc_store_forget(cl->cache, lk))
				kfc_count(cl->cache, ev_device);
			return KFC_RETRY;
		case -EAGAIN:
		case -ENOENT:
			return KFC_RETRY;
		default:
			return KFC_CMD_BUSY;
		}
	}
	if (val)
		ret = store(cl, req, val, lk, lk->order && !lk->dead);
	else
		ret = change(cl, req, lk, lk->order && !lk->dead);
	rcu_read_unlock();
	return ret;
}

/**
 * kfc_run_modify() - commands that store or change, or depend on what is there
 * @cl: the client
 * @req: the request
 * @val: the value of a storage command, NULL for the others
 *
 * Context: the client's thread; does not sleep. Return: as kfc_cmd_run()
 */
enum kfc_cmd_ret kfc_run_modify(struct kfc_client *cl,
				const struct mp_req *req,
				const struct kfc_value *val)
{
	struct kfc_cache *c = cl->cache;
	int ret = KFC_RETRY;
	struct kfc_lookup lk;
	int tries;

	kfc_key_init(c, &lk, req->key, req->klen);
	for (tries = 0; ret == KFC_RETRY && tries < KFC_RETRIES; tries++) {
		if (tries) {
			kfc_count(c, rmw_retries);
			kfc_op_unhold(cl);
			lk.pinned = false;
		}
		ret = try_modify(cl, req, val, &lk);
	}
	switch (ret) {
	case KFC_CMD_WAIT:
		return ret;
	case KFC_RETRY:
		return KFC_CMD_BUSY;
	case KFC_CMD_BUSY:
		ret = kfc_busy(cl, READ_ONCE(c->cfg.set_wait_ms));
		if (ret == KFC_CMD_BUSY)
			return ret;
		kfc_count(c, store_no_memory);
		refuse(cl, req, KFC_NO_MEMORY);
		break;
	default:
		break;
	}
	kfc_op_unhold(cl);
	if (lk.order && lk.dead)
		kfc_count_dead(c, lk.order);
	if (val) {
		kfc_count(c, cmd_set);
		kfc_prefix_count(c, req, false);
	}
	kfc_answer_end(cl, req);
	return ret;
}
