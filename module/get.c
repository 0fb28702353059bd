// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Gets, and the device reads of all commands.
 */
#include <linux/jiffies.h>
#include <linux/mm.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>

#include "op.h"

/* Values from this size on leave by page reference, smaller ones are copied. */
#define KFC_LEND_BYTES 2048
/* Values up to this size are copied where they can't be lent. */
#define KFC_COPY_BYTES 8192

/* Pieces of a value, one a page. Returns how many. */
static u32 value_pieces(const struct kfc_rec *r, struct bio_vec *bv)
{
	u32 from = KFC_REC_HDR + r->klen, left = r->vlen, n = 0;

	while (left) {
		struct kfc_piece pc = kfc_rec_piece(r->off, from, left);

		bv[n].bv_page = r->pages[pc.page];
		bv[n].bv_offset = pc.off;
		bv[n].bv_len = pc.len;
		n++;
		from += pc.len;
		left -= pc.len;
	}
	return n;
}

static u32 put_head(char *dst, const struct kfc_lookup *lk, bool with_cas)
{
	return mp_put_value_head(dst, lk->key.p, lk->key.len, lk->rec.flags,
				 lk->rec.vlen, with_cas ? &lk->order : NULL);
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

static struct lent *lent_alloc(struct kfc_client *cl,
			       const struct kfc_lookup *lk)
{
	u32 n = kfc_rec_pages(lk->rec.off, lk->rec.klen, lk->rec.vlen);
	struct lent *l;

	if (lk->rec.vlen < KFC_LEND_BYTES ||
	    kfc_log_lent_out(&cl->cache->log))
		return NULL;
	return kzalloc(struct_size(l, bv, n), GFP_NOWAIT | __GFP_NOWARN);
}

static void lend_value(struct kfc_client *cl, const struct kfc_lookup *lk,
		       struct lent *l)
{
	u32 i;

	l->node.bv = l->bv;
	l->node.nr_bv = value_pieces(&lk->rec, l->bv);
	l->node.tail = "\r\n";
	l->node.tail_len = 2;
	l->node.release = lent_release;
	for (i = 0; i < l->node.nr_bv; i++)
		get_page(l->bv[i].bv_page);
	kfc_out_add(&cl->out, &l->node);
	kfc_out_ready(&cl->out, &l->node);
}

static void copy_value(struct kfc_client *cl, const struct kfc_lookup *lk)
{
	u32 from = KFC_REC_HDR + lk->rec.klen, left = lk->rec.vlen;

	while (left) {
		struct kfc_piece pc = kfc_rec_piece(lk->rec.off, from, left);
		const void *p = page_address(lk->rec.pages[pc.page]);

		kfc_out_copy(&cl->out, p + pc.off, pc.len);
		from += pc.len;
		left -= pc.len;
	}
	kfc_out_copy(&cl->out, "\r\n", 2);
}

/**
 * kfc_answer_value() - answer with a record that lies in memory
 * @cl: the client
 * @lk: the lookup, its record valid
 * @with_cas: the order number, too
 *
 * A large value whose pages can't be lent is refused: answers queued as copies
 * are bounded. Context: the client's thread, rcu_read_lock() held.
 */
void kfc_answer_value(struct kfc_client *cl, const struct kfc_lookup *lk,
		      bool with_cas)
{
	struct lent *l = lent_alloc(cl, lk);
	char *p;

	if (!l && lk->rec.vlen > KFC_COPY_BYTES) {
		kfc_out_copy(&cl->out, MP_NO_MEMORY_READ,
			     sizeof(MP_NO_MEMORY_READ) - 1);
		return;
	}
	p = kfc_out_reserve(&cl->out, MP_VALUE_HEAD_MAX);
	if (!p) {
		kfree(l);
		return;
	}
	kfc_out_commit(&cl->out, put_head(p, lk, with_cas));
	if (l)
		lend_value(cl, lk, l);
	else
		copy_value(cl, lk);
}

static void op_put(struct kfc_op *op)
{
	if (--op->refs)
		return;
	kfc_read_free(op->ev.client->cache, &op->rd);
	if (op->bv != op->inline_bv)
		kfree(op->bv);
	kmem_cache_free(op->ev.client->cache->op_cache, op);
}

static void op_release(struct kfc_out_node *n)
{
	op_put(container_of(n, struct kfc_op, node));
}

static void count_dead(struct kfc_cache *c, const struct kfc_lookup *lk)
{
	if (!kfc_store_remove(c, lk))
		kfc_count(c, reclaimed);
	if (lk->order < READ_ONCE(c->valid_from))
		kfc_count(c, get_flushed);
	else
		kfc_count(c, get_expired);
}

/* The object is there: dead ones are dropped, the rest is a hit. */
static bool op_hit(struct kfc_cache *c, struct kfc_op *op)
{
	if (!op->lk.order)
		return false;
	kfc_count(c, ext_objects_read);
	kfc_count_add(c, ext_bytes_read, op->lk.rec.vlen);
	if (!op->lk.dead) {
		kfc_count(c, dev_hits);
		return true;
	}
	count_dead(c, &op->lk);
	return false;
}

static bool op_fill(struct kfc_op *op)
{
	u32 n = kfc_rec_pages(op->lk.rec.off, op->lk.rec.klen,
			      op->lk.rec.vlen);

	if (n > ARRAY_SIZE(op->inline_bv)) {
		op->bv = kmalloc_array(n, sizeof(*op->bv),
				       GFP_NOWAIT | __GFP_NOWARN);
		if (!op->bv) {
			op->bv = op->inline_bv;
			return false;
		}
	}
	op->node.bv = op->bv;
	op->node.nr_bv = value_pieces(&op->lk.rec, op->bv);
	op->node.head = op->head;
	op->node.head_len = put_head(op->head, &op->lk, op->with_cas);
	op->node.tail = "\r\n";
	op->node.tail_len = 2;
	return true;
}

static void get_done(struct kfc_op *op)
{
	struct kfc_client *cl = op->ev.client;
	struct kfc_cache *c = cl->cache;
	bool hit;

	kfc_read_finish(c, &op->lk, &op->rd);
	hit = op_hit(c, op);
	if (hit)
		kfc_store_fetched(c, &op->lk);
	kfc_read_unpin(c, &op->rd);
	if (op->abandoned)
		return;
	if (hit && op_fill(op))
		kfc_count(c, get_hits);
	else
		kfc_count(c, get_misses);
	if (list_empty(&op->node.list))
		op_put(op);
	else
		kfc_out_ready(&cl->out, &op->node);
}

static void modify_done(struct kfc_op *op)
{
	struct kfc_client *cl = op->ev.client;
	struct kfc_cache *c = cl->cache;

	kfc_read_finish(c, &op->lk, &op->rd);
	if (op->lk.order) {
		kfc_count(c, ext_objects_read);
		kfc_count_add(c, ext_bytes_read, op->lk.rec.vlen);
	}
	if (op->abandoned)
		return;
	cl->waiting = NULL;
	if (cl->closed)
		return;
	op->refs++;
	cl->held = op;
}

static void op_event(struct kfc_event *ev)
{
	struct kfc_op *op = container_of(ev, struct kfc_op, ev);

	list_del_init(&op->list);
	ev->client->inflight--;
	if (op->abandoned) {
		ev->client->overdue--;
		atomic_dec(&ev->client->cache->overdue);
	}
	if (op->modify)
		modify_done(op);
	else
		get_done(op);
	op_put(op);
}

static void op_io_done(struct kfc_io *io)
{
	struct kfc_op *op = container_of(io, struct kfc_op, rd.io);

	op->ev.client->post(op->ev.client, &op->ev);
}

/* Half of all reads that may be in flight were given up on. */
static bool device_hangs(struct kfc_cache *c)
{
	return atomic_read(&c->overdue) * 2 > READ_ONCE(c->cfg.io_depth);
}

/**
 * kfc_op_start() - read what a lookup found on the device
 * @cl: the client
 * @lk: the lookup; its key is copied
 * @modify: the command waits for it; else it is a get's answer, which gets
 *	its place in @cl->out now
 * @with_cas: of a get, that is to answer with the order number
 *
 * Context: the client's thread; does not sleep.
 * Return: 0, or what kfc_read_prepare() says, or -ETIMEDOUT where a read
 * would only wait for a device that does not answer
 */
int kfc_op_start(struct kfc_client *cl, const struct kfc_lookup *lk,
		 bool modify, bool with_cas)
{
	struct kfc_cache *c = cl->cache;
	struct kfc_op *op;
	int err;

	if (device_hangs(c))
		return -ETIMEDOUT;
	if (cl->inflight - cl->overdue >= KFC_CLIENT_READS)
		return -EBUSY;
	op = kmem_cache_zalloc(c->op_cache, GFP_NOWAIT | __GFP_NOWARN);
	if (!op)
		return -ENOMEM;
	op->lk = *lk;
	memcpy(op->key, lk->key.p, lk->key.len);
	op->lk.key.p = op->key;
	err = kfc_read_prepare(c, &op->lk, &op->rd);
	if (err) {
		kmem_cache_free(c->op_cache, op);
		return err;
	}
	op->ev.client = cl;
	op->ev.fn = op_event;
	op->rd.io.done = op_io_done;
	op->refs = 1;
	op->modify = modify;
	op->with_cas = with_cas;
	op->bv = op->inline_bv;
	op->deadline = jiffies +
		       msecs_to_jiffies(READ_ONCE(c->cfg.read_timeout_ms));
	list_add_tail(&op->list, &cl->ops);
	cl->inflight++;
	INIT_LIST_HEAD(&op->node.list);
	if (modify) {
		cl->waiting = op;
		kfc_count(c, rmw_reads);
	} else {
		op->refs++;
		op->node.release = op_release;
		kfc_out_add(&cl->out, &op->node);
	}
	kfc_read_start(c, &op->rd);
	return 0;
}

/**
 * kfc_op_held() - use what was read for a command that is run again
 * @cl: the client
 * @lk: kfc_store_find() said KFC_ON_DEVICE
 *
 * Context: the client's thread.
 * Return: true where the read was of this very slot: order, dead, rec and
 * pinned are filled in and hold until kfc_op_unhold()
 */
bool kfc_op_held(struct kfc_client *cl, struct kfc_lookup *lk)
{
	struct kfc_op *op = cl->held;

	if (!op || !kfc_slot_same(op->lk.slot, lk->slot))
		return false;
	lk->order = op->lk.order;
	lk->rec = op->lk.rec;
	lk->pinned = true;
	lk->dead = lk->order &&
		   kfc_store_dead(cl->cache, lk->order, lk->rec.exptime);
	return true;
}

/**
 * kfc_op_unhold() - what was read is not needed any more
 * @cl: the client
 *
 * Context: the client's thread.
 */
void kfc_op_unhold(struct kfc_client *cl)
{
	struct kfc_op *op = cl->held;

	if (!op)
		return;
	cl->held = NULL;
	kfc_read_unpin(cl->cache, &op->rd);
	op_put(op);
}

static void abandon(struct kfc_client *cl, struct kfc_op *op)
{
	struct kfc_cache *c = cl->cache;

	op->abandoned = true;
	cl->overdue++;
	atomic_inc(&c->overdue);
	kfc_count(c, read_timeouts);
	if (op->modify) {
		/* The command goes on as after a miss: so it has to be one. */
		if (!kfc_store_remove(c, &op->lk))
			kfc_count(c, ev_device);
		cl->waiting = NULL;
		return;
	}
	kfc_count(c, get_misses);
	if (list_empty(&op->node.list))
		op_put(op);
	else
		kfc_out_ready(&cl->out, &op->node);
}

/**
 * kfc_cmd_tick() - give up on reads that take too long
 * @cl: the client
 *
 * A get is answered as a miss, a modification goes on without the object. The
 * pages stay with the read until it ends. Context: the client's thread.
 */
void kfc_cmd_tick(struct kfc_client *cl)
{
	struct kfc_op *op;

	list_for_each_entry(op, &cl->ops, list) {
		if (op->abandoned)
			continue;
		if (time_before(jiffies, op->deadline))
			break;
		abandon(cl, op);
	}
}

/* One key of a get that is not on the device: a hit or a miss. */
static void answer_found(struct kfc_client *cl, struct kfc_lookup *lk,
			 bool with_cas)
{
	struct kfc_cache *c = cl->cache;

	if (lk->order && !lk->dead) {
		kfc_answer_value(cl, lk, with_cas);
		kfc_store_fetched(c, lk);
		kfc_count(c, get_hits);
		kfc_count(c, mem_hits);
		return;
	}
	if (lk->order)
		count_dead(c, lk);
	kfc_count(c, get_misses);
}

static enum kfc_cmd_ret get_key(struct kfc_client *cl, struct kfc_lookup *lk,
				bool with_cas)
{
	struct kfc_cache *c = cl->cache;
	enum kfc_cmd_ret ret;
	int err;

	do {
		rcu_read_lock();
		if (kfc_store_find(c, lk) != KFC_ON_DEVICE) {
			answer_found(cl, lk, with_cas);
			err = 0;
		} else {
			err = kfc_op_start(cl, lk, false, with_cas);
		}
		rcu_read_unlock();
	} while (err == -EAGAIN);
	if (!err)
		return KFC_CMD_DONE;
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
	kfc_count(c, get_misses);
	return KFC_CMD_DONE;
}

/**
 * kfc_run_get() - one key of get or gets
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
	ret = get_key(cl, &lk, req->op == MP_GETS);
	if (ret != KFC_CMD_DONE)
		return ret;
	kfc_count(cl->cache, cmd_get);
	if (req->last)
		kfc_out_copy(&cl->out, MP_END, sizeof(MP_END) - 1);
	return KFC_CMD_DONE;
}
