// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Commands that store, change or remove an object.
 *
 * What depends on the object that is there is optimistic: look, decide, write
 * a new record, publish it if the object is still the same, else start over.
 * An object on the device is read first; the command is then run again and
 * finds what was read in client->held.
 */
#include <linux/mm.h>
#include <linux/rcupdate.h>

#include "op.h"

/* What memcached 1.6 counts for an item beside key, value and flags. */
#define MC_ITEM_HEAD	(48 + 8 + 1 + 2)
/* How often a command starts over before it lets others run. */
#define KFC_RETRIES	16

#define KFC_MONTH	(60 * 60 * 24 * 30)

/* The command is to start over: the object changed under it. */
#define RETRY		((int)KFC_CMD_CLOSE + 1)

/**
 * struct body - the value of a new record
 * @old: a stretch of the present record's value comes first, or
 * @val: what the client sent, or
 * @num: a number, padded with spaces to @len
 * @num_len: its digits
 * @old_first: of @old and @val, @old leads
 * @len: of it all
 */
struct body {
	const struct kfc_rec *old;
	const struct kfc_value *val;
	const char *num;
	u32 num_len;
	bool old_first;
	u32 len;
};

static u32 expiry(struct kfc_cache *c, s64 exptime)
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

static bool size_ok(struct kfc_cache *c, u32 klen, u32 flags, u32 vlen)
{
	u64 size = (u64)MC_ITEM_HEAD + klen + vlen + (flags ? 4 : 0);

	return size <= c->cfg.item_max &&
	       vlen <= kfc_log_max_value(&c->log, klen);
}

static u32 fill_old(struct kfc_rsv *r, u32 at, const struct kfc_rec *old)
{
	u32 from = KFC_REC_HDR + old->klen, left = old->vlen;

	while (left) {
		struct kfc_piece pc = kfc_rec_piece(old->off, from, left);

		kfc_rec_copy_in(r->pages, r->off, at,
				page_address(old->pages[pc.page]) + pc.off,
				pc.len);
		at += pc.len;
		from += pc.len;
		left -= pc.len;
	}
	return at;
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

static void fill(struct kfc_rsv *r, const struct body *b)
{
	u32 at = KFC_REC_HDR + r->klen, end = at + b->len;

	if (b->old && b->old_first)
		at = fill_old(r, at, b->old);
	if (b->val)
		at = fill_value(r, at, b->val);
	if (b->old && !b->old_first)
		at = fill_old(r, at, b->old);
	if (b->num) {
		kfc_rec_copy_in(r->pages, r->off, at, b->num, b->num_len);
		for (at += b->num_len; at < end; at++)
			kfc_rec_copy_in(r->pages, r->off, at, " ", 1);
	}
}

/* Write a record and publish it: DONE, RETRY or BUSY. */
static int put(struct kfc_client *cl, struct kfc_lookup *lk,
	       const struct body *b, u32 flags, u32 exptime,
	       bool only_if, u64 *order)
{
	struct kfc_rsv r;

	if (kfc_log_reserve(cl->cache, &lk->key, b->len, lk->pos.tag, &r))
		return KFC_CMD_BUSY;
	fill(&r, b);
	if (!kfc_store_put(cl->cache, lk, &r, flags, exptime, only_if, order))
		return KFC_CMD_DONE;
	kfc_log_abort(cl->cache, &r);
	return RETRY;
}

static enum kfc_cmd_ret refuse(struct kfc_client *cl, const struct mp_req *req,
			       const char *line)
{
	if (req->op == MP_SET)
		kfc_cmd_drop_key(cl, req->key, req->klen);
	kfc_answer(cl, req, line);
	return KFC_CMD_DONE;
}

static enum kfc_cmd_ret too_large(struct kfc_client *cl,
				  const struct mp_req *req)
{
	kfc_count(cl->cache, store_too_large);
	return refuse(cl, req, MP_TOO_LARGE);
}

static int join(struct kfc_client *cl, const struct mp_req *req,
		const struct kfc_value *val, struct kfc_lookup *lk)
{
	struct body b = {
		.old = &lk->rec,
		.val = val,
		.old_first = req->op == MP_APPEND,
	};
	u64 order, len = (u64)lk->rec.vlen + val->len;
	int ret;

	/* memcached has no other word for it. */
	if (len > KFC_VLEN_MAX ||
	    !size_ok(cl->cache, req->klen, lk->rec.flags, len)) {
		kfc_answer(cl, req, MP_NOT_STORED);
		return KFC_CMD_DONE;
	}
	b.len = len;
	ret = put(cl, lk, &b, lk->rec.flags, lk->rec.exptime, true, &order);
	if (ret == KFC_CMD_DONE)
		kfc_answer(cl, req, MP_STORED);
	return ret;
}

static int store(struct kfc_client *cl, const struct mp_req *req,
		 const struct kfc_value *val,
		 struct kfc_lookup *lk, bool found)
{
	struct kfc_cache *c = cl->cache;
	struct body b = { .val = val, .len = val->len };
	const char *no = NULL;
	int ret;
	u64 order;

	switch (req->op) {
	case MP_ADD:
		no = found ? MP_NOT_STORED : NULL;
		break;
	case MP_REPLACE:
	case MP_APPEND:
	case MP_PREPEND:
		no = found ? NULL : MP_NOT_STORED;
		break;
	case MP_CAS:
		if (!found)
			no = MP_NOT_FOUND;
		else if (lk->order != req->cas)
			no = MP_EXISTS;
		break;
	default:
		break;
	}
	if (no) {
		if (req->op == MP_CAS && found)
			kfc_count(c, cas_badval);
		else if (req->op == MP_CAS)
			kfc_count(c, cas_misses);
		kfc_answer(cl, req, no);
		return KFC_CMD_DONE;
	}
	if (req->op == MP_APPEND || req->op == MP_PREPEND)
		return join(cl, req, val, lk);
	ret = put(cl, lk, &b, req->flags, expiry(c, req->exptime),
		  req->op != MP_SET, &order);
	if (ret == KFC_CMD_DONE) {
		if (req->op == MP_CAS)
			kfc_count(c, cas_hits);
		kfc_answer(cl, req, MP_STORED);
	}
	return ret;
}

/* Digits that fit a u64, and room to see that what follows is no digit. */
#define KFC_NUMBER_LOOK	48

static bool parse_value(const struct kfc_rec *rec, u64 *v)
{
	u32 len = min_t(u32, rec->vlen, KFC_NUMBER_LOOK);
	char buf[KFC_NUMBER_LOOK];

	kfc_rec_copy_out(buf, rec, 0, len);
	return mp_get_u64((const u8 *)buf, len, v);
}

static int count_up(struct kfc_client *cl,
		    const struct mp_req *req,
		    struct kfc_lookup *lk)
{
	char num[MP_U64_MAX_LEN + 2];
	struct body b = { .num = num };
	int ret;
	u64 v, order;

	if (!parse_value(&lk->rec, &v)) {
		kfc_answer(cl, req, MP_NON_NUMERIC);
		return KFC_CMD_DONE;
	}
	if (req->op == MP_INCR)
		v += req->delta;
	else
		v = v > req->delta ? v - req->delta : 0;
	b.num_len = mp_put_u64(num, v);
	b.len = max(b.num_len, lk->rec.vlen);
	ret = put(cl, lk, &b, lk->rec.flags, lk->rec.exptime, true, &order);
	if (ret != KFC_CMD_DONE)
		return ret;
	if (req->op == MP_INCR)
		kfc_count(cl->cache, incr_hits);
	else
		kfc_count(cl->cache, decr_hits);
	if (!req->noreply) {
		memcpy(num + b.num_len, "\r\n", 2);
		kfc_out_copy(&cl->out, num, b.num_len + 2);
	}
	return KFC_CMD_DONE;
}

static int touch(struct kfc_client *cl, const struct mp_req *req,
		 struct kfc_lookup *lk)
{
	struct body b = { .old = &lk->rec, .len = lk->rec.vlen };
	struct kfc_cache *c = cl->cache;
	int ret;
	u64 order;

	ret = put(cl, lk, &b, lk->rec.flags, expiry(c, req->exptime), true,
		  &order);
	if (ret != KFC_CMD_DONE)
		return ret;
	kfc_count(c, cmd_touch);
	kfc_count(c, touch_hits);
	if (req->op == MP_TOUCH) {
		kfc_answer(cl, req, MP_TOUCHED);
		return ret;
	}
	kfc_count(c, cmd_get);
	kfc_count(c, get_hits);
	if (lk->pinned)
		kfc_count(c, dev_hits);
	else
		kfc_count(c, mem_hits);
	lk->order = order;
	kfc_answer_value(cl, lk, req->op == MP_GATS);
	return ret;
}

static void missed(struct kfc_client *cl, const struct mp_req *req)
{
	struct kfc_cache *c = cl->cache;

	switch (req->op) {
	case MP_DELETE:
		kfc_count(c, delete_misses);
		break;
	case MP_INCR:
		kfc_count(c, incr_misses);
		break;
	case MP_DECR:
		kfc_count(c, decr_misses);
		break;
	case MP_GAT:
	case MP_GATS:
		kfc_count(c, cmd_get);
		kfc_count(c, get_misses);
		fallthrough;
	default:
		kfc_count(c, cmd_touch);
		kfc_count(c, touch_misses);
		break;
	}
	if (req->op != MP_GAT && req->op != MP_GATS)
		kfc_answer(cl, req, MP_NOT_FOUND);
}

static int change(struct kfc_client *cl, const struct mp_req *req,
		  struct kfc_lookup *lk, bool found)
{
	if (!found) {
		if (lk->order && !kfc_store_remove(cl->cache, lk))
			kfc_count(cl->cache, reclaimed);
		missed(cl, req);
		return KFC_CMD_DONE;
	}
	switch (req->op) {
	case MP_DELETE:
		if (kfc_store_remove(cl->cache, lk))
			return RETRY;
		kfc_count(cl->cache, delete_hits);
		kfc_answer(cl, req, MP_DELETED);
		return KFC_CMD_DONE;
	case MP_INCR:
	case MP_DECR:
		return count_up(cl, req, lk);
	default:
		return touch(cl, req, lk);
	}
}

/* One try. The object is in memory or was read; RCU or the read holds it. */
static int try_modify(struct kfc_client *cl,
		      const struct mp_req *req,
		      const struct kfc_value *val,
		      struct kfc_lookup *lk)
{
	int ret;
	int err;

	/* A plain set takes the slot, whatever is there. */
	if (req->op == MP_SET)
		return store(cl, req, val, lk, false);
	rcu_read_lock();
	if (kfc_store_find(cl->cache, lk) == KFC_ON_DEVICE &&
	    !kfc_op_held(cl, lk)) {
		err = kfc_op_start(cl, lk, true, false);
		rcu_read_unlock();
		switch (err) {
		case 0:
			return KFC_CMD_WAIT;
		case -ETIMEDOUT:
			/* It goes on as after a miss: so it has to be one. */
			kfc_count(cl->cache, read_timeouts);
			kfc_count(cl->cache, ev_device);
			kfc_store_forget(cl->cache, lk);
			return RETRY;
		case -EAGAIN:
		case -ENOENT:
			return RETRY;
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
 * kfc_run_modify() - storage commands, delete, incr, decr, touch, gat
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
	int ret = RETRY;
	struct kfc_lookup lk;
	int tries;

	if (val && !size_ok(c, req->klen, req->flags, val->len))
		return too_large(cl, req);
	kfc_key_init(c, &lk, req->key, req->klen);
	for (tries = 0; ret == RETRY && tries < KFC_RETRIES; tries++) {
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
	case RETRY:
		return KFC_CMD_BUSY;
	case KFC_CMD_BUSY:
		ret = kfc_busy(cl, READ_ONCE(c->cfg.set_wait_ms));
		if (ret == KFC_CMD_BUSY)
			return ret;
		kfc_count(c, store_no_memory);
		refuse(cl, req, MP_NO_MEMORY);
		break;
	default:
		break;
	}
	kfc_op_unhold(cl);
	if (val)
		kfc_count(c, cmd_set);
	if (ret == KFC_CMD_DONE && req->last &&
	    (req->op == MP_GAT || req->op == MP_GATS))
		kfc_out_copy(&cl->out, MP_END, sizeof(MP_END) - 1);
	return ret;
}
