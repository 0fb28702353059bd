// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Commands that read: get, gets, mg, me, and the answers with a value.
 */
#include <linux/mm.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>

#include "op.h"
#include "prefix.h"
#include "restart.h"

/* Values from this size on leave by page reference, smaller ones are copied. */
#define KFC_LEND_BYTES 2048
/* Values up to this size are copied where they can't be lent. */
#define KFC_COPY_BYTES 8192

static u32 value_pages(const struct kfc_rec *r)
{
	return kfc_rec_pages(r->off, r->head + r->vlen);
}

/* A value in memory on its way out, its pages held by reference. */
struct lent {
	struct kfc_out_node node;
	struct bio_vec bv[];
};

static void lent_release(struct kfc_out_node *n)
{
	u32 i;

	for (i = 0; i < n->nr_bv; i++)
		put_page(n->bv[i].bv_page);
	kfree(container_of(n, struct lent, node));
}

static struct lent *lent_alloc(struct kfc_client *cl, const struct kfc_rec *r)
{
	struct lent *l;

	size_t size = struct_size(l, bv, value_pages(r));

	if (r->vlen < KFC_LEND_BYTES || kfc_log_lent_out(&cl->cache->log))
		return NULL;
	l = kzalloc(size, GFP_NOWAIT | __GFP_NOWARN);
	if (l)
		l->node.mem = size;
	return l;
}

static void lend_value(struct kfc_client *cl, const struct mp_req *req,
		       const struct kfc_rec *r, struct lent *l)
{
	u32 i;

	l->node.bv = l->bv;
	l->node.nr_bv = kfc_rec_pieces(r->off, r->head, r->vlen, r->pages, 0,
				       value_pages(r), l->bv);
	l->node.tail = "\r\n";
	l->node.tail_len = mp_value_tail(req);
	l->node.release = lent_release;
	for (i = 0; i < l->node.nr_bv; i++)
		get_page(l->bv[i].bv_page);
	kfc_out_add(&cl->out, &l->node);
	kfc_out_ready(&cl->out, &l->node);
}

static void copy_value(struct kfc_client *cl, const struct mp_req *req,
		       const struct kfc_rec *r)
{
	u32 from = r->head, left = r->vlen;

	while (left) {
		struct kfc_piece pc = kfc_rec_piece(r->off, from, left);
		const void *p = page_address(r->pages[pc.page]);

		kfc_out_copy(&cl->out, p + pc.off, pc.len);
		from += pc.len;
		left -= pc.len;
	}
	kfc_out_copy(&cl->out, "\r\n", mp_value_tail(req));
}

/* What can't be lent, and is too long to be copied, is copied in parts. */
static bool in_parts(const struct kfc_client *cl, const struct kfc_rec *r)
{
	/* What mg has just made has no pages to look for it in. */
	if (!r->vlen)
		return false;
	return value_pages(r) > kfc_client_window(cl) ||
	       (r->vlen > KFC_COPY_BYTES && !cl->whole &&
		kfc_log_lent_out(&cl->cache->log));
}

/**
 * kfc_answer_hit() - answer with an object that lies in memory or was read
 * @cl: the client
 * @req: the request
 * @lk: the lookup, its record valid; where it is pinned, kfc_op_held() said true
 * @it: for meta commands: the object
 *
 * A large value that has to be there as a whole and whose pages can't be lent is
 * refused: answers queued as copies are bounded. To a text get what is refused
 * is a miss, as there a key can't have an error of its own.
 *
 * Context: the client's thread, rcu_read_lock() held.
 * Return: false where it was refused for want of memory
 */
bool kfc_answer_hit(struct kfc_client *cl, const struct mp_req *req,
		    const struct kfc_lookup *lk,
		    const struct mp_meta_item *it)
{
	bool value = kfc_wants_value(req);
	struct lent *l;
	char *p;

	if (value && lk->pinned && lk->rec.vlen >= KFC_LEND_BYTES) {
		if (kfc_stream_held(cl, req, it))
			goto refused;
		return true;
	}
	if (value && in_parts(cl, &lk->rec)) {
		if (kfc_stream_memory(cl, req, lk, it))
			goto refused;
		return true;
	}
	l = value ? lent_alloc(cl, &lk->rec) : NULL;
	if (value && !l && lk->rec.vlen > KFC_COPY_BYTES)
		goto refused;
	p = kfc_out_reserve(&cl->out, KFC_HEAD_MAX);
	if (!p) {
		kfree(l);
		return false;
	}
	kfc_out_commit(&cl->out, kfc_put_hit(p, req, lk, it));
	if (l)
		lend_value(cl, req, &lk->rec, l);
	else if (value)
		copy_value(cl, req, &lk->rec);
	return true;
refused:
	kfc_answer(cl, req, KFC_NO_MEMORY_READ, 0);
	return false;
}

/**
 * kfc_answer_miss() - answer that nothing was found
 * @cl: the client
 * @req: the request, one that reads
 *
 * Context: the client's thread.
 */
void kfc_answer_miss(struct kfc_client *cl, const struct mp_req *req)
{
	char head[KFC_HEAD_MAX];

	kfc_out_copy(&cl->out, head, kfc_put_miss(head, req));
}

/**
 * kfc_count_get() - count what a get came to
 * @c: the cache
 * @req: the request
 * @hit: the client gets what it asked for
 * @device: ... and it was read for that
 *
 * me is not counted, as in memcached. Context: any.
 */
void kfc_count_get(struct kfc_cache *c, const struct mp_req *req, bool hit,
		   bool device)
{
	if (req->op == MP_META_DEBUG)
		return;
	kfc_prefix_count(c, req, hit);
	if (!hit) {
		kfc_count(c, get_misses);
		return;
	}
	kfc_count(c, get_hits);
	if (device)
		kfc_count(c, dev_hits);
	else
		kfc_count(c, mem_hits);
}

/**
 * kfc_count_dead() - a command met an object that lives no more
 * @c: the cache
 * @order: the object's number
 *
 * Any context.
 */
void kfc_count_dead(struct kfc_cache *c, u64 order)
{
	if (order < READ_ONCE(c->valid_from))
		kfc_count(c, get_flushed);
	else
		kfc_count(c, get_expired);
}

static void drop_dead(struct kfc_cache *c, const struct kfc_lookup *lk)
{
	if (!kfc_store_remove(c, lk))
		kfc_count(c, reclaimed);
	kfc_count_dead(c, lk->order);
}

/* The object is there: dead ones are dropped, the rest is a hit. */
static bool op_hit(struct kfc_cache *c, struct kfc_op *op)
{
	if (!op->lk.order)
		return false;
	kfc_count(c, ext_objects_read);
	kfc_count_add(c, ext_bytes_read, op->lk.rec.vlen);
	if (!op->lk.dead)
		return true;
	drop_dead(c, &op->lk);
	return false;
}

/*
 * What a meta command tells of the object, and what a hit does to it. Who is to
 * refresh it is written to a copy, so it has to be there as a @whole.
 */
static void note_hit(struct kfc_client *cl, const struct mp_req *req,
		     struct kfc_lookup *lk, bool whole,
		     struct mp_meta_item *it)
{
	if (req->op == MP_META_GET || req->op == MP_META_DEBUG) {
		kfc_meta_item(cl->cache, lk, it);
		it->won = whole && kfc_meta_win(cl, req, lk);
		if (req->op == MP_META_DEBUG || mp_meta_has(req, 'u'))
			return;
	}
	kfc_store_used(cl->cache, lk);
}

/* Of a long value only the first pages were read. */
static bool is_whole(const struct kfc_op *op)
{
	return value_pages(&op->lk.rec) <= op->rd.nr_pages;
}

/* What was read from the device, and was used before, is copied to memory. */
static void promote(struct kfc_cache *c, const struct kfc_op *op)
{
	if (op->lk.slot & KFC_SLOT_FETCHED && op->req.op != MP_META_DEBUG &&
	    is_whole(op))
		kfc_promote(c, &op->lk);
}

static bool op_fill(struct kfc_op *op, const struct mp_meta_item *it)
{
	if (kfc_wants_value(&op->req) && kfc_stream_read(op))
		return false;
	op->node.head = op->head;
	op->node.head_len = kfc_put_hit(op->head, &op->req, &op->lk, it);
	return true;
}

static void op_miss(struct kfc_op *op)
{
	kfc_count_get(op->ev.client->cache, &op->req, false, false);
	op->node.head = op->head;
	op->node.head_len = kfc_put_miss(op->head, &op->req);
	kfc_op_answered(op);
}

/**
 * kfc_get_done() - the read for a get's answer has ended
 * @op: the operation
 *
 * Context: the client's thread.
 */
void kfc_get_done(struct kfc_op *op)
{
	struct kfc_client *cl = op->ev.client;
	struct kfc_cache *c = cl->cache;
	struct mp_meta_item it;
	bool hit;

	kfc_read_finish(c, &op->lk, &op->rd);
	hit = op_hit(c, op);
	if (hit && !op->abandoned) {
		note_hit(cl, &op->req, &op->lk, is_whole(op), &it);
		promote(c, op);
	}
	kfc_read_unpin(c, &op->rd);
	if (op->abandoned)
		return;
	if (!hit || !op_fill(op, &it)) {
		kfc_stream_empty(op);
		op_miss(op);
		return;
	}
	/* What is no part of the answer does not wait until it is sent. */
	if (!kfc_wants_value(&op->req))
		kfc_stream_empty(op);
	kfc_count_get(c, &op->req, true, true);
	kfc_op_answered(op);
}

/**
 * kfc_get_abandon() - answer a get whose read takes too long
 * @op: the operation; its read goes on
 *
 * Context: the client's thread.
 */
void kfc_get_abandon(struct kfc_op *op)
{
	op_miss(op);
}

/* One key of a get that is not on the device: a hit or a miss. */
static void answer_found(struct kfc_client *cl, const struct mp_req *req,
			 struct kfc_lookup *lk)
{
	struct kfc_cache *c = cl->cache;
	struct mp_meta_item it;
	bool hit;

	if (lk->order && !lk->dead) {
		note_hit(cl, req, lk, true, &it);
		hit = kfc_answer_hit(cl, req, lk, &it);
		kfc_count_get(c, req, hit, false);
		return;
	}
	if (lk->order)
		drop_dead(c, lk);
	kfc_count_get(c, req, false, false);
	kfc_answer_miss(cl, req);
}

/**
 * kfc_awaits_pages() - has an answer to wait for pages that others have?
 * @cl: the client
 * @req: the request, one that answers with a value
 * @lk: the lookup, of what is in memory if anything
 *
 * A part of the value is to be copied, as sockets hold so many pages: a worker
 * takes back from those who do not read what others can have then.
 *
 * Context: the client's thread, rcu_read_lock() held.
 */
bool kfc_awaits_pages(const struct kfc_client *cl, const struct mp_req *req,
		      const struct kfc_lookup *lk)
{
	const struct kfc_cache *c = cl->cache;

	return kfc_log_lent_out(&c->log) && !kfc_read_may_copy(c) &&
	       lk->order && !lk->dead && !cl->whole && kfc_wants_value(req) &&
	       in_parts(cl, &lk->rec);
}

static enum kfc_cmd_ret get_key(struct kfc_client *cl,
				const struct mp_req *req,
				struct kfc_lookup *lk)
{
	struct kfc_cache *c = cl->cache;
	enum kfc_where where;
	enum kfc_cmd_ret ret;
	int err;

	if (!kfc_restart_ready(c, &lk->pos)) {
		err = -EBUSY;
		goto busy;
	}
	do {
		err = 0;
		rcu_read_lock();
		where = kfc_store_find(c, lk);
		if (where != KFC_ON_DEVICE && kfc_awaits_pages(cl, req, lk))
			err = -EBUSY;
		else if (where != KFC_ON_DEVICE)
			answer_found(cl, req, lk);
		rcu_read_unlock();
		if (where == KFC_ON_DEVICE)
			err = kfc_op_start(cl, lk, req);
	} while (err == -EAGAIN);
	if (!err)
		return KFC_CMD_DONE;
busy:
	if (err == -EBUSY || err == -ENOMEM) {
		/* The client's own reads make room for its next. */
		if (cl->inflight - cl->overdue >= KFC_CLIENT_READS)
			return KFC_CMD_BUSY;
		ret = kfc_busy(cl, READ_ONCE(c->cfg.read_timeout_ms));
		if (ret != KFC_CMD_DONE)
			return ret;
		err = -ETIMEDOUT;
	}
	if (err == -ETIMEDOUT)
		kfc_count(c, read_timeouts);
	kfc_count_get(c, req, false, false);
	kfc_answer_miss(cl, req);
	return KFC_CMD_DONE;
}

/**
 * kfc_run_get() - one key of a command that only reads
 * @cl: the client
 * @req: the request
 *
 * Context: the client's thread. Return: as kfc_cmd_run()
 */
enum kfc_cmd_ret kfc_run_get(struct kfc_client *cl, const struct mp_req *req)
{
	struct kfc_lookup lk;
	enum kfc_cmd_ret ret;

	kfc_key_init(cl->cache, &lk, req->key, req->klen);
	ret = get_key(cl, req, &lk);
	if (ret != KFC_CMD_DONE)
		return ret;
	if (req->op != MP_META_DEBUG)
		kfc_count(cl->cache, cmd_get);
	kfc_answer_end(cl, req);
	return KFC_CMD_DONE;
}
