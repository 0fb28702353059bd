// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The device reads of all commands: begun, ended, given up on.
 */
#include <linux/jiffies.h>
#include <linux/slab.h>

#include "op.h"

/**
 * kfc_op_put() - drop a reference to an operation
 * @op: the operation; the last one frees it
 *
 * Context: the client's thread.
 */
void kfc_op_put(struct kfc_op *op)
{
	if (--op->refs)
		return;
	kfc_stream_empty(op);
	kmem_cache_free(op->ev.client->cache->op_cache, op);
}

/* A client has at most this part of what the shared answers leave. */
#define ANSWERS_PART 4

/* Answers that all clients together may have queued, before each gets but few. */
static u32 shared_answers(const struct kfc_config *cfg)
{
	return 2 * READ_ONCE(cfg->io_depth);
}

/**
 * kfc_cmd_full() - has a client so many answers queued that it is to wait?
 * @cl: the client
 *
 * Each of them has an operation, however short it is. Its own, when they are
 * sent, make room for more. Beyond a few it may have a part of what is left, so
 * that those who do not read leave something to others, however many they are.
 *
 * Context: the client's thread.
 */
bool kfc_cmd_full(const struct kfc_client *cl)
{
	const struct kfc_cache *c = cl->cache;
	int left, more = (int)cl->answers - KFC_CLIENT_ANSWERS;

	/* What all share is not looked at for each command. */
	if (more < 0)
		return false;
	left = shared_answers(&c->cfg) - atomic_read(&c->answers);
	return more * ANSWERS_PART >= left;
}

/**
 * kfc_cmd_bound() - the most memory that operations take
 * @cfg: the parameters
 * @own: those that clients have whatever others do: KFC_CLIENT_ANSWERS each, or
 *	more where they do not ask kfc_cmd_full(), and the one of a command that
 *	waits
 *
 * Further ones are shared, one for each thread that asked just before another;
 * and those of reads in flight whose answer was given up.
 *
 * Context: any. Return: bytes
 */
u64 kfc_cmd_bound(const struct kfc_config *cfg, u64 own)
{
	return (own + shared_answers(cfg) + cfg->threads +
		READ_ONCE(cfg->io_depth)) * sizeof(struct kfc_op);
}

/**
 * kfc_op_queue() - give an operation its place among the client's answers
 * @op: the operation; one of its references is the answer's
 *
 * Context: the client's thread.
 */
void kfc_op_queue(struct kfc_op *op)
{
	struct kfc_client *cl = op->ev.client;

	cl->answers++;
	atomic_inc(&cl->cache->answers);
	kfc_out_add(&cl->out, &op->node);
}

/**
 * kfc_op_leave() - an operation is no answer any more
 * @op: the operation; its place is gone, and with it a reference
 *
 * Context: the client's thread.
 */
void kfc_op_leave(struct kfc_op *op)
{
	struct kfc_client *cl = op->ev.client;

	cl->answers--;
	atomic_dec(&cl->cache->answers);
	kfc_op_put(op);
}

static void op_release(struct kfc_out_node *n)
{
	kfc_op_leave(container_of(n, struct kfc_op, node));
}

/**
 * kfc_op_charge() - count an operation's pages for its client
 * @op: the operation
 * @pages: how many it has now
 *
 * Context: the client's thread.
 */
void kfc_op_charge(struct kfc_op *op, u32 pages)
{
	op->ev.client->reading += pages - op->charged;
	op->charged = pages;
}

/**
 * kfc_op_answered() - the answer of a get, or a part of it, is known
 * @op: the operation; where the client has gone, its answer's reference
 *
 * Context: the client's thread.
 */
void kfc_op_answered(struct kfc_op *op)
{
	if (list_empty(&op->node.list))
		kfc_op_leave(op);
	else
		kfc_out_ready(&op->ev.client->out, &op->node);
}

/* What a waiting command asked for is there: it is run again. */
static void hold(struct kfc_op *op)
{
	struct kfc_client *cl = op->ev.client;

	if (op->abandoned)
		return;
	cl->waiting = NULL;
	if (cl->closed)
		return;
	op->refs++;
	cl->held = op;
}

static void modify_done(struct kfc_op *op)
{
	struct kfc_cache *c = op->ev.client->cache;

	kfc_read_finish(c, &op->lk, &op->rd);
	if (op->lk.order) {
		kfc_count(c, ext_objects_read);
		kfc_count_add(c, ext_bytes_read, op->lk.rec.vlen);
	}
	hold(op);
}

/* A slab must not wait for a client that takes its time: it is let go. */
static void dump_done(struct kfc_op *op)
{
	struct kfc_cache *c = op->ev.client->cache;

	kfc_read_ended(c, &op->rd);
	kfc_read_unpin(c, &op->rd);
	hold(op);
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
	if (op->dump)
		dump_done(op);
	else if (op->modify)
		modify_done(op);
	else if (op->part)
		kfc_stream_done(op);
	else
		kfc_get_done(op);
	kfc_op_put(op);
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

static struct kfc_op *op_alloc(struct kfc_client *cl)
{
	struct kfc_op *op;

	op = kmem_cache_alloc(cl->cache->op_cache, GFP_NOWAIT | __GFP_NOWARN);
	if (!op)
		return NULL;
	memset(op, 0, offsetof(struct kfc_op, key));
	op->ev.client = cl;
	op->ev.fn = op_event;
	op->rd.io.done = op_io_done;
	op->rd.kept = cl->kept;
	op->bv = op->inline_bv;
	INIT_LIST_HEAD(&op->list);
	INIT_LIST_HEAD(&op->node.list);
	return op;
}

static void op_look(struct kfc_op *op, const struct kfc_lookup *lk)
{
	op->lk = *lk;
	memcpy(op->key, lk->key.p, lk->key.len);
	op->lk.key.p = op->key;
}

static void op_request(struct kfc_op *op, const struct mp_req *get)
{
	memcpy(&op->req, get, offsetof(struct mp_req, key_buf));
	op->req.key = op->key;
	op->node.release = op_release;
}

/* The operation's read is prepared: it is one of the client's from now on. */
static void op_add(struct kfc_client *cl, struct kfc_op *op)
{
	u32 most = READ_ONCE(cl->cache->cfg.read_timeout_ms);

	op->refs++;
	op->deadline = jiffies + msecs_to_jiffies(most);
	list_move_tail(&op->list, &cl->ops);
	cl->inflight++;
	kfc_op_charge(op, op->rd.nr_pages);
}

/**
 * kfc_op_answer() - an answer without a read
 * @cl: the client
 * @req: the get, copied
 * @lk: the lookup; its key is copied
 *
 * Context: the client's thread. Return: with one reference, or NULL
 */
struct kfc_op *kfc_op_answer(struct kfc_client *cl, const struct mp_req *req,
			     const struct kfc_lookup *lk)
{
	struct kfc_op *op = op_alloc(cl);

	if (!op)
		return NULL;
	op_look(op, lk);
	op_request(op, req);
	op->refs = 1;
	return op;
}

/**
 * kfc_op_held_answer() - make what was read for a command its answer, too
 * @cl: the client; kfc_op_held() said true
 * @req: the request, copied
 *
 * Its pages stay until they are sent, and are counted as a get's.
 * Context: the client's thread. Return: with a reference more
 */
struct kfc_op *kfc_op_held_answer(struct kfc_client *cl,
				  const struct mp_req *req)
{
	struct kfc_op *op = cl->held;

	op->modify = false;
	op_request(op, req);
	op->refs++;
	return op;
}

/**
 * kfc_op_part() - read a part of a value
 * @op: the answer; it has no pages
 * @s: the slab, pinned; on success the pin is the read's, until it ends
 * @page: first page, counted from the slab's
 * @nr: how many
 *
 * Context: the client's thread; as kfc_read_start(). Return: as kfc_op_start()
 */
int kfc_op_part(struct kfc_op *op, struct kfc_slab *s, u32 page, u32 nr)
{
	struct kfc_cache *c = op->ev.client->cache;
	int err;

	if (device_hangs(c))
		return -ETIMEDOUT;
	err = kfc_read_pages(c, s, page, nr, &op->rd);
	if (err)
		return err;
	op->part = true;
	op_add(op->ev.client, op);
	kfc_read_start(c, &op->rd);
	return 0;
}

/**
 * kfc_op_start() - read what a lookup found on the device
 * @cl: the client
 * @lk: the lookup; its key is copied
 * @get: the get whose answer it is, copied; it gets its place in @cl->out now.
 *	NULL for a command that waits for it
 *
 * Context: the client's thread; as kfc_read_start().
 * Return: 0, or what kfc_read_prepare() says, or -ETIMEDOUT where a read
 * would only wait for a device that does not answer
 */
int kfc_op_start(struct kfc_client *cl, const struct kfc_lookup *lk,
		 const struct mp_req *get)
{
	struct kfc_cache *c = cl->cache;
	struct kfc_op *op;
	int err;

	if (device_hangs(c))
		return -ETIMEDOUT;
	if (cl->inflight - cl->overdue >= KFC_CLIENT_READS)
		return -EBUSY;
	op = op_alloc(cl);
	if (!op)
		return -ENOMEM;
	op_look(op, lk);
	err = kfc_read_prepare(c, &op->lk, get ? kfc_client_window(cl) :
			       U32_MAX, &op->rd);
	if (err) {
		kmem_cache_free(c->op_cache, op);
		return err;
	}
	op->modify = !get;
	op_add(cl, op);
	if (get) {
		op_request(op, get);
		op->refs++;
		kfc_op_queue(op);
	} else {
		cl->waiting = op;
		kfc_count(c, rmw_reads);
	}
	kfc_read_start(c, &op->rd);
	return 0;
}

/**
 * kfc_op_read() - read pages of a slab; the client waits for them
 * @cl: the client; @cl->held is what was read when its command is run again,
 *	NULL where that took too long
 * @s: the slab, pinned; on success the pin is the read's, until it ends
 * @page: first page, counted from the slab's
 * @nr: how many
 *
 * Context: the client's thread; as kfc_read_start(). Return: as kfc_op_start()
 */
int kfc_op_read(struct kfc_client *cl, struct kfc_slab *s, u32 page, u32 nr)
{
	struct kfc_cache *c = cl->cache;
	struct kfc_op *op;
	int err;

	if (device_hangs(c))
		return -ETIMEDOUT;
	op = op_alloc(cl);
	if (!op)
		return -ENOMEM;
	err = kfc_read_pages(c, s, page, nr, &op->rd);
	if (err) {
		kmem_cache_free(c->op_cache, op);
		return err;
	}
	op->modify = true;
	op->dump = true;
	op_add(cl, op);
	cl->waiting = op;
	kfc_count(c, dump_reads);
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
 * pinned are filled in and hold until kfc_op_unhold(). False where it was not:
 * what was read is let go
 */
bool kfc_op_held(struct kfc_client *cl, struct kfc_lookup *lk)
{
	struct kfc_op *op = cl->held;

	if (!op)
		return false;
	if (!kfc_slot_same(op->lk.slot, lk->slot)) {
		kfc_op_unhold(cl);
		return false;
	}
	lk->order = op->lk.order;
	lk->rec = op->lk.rec;
	lk->pinned = true;
	lk->dead = lk->order &&
		   kfc_store_dead(cl->cache, lk->order, lk->rec.exptime);
	return true;
}

/**
 * kfc_cmd_pins() - does a command that is to be run again pin a slab?
 * @cl: the client
 *
 * The slab has to wait for the command, however many answers wait for its client.
 * A dump lets go of what it reads from. Context: the client's thread.
 */
bool kfc_cmd_pins(const struct kfc_client *cl)
{
	return cl->held && cl->held->rd.slab;
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
	kfc_op_put(op);
}

static void abandon(struct kfc_client *cl, struct kfc_op *op)
{
	struct kfc_cache *c = cl->cache;

	op->abandoned = true;
	/* The client is done with it, and may go on reading. */
	kfc_op_charge(op, 0);
	cl->overdue++;
	atomic_inc(&c->overdue);
	kfc_count(c, read_timeouts);
	if (op->part) {
		kfc_stream_cut(op);
		return;
	}
	if (!op->modify) {
		kfc_get_abandon(op);
		return;
	}
	/* The command goes on as after a miss: so it has to be one. */
	if (!op->dump && !kfc_store_remove(c, &op->lk))
		kfc_count(c, ev_device);
	cl->waiting = NULL;
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
