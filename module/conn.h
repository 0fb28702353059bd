/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef KFC_CONN_H
#define KFC_CONN_H

#include <linux/list.h>
#include <linux/llist.h>
#include <linux/types.h>

#include "../libmp/mp.h"
#include "command.h"

struct kfc_conn;
struct kfc_net;
struct kfc_worker;
struct sock;
struct socket;

/* Bytes that one receive takes, and most that wait unparsed. */
#define KFC_RBUF	16384
/* At these a connection's commands wait until answers are out. */
#define KFC_OUT_BYTES_MAX	65536
#define KFC_OUT_MEM_MAX		16384
#define KFC_OUT_READ_PAGES	(524288 / KFC_PAGE)
#define KFC_OUT_NODES_MAX	(KFC_CLIENT_READS * 2)
/* What a socket may hold that is not under way to its reader. */
#define KFC_UNSENT_MAX	262144
/* What one more command may add to queued text (stats is the longest). */
#define KFC_OUT_SLACK		16384
/* What a connection gets in one turn. */
#define KFC_TURN_CMDS	64
#define KFC_TURN_BYTES	65536
/* How long a client with a dump under way may take nothing of it, s. */
#define KFC_STALLED	60
/* ... while what it and others do not take keeps sets waiting, s. */
#define KFC_HOGS	10
/* How long a closing connection may take nothing of its last answers, s. */
#define KFC_LINGER	10

/**
 * struct kfc_upload - a value that did not arrive whole, on its way in
 * @list: in net->uploads; net->upload_lock
 * @conn: whose
 * @req: the command; its key is @key
 * @cost: what it takes of the upload budget, reserved at its start
 * @since: jiffies then
 * @need: bytes to come, CRLF included
 * @got: bytes that came; the owner writes, others read
 * @nr_pages: length of @pages
 * @evict: set under net->upload_lock: the connection is to be closed
 * @key: copy of the key
 * @pages: NULL from the first that nothing was received for
 */
struct kfc_upload {
	struct list_head list;
	struct kfc_conn *conn;
	struct mp_req req;
	u64 cost;
	unsigned long since;
	u32 need;
	u32 got;
	u32 nr_pages;
	bool evict;
	u8 key[MP_KEY_MAX];
	struct page *pages[];
};

enum kfc_conn_state {
	KFC_CONN_COMMAND,	/* a command line is next */
	KFC_CONN_VALUE,		/* conn->up is being received or stored */
	KFC_CONN_SWALLOW,	/* conn->swallow bytes to throw away */
	KFC_CONN_DRAIN,		/* nothing is read; answers go out, then close */
	KFC_CONN_CLOSED,	/* no socket; waits for its operations */
};

/* Numbers of connections; those below are the listeners': TCP, UNIX, UDP. */
#define KFC_CONN_IDS	XA_LIMIT(2 * KFC_MAX_LISTEN + 1, INT_MAX)

/* Bits of kfc_conn.flags. */
#define KFC_CONN_SCHEDULED	0	/* is on worker->sched */

/**
 * struct kfc_conn - a connection
 * @client: what the command layer sees
 * @worker: the owner, constant
 * @sock: the socket, NULL once closed
 * @id: its number in net->by_id
 * @flags: atomic bits
 * @sched: in worker->sched while KFC_CONN_SCHEDULED is set
 * @all: in worker->conns or ->zombies; empty before its first turn
 * @run: in worker->ready or worker->starved, or empty
 * @fly: in worker->fly while operations are in flight, or empty
 * @starved: @run is in worker->starved
 * @state_change: the socket's own callback
 * @write_space: the socket's own callback
 * @data_ready: the socket's own callback
 * @state: enum kfc_conn_state; READ_ONCE elsewhere
 * @drained: there was nothing more in the socket, and no callback since
 * @blocked: the socket takes no more; wait for write_space
 * @nosend: ... as there was no memory: nothing tells when there is
 * @unfed: the next part of its answers could not be had yet
 * @parser: the protocol's state
 * @rbuf: bytes that are not consumed yet; the worker's scratch in a turn, a
 *	buffer of the connection's own, or NULL, between two
 * @rpos: where they start
 * @rlen: where they end
 * @rcap: memory of a buffer of its own
 * @swallow: see KFC_CONN_SWALLOW
 * @up: see KFC_CONN_VALUE
 * @upwait: in net->upload_waiters while the upload budget is used up;
 *	net->upload_lock
 * @upcost: how much of it is wanted; net->upload_lock
 * @upwaits: the owner's note of @upwait
 * @nomem: jiffies since when there is no memory for a value, 0 for there is
 * @una: what its peer had taken at the last tick, as TCP counts it
 * @took: jiffies when that last was more, or there was nothing to take
 * @last: jiffies when a byte last came or went, or KFC_CONN_DRAIN began;
 *	READ_ONCE elsewhere
 *
 * All fields belong to the owner's thread where nothing else is said.
 */
struct kfc_conn {
	struct kfc_client client;
	struct kfc_worker *worker;
	struct socket *sock;
	u32 id;
	unsigned long flags;
	struct llist_node sched;
	struct list_head all;
	struct list_head run;
	struct list_head fly;
	bool starved;
	void (*state_change)(struct sock *sk);
	void (*write_space)(struct sock *sk);
	void (*data_ready)(struct sock *sk);
	enum kfc_conn_state state;
	bool drained;
	bool blocked;
	bool nosend;
	bool unfed;
	struct mp_parser parser;
	u8 *rbuf;
	u32 rpos;
	u32 rlen;
	u32 rcap;
	u64 swallow;
	struct kfc_upload *up;
	struct list_head upwait;
	u64 upcost;
	bool upwaits;
	unsigned long nomem;
	u32 una;
	unsigned long took;
	unsigned long last;
};

/* How a turn ended. */
enum kfc_turn {
	KFC_TURN_REST,		/* until something happens to it */
	KFC_TURN_AGAIN,		/* there is more, others first */
	KFC_TURN_STARVED,	/* try again in some ms, or after kfc_net_wake() */
	KFC_TURN_CLOSE,
};

int kfc_conn_open(struct kfc_net *net, struct socket *sock,
		  void (*data_ready)(struct sock *sk));
enum kfc_turn kfc_conn_turn(struct kfc_conn *c);
enum kfc_turn kfc_conn_tick(struct kfc_conn *c);
bool kfc_conn_drained(const struct kfc_conn *c, bool less);
void kfc_conn_close(struct kfc_conn *c);
void kfc_conn_free(struct kfc_conn *c);

/* callback.c */
void kfc_conn_push(struct kfc_conn *c);
void kfc_conn_schedule(struct kfc_conn *c);
bool kfc_conn_writeable(const struct sock *sk);
void kfc_conn_hook(struct kfc_conn *c);
void kfc_conn_unhook(struct kfc_conn *c);

/* upload.c */
int kfc_upload_begin(struct kfc_conn *c, const struct mp_req *req);
int kfc_upload_fill(struct kfc_conn *c, const u8 *p, u32 len);
int kfc_upload_recv(struct kfc_conn *c, u32 max);
bool kfc_upload_crlf(const struct kfc_upload *up);
void kfc_upload_end(struct kfc_conn *c);
void kfc_upload_unwait(struct kfc_conn *c);
void kfc_upload_shed(struct kfc_net *net);

#endif /* KFC_CONN_H */
