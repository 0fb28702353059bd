// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Dumps: lru_crawler metadump and stats cachedump.
 *
 * A dump goes on a piece at a time, each time that the connection's answers
 * leave room for more and its turn comes; in between it holds neither a lock
 * nor a slab. A client that takes nothing gets nothing, and one that is gone
 * takes its dump along. How much a dump may look at in KFC_DUMP_MS bounds what
 * it takes from the others.
 */
#include <linux/jiffies.h>
#include <linux/slab.h>

#include "op.h"
#include "walk.h"

/* memcached's words. */
#define MC_NOT_ALLOWED	"ERROR metadump not allowed\r\n"
#define MC_NO_CACHEDUMP	"CLIENT_ERROR stats cachedump not allowed\r\n"
#define MC_BUSY		"BUSY currently processing crawler request\r\n"
#define MC_BAD_CLASS	"BADCLASS invalid class id\r\n"
#define MC_NO_ITEMS	"NOTSTARTED no items to crawl\r\n"
#define MC_UNKNOWN	"ERROR an unknown error happened\r\n"
#define MC_NO_STATS	"SERVER_ERROR out of memory writing stats\r\n"
/* Its longest answer to a cachedump, END and a NUL included. */
#define MC_CACHEDUMP	(2U << 20)

/* What a dump may look at in so much time: records, and pages at their price. */
#define KFC_DUMP_MS	10
#define KFC_DUMP_UNITS	2000
#define KFC_DUMP_PAGE	16
/* What it does at a time: bytes of answers, and units. */
#define KFC_DUMP_BYTES	4096
#define KFC_DUMP_STEPS	128

/* Dumps that may be under way at once, one of a kind. */
enum kfc_dump_kind {
	KFC_METADUMP,
	KFC_CACHEDUMP,
};

/**
 * struct kfc_dump - a dump under way
 * @walk: where it is
 * @obj: the object that is next
 * @kind: which of the two
 * @reading: it asked for pages
 * @lines: most lines that are to come
 * @room: most bytes that are to come
 * @since: jiffies when the present KFC_DUMP_MS began
 * @spent: units of KFC_DUMP_UNITS used since
 *
 * All fields belong to the thread that owns the client.
 */
struct kfc_dump {
	struct kfc_walk walk;
	struct kfc_object obj;
	enum kfc_dump_kind kind;
	bool reading;
	u64 lines;
	u64 room;
	unsigned long since;
	u32 spent;
};

/* What kfc_cache_bound() takes it for. */
static_assert(sizeof(struct kfc_dump) <= KFC_PAGE);

/**
 * kfc_dump_drop() - end a client's dump, if there is one
 * @cl: the client
 *
 * Context: the client's thread.
 */
void kfc_dump_drop(struct kfc_client *cl)
{
	struct kfc_dump *d = cl->dump;

	if (!d)
		return;
	cl->dump = NULL;
	/* Pairs with the cmpxchg() of the next one. */
	smp_store_release(&cl->cache->dumping[d->kind], false);
	kfree(d);
}

static enum kfc_cmd_ret refuse(struct kfc_client *cl, const struct mp_req *req,
			       const char *line)
{
	kfc_say(cl, req, line);
	return KFC_CMD_DONE;
}

/* Return: KFC_CMD_MORE with a dump, else KFC_CMD_BUSY or KFC_CMD_DONE. */
static enum kfc_cmd_ret begin(struct kfc_client *cl, const struct mp_req *req,
			      enum kfc_dump_kind kind)
{
	struct kfc_cache *c = cl->cache;
	u32 ms = READ_ONCE(c->cfg.set_wait_ms);
	struct kfc_dump *d;

	/* Else a dump lacked what it brings. As in kfc_restart_ready(). */
	if (smp_load_acquire(&c->loading))
		return KFC_CMD_BUSY;
	if (cmpxchg(&c->dumping[kind], false, true)) {
		if (kind == KFC_METADUMP)
			return refuse(cl, req, MC_BUSY);
		if (kfc_busy(cl, ms) == KFC_CMD_BUSY)
			return KFC_CMD_BUSY;
		return refuse(cl, req, MC_NO_STATS);
	}
	d = kzalloc(sizeof(*d), GFP_NOWAIT | __GFP_NOWARN);
	if (!d) {
		/* As in kfc_dump_drop(). */
		smp_store_release(&c->dumping[kind], false);
		if (kfc_busy(cl, ms) == KFC_CMD_BUSY)
			return KFC_CMD_BUSY;
		return refuse(cl, req, kind == KFC_METADUMP ? MC_UNKNOWN :
			      MC_NO_STATS);
	}
	d->kind = kind;
	d->lines = U64_MAX;
	d->room = U64_MAX;
	d->since = jiffies;
	kfc_walk_init(c, &d->walk);
	cl->dump = d;
	return KFC_CMD_MORE;
}

static enum kfc_cmd_ret begin_metadump(struct kfc_client *cl,
				       const struct mp_req *req)
{
	u64 classes;

	if (!READ_ONCE(cl->cache->cfg.dump_enabled))
		return refuse(cl, req, MC_NOT_ALLOWED);
	if (!mp_dump_classes(req->arg, req->arg_len, &classes))
		return refuse(cl, req, MC_BAD_CLASS);
	if (!classes)
		return refuse(cl, req, MC_NO_ITEMS);
	if (!(classes & BIT_ULL(KFC_CLASS)))
		return refuse(cl, req, MP_END);
	return begin(cl, req, KFC_METADUMP);
}

static enum kfc_cmd_ret begin_cachedump(struct kfc_client *cl,
					const struct mp_req *req)
{
	enum kfc_cmd_ret ret;
	const char *line;
	u64 limit;
	u32 cls;

	if (!READ_ONCE(cl->cache->cfg.dump_enabled))
		return refuse(cl, req, MC_NO_CACHEDUMP);
	line = mp_cachedump(req, &cls, &limit);
	if (line)
		return refuse(cl, req, line);
	if (cls != KFC_CLASS)
		return refuse(cl, req, MP_END);
	ret = begin(cl, req, KFC_CACHEDUMP);
	if (ret == KFC_CMD_MORE) {
		cl->dump->lines = limit ?: U64_MAX;
		cl->dump->room = MC_CACHEDUMP - sizeof(MP_END);
	}
	return ret;
}

/* memcached, too, leaves out keys that would break a cachedump's lines. */
static bool is_binary(const struct kfc_object *o)
{
	return o->marks & KFC_REC_BASE64 || memchr(o->key, ' ', o->klen) ||
	       memchr(o->key, '\n', o->klen) || memchr(o->key, 0, o->klen);
}

/* Return: the line's bytes, 0 where there is none, or -ENOSPC. */
static int put_line(struct kfc_client *cl, struct kfc_dump *d)
{
	const struct kfc_object *o = &d->obj;
	struct mp_dump_item it = {
		.key = o->key,
		.klen = o->klen,
		.fetched = o->fetched,
		.exptime = o->exptime,
		.time = o->time,
		.vlen = o->vlen,
		.cls = KFC_CLASS,
		.cas = o->cas,
		.size = kfc_item_size(o->klen, o->flags, o->vlen),
	};
	u32 n;
	char *p;

	static_assert(MP_METADUMP_MAX <= KFC_OUT_PIECE);
	if (d->kind == KFC_CACHEDUMP && is_binary(o))
		return 0;
	p = kfc_out_reserve(&cl->out, MP_METADUMP_MAX);
	if (!p)
		return -ENOSPC;
	if (d->kind == KFC_METADUMP)
		n = mp_put_metadump(p, &it);
	else
		n = mp_put_cachedump(p, &it);
	if (n > d->room)
		return -ENOSPC;
	kfc_out_commit(&cl->out, n);
	d->room -= n;
	d->lines--;
	return n;
}

/* Whether there is some left of what a dump may do now. */
static bool may_go_on(struct kfc_dump *d)
{
	if (d->spent < KFC_DUMP_UNITS)
		return true;
	if (time_before(jiffies, d->since + msecs_to_jiffies(KFC_DUMP_MS)))
		return false;
	d->since = jiffies;
	d->spent = 0;
	return true;
}

static enum kfc_cmd_ret read_pages(struct kfc_client *cl, struct kfc_dump *d)
{
	struct kfc_walk *w = &d->walk;
	struct kfc_slab *s;
	int err;

	s = kfc_walk_pin(cl->cache, w);
	if (!s) {
		kfc_walk_skip(cl->cache, w);
		return KFC_CMD_MORE;
	}
	err = kfc_op_read(cl, s, w->io_page, w->io_nr);
	if (!err) {
		d->reading = true;
		d->spent += w->io_nr * KFC_DUMP_PAGE;
		return KFC_CMD_WAIT;
	}
	kfc_walk_unpin(s);
	/* Its objects are misses, too, as long as it does not answer. */
	if (err == -ETIMEDOUT) {
		w->no_device = true;
		return KFC_CMD_MORE;
	}
	return KFC_CMD_BUSY;
}

/* The pages that were asked for have come, or took too long. */
static void read_ended(struct kfc_client *cl, struct kfc_dump *d)
{
	d->reading = false;
	if (!cl->held) {
		d->walk.no_device = true;
	} else if (cl->held->rd.io.err) {
		kfc_op_unhold(cl);
		kfc_walk_failed(&d->walk);
	}
}

static enum kfc_cmd_ret finish(struct kfc_client *cl, const struct mp_req *req)
{
	kfc_op_unhold(cl);
	kfc_dump_drop(cl);
	kfc_say(cl, req, MP_END);
	return KFC_CMD_DONE;
}

static enum kfc_cmd_ret go_on(struct kfc_client *cl, const struct mp_req *req)
{
	struct kfc_dump *d = cl->dump;
	int steps, bytes = 0, n;

	if (d->reading)
		read_ended(cl, d);
	for (steps = 0; steps < KFC_DUMP_STEPS; steps++) {
		if (!may_go_on(d))
			return KFC_CMD_BUSY;
		d->spent++;
		switch (kfc_walk_step(cl->cache, &d->walk,
				      cl->held ? &cl->held->rd : NULL,
				      &d->obj)) {
		case KFC_WALK_OBJECT:
			n = put_line(cl, d);
			if (n < 0 || !d->lines)
				return finish(cl, req);
			bytes += n;
			if (bytes >= KFC_DUMP_BYTES)
				return KFC_CMD_MORE;
			break;
		case KFC_WALK_ON:
			break;
		case KFC_WALK_PAGES_NEEDED:
			kfc_op_unhold(cl);
			return read_pages(cl, d);
		case KFC_WALK_END:
			return finish(cl, req);
		}
	}
	return KFC_CMD_MORE;
}

/**
 * kfc_run_dump() - begin with a dump, or go on with it
 * @cl: the client
 * @req: the request: MP_METADUMP, or MP_STATS that is mp_is_cachedump()
 *
 * Context: the client's thread. Return: as kfc_cmd_run()
 */
enum kfc_cmd_ret kfc_run_dump(struct kfc_client *cl, const struct mp_req *req)
{
	enum kfc_cmd_ret ret;

	if (!cl->dump) {
		ret = req->op == MP_METADUMP ? begin_metadump(cl, req) :
		      begin_cachedump(cl, req);
		if (ret != KFC_CMD_MORE)
			return ret;
	}
	return go_on(cl, req);
}
