// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Gets over UDP: a datagram is a request, its answer one message of datagrams.
 *
 * Each has memcached's header in front: request, number and count of the
 * datagram, 0; 16 bits each, big endian. A worker has KFC_UDP_SLOTS requests at
 * work; others wait in the socket's buffer, and what that has no room for is
 * lost, as is usual with UDP, and counted.
 *
 * The answer goes to whoever the source address names, which anybody can write
 * there. So only those who are known are answered, nothing is changed for
 * them, and what is no command is not answered at all: an answer is none, and
 * two servers never talk to each other.
 */
#include <linux/errno.h>
#include <linux/in.h>
#include <linux/ipv6.h>
#include <linux/jiffies.h>
#include <linux/list.h>
#include <linux/llist.h>
#include <linux/log2.h>
#include <linux/math.h>
#include <linux/net.h>
#include <linux/slab.h>
#include <linux/socket.h>
#include <linux/topology.h>
#include <net/ipv6.h>
#include <net/sock.h>

#include "conn.h"
#include "kfc.h"
#include "peer.h"
#include "record.h"
#include "udp.h"
#include "worker.h"

/* Requests that one worker has at work. */
#define KFC_UDP_SLOTS	16
/* Longest request, its header included. */
#define KFC_UDP_REQUEST	2048
#define KFC_UDP_HEAD	8
/* Longest datagram of an answer, as memcached's. */
#define KFC_UDP_FRAME	1400
#define KFC_UDP_DATA	(KFC_UDP_FRAME - KFC_UDP_HEAD)
/* Text that one answer may take; longer values leave from where they are. */
#define KFC_UDP_MEM_MAX	131072
/* Objects of one answer that may come from the device. */
#define KFC_UDP_ANSWERS	256
/* Datagrams that come and go in one turn. */
#define KFC_UDP_TURN	64
/* How long a socket may take no more before an answer is given up, ms. */
#define KFC_UDP_SEND_MS	1000
#define KFC_UDP_RETRY_MS 10
#define KFC_UDP_TICK_MS	50

#define KFC_UDP_REFUSED	"SERVER_ERROR UDP is for gets\r\n"
#define KFC_UDP_TOO_LARGE "SERVER_ERROR answer too large for UDP\r\n"

/* One address' information, in and out. */
#define KFC_UDP_CONTROL	CMSG_SPACE(sizeof(struct in6_pktinfo))

static_assert(KFC_MAX_LISTEN <= BITS_PER_LONG);
/* The count of an answer's datagrams has 16 bits. */
static_assert((KFC_VLEN_MAX + KFC_UDP_MEM_MAX) / KFC_UDP_DATA < U16_MAX);

enum kfc_udp_phase {
	KFC_UDP_RUN,		/* commands are run */
	KFC_UDP_READS,		/* all were; the device reads */
	KFC_UDP_SEND,		/* the answer is complete */
	KFC_UDP_END,		/* waits for operations that nobody waits for */
};

/**
 * struct kfc_udp_req - a request
 * @client: what the command layer sees
 * @worker: the owner, constant
 * @list: in worker->udp->busy
 * @us: where it came from
 * @peer: from whom
 * @local: the address that it came to, where the socket has all
 * @id: what the answer has to repeat
 * @phase: enum kfc_udp_phase
 * @parser: the protocol's state
 * @pos: where the next command is in @buf
 * @len: of @buf
 * @seq: the next datagram's number
 * @total: how many there are
 * @since: jiffies since when the socket takes no more, 0 for it does
 * @buf: the request, its header included
 *
 * All fields belong to the owner's thread.
 */
struct kfc_udp_req {
	struct kfc_client client;
	struct kfc_worker *worker;
	struct list_head list;
	struct kfc_udp_sock *us;
	struct sockaddr_storage peer;
	union {
		struct in_pktinfo v4;
		struct in6_pktinfo v6;
	} local;
	u16 id;
	enum kfc_udp_phase phase;
	struct mp_parser parser;
	u32 pos;
	u32 len;
	u32 seq;
	u32 total;
	unsigned long since;
	u8 buf[KFC_UDP_REQUEST];
};

/**
 * struct kfc_udp_worker - a worker's part
 * @ready: sockets that something came to, by number; any context sets bits
 * @events: struct kfc_event; any context adds
 * @busy: requests that are not done with
 * @nr: how many of them are at work, those in KFC_UDP_END not counted
 * @spare: where the next request is received; NULL only while @busy is not empty
 * @first: the socket whose turn it is to be first
 * @again: there is more to do at once
 * @stalled: a request waits for nothing that would tell
 * @nomem: there was no memory for another request
 * @stopped: nothing more is received
 * @tick_at: jiffies of the next kfc_cmd_tick()
 * @frame: a datagram on its way out
 *
 * All fields belong to the worker's thread where nothing else is said.
 */
struct kfc_udp_worker {
	unsigned long ready;
	struct llist_head events;
	struct list_head busy;
	u32 nr;
	struct kfc_udp_req *spare;
	unsigned int first;
	bool again;
	bool stalled;
	bool nomem;
	bool stopped;
	unsigned long tick_at;
	u8 frame[KFC_UDP_FRAME];
};

/**
 * kfc_udp_worker_kick() - something came to a socket
 * @w: the worker that is to look
 * @nr: the socket's number
 *
 * Context: any but hardirq. The caller keeps @w from going.
 */
void kfc_udp_worker_kick(struct kfc_worker *w, unsigned int nr)
{
	if (!test_and_set_bit(nr, &w->udp->ready))
		kfc_worker_wake(w);
}

/* struct kfc_client's post. */
static void kfc_udp_post(struct kfc_client *cl, struct kfc_event *ev)
{
	struct kfc_udp_req *r = container_of(cl, struct kfc_udp_req, client);
	struct kfc_worker *w;

	/* As kfc_worker_post(). */
	rcu_read_lock();
	w = r->worker;
	if (llist_add(&ev->node, &w->udp->events))
		kfc_worker_wake(w);
	rcu_read_unlock();
}

/* Done with it, but for what is in flight. */
static void kfc_udp_end(struct kfc_udp_req *r)
{
	kfc_out_drop(&r->client.out);
	kfc_client_close(&r->client);
	r->phase = KFC_UDP_END;
	r->worker->udp->nr--;
}

static void kfc_udp_lose(struct kfc_udp_req *r)
{
	kfc_count(r->client.cache, udp_dropped);
	kfc_udp_end(r);
}

/* Whether a request only reads, and its answer is bounded. */
static bool kfc_udp_reads(const struct mp_req *req)
{
	switch (req->op) {
	case MP_GET:
	case MP_GETS:
	case MP_NOOP:
	case MP_META_NOOP:
	case MP_VERSION:
		return true;
	case MP_META_GET:
		return !mp_meta_has(req, 'T') && !req->vivify;
	case MP_STATS:
		return !req->arg_len ||
		       (req->arg_len == 8 && !memcmp(req->arg, "settings", 8));
	default:
		return false;
	}
}

static void kfc_udp_refuse(struct kfc_udp_req *r, const struct mp_req *req)
{
	struct mp_err err = { };

	if (req->binary)
		err.status = MP_BIN_UNKNOWN;
	else if (!req->noreply)
		err.line = KFC_UDP_REFUSED;
	kfc_cmd_error(&r->client, req, &err);
}

/* One command. Return: whether there may be another at once. */
static bool kfc_udp_step(struct kfc_udp_req *r)
{
	struct mp_parser before = r->parser;
	struct mp_req req;
	struct mp_err err;
	enum mp_status st;
	size_t used;

	if (r->pos == r->len)
		goto done;
	st = mp_parse(&r->parser, r->buf + r->pos, r->len - r->pos, &used,
		      &req, &err);
	/* The end is missing, or it is no command: perhaps an answer. */
	if ((st == MP_MORE && used != r->len - r->pos) ||
	    (st == MP_ERR && err.line && !strcmp(err.line, MP_ERROR))) {
		kfc_udp_lose(r);
		return false;
	}
	if (st == MP_MORE)
		goto done;
	if (st == MP_ERR) {
		r->pos += used;
		kfc_cmd_error(&r->client, &req, &err);
		if (err.close || err.swallow)
			goto done;
		return true;
	}
	/* What follows a set is its value, not a command. */
	if (!kfc_udp_reads(&req)) {
		kfc_udp_refuse(r, &req);
		goto done;
	}
	switch (kfc_cmd_run(&r->client, &req, NULL)) {
	case KFC_CMD_DONE:
		r->pos += used;
		return true;
	case KFC_CMD_WAIT:
	case KFC_CMD_MORE:
	case KFC_CMD_BUSY:
		r->parser = before;
		r->worker->udp->stalled = true;
		return false;
	case KFC_CMD_CLOSE:
		break;
	}
done:
	r->phase = KFC_UDP_READS;
	return false;
}

/* Return: whether it was; then that is the answer. */
static bool kfc_udp_too_large(struct kfc_udp_req *r)
{
	struct kfc_out *o = &r->client.out;

	if (o->mem <= KFC_UDP_MEM_MAX &&
	    r->client.answers <= KFC_UDP_ANSWERS &&
	    o->bytes <= r->client.cache->cfg.item_max + KFC_UDP_MEM_MAX)
		return false;
	kfc_out_drop(o);
	kfc_out_copy(o, KFC_UDP_TOO_LARGE, sizeof(KFC_UDP_TOO_LARGE) - 1);
	r->phase = KFC_UDP_READS;
	return true;
}

static void kfc_udp_run(struct kfc_udp_req *r)
{
	bool more;

	do {
		more = kfc_udp_step(r);
	} while (!kfc_udp_too_large(r) && more);
}

/* Is all of the answer there? Its datagrams tell how many they are. */
static void kfc_udp_complete(struct kfc_udp_req *r)
{
	struct kfc_out *o = &r->client.out;

	if (!kfc_out_complete(o))
		return;
	kfc_udp_too_large(r);
	if (o->failed) {
		kfc_udp_lose(r);
		return;
	}
	r->total = DIV_ROUND_UP(o->bytes, KFC_UDP_DATA);
	r->seq = 0;
	r->phase = KFC_UDP_SEND;
}

/* The next datagram, of so many bytes. */
static u32 kfc_udp_fill(const struct kfc_udp_req *r, u8 *frame)
{
	__be16 head[4] = {
		cpu_to_be16(r->id), cpu_to_be16(r->seq), cpu_to_be16(r->total),
	};

	static_assert(sizeof(head) == KFC_UDP_HEAD);
	memcpy(frame, head, KFC_UDP_HEAD);
	return KFC_UDP_HEAD + kfc_out_peek(&r->client.out, frame + KFC_UDP_HEAD,
					   KFC_UDP_DATA);
}

/* Answer from the address that was asked. */
static void kfc_udp_put_local(const struct kfc_udp_req *r, struct msghdr *msg,
			      struct cmsghdr *cm)
{
	bool v6 = r->peer.ss_family == AF_INET6;
	u32 len = v6 ? sizeof(r->local.v6) : sizeof(r->local.v4);

	cm->cmsg_level = v6 ? SOL_IPV6 : SOL_IP;
	cm->cmsg_type = v6 ? IPV6_PKTINFO : IP_PKTINFO;
	cm->cmsg_len = CMSG_LEN(len);
	memcpy(CMSG_DATA(cm), &r->local, len);
	msg->msg_control = cm;
	msg->msg_controllen = CMSG_SPACE(len);
}

static int kfc_udp_sendto(struct kfc_udp_req *r, u8 *frame, u32 len)
{
	struct kvec kv = { .iov_base = frame, .iov_len = len };
	u8 control[KFC_UDP_CONTROL] __aligned(__alignof__(struct cmsghdr));
	struct msghdr msg = {
		.msg_name = &r->peer,
		.msg_namelen = r->peer.ss_family == AF_INET6 ?
			       sizeof(struct sockaddr_in6) :
			       sizeof(struct sockaddr_in),
		.msg_flags = MSG_DONTWAIT | MSG_NOSIGNAL,
	};

	if (r->us->any)
		kfc_udp_put_local(r, &msg, (struct cmsghdr *)control);
	return kernel_sendmsg(r->us->sock, &msg, &kv, 1, len);
}

/* The socket takes no more, or there is no memory: worth another try? */
static bool kfc_udp_retry(struct kfc_udp_req *r, int err)
{
	if (err != -EAGAIN && err != -ENOBUFS && err != -ENOMEM)
		return false;
	if (!r->since)
		r->since = jiffies | 1;
	return time_before(jiffies,
			   r->since + msecs_to_jiffies(KFC_UDP_SEND_MS));
}

static void kfc_udp_send(struct kfc_udp_req *r, int *budget)
{
	struct kfc_udp_worker *u = r->worker->udp;
	u32 len;
	int ret;

	while (r->seq < r->total) {
		if (--*budget < 0) {
			u->again = true;
			return;
		}
		len = kfc_udp_fill(r, u->frame);
		ret = kfc_udp_sendto(r, u->frame, len);
		if (ret < 0 && kfc_udp_retry(r, ret)) {
			u->stalled = true;
			return;
		}
		if (ret < 0) {
			kfc_udp_lose(r);
			return;
		}
		kfc_count_add(r->client.cache, bytes_written, ret);
		kfc_out_advance(&r->client.out, len - KFC_UDP_HEAD);
		r->since = 0;
		r->seq++;
	}
	kfc_udp_end(r);
}

/* All that can be done for a request now; it may be freed. */
static void kfc_udp_go(struct kfc_udp_req *r, int *budget)
{
	struct kfc_udp_worker *u = r->worker->udp;

	if (r->phase == KFC_UDP_RUN)
		kfc_udp_run(r);
	if (r->phase == KFC_UDP_READS)
		kfc_udp_complete(r);
	if (r->phase == KFC_UDP_SEND)
		kfc_udp_send(r, budget);
	if (r->phase != KFC_UDP_END || r->client.inflight)
		return;
	list_del(&r->list);
	if (u->spare)
		kfree(r);
	else
		u->spare = r;
}

/* Which of our addresses was asked? A broadcast is not answered. */
static bool kfc_udp_get_local(struct kfc_udp_req *r, const struct cmsghdr *cm,
			      u32 len)
{
	if (len < sizeof(*cm))
		return false;
	if (r->peer.ss_family == AF_INET6) {
		if (cm->cmsg_level != SOL_IPV6 ||
		    cm->cmsg_type != IPV6_PKTINFO)
			return false;
		memcpy(&r->local.v6, CMSG_DATA(cm), sizeof(r->local.v6));
		/* The way back may be another, but where the address is local. */
		if (!(ipv6_addr_type(&r->local.v6.ipi6_addr) &
		      IPV6_ADDR_LINKLOCAL))
			r->local.v6.ipi6_ifindex = 0;
		return !ipv6_addr_is_multicast(&r->local.v6.ipi6_addr);
	}
	if (cm->cmsg_level != SOL_IP || cm->cmsg_type != IP_PKTINFO)
		return false;
	memcpy(&r->local.v4, CMSG_DATA(cm), sizeof(r->local.v4));
	r->local.v4.ipi_ifindex = 0;
	return r->local.v4.ipi_addr.s_addr == r->local.v4.ipi_spec_dst.s_addr;
}

/* From a peer, and from where it can be answered: not from one like us. */
static bool kfc_udp_allowed(const struct kfc_udp_req *r)
{
	const struct kfc_config *cfg = &r->worker->net->cache->cfg;
	u16 port = ntohs(r->peer.ss_family == AF_INET6 ?
			 ((struct sockaddr_in6 *)&r->peer)->sin6_port :
			 ((struct sockaddr_in *)&r->peer)->sin_port);

	if (!port || port == cfg->udp_port)
		return false;
	return r->us->loopback || kfc_addr_loopback(&r->peer) ||
	       kfc_peers_has(&cfg->udp_peers, &r->peer);
}

/* Return: whether @len bytes may be a request. */
static bool kfc_udp_whole(const struct kfc_udp_req *r, u32 len)
{
	__be16 count;

	if (len <= KFC_UDP_HEAD)
		return false;
	/* As memcached: a request is one datagram. */
	memcpy(&count, r->buf + 4, sizeof(count));
	if (be16_to_cpu(count) != 1)
		return false;
	/* A line's keys are taken one by one: better none than some of them. */
	return r->buf[KFC_UDP_HEAD] == MP_BIN_MAGIC || r->buf[len - 1] == '\n';
}

/* Make a request of what was received. */
static void kfc_udp_begin(struct kfc_udp_req *r, u32 len)
{
	__be16 id;

	memcpy(&id, r->buf, sizeof(id));
	r->id = be16_to_cpu(id);
	r->pos = KFC_UDP_HEAD;
	r->len = len;
	r->phase = KFC_UDP_RUN;
	r->since = 0;
	mp_parser_init(&r->parser, r->worker->net->cache->cfg.item_max);
	r->parser.meta = true;
	r->parser.binary = true;
	memset(&r->client, 0, sizeof(r->client));
	kfc_client_init(&r->client, r->worker->net->cache);
	r->client.post = kfc_udp_post;
	r->client.forged = true;
	r->client.whole = true;
	r->client.out.pool = &r->worker->pool;
	r->client.kept = &r->worker->kept;
}

/* Return: 1 for a request, 0 for something else that came, or an errno. */
static int kfc_udp_receive(struct kfc_udp_req *r, struct kfc_udp_sock *us)
{
	struct kfc_cache *c = us->net->cache;
	u8 control[KFC_UDP_CONTROL] __aligned(__alignof__(struct cmsghdr));
	struct kvec kv = { .iov_base = r->buf, .iov_len = sizeof(r->buf) };
	struct msghdr msg = {
		.msg_name = &r->peer,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	int len;

	len = kernel_recvmsg(us->sock, &msg, &kv, 1, sizeof(r->buf),
			     MSG_DONTWAIT);
	if (len < 0)
		return len;
	kfc_count_add(c, bytes_read, len);
	r->us = us;
	if (!kfc_udp_allowed(r)) {
		kfc_count(c, udp_refused);
		return 0;
	}
	if ((us->any &&
	     !kfc_udp_get_local(r, (struct cmsghdr *)control,
				sizeof(control) - msg.msg_controllen)) ||
	    (msg.msg_flags & MSG_TRUNC) || !kfc_udp_whole(r, len)) {
		kfc_count(c, udp_dropped);
		return 0;
	}
	kfc_count(c, udp_requests);
	kfc_udp_begin(r, len);
	return 1;
}

static struct kfc_udp_req *kfc_udp_alloc(struct kfc_worker *w, gfp_t gfp)
{
	struct kfc_udp_req *r;

	r = kmalloc_node(sizeof(*r), gfp, cpu_to_node(w->cpu));
	if (r)
		r->worker = w;
	return r;
}

/* Room for another request? */
static bool kfc_udp_room(struct kfc_worker *w)
{
	struct kfc_udp_worker *u = w->udp;

	if (u->nr == KFC_UDP_SLOTS)
		return false;
	if (!u->spare)
		u->spare = kfc_udp_alloc(w, GFP_NOWAIT | __GFP_NOWARN);
	u->nomem = !u->spare;
	return u->spare;
}

/* Take what came to a socket, as long as there is a place for it. */
static void kfc_udp_drain(struct kfc_worker *w, struct kfc_udp_sock *us,
			  int *budget)
{
	struct kfc_udp_worker *u = w->udp;
	struct kfc_udp_req *r;
	int ret;

	clear_bit(us->nr, &u->ready);
	/* Before the socket is looked at: see kfc_udp_worker_kick(). */
	smp_mb__after_atomic();
	while (--*budget >= 0 && kfc_udp_room(w)) {
		r = u->spare;
		ret = kfc_udp_receive(r, us);
		if (ret == -EAGAIN)
			return;
		if (ret <= 0)
			continue;
		u->spare = NULL;
		u->nr++;
		list_add_tail(&r->list, &u->busy);
		kfc_udp_go(r, budget);
	}
	set_bit(us->nr, &u->ready);
}

static void kfc_udp_events(struct kfc_udp_worker *u)
{
	struct llist_node *list = llist_del_all(&u->events);
	struct kfc_event *ev, *next;

	list = llist_reverse_order(list);
	llist_for_each_entry_safe(ev, next, list, node)
		ev->fn(ev);
}

/**
 * kfc_udp_worker_turn() - do what can be done, up to a budget
 * @w: the worker
 *
 * Context: the worker. Does not sleep but for a socket's lock.
 */
void kfc_udp_worker_turn(struct kfc_worker *w)
{
	struct kfc_udp_worker *u = w->udp;
	const struct kfc_udp *udp = w->net->udp;
	struct kfc_udp_req *r, *next;
	int budget = KFC_UDP_TURN;
	unsigned int i, nr;
	bool tick;

	if (!u)
		return;
	kfc_udp_events(u);
	u->again = false;
	u->stalled = false;
	u->nomem = false;
	tick = !list_empty(&u->busy) && time_after_eq(jiffies, u->tick_at);
	if (tick)
		u->tick_at = jiffies + msecs_to_jiffies(KFC_UDP_TICK_MS);
	list_for_each_entry_safe(r, next, &u->busy, list) {
		if (tick)
			kfc_cmd_tick(&r->client);
		kfc_udp_go(r, &budget);
	}
	u->first++;
	for (i = 0; i < udp->nr && !u->stopped; i++) {
		nr = (u->first + i) % udp->nr;
		if (test_bit(nr, &u->ready))
			kfc_udp_drain(w, &w->net->udp->sock[nr], &budget);
	}
}

/**
 * kfc_udp_worker_busy() - whether requests are not done with
 * @w: the worker
 *
 * Context: the worker.
 */
bool kfc_udp_worker_busy(const struct kfc_worker *w)
{
	return w->udp && !list_empty(&w->udp->busy);
}

/**
 * kfc_udp_worker_pending() - whether there is something to do at once
 * @w: the worker
 *
 * Context: the worker.
 */
bool kfc_udp_worker_pending(const struct kfc_worker *w)
{
	const struct kfc_udp_worker *u = w->udp;

	if (!u)
		return false;
	return u->again || !llist_empty(&u->events) ||
	       (READ_ONCE(u->ready) && u->nr < KFC_UDP_SLOTS && !u->nomem &&
		!u->stopped);
}

/**
 * kfc_udp_worker_nap() - how long a worker may sleep
 * @w: the worker
 *
 * Context: the worker.
 * Return: jiffies, as far as its requests are concerned.
 */
long kfc_udp_worker_nap(const struct kfc_worker *w)
{
	if (!kfc_udp_worker_busy(w))
		return MAX_SCHEDULE_TIMEOUT;
	return msecs_to_jiffies(w->udp->stalled ? KFC_UDP_RETRY_MS :
						  KFC_UDP_TICK_MS);
}

/**
 * kfc_udp_worker_drop() - give up all requests; none comes any more
 * @w: the worker; kfc_udp_stop() was called
 *
 * Context: the worker.
 */
void kfc_udp_worker_drop(struct kfc_worker *w)
{
	struct kfc_udp_req *r, *next;
	int budget = 0;

	if (!w->udp)
		return;
	/* What is still in a socket is nobody's. */
	w->udp->stopped = true;
	list_for_each_entry_safe(r, next, &w->udp->busy, list) {
		if (r->phase != KFC_UDP_END)
			kfc_udp_end(r);
		kfc_udp_go(r, &budget);
	}
}

/**
 * kfc_udp_worker_init() - a worker's memory for requests, where there is UDP
 * @w: the worker, about to start
 *
 * Context: may sleep.
 * Return: 0 or -ENOMEM; kfc_udp_worker_exit() is due in both cases.
 */
int kfc_udp_worker_init(struct kfc_worker *w)
{
	struct kfc_udp_worker *u;

	if (!w->net->udp)
		return 0;
	u = kzalloc_node(sizeof(*u), GFP_KERNEL, cpu_to_node(w->cpu));
	if (!u)
		return -ENOMEM;
	init_llist_head(&u->events);
	INIT_LIST_HEAD(&u->busy);
	w->udp = u;
	u->spare = kfc_udp_alloc(w, GFP_KERNEL);
	return u->spare ? 0 : -ENOMEM;
}

/**
 * kfc_udp_worker_exit() - the opposite
 * @w: the worker, ended; its last event was posted a grace period ago
 *
 * Context: may sleep.
 */
void kfc_udp_worker_exit(struct kfc_worker *w)
{
	if (w->udp)
		kfree(w->udp->spare);
	kfree(w->udp);
	w->udp = NULL;
}

/**
 * kfc_udp_answers() - operations that requests have by themselves
 * @cfg: the parameters
 *
 * Context: any.
 * Return: how many, see kfc_cmd_bound().
 */
u64 kfc_udp_answers(const struct kfc_config *cfg)
{
	if (!cfg->udp_port)
		return 0;
	return cfg->threads * KFC_UDP_SLOTS * (KFC_UDP_ANSWERS + 1);
}

/**
 * kfc_udp_bound() - the most memory that requests take, but for operations
 * @cfg: the parameters
 *
 * Those that are done with but for a read that does not end are as many as
 * there are reads in flight.
 *
 * Context: any.
 * Return: bytes.
 */
u64 kfc_udp_bound(const struct kfc_config *cfg)
{
	u64 req = roundup_pow_of_two(sizeof(struct kfc_udp_req));
	u64 out = KFC_UDP_MEM_MAX + KFC_OUT_SLACK;

	if (!cfg->udp_port)
		return 0;
	return cfg->threads * (sizeof(struct kfc_udp_worker) + req +
			       KFC_UDP_SLOTS * (req + out)) +
	       READ_ONCE(cfg->io_depth) * req;
}
