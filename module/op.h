/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What the files of the command layer share; nobody else includes it. */
#ifndef KFC_OP_H
#define KFC_OP_H

#include "command.h"
#include "kfc.h"
#include "read.h"
#include "store.h"

/* memcached's slab class: there is but one here. */
#define KFC_CLASS	1

/* The longest head of an answer with a value: that of a meta get. */
#define KFC_HEAD_MAX	MP_META_HEAD_MAX
static_assert(MP_VALUE_HEAD_MAX <= KFC_HEAD_MAX);
static_assert(MP_META_DEBUG_MAX <= KFC_HEAD_MAX);
static_assert(MP_BIN_HEAD + 4 + MP_KEY_MAX <= KFC_HEAD_MAX);
static_assert(MP_BIN_ERROR_MAX <= KFC_HEAD_MAX);

/* So long a value that has begun to leave waits for a read to be had, ms. */
#define KFC_PART_MS	10000

/**
 * struct kfc_stream - a value that may leave in parts
 * @slab: where it lies, not held
 * @seq: of the slab's life; when that is over the value is gone
 * @page: the record's first page, counted from the slab's
 * @off: offset of the record in it
 * @head: bytes of the record before the value
 * @vlen: length of the value
 * @from: where in the value the present part begins
 * @done: where it ends
 */
struct kfc_stream {
	struct kfc_slab *slab;
	u64 seq;
	u32 page;
	u32 off;
	u32 head;
	u32 vlen;
	u32 from;
	u32 done;
};

/**
 * struct kfc_op - a device read on behalf of a command
 * @ev: its completion
 * @node: the answer of a get, in its place among the client's answers
 * @rd: the read
 * @lk: the key that is looked for; lk.key.p is @key
 * @list: in client->ops until the read has ended; in client->dry while a part
 *	of the answer is wanted; else empty
 * @since: jiffies since when a part of it is wanted in vain, 0 for not yet
 * @deadline: jiffies; later the answer is a miss
 * @refs: the read and the answer, where it is or has become one
 * @abandoned: the deadline has passed and the command went on
 * @modify: for a command that waits; until what was read for it is its answer
 * @dump: ... that is a dump: of pages, not of an object
 * @part: the read is of the present part of @st
 * @lent: the pages of @bv are not the read's: each has a reference
 * @charged: pages that are part of client->reading
 * @st: of an answer: its value
 * @bv: pieces of the value
 * @inline_bv: @bv of small records
 * @key: copy of the key
 * @head: the answer's bytes before the value
 * @req: of an answer: the request, its key and what else it points to left out
 *
 * All fields belong to the thread that owns the client, @rd.io to the device
 * between submission and io.done.
 */
struct kfc_op {
	struct kfc_event ev;
	struct kfc_out_node node;
	struct kfc_read rd;
	struct kfc_lookup lk;
	struct list_head list;
	unsigned long since;
	unsigned long deadline;
	int refs;
	bool abandoned;
	bool modify;
	bool dump;
	bool part;
	bool lent;
	u32 charged;
	struct kfc_stream st;
	struct bio_vec *bv;
	struct bio_vec inline_bv[4];
	u8 key[MP_KEY_MAX];
	char head[KFC_HEAD_MAX];
	struct mp_req req;
};

/* What became of a command, for kfc_answer(). */
enum kfc_result {
	KFC_STORED,
	KFC_NOT_STORED,
	KFC_EXISTS,
	KFC_NOT_FOUND,
	KFC_DELETED,
	KFC_TOUCHED,
	KFC_OK,
	KFC_TOO_LARGE,
	KFC_NO_MEMORY,
	KFC_NO_MEMORY_READ,
	KFC_NON_NUMERIC,
	KFC_AUTH_FAILURE,
	KFC_AUTH_CONTINUE,
};

/* Beside enum kfc_cmd_ret: the object changed under it, start over. */
#define KFC_RETRY	((int)KFC_CMD_CLOSE + 1)

/**
 * struct kfc_body - the value of a new record
 * @old: the present record's value comes first (or last), or
 * @val: what the client sent, or
 * @num: a number, padded with spaces to @len
 * @num_len: its digits
 * @old_first: of @old and @val, @old leads
 * @len: of it all
 */
struct kfc_body {
	const struct kfc_rec *old;
	const struct kfc_value *val;
	const char *num;
	u32 num_len;
	bool old_first;
	u32 len;
};

/* command.c */
enum kfc_cmd_ret kfc_busy(struct kfc_client *cl, u32 limit_ms);

/* answer.c */
enum mp_op kfc_op_mode(const struct mp_req *req);
bool kfc_wants_value(const struct mp_req *req);
void kfc_say(struct kfc_client *cl, const struct mp_req *req,
	     const char *line);
void kfc_answer(struct kfc_client *cl, const struct mp_req *req,
		enum kfc_result res, u64 cas);
void kfc_answer_status(struct kfc_client *cl, const struct mp_req *req,
		       u16 status);
void kfc_answer_text(struct kfc_client *cl, const struct mp_req *req,
		     const char *body);
void kfc_answer_number(struct kfc_client *cl, const struct mp_req *req, u64 n,
		       const struct mp_meta_item *it);
void kfc_answer_end(struct kfc_client *cl, const struct mp_req *req);
s64 kfc_ttl(struct kfc_cache *c, u32 exptime);
u32 kfc_meta_expiry(struct kfc_cache *c, const struct mp_req *req);
void kfc_meta_made(struct kfc_cache *c, const struct mp_req *req,
		   struct mp_meta_item *it);
void kfc_meta_item(struct kfc_cache *c, const struct kfc_lookup *lk,
		   struct mp_meta_item *it);
u32 kfc_put_hit(char *dst, const struct mp_req *req,
		const struct kfc_lookup *lk, const struct mp_meta_item *it);
u32 kfc_put_miss(char *dst, const struct mp_req *req);

/* body.c */
u32 kfc_expiry(struct kfc_cache *c, s64 exptime);
u64 kfc_item_size(u32 klen, u32 flags, u64 vlen);
bool kfc_size_ok(struct kfc_cache *c, u32 klen, u32 flags, u64 vlen);
int kfc_put(struct kfc_client *cl, struct kfc_lookup *lk,
	    const struct kfc_body *b, const struct kfc_attr *attr,
	    bool only_if, u64 *order);

/* auth.c */
bool kfc_auth_open(enum mp_op op);
void kfc_run_auth(struct kfc_client *cl, const struct mp_req *req);

/* get.c */
enum kfc_cmd_ret kfc_run_get(struct kfc_client *cl, const struct mp_req *req);
bool kfc_answer_hit(struct kfc_client *cl, const struct mp_req *req,
		    const struct kfc_lookup *lk,
		    const struct mp_meta_item *it);
bool kfc_awaits_pages(const struct kfc_client *cl, const struct mp_req *req,
		      const struct kfc_lookup *lk);
void kfc_answer_miss(struct kfc_client *cl, const struct mp_req *req);
void kfc_count_dead(struct kfc_cache *c, u64 order);
void kfc_count_get(struct kfc_cache *c, const struct mp_req *req, bool hit,
		   bool device);

/* op.c */
int kfc_op_start(struct kfc_client *cl, const struct kfc_lookup *lk,
		 const struct mp_req *get);
int kfc_op_read(struct kfc_client *cl, struct kfc_slab *s, u32 page, u32 nr);
bool kfc_op_held(struct kfc_client *cl, struct kfc_lookup *lk);
void kfc_op_unhold(struct kfc_client *cl);
struct kfc_op *kfc_op_answer(struct kfc_client *cl, const struct mp_req *req,
			     const struct kfc_lookup *lk);
struct kfc_op *kfc_op_held_answer(struct kfc_client *cl,
				  const struct mp_req *req);
int kfc_op_part(struct kfc_op *op, struct kfc_slab *s, u32 page, u32 nr);
void kfc_op_charge(struct kfc_op *op, u32 pages);
void kfc_op_answered(struct kfc_op *op);
void kfc_op_put(struct kfc_op *op);
void kfc_op_queue(struct kfc_op *op);
void kfc_op_leave(struct kfc_op *op);
void kfc_get_done(struct kfc_op *op);
void kfc_get_abandon(struct kfc_op *op);

/* stream.c */
int kfc_stream_read(struct kfc_op *op);
int kfc_stream_memory(struct kfc_client *cl, const struct mp_req *req,
		      const struct kfc_lookup *lk,
		      const struct mp_meta_item *it);
int kfc_stream_held(struct kfc_client *cl, const struct mp_req *req,
		    const struct mp_meta_item *it);
void kfc_stream_done(struct kfc_op *op);
void kfc_stream_cut(struct kfc_op *op);
void kfc_stream_empty(struct kfc_op *op);
void kfc_stream_drop(struct kfc_client *cl);

/* Pages of a value that are held for a client at once. */
static inline u32 kfc_client_window(const struct kfc_client *cl)
{
	return cl->whole ? U32_MAX : cl->cache->window;
}

/* modify.c */
enum kfc_cmd_ret kfc_run_modify(struct kfc_client *cl,
				const struct mp_req *req,
				const struct kfc_value *val);

/* statcmd.c */
enum kfc_cmd_ret kfc_run_stats(struct kfc_client *cl,
			       const struct mp_req *req);

/* dump.c */
enum kfc_cmd_ret kfc_run_dump(struct kfc_client *cl, const struct mp_req *req);
void kfc_dump_drop(struct kfc_client *cl);

/* meta.c */
bool kfc_meta_win(struct kfc_client *cl, const struct mp_req *req,
		  struct kfc_lookup *lk);
int kfc_meta_get(struct kfc_client *cl, const struct mp_req *req,
		 struct kfc_lookup *lk, bool found);
int kfc_meta_invalidate(struct kfc_client *cl, const struct mp_req *req,
			struct kfc_lookup *lk);

#endif /* KFC_OP_H */
