/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef KFC_COMMAND_H
#define KFC_COMMAND_H

#include <linux/list.h>
#include <linux/llist.h>
#include <linux/types.h>

#include "../libmp/mp.h"
#include "out.h"

struct kfc_cache;
struct kfc_client;
struct kfc_config;
struct kfc_dump;
struct kfc_op;
struct kfc_pages;

/**
 * struct kfc_event - something that the owner of a client is to do
 * @node: the owner's queue
 * @client: whose; set by command.c
 * @fn: runs once in the thread that owns @client
 */
struct kfc_event {
	struct llist_node node;
	struct kfc_client *client;
	void (*fn)(struct kfc_event *ev);
};

/**
 * struct kfc_value - a value on its way in
 * @len: its length, CRLF not counted
 * @flat: the bytes, where they lie in one piece; else NULL and
 * @pages: order-0 pages that hold them from offset 0 on
 */
struct kfc_value {
	u32 len;
	const u8 *flat;
	struct page **pages;
};

/**
 * enum kfc_cmd_ret - what became of a command
 * @KFC_CMD_DONE: answered, or its answer has its place in out
 * @KFC_CMD_WAIT: it waits for a device read: keep the request and its value
 *	and run it again, unchanged, once client->waiting is NULL
 * @KFC_CMD_BUSY: no place in the log or no read to be had: run it again,
 *	unchanged, after a wake or some ms; it gives up by itself in the end
 * @KFC_CMD_MORE: a part of its answer has its place in out: run it again,
 *	unchanged, for the next
 * @KFC_CMD_CLOSE: quit: send what is queued and close
 */
enum kfc_cmd_ret {
	KFC_CMD_DONE,
	KFC_CMD_WAIT,
	KFC_CMD_BUSY,
	KFC_CMD_MORE,
	KFC_CMD_CLOSE,
};

/**
 * struct kfc_client - what the command layer knows of a connection
 * @cache: the cache it talks to
 * @out: its answers
 * @kept: pages for its reads; NULL: from the page allocator. Set after
 *	kfc_client_init(), constant
 * @post: hand @ev to the thread that owns the client, which calls ev->fn and
 *	then goes on with the client; any context, hardirq included
 * @inflight: events that are still to come; the client stays until it is 0
 * @overdue: how many of them nobody waits for any more (read_timeout_ms)
 * @answers: operations that are or will be answers in @out
 * @reading: pages of reads in flight or not sent yet, those that it gave up on
 *	left out
 * @waiting: the operation that holds back later commands, or NULL
 * @held: what that operation read, for when the command is run again
 * @dump: of a dump that has begun, else NULL
 * @ops: operations in flight, oldest first, for kfc_cmd_tick()
 * @dry: answers a part of which is to be got, see kfc_stream_next()
 * @closed: kfc_client_close() was called
 * @authed: it is known, or nobody has to be; without it next to nothing runs
 * @sasl_step: it may now send MP_SASL_STEP
 * @whole: its answers are there as a whole before any of them leaves; constant
 * @forged: it may be somebody else who asks: mg does not tell it to refresh an
 *	object; constant
 * @cursor: how far the present command's answer is, see KFC_CMD_MORE
 * @busy_since: jiffies of the first KFC_CMD_BUSY of the present command,
 *	0 where there was none
 *
 * All fields but @post belong to the thread that owns the client. Before the
 * owner frees it, it calls kfc_out_drop() and kfc_client_close() and waits
 * until @inflight is 0.
 */
struct kfc_client {
	struct kfc_cache *cache;
	struct kfc_out out;
	struct kfc_pages *kept;
	void (*post)(struct kfc_client *cl, struct kfc_event *ev);
	int inflight;
	int overdue;
	u32 answers;
	u32 reading;
	struct kfc_op *waiting;
	struct kfc_op *held;
	struct kfc_dump *dump;
	struct list_head ops;
	struct list_head dry;
	bool closed;
	bool authed;
	bool sasl_step;
	bool whole;
	bool forged;
	unsigned long cursor;
	unsigned long busy_since;
};

/* Reads of one client that may be under way at once. */
#define KFC_CLIENT_READS 64
/* Answers with an operation of their own that each client may have queued. */
#define KFC_CLIENT_ANSWERS 4

void kfc_client_init(struct kfc_client *cl, struct kfc_cache *c);
void kfc_client_close(struct kfc_client *cl);
enum kfc_cmd_ret kfc_cmd_run(struct kfc_client *cl, const struct mp_req *req,
			     const struct kfc_value *val);
bool kfc_cmd_too_large(struct kfc_client *cl, const struct mp_req *req);
void kfc_cmd_no_memory(struct kfc_client *cl, const struct mp_req *req);
void kfc_cmd_error(struct kfc_client *cl, const struct mp_req *req,
		   const struct mp_err *err);
void kfc_cmd_drop_key(struct kfc_client *cl, const u8 *key, u8 klen);
void kfc_cmd_tick(struct kfc_client *cl);
bool kfc_cmd_pins(const struct kfc_client *cl);
bool kfc_cmd_full(const struct kfc_client *cl);
u64 kfc_cmd_bound(const struct kfc_config *cfg, u64 own);
int kfc_stream_next(struct kfc_client *cl);
bool kfc_stream_dry(struct kfc_client *cl);
bool kfc_stream_tight(const struct kfc_cache *c);
void kfc_stream_blocked(struct kfc_client *cl);
int kfc_cmd_init(struct kfc_cache *c);
void kfc_cmd_exit(struct kfc_cache *c);

#endif /* KFC_COMMAND_H */
