// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * One connection: bytes in, commands run, answers out, a turn at a time.
 *
 * Bytes are received into the worker's scratch buffer and parsed there. What
 * a turn leaves unparsed (the start of a line, commands that have to wait) moves
 * to a buffer of the connection's own; an idle connection has none.
 *
 * A command that cannot run yet is not remembered: the parser and the position
 * go back to its start, and it is parsed and run again. Only a value that did
 * not arrive whole leaves the buffer, into pages of its own (upload.c).
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/jiffies.h>
#include <linux/net.h>
#include <linux/slab.h>
#include <linux/tcp.h>
#include <net/sock.h>
#include <net/tcp_states.h>

#include "compat.h"
#include "conn.h"
#include "kfc.h"
#include "worker.h"

enum kfc_step {
	KFC_STEP_ON,		/* another step */
	KFC_STEP_FILL,		/* another step, with more bytes */
	KFC_STEP_REST,		/* the turn is over, see enum kfc_turn */
	KFC_STEP_FULL,		/* ... until answers are out */
	KFC_STEP_YIELD,
	KFC_STEP_STARVED,
	KFC_STEP_CLOSE,
};

/* What is left of a turn. */
struct kfc_budget {
	int cmds;
	int bytes;
};

static struct kfc_worker *kfc_conn_worker(struct kfc_net *net)
{
	struct kfc_worker *w, *best = NULL;
	unsigned int i;

	spin_lock(&net->accept_lock);
	for (i = 0; i < net->nr_workers; i++) {
		w = net->workers[(net->next + i) % net->nr_workers];
		if (!best || atomic_read(&w->nr_conns) <
			     atomic_read(&best->nr_conns))
			best = w;
	}
	net->next = (net->next + 1) % net->nr_workers;
	atomic_inc(&best->nr_conns);
	spin_unlock(&net->accept_lock);
	return best;
}

/**
 * kfc_conn_open() - make a connection of an accepted socket
 * @net: whose; the caller has counted it in net->conns
 * @sock: the socket; on success it is the connection's
 * @data_ready: what the socket's callback was before the listener had its own:
 *	an accepted socket inherits the listener's
 *
 * The connection goes to the worker that has fewest, and gets a first turn
 * there: bytes may have come before the callbacks were set.
 *
 * Context: may sleep.
 * Return: 0 or -ENOMEM.
 */
int kfc_conn_open(struct kfc_net *net, struct socket *sock,
		  void (*data_ready)(struct sock *sk))
{
	struct sock *sk = sock->sk;
	struct kfc_conn *c;

	/* Not zalloc, which does not go with the cache's constructor. */
	c = kmem_cache_alloc(net->conn_cache, GFP_KERNEL);
	if (!c)
		return -ENOMEM;
	memset(c, 0, sizeof(*c));
	c->sock = sock;
	c->data_ready = data_ready;
	c->last = jiffies;
	c->took = jiffies;
	if (xa_alloc_cyclic(&net->by_id, &c->id, c, KFC_CONN_IDS,
			    &net->next_id, GFP_KERNEL) < 0) {
		kmem_cache_free(net->conn_cache, c);
		return -ENOMEM;
	}
	c->worker = kfc_conn_worker(net);
	INIT_LIST_HEAD(&c->all);
	INIT_LIST_HEAD(&c->run);
	INIT_LIST_HEAD(&c->fly);
	INIT_LIST_HEAD(&c->upwait);
	mp_parser_init(&c->parser, net->cache->cfg.item_max);
	c->parser.meta = true;
	c->parser.binary = true;
	kfc_client_init(&c->client, net->cache);
	c->parser.auth = !c->client.authed;
	c->client.post = kfc_worker_post;
	c->client.out.pool = &c->worker->pool;
	c->client.kept = &c->worker->kept;

	if (sk->sk_family != AF_UNIX) {
		tcp_sock_set_nodelay(sk);
		sock_set_keepalive(sk);
		/* Its buffer may grow to MiB; this is all of it that is not under way. */
		WRITE_ONCE(tcp_sk(sk)->notsent_lowat, KFC_UNSENT_MAX);
	}
	kfc_sk_no_task_frag(sk);
	sk->sk_allocation = GFP_NOWAIT | __GFP_NOWARN;

	kfc_count(net->cache, total_connections);
	/*
	 * The worker may close and free what it was given: so that no callback
	 * does that first, it counts as scheduled before there is any.
	 */
	__set_bit(KFC_CONN_SCHEDULED, &c->flags);
	kfc_conn_hook(c);
	/* From here on it is the worker's. */
	kfc_conn_push(c);
	return 0;
}

/* Between two turns: what is not consumed moves out of the scratch buffer. */
static bool kfc_in_close(struct kfc_conn *c)
{
	struct kfc_worker *w = c->worker;
	u32 left = c->rlen - c->rpos;
	u8 *buf = NULL;

	if (c->state == KFC_CONN_DRAIN)
		left = 0;
	if (c->rcap && left)
		return true;
	if (c->rcap) {
		kfree(c->rbuf);
		WRITE_ONCE(w->rbytes, w->rbytes - c->rcap);
		c->rcap = 0;
	} else if (left) {
		buf = kfc_worker_rbuf(w, left, &c->rcap);
		if (buf) {
			memcpy(buf, c->rbuf + c->rpos, left);
			WRITE_ONCE(w->rbytes, w->rbytes + c->rcap);
		}
	}
	c->rbuf = buf;
	c->rpos = 0;
	c->rlen = buf ? left : 0;
	return buf || !left;
}

static void kfc_in_open(struct kfc_conn *c)
{
	if (c->rbuf)
		return;
	c->rbuf = c->worker->scratch;
	c->rpos = 0;
	c->rlen = 0;
}

/* The peer sends no more, or is not to: answer what came, then close. */
static enum kfc_step kfc_conn_drain(struct kfc_conn *c)
{
	kfc_upload_unwait(c);
	WRITE_ONCE(c->state, KFC_CONN_DRAIN);
	WRITE_ONCE(c->last, jiffies);
	return KFC_STEP_REST;
}

/**
 * kfc_conn_drained() - whether there is nothing more to receive
 * @c: the connection
 * @less: the last receive brought less than it could have
 *
 * What comes from now on is announced by a callback. But a receive also ends where
 * descriptors were passed (AF_UNIX) or at urgent data (TCP), whatever lies behind;
 * and of the end of the stream, whose callback may have been before, one that
 * brings bytes tells nothing.
 *
 * Context: the owner.
 * Return: whether to wait for a callback.
 */
bool kfc_conn_drained(const struct kfc_conn *c, bool less)
{
	const struct sock *sk = c->sock->sk;

	if (!skb_queue_empty_lockless(&sk->sk_receive_queue))
		return false;
	return less && !(READ_ONCE(sk->sk_shutdown) & RCV_SHUTDOWN);
}

static void kfc_conn_received(struct kfc_conn *c, struct kfc_budget *b, int n)
{
	b->bytes -= n;
	WRITE_ONCE(c->last, jiffies);
	kfc_count_add(c->client.cache, bytes_read, n);
}

/* Receive behind the bytes that are there; they move to the scratch buffer. */
static enum kfc_step kfc_in_fill(struct kfc_conn *c, struct kfc_budget *b)
{
	struct msghdr msg = { };
	u32 left = c->rlen - c->rpos;
	u8 *scratch = c->worker->scratch;
	struct kvec kv;
	int ret;

	if (c->drained)
		return KFC_STEP_REST;
	/* The parser leaves MP_LINE_MAX at most, waiting values fit. */
	if (left >= KFC_RBUF)
		return KFC_STEP_CLOSE;

	memmove(scratch, c->rbuf + c->rpos, left);
	c->rpos = c->rlen;
	kfc_in_close(c);
	c->rbuf = scratch;
	c->rpos = 0;
	c->rlen = left;

	kv.iov_base = scratch + left;
	kv.iov_len = KFC_RBUF - left;
	ret = kernel_recvmsg(c->sock, &msg, &kv, 1, kv.iov_len, MSG_DONTWAIT);
	if (ret == -EAGAIN) {
		c->drained = true;
		return left ? KFC_STEP_ON : KFC_STEP_REST;
	}
	if (ret < 0)
		return KFC_STEP_CLOSE;
	if (!ret)
		return kfc_conn_drain(c);
	kfc_conn_received(c, b, ret);
	c->rlen += ret;
	c->drained = kfc_conn_drained(c, c->rlen < KFC_RBUF);
	return KFC_STEP_ON;
}

/* A value that will not be taken: say so, throw away what comes of it. */
static enum kfc_step kfc_conn_refuse(struct kfc_conn *c,
				     const struct mp_req *req, u64 swallow)
{
	kfc_count(c->client.cache, store_no_memory);
	/* As memcached: better no value than the old one. */
	if (req->drop_old)
		kfc_cmd_drop_key(&c->client, req->key, req->klen);
	kfc_cmd_no_memory(&c->client, req);
	c->nomem = 0;
	c->swallow = swallow;
	WRITE_ONCE(c->state, KFC_CONN_SWALLOW);
	return KFC_STEP_ON;
}

/* No memory for a value: worth another try, for as long as a set may wait? */
static bool kfc_conn_nomem(struct kfc_conn *c)
{
	u32 ms = READ_ONCE(c->client.cache->cfg.set_wait_ms);

	if (!c->nomem)
		c->nomem = jiffies | 1;
	return time_before(jiffies, c->nomem + msecs_to_jiffies(ms));
}

static void kfc_conn_bad_chunk(struct kfc_conn *c, const struct mp_req *req)
{
	/* memcached counts it, too. */
	kfc_count(c->client.cache, cmd_set);
	if (!req->noreply)
		kfc_out_copy(&c->client.out, MP_BAD_CHUNK,
			     sizeof(MP_BAD_CHUNK) - 1);
}

/* Begin with a value that is not all there; the line is @used bytes. */
static enum kfc_step kfc_conn_upload(struct kfc_conn *c,
				     const struct mp_req *req, u32 used,
				     const struct mp_parser *before)
{
	u32 left = c->rlen - c->rpos - used;
	u64 need = (u64)req->vlen + mp_value_tail(req);
	int ret;

	ret = kfc_upload_begin(c, req);
	if (ret == -EAGAIN) {
		c->parser = *before;
		return KFC_STEP_REST;
	}
	if (!ret)
		ret = kfc_upload_fill(c, c->rbuf + c->rpos + used, left);
	if (!ret) {
		c->nomem = 0;
		c->rpos = c->rlen;
		WRITE_ONCE(c->state, KFC_CONN_VALUE);
		return KFC_STEP_ON;
	}
	kfc_upload_end(c);
	if (ret == -ENOMEM && kfc_conn_nomem(c)) {
		c->parser = *before;
		return KFC_STEP_STARVED;
	}
	c->rpos += used;
	return kfc_conn_refuse(c, req, need);
}

/* A request whose line is @used bytes at c->rpos. */
static enum kfc_step kfc_conn_request(struct kfc_conn *c, struct mp_req *req,
				      u32 used, const struct mp_parser *before)
{
	u32 avail = c->rlen - c->rpos - used;
	struct kfc_value val = { };
	enum kfc_cmd_ret ret;
	bool has_value = mp_has_value(req);

	if (has_value && kfc_cmd_too_large(&c->client, req)) {
		c->rpos += used;
		c->swallow = (u64)req->vlen + mp_value_tail(req);
		WRITE_ONCE(c->state, KFC_CONN_SWALLOW);
		return KFC_STEP_ON;
	}
	if (has_value) {
		u64 need = (u64)req->vlen + mp_value_tail(req);

		if (avail < need && !c->drained && used + need <= KFC_RBUF) {
			c->parser = *before;
			return KFC_STEP_FILL;
		}
		if (avail < need)
			return kfc_conn_upload(c, req, used, before);
		kfc_upload_unwait(c);
		c->nomem = 0;
		val.len = req->vlen;
		val.flat = c->rbuf + c->rpos + used;
		used += need;
		if (mp_value_tail(req) &&
		    memcmp(val.flat + val.len, "\r\n", 2)) {
			c->rpos += used;
			kfc_conn_bad_chunk(c, req);
			return KFC_STEP_ON;
		}
	}
	ret = kfc_cmd_run(&c->client, req, has_value ? &val : NULL);
	switch (ret) {
	case KFC_CMD_DONE:
		c->parser.authed = c->client.authed;
		c->rpos += used;
		return KFC_STEP_ON;
	case KFC_CMD_WAIT:
	case KFC_CMD_MORE:
		c->parser = *before;
		return KFC_STEP_ON;
	case KFC_CMD_BUSY:
		c->parser = *before;
		return KFC_STEP_STARVED;
	case KFC_CMD_CLOSE:
		break;
	}
	return kfc_conn_drain(c);
}

static enum kfc_step kfc_conn_error(struct kfc_conn *c,
				    const struct mp_req *req,
				    const struct mp_err *err)
{
	if (err->drop_key)
		kfc_cmd_drop_key(&c->client, req->key, req->klen);
	kfc_cmd_error(&c->client, req, err);
	if (err->close)
		return kfc_conn_drain(c);
	if (err->swallow) {
		c->swallow = err->swallow;
		WRITE_ONCE(c->state, KFC_CONN_SWALLOW);
	}
	return KFC_STEP_ON;
}

static enum kfc_step kfc_conn_command(struct kfc_conn *c, struct kfc_budget *b)
{
	struct mp_parser before = c->parser;
	enum kfc_step step;
	enum mp_status st;
	struct mp_req req;
	struct mp_err err;
	size_t used;

	if (c->rpos == c->rlen)
		return kfc_in_fill(c, b);
	c->parser.no_flush = !READ_ONCE(c->client.cache->cfg.flush_enabled);
	st = mp_parse(&c->parser, c->rbuf + c->rpos, c->rlen - c->rpos, &used,
		      &req, &err);
	switch (st) {
	case MP_REQ:
		b->cmds--;
		/* It may walk all slabs, and others wait. */
		if (req.op == MP_STATS)
			b->cmds = 0;
		step = kfc_conn_request(c, &req, used, &before);
		return step == KFC_STEP_FILL ? kfc_in_fill(c, b) : step;
	case MP_ERR:
		b->cmds--;
		c->rpos += used;
		return kfc_conn_error(c, &req, &err);
	case MP_MORE:
		c->rpos += used;
		break;
	}
	return kfc_in_fill(c, b);
}

static enum kfc_step kfc_conn_store(struct kfc_conn *c)
{
	struct kfc_upload *up = c->up;
	struct kfc_value val = {
		.len = up->req.vlen,
		.pages = up->pages,
	};

	if (mp_value_tail(&up->req) && !kfc_upload_crlf(up)) {
		kfc_conn_bad_chunk(c, &up->req);
		goto done;
	}
	if (val.len <= PAGE_SIZE)
		val.flat = page_address(up->pages[0]);
	switch (kfc_cmd_run(&c->client, &up->req, &val)) {
	case KFC_CMD_WAIT:
	case KFC_CMD_MORE:
		return KFC_STEP_ON;
	case KFC_CMD_BUSY:
		return KFC_STEP_STARVED;
	case KFC_CMD_CLOSE:
		kfc_upload_end(c);
		return kfc_conn_drain(c);
	case KFC_CMD_DONE:
		break;
	}
done:
	kfc_upload_end(c);
	WRITE_ONCE(c->state, KFC_CONN_COMMAND);
	return KFC_STEP_ON;
}

static enum kfc_step kfc_conn_value(struct kfc_conn *c, struct kfc_budget *b)
{
	struct kfc_upload *up = c->up;
	int ret;

	if (up->got < up->need) {
		if (c->drained)
			return KFC_STEP_REST;
		ret = kfc_upload_recv(c, b->bytes);
		if (ret == -EAGAIN) {
			c->drained = true;
			return KFC_STEP_REST;
		}
		if (ret == -ENOMEM) {
			u32 left = up->need - up->got;

			if (kfc_conn_nomem(c))
				return KFC_STEP_STARVED;
			kfc_conn_refuse(c, &up->req, left);
			kfc_upload_end(c);
			return KFC_STEP_ON;
		}
		if (ret < 0)
			return KFC_STEP_CLOSE;
		if (!ret) {
			kfc_upload_end(c);
			return kfc_conn_drain(c);
		}
		c->nomem = 0;
		kfc_conn_received(c, b, ret);
		return KFC_STEP_ON;
	}
	b->cmds--;
	return kfc_conn_store(c);
}

static enum kfc_step kfc_conn_swallow(struct kfc_conn *c, struct kfc_budget *b)
{
	u32 part = min_t(u64, c->swallow, c->rlen - c->rpos);

	c->rpos += part;
	c->swallow -= part;
	if (!c->swallow) {
		WRITE_ONCE(c->state, KFC_CONN_COMMAND);
		return KFC_STEP_ON;
	}
	return kfc_in_fill(c, b);
}

/* So much is queued that no more commands are run. */
static bool kfc_conn_full(const struct kfc_conn *c)
{
	const struct kfc_out *o = &c->client.out;

	return o->bytes >= KFC_OUT_BYTES_MAX || o->mem >= KFC_OUT_MEM_MAX ||
	       o->nodes_nr >= KFC_OUT_NODES_MAX ||
	       kfc_cmd_full(&c->client) ||
	       c->client.reading >= KFC_OUT_READ_PAGES;
}

/*
 * Does it keep what others wait for, a slab or a part of the upload budget? Its
 * command goes on though no answer can be sent: there will be one more.
 */
static bool kfc_conn_keeps(const struct kfc_conn *c)
{
	return kfc_cmd_pins(&c->client) ||
	       (c->state == KFC_CONN_VALUE && c->up->got == c->up->need);
}

/* Return: 0, -EAGAIN or an error that ends the connection. */
static int kfc_conn_send(struct kfc_conn *c)
{
	int ret, more = 0;
	u64 sent = 0;

	c->unfed = false;
	/* What follows a gap would be taken for what is missing. */
	if (c->client.out.failed)
		return -EPIPE;
	if (list_empty(&c->client.out.nodes))
		return 0;
	do {
		ret = kfc_out_send(&c->client.out, c->sock, &sent);
		if (!ret)
			more = kfc_stream_next(&c->client);
	} while (!ret && more > 0);
	c->unfed = !ret && more < 0;
	if (sent) {
		WRITE_ONCE(c->last, jiffies);
		kfc_count_add(c->client.cache, bytes_written, sent);
	}
	/* What AF_UNIX says without memory; it took nothing then. */
	c->nosend = ret == -ENOBUFS || ret == -ENOMEM;
	if (c->nosend)
		ret = -EAGAIN;
	c->blocked = ret == -EAGAIN;
	return ret;
}

static enum kfc_step kfc_conn_step(struct kfc_conn *c, struct kfc_budget *b)
{
	int ret;

	if (c->client.out.failed)
		return KFC_STEP_CLOSE;
	if (c->client.waiting)
		return KFC_STEP_REST;
	if (kfc_conn_full(c) && !kfc_conn_keeps(c)) {
		ret = kfc_conn_send(c);
		if (ret && ret != -EAGAIN)
			return KFC_STEP_CLOSE;
		if (kfc_conn_full(c)) {
			/* Whoever does not read holds up nobody in line. */
			kfc_upload_unwait(c);
			return KFC_STEP_FULL;
		}
	}
	if (b->cmds <= 0 || b->bytes <= 0)
		return KFC_STEP_YIELD;

	switch (c->state) {
	case KFC_CONN_COMMAND:
		return kfc_conn_command(c, b);
	case KFC_CONN_VALUE:
		return kfc_conn_value(c, b);
	case KFC_CONN_SWALLOW:
		return kfc_conn_swallow(c, b);
	case KFC_CONN_DRAIN:
	case KFC_CONN_CLOSED:
		break;
	}
	return KFC_STEP_REST;
}

/* The socket takes no more: who tells when it does? */
static enum kfc_turn kfc_conn_blocked(struct kfc_conn *c)
{
	struct sock *sk = c->sock->sk;

	if (c->nosend)
		return KFC_TURN_STARVED;
	if (sk->sk_family != AF_UNIX)
		/* Is anything in flight whose acknowledgment will wake us? */
		return READ_ONCE(sk->sk_wmem_queued) ? KFC_TURN_REST :
						       KFC_TURN_STARVED;
	set_bit(SOCK_NOSPACE, &c->sock->flags);
	/*
	 * Its reader does, if it sees SOCK_NOSPACE in kfc_conn_wanted(): what it
	 * read before that was set is seen here.
	 */
	smp_mb__after_atomic();
	if (!kfc_conn_writeable(sk))
		return KFC_TURN_REST;
	clear_bit(SOCK_NOSPACE, &c->sock->flags);
	/* Nothing in flight, so nobody tells: in some ms, then. */
	return sk_wmem_alloc_get(sk) ? KFC_TURN_AGAIN : KFC_TURN_STARVED;
}

static enum kfc_turn kfc_conn_turn_end(struct kfc_conn *c, enum kfc_step step)
{
	enum kfc_turn turn;
	int ret;

	if (!kfc_in_close(c) || step == KFC_STEP_CLOSE)
		return KFC_TURN_CLOSE;
	ret = kfc_conn_send(c);
	if ((ret && ret != -EAGAIN) || c->client.out.failed)
		return KFC_TURN_CLOSE;
	if (c->state == KFC_CONN_DRAIN && !c->client.out.nodes_nr)
		return KFC_TURN_CLOSE;
	if (ret == -EAGAIN) {
		turn = kfc_conn_blocked(c);
		if (turn != KFC_TURN_REST)
			return turn;
	}
	if (step == KFC_STEP_STARVED || c->unfed)
		return KFC_TURN_STARVED;
	if (step == KFC_STEP_YIELD ||
	    (step == KFC_STEP_FULL && !kfc_conn_full(c)))
		return KFC_TURN_AGAIN;
	return KFC_TURN_REST;
}

/**
 * kfc_conn_turn() - do for a connection what can be done, up to a budget
 * @c: the connection; its KFC_CONN_SCHEDULED was cleared before
 *
 * Context: the owner.
 * Return: what is to become of it.
 */
enum kfc_turn kfc_conn_turn(struct kfc_conn *c)
{
	struct kfc_budget b = {
		.cmds = KFC_TURN_CMDS,
		.bytes = KFC_TURN_BYTES,
	};
	enum kfc_step step;

	if (c->up && READ_ONCE(c->up->evict)) {
		kfc_count(c->client.cache, uploads_evicted);
		return KFC_TURN_CLOSE;
	}
	kfc_in_open(c);
	do {
		step = kfc_conn_step(c, &b);
	} while (step == KFC_STEP_ON);
	return kfc_conn_turn_end(c, step);
}

/*
 * Has its peer taken something since the last tick? What AF_UNIX sends is the
 * reader's at once.
 */
static void kfc_conn_note_taken(struct kfc_conn *c)
{
	const struct sock *sk = c->sock->sk;
	u32 una;

	if (sk->sk_family == AF_UNIX)
		return;
	una = READ_ONCE(tcp_sk(sk)->snd_una);
	if (una != c->una || !READ_ONCE(sk->sk_wmem_queued)) {
		c->una = una;
		c->took = jiffies;
	}
}

/* Pages of the log, in a socket that nobody reads from, keep sets waiting. */
static bool kfc_conn_hogs(const struct kfc_conn *c)
{
	return c->sock->sk->sk_family != AF_UNIX &&
	       kfc_log_lent_all(&c->client.cache->log) &&
	       time_after(jiffies, c->took + KFC_HOGS * HZ);
}

/**
 * kfc_conn_tick() - look at a connection about once a second
 * @c: the connection; where it has a turn coming, or starves, only what it keeps
 *	others from is looked at
 *
 * Context: the owner.
 * Return: KFC_TURN_AGAIN: it is to get a turn; KFC_TURN_CLOSE: it has been idle
 *	for too long, or did not fetch its last answers, or its dump, or
 *	answers that are in the way of sets; KFC_TURN_REST.
 */
enum kfc_turn kfc_conn_tick(struct kfc_conn *c)
{
	unsigned long idle = READ_ONCE(c->client.cache->cfg.idle_timeout);

	kfc_conn_note_taken(c);
	if (kfc_conn_hogs(c)) {
		kfc_count(c->client.cache, hogs_closed);
		goto abort;
	}
	if (c->state == KFC_CONN_DRAIN &&
	    time_after(jiffies, c->last + KFC_LINGER * HZ) &&
	    time_after(jiffies, c->took + KFC_LINGER * HZ))
		goto abort;
	if (!list_empty(&c->run))
		return KFC_TURN_REST;
	if (idle && !c->client.inflight && !c->upwaits &&
	    time_after(jiffies, c->last + idle * HZ)) {
		kfc_count(c->client.cache, idle_kicks);
		return KFC_TURN_CLOSE;
	}
	/* It keeps others from theirs. */
	if (c->client.dump && c->blocked &&
	    time_after(jiffies, c->last + KFC_STALLED * HZ))
		goto abort;
	if (c->blocked && kfc_conn_writeable(c->sock->sk))
		return KFC_TURN_AGAIN;
	return KFC_TURN_REST;
abort:
	/* Or the socket would keep what its peer does not take. */
	sock_no_linger(c->sock->sk);
	return KFC_TURN_CLOSE;
}

/**
 * kfc_conn_close() - give a connection's socket and memory back
 * @c: the connection; stays until kfc_conn_free()
 *
 * Operations in flight go on without it.
 *
 * Context: the owner. Does not sleep but for the socket's lock.
 */
void kfc_conn_close(struct kfc_conn *c)
{
	struct kfc_worker *w = c->worker;
	struct kfc_net *net = w->net;

	/* From here on nobody else looks at its socket. */
	xa_erase(&net->by_id, c->id);
	kfc_conn_unhook(c);
	kfc_upload_unwait(c);
	kfc_upload_end(c);
	WRITE_ONCE(c->state, KFC_CONN_DRAIN);	/* nothing unparsed counts */
	kfc_in_open(c);
	kfc_in_close(c);
	kfc_out_drop(&c->client.out);
	kfc_client_close(&c->client);
	/* A peer that takes nothing may keep what was sent for so long. */
	if (c->sock->sk->sk_family != AF_UNIX)
		tcp_sock_set_user_timeout(c->sock->sk,
					  KFC_LINGER * MSEC_PER_SEC);
	sock_release(c->sock);
	c->sock = NULL;
	WRITE_ONCE(c->state, KFC_CONN_CLOSED);

	atomic_dec(&w->nr_conns);
	kfc_listener_gone(net);
}

/**
 * kfc_conn_free() - the end of a closed connection
 * @c: the connection; nothing is in flight, it is not scheduled
 *
 * Context: the owner.
 */
void kfc_conn_free(struct kfc_conn *c)
{
	kmem_cache_free(c->worker->net->conn_cache, c);
}
