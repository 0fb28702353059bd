// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Values on their way out, in parts where they are long.
 *
 * What a client that takes its time holds is bounded, however long its values
 * are: of a value longer than cache->window pages only so many are read, or lent
 * from memory, at once; the next are when these are sent. In between nothing
 * holds the record. It is where it was as long as its slab's life lasts, even if
 * it is the key's no more; if that has ended, or the device does not give the
 * rest, nothing can be done but to end the connection.
 *
 * Pages that were read for a client which then does not take them can be had
 * back in the same way, long value or not, see kfc_stream_dry().
 */
#include <linux/jiffies.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>

#include "observe.h"
#include "op.h"

static struct kfc_op *op_of(struct kfc_out_node *n)
{
	return container_of(n, struct kfc_op, node);
}

static int fill(struct kfc_op *op, struct page **pages, u32 first, u32 nr)
{
	struct kfc_stream *st = &op->st;
	struct kfc_out_node *n = &op->node;
	u32 i;

	if (nr > ARRAY_SIZE(op->inline_bv)) {
		op->bv = kmalloc_array(nr, sizeof(*op->bv),
				       GFP_NOWAIT | __GFP_NOWARN);
		if (!op->bv) {
			op->bv = op->inline_bv;
			return -ENOMEM;
		}
	}
	n->bv = op->bv;
	n->nr_bv = kfc_rec_pieces(st->off, st->head + st->from,
				  st->vlen - st->from, pages, first, nr,
				  op->bv);
	st->done = st->from;
	for (i = 0; i < n->nr_bv; i++)
		st->done += op->bv[i].bv_len;
	n->parts = st->done < st->vlen;
	n->tail = "\r\n";
	n->tail_len = n->parts ? 0 : mp_value_tail(&op->req);
	return 0;
}

/* As much of it as a small read has: sockets hold too many pages already. */
static int copy(struct kfc_op *op, struct page **pages, u32 first, u32 nr)
{
	struct kfc_client *cl = op->ev.client;

	nr = kfc_read_copy(cl->cache, &op->rd, pages, nr);
	kfc_op_charge(op, nr);
	return nr ? fill(op, op->rd.pages, first, nr) : -ENOMEM;
}

/* The part that is in memory, its pages held by reference. */
static int lend(struct kfc_op *op, struct page **pages, u32 first, u32 nr)
{
	u32 i;
	int err;

	if (kfc_rare("lend_nothing") ||
	    kfc_log_lent_out(&op->ev.client->cache->log))
		return copy(op, pages, first, nr);
	err = fill(op, pages, first, nr);
	if (err)
		return err;
	for (i = 0; i < op->node.nr_bv; i++)
		get_page(op->bv[i].bv_page);
	op->lent = true;
	return 0;
}

/**
 * kfc_stream_empty() - an answer's pages are not needed any more
 * @op: the operation; its read is not in flight
 *
 * Context: the client's thread.
 */
void kfc_stream_empty(struct kfc_op *op)
{
	u32 i;

	for (i = 0; op->lent && i < op->node.nr_bv; i++)
		put_page(op->bv[i].bv_page);
	op->lent = false;
	op->node.nr_bv = 0;
	if (op->bv != op->inline_bv)
		kfree(op->bv);
	op->bv = op->inline_bv;
	kfc_op_charge(op, 0);
	kfc_read_free(op->ev.client->cache, &op->rd);
	op->rd.pages = NULL;
}

/* How much of the present part of a value was sent. */
static u32 sent_of(const struct kfc_op *op)
{
	const struct kfc_out_node *n = &op->node;

	return n->sent > n->head_len ? n->sent - n->head_len : 0;
}

/* The next part is what was not sent of this one, and may be shorter. */
static void begin_behind(struct kfc_op *op)
{
	struct kfc_out_node *n = &op->node;

	if (n->sent < n->head_len)
		return;
	op->st.from += sent_of(op);
	n->sent = 0;
	n->head_len = 0;
}

/* All of a value was sent, but for text. */
static void leave_text(struct kfc_op *op)
{
	struct kfc_out_node *n = &op->node;

	if (n->sent >= n->head_len) {
		n->sent = sent_of(op) - (op->st.done - op->st.from);
		n->head_len = 0;
	}
	op->st.from = op->st.done;
	kfc_stream_empty(op);
}

/* A part of an answer is missing: kfc_stream_next() is to see to it. */
static void wait_for_part(struct kfc_op *op)
{
	struct kfc_client *cl = op->ev.client;

	kfc_stream_empty(op);
	op->since = 0;
	list_add_tail(&op->list, &cl->dry);
}

static void sent(struct kfc_out_node *n)
{
	struct kfc_op *op = op_of(n);

	op->st.from = op->st.done;
	n->head_len = 0;
	wait_for_part(op);
}

/* Where the value is, for as long as the slab's life @seq lasts. */
static void remember(struct kfc_op *op, const struct kfc_lookup *lk, u64 seq)
{
	struct kfc_log *l = &op->ev.client->cache->log;
	struct kfc_stream *st = &op->st;

	st->slab = kfc_slab_of(l, lk->slot);
	st->seq = seq;
	st->page = kfc_slot_page(lk->slot) % l->slab_pages;
	st->off = lk->rec.off;
	st->head = lk->rec.head;
	st->vlen = lk->rec.vlen;
	st->from = 0;
	op->node.more = sent;
}

/**
 * kfc_stream_read() - the pages for a get's answer were read
 * @op: the operation, its record valid
 *
 * Of a long value they are the first ones. The slab may have another life by
 * now: it was the read that had it pinned.
 * Context: the client's thread. Return: 0 or -ENOMEM
 */
int kfc_stream_read(struct kfc_op *op)
{
	const struct kfc_rec *rec = &op->lk.rec;
	u32 n = kfc_rec_pages(rec->off, rec->head + rec->vlen);

	remember(op, &op->lk, op->rd.seq);
	return fill(op, op->rd.pages, 0, min(n, op->rd.nr_pages));
}

/* The answer, its first part there, comes next. */
static void queue(struct kfc_op *op, const struct mp_meta_item *it)
{
	struct kfc_out *o = &op->ev.client->out;

	op->node.head = op->head;
	op->node.head_len = kfc_put_hit(op->head, &op->req, &op->lk, it);
	kfc_op_queue(op);
	kfc_out_ready(o, &op->node);
}

/**
 * kfc_stream_memory() - answer with a value that lies in memory, in parts
 * @cl: the client
 * @req: the request
 * @lk: the lookup, its record valid
 * @it: for meta commands: the object
 *
 * Context: the client's thread, rcu_read_lock() held since the lookup.
 * Return: 0, or -ENOMEM where its first part can't be had
 */
int kfc_stream_memory(struct kfc_client *cl, const struct mp_req *req,
		      const struct kfc_lookup *lk,
		      const struct mp_meta_item *it)
{
	u32 nr = kfc_rec_pages(lk->rec.off, lk->rec.head + lk->rec.vlen);
	struct kfc_slab *s = kfc_slab_of(&cl->cache->log, lk->slot);
	struct kfc_op *op = kfc_op_answer(cl, req, lk);
	int err;

	if (!op)
		return -ENOMEM;
	/* Under RCU since its slot was looked at, so it is still that life. */
	remember(op, lk, READ_ONCE(s->seq));
	err = lend(op, lk->rec.pages, 0, min(nr, kfc_client_window(cl)));
	if (err) {
		kfc_op_put(op);
		return err;
	}
	queue(op, it);
	return 0;
}

/**
 * kfc_stream_held() - answer with a value that was read for a command that
 *	changes its object
 * @cl: the client; kfc_op_held() said true
 * @req: the request
 * @it: for meta commands: the object
 *
 * The answer has all the pages that the read has.
 * Context: the client's thread. Return: 0 or -ENOMEM
 */
int kfc_stream_held(struct kfc_client *cl, const struct mp_req *req,
		    const struct mp_meta_item *it)
{
	struct kfc_op *op = kfc_op_held_answer(cl, req);
	int err = kfc_stream_read(op);

	if (err)
		kfc_op_put(op);
	else
		queue(op, it);
	return err;
}

/* Under RCU, or with the slab pinned before, it stays so. */
static bool lives(const struct kfc_stream *st)
{
	return kfc_slab_lives(st->slab) &&
	       READ_ONCE(st->slab->seq) == st->seq;
}

/* The part from @st->from on. Return: -ENOENT: it can't be had any more. */
static int get_part(struct kfc_op *op)
{
	struct kfc_client *cl = op->ev.client;
	struct kfc_stream *st = &op->st;
	struct kfc_slab *s = st->slab;
	struct kfc_buf *b;
	u32 first, nr;
	int err;

	first = kfc_rec_piece(st->off, st->head + st->from, 1).page;
	nr = kfc_rec_pages(st->off, st->head + st->vlen) - first;
	nr = min(nr, kfc_client_window(cl));
	rcu_read_lock();
	b = rcu_dereference(s->buf);
	if (b && lives(st)) {
		err = lend(op, &b->pages[st->page + first], first, nr);
		rcu_read_unlock();
		if (!err) {
			list_del_init(&op->list);
			kfc_out_ready(&cl->out, &op->node);
		}
		return err;
	}
	atomic_inc(&s->pins);
	/* Under RCU: the pins are looked at a grace period after the state. */
	smp_mb__after_atomic();
	err = -ENOENT;
	if (!b && lives(st) && !kfc_slab_lost(&cl->cache->log, s))
		err = 0;
	rcu_read_unlock();
	if (!err)
		err = kfc_op_part(op, s, st->page + first, nr);
	if (err) {
		/* As in kfc_read_unpin(). */
		smp_mb__before_atomic();
		atomic_dec(&s->pins);
	}
	return err;
}

/**
 * kfc_stream_cut() - the next part of an answer can't be had
 * @op: the operation; its read may go on
 *
 * The stream has a gap from here on, so the connection is to end, if it has not.
 * Context: the client's thread.
 */
void kfc_stream_cut(struct kfc_op *op)
{
	struct kfc_client *cl = op->ev.client;

	if (list_empty(&op->node.list)) {
		kfc_op_leave(op);
		return;
	}
	kfc_count(cl->cache, answers_cut);
	cl->out.failed = true;
	/* Its read may be under way for long, see kfc_stream_dry(). */
	op->node.more = NULL;
	op->node.parts = false;
	op->node.sent = 0;
	op->node.head_len = 0;
	op->node.tail_len = 0;
	kfc_out_ready(&cl->out, &op->node);
}

static int next_part(struct kfc_op *op)
{
	int err = kfc_rare("no_part") ? -EBUSY : get_part(op);

	if (!err)
		return op->node.ready;
	/* It may be its own later answers that have all the pages. */
	kfc_stream_blocked(op->ev.client);
	if (!op->since)
		op->since = jiffies | 1;
	if (err != -ENOENT &&
	    time_before(jiffies, op->since + msecs_to_jiffies(KFC_PART_MS)))
		return -EBUSY;
	list_del_init(&op->list);
	kfc_stream_cut(op);
	return 0;
}

/**
 * kfc_stream_next() - get the part of an answer that is to be sent next
 * @cl: the client
 *
 * Context: the client's thread; as kfc_read_start(). cl->out.failed is set where
 * it can't be had.
 * Return: 1 where it is there, 0 where it will come or none is wanted, -EBUSY to
 * try again in some ms
 */
int kfc_stream_next(struct kfc_client *cl)
{
	struct kfc_op *op;

	list_for_each_entry(op, &cl->dry, list)
		if (list_is_first(&op->node.list, &cl->out.nodes))
			return next_part(op);
	return 0;
}

/**
 * kfc_stream_done() - the read of a part has ended
 * @op: the operation
 *
 * Context: the client's thread.
 */
void kfc_stream_done(struct kfc_op *op)
{
	struct kfc_client *cl = op->ev.client;
	u32 first = op->rd.page - op->st.page;
	bool ok = kfc_read_part(cl->cache, &op->rd);

	op->lk.pinned = true;
	if (!ok && !kfc_store_remove(cl->cache, &op->lk))
		kfc_count(cl->cache, ev_device);
	op->lk.pinned = false;
	kfc_read_unpin(cl->cache, &op->rd);
	if (op->abandoned)
		return;
	if (ok && !fill(op, op->rd.pages, first, op->rd.nr_pages))
		kfc_op_answered(op);
	else
		kfc_stream_cut(op);
}

/**
 * kfc_stream_dry() - have back the pages that were read for a client
 * @cl: the client, which does not take them
 *
 * They are read again when their turn comes.
 * Context: the client's thread. Return: whether there were any
 */
bool kfc_stream_dry(struct kfc_client *cl)
{
	struct kfc_out_node *n;
	bool did = false;

	list_for_each_entry(n, &cl->out.nodes, list) {
		struct kfc_op *op = op_of(n);

		if (!n->ready || n->more != sent || !op->rd.nr_pages)
			continue;
		kfc_out_unready(&cl->out, n);
		if (sent_of(op) < op->st.done - op->st.from) {
			begin_behind(op);
			wait_for_part(op);
		} else {
			leave_text(op);
			kfc_out_ready(&cl->out, n);
		}
		did = true;
	}
	return did;
}

/**
 * kfc_stream_tight() - are half of the pages for reads in use?
 * @c: the cache
 *
 * Then kfc_stream_blocked() is to be called often for those who take nothing.
 * Any context.
 */
bool kfc_stream_tight(const struct kfc_cache *c)
{
	return atomic_read(&c->read_pages) > READ_ONCE(c->max_read_pages) / 2;
}

/**
 * kfc_stream_blocked() - a client takes nothing just now
 * @cl: the client
 *
 * It does not keep others from reading.
 * Context: the client's thread.
 */
void kfc_stream_blocked(struct kfc_client *cl)
{
	if (kfc_reads_short(cl->cache))
		kfc_stream_dry(cl);
}

/**
 * kfc_stream_drop() - the client goes: what waits for a part is freed
 * @cl: the client; its answers were dropped
 *
 * Context: the client's thread.
 */
void kfc_stream_drop(struct kfc_client *cl)
{
	struct kfc_op *op, *next;

	list_for_each_entry_safe(op, next, &cl->dry, list) {
		list_del_init(&op->list);
		kfc_op_leave(op);
	}
}
