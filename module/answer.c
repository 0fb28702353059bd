// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Answers: what became of a command, in the words of its protocol.
 */
#include <linux/string.h>

#include "op.h"

static bool meta_quiet(const struct mp_req *req)
{
	return mp_meta_has(req, 'q');
}

/**
 * kfc_op_mode() - the classic command that a request amounts to
 * @req: the request
 *
 * Return: for ms and ma their mode, else the operation itself
 */
enum mp_op kfc_op_mode(const struct mp_req *req)
{
	if (req->op == MP_META_SET || req->op == MP_META_ARITH)
		return req->mode;
	return req->op;
}

/**
 * kfc_wants_value() - whether the answer to a hit has the value in it
 * @req: the request, one that reads
 */
bool kfc_wants_value(const struct mp_req *req)
{
	if (req->op == MP_META_GET)
		return mp_meta_has(req, 'v');
	return req->op != MP_TOUCH && req->op != MP_META_DEBUG;
}

/* What the protocols say to a result; a status of 0 and "HD" are good news. */
static const struct {
	const char *text;
	const char *meta;	/* NULL: as text */
	u16 status;
} results[] = {
	[KFC_STORED] = { MP_STORED, "HD", MP_BIN_OK },
	[KFC_NOT_STORED] = { MP_NOT_STORED, "NS", MP_BIN_NOT_STORED },
	[KFC_EXISTS] = { MP_EXISTS, "EX", MP_BIN_EXISTS },
	[KFC_NOT_FOUND] = { MP_NOT_FOUND, "NF", MP_BIN_NOT_FOUND },
	[KFC_DELETED] = { MP_DELETED, "HD", MP_BIN_OK },
	[KFC_TOUCHED] = { MP_TOUCHED, "HD", MP_BIN_OK },
	[KFC_OK] = { MP_OK, NULL, MP_BIN_OK },
	[KFC_TOO_LARGE] = { MP_TOO_LARGE, NULL, MP_BIN_TOO_LARGE },
	[KFC_NO_MEMORY] = { MP_NO_MEMORY, NULL, MP_BIN_NO_MEMORY },
	[KFC_NO_MEMORY_READ] = { MP_NO_MEMORY_READ, NULL, MP_BIN_NO_MEMORY },
	[KFC_NON_NUMERIC] = { MP_NON_NUMERIC, NULL, MP_BIN_NON_NUMERIC },
	[KFC_AUTH_FAILURE] = { MP_AUTH_FAILURE, NULL, MP_BIN_AUTH },
	[KFC_AUTH_CONTINUE] = { "", NULL, MP_BIN_AUTH_CONTINUE },
};

/**
 * kfc_say() - answer with a fixed line, unless no answer is wanted
 * @cl: the client
 * @req: the request, not a binary one
 * @line: with its CRLF
 *
 * Context: the client's thread.
 */
void kfc_say(struct kfc_client *cl, const struct mp_req *req,
	     const char *line)
{
	if (!req->noreply)
		kfc_out_copy(&cl->out, line, strlen(line));
}

static void put_binary(struct kfc_client *cl, const struct mp_req *req,
		       u64 cas, const void *body, u32 len)
{
	struct mp_bin_head h = {
		.opcode = req->opcode,
		.vlen = len,
		.opaque = req->opaque,
		.cas = cas,
	};
	char *p = kfc_out_reserve(&cl->out, MP_BIN_HEAD);

	if (!p)
		return;
	kfc_out_commit(&cl->out, mp_put_bin_head(p, &h));
	kfc_out_copy(&cl->out, body, len);
}

/**
 * kfc_answer_status() - answer a binary command with an error
 * @cl: the client
 * @req: the request, at least its opcode and opaque
 * @status: the error
 *
 * Context: the client's thread.
 */
void kfc_answer_status(struct kfc_client *cl, const struct mp_req *req,
		       u16 status)
{
	char *p = kfc_out_reserve(&cl->out, MP_BIN_ERROR_MAX);

	if (p)
		kfc_out_commit(&cl->out,
			       mp_put_bin_error(p, req->opcode, req->opaque,
						status));
}

static void answer_binary(struct kfc_client *cl, const struct mp_req *req,
			  enum kfc_result res, u64 cas)
{
	u16 status = results[res].status;

	if (!status) {
		if (!req->quiet)
			put_binary(cl, req, cas, NULL, 0);
		return;
	}
	/* add and replace have words of their own for "not stored". */
	if (res == KFC_NOT_STORED && req->op == MP_ADD)
		status = MP_BIN_EXISTS;
	else if (res == KFC_NOT_STORED && req->op == MP_REPLACE)
		status = MP_BIN_NOT_FOUND;
	kfc_answer_status(cl, req, status);
}

static void put_meta(struct kfc_client *cl, const struct mp_req *req,
		     const char *code, const struct mp_meta_item *it)
{
	char *p = kfc_out_reserve(&cl->out, MP_META_HEAD_MAX);

	if (p)
		kfc_out_commit(&cl->out, mp_put_meta_head(p, code, req, it));
}

/**
 * kfc_answer() - say what became of a command that has no more to tell
 * @cl: the client
 * @req: the request
 * @res: the result
 * @cas: with KFC_STORED the unique of what was stored
 *
 * Nothing is said where the client does not want it, nor of a key of a text get
 * for want of memory: it is a miss. Context: the client's thread.
 */
void kfc_answer(struct kfc_client *cl, const struct mp_req *req,
		enum kfc_result res, u64 cas)
{
	const char *code = results[res].meta;
	struct mp_meta_item it = { .size = req->vlen };

	if (req->binary) {
		answer_binary(cl, req, res, cas);
		return;
	}
	/*
	 * For clients an error is the end of a text get's answer: what follows
	 * of it they would take for the answer of their next command.
	 */
	if (req->op <= MP_GATS &&
	    (res == KFC_NO_MEMORY || res == KFC_NO_MEMORY_READ))
		return;
	if (!mp_from_meta(req) || !code) {
		kfc_say(cl, req, results[res].text);
		return;
	}
	if (res == KFC_STORED)
		it.cas = cas;
	if (code[0] != 'H' || !meta_quiet(req))
		put_meta(cl, req, code, req->op == MP_META_SET ? &it : NULL);
}

/**
 * kfc_answer_text() - answer with a few words: the version, a SASL message
 * @cl: the client
 * @req: the request
 * @body: the words, of the text protocol with CRLF
 *
 * Context: the client's thread.
 */
void kfc_answer_text(struct kfc_client *cl, const struct mp_req *req,
		     const char *body)
{
	if (req->binary)
		put_binary(cl, req, 0, body, strlen(body));
	else
		kfc_say(cl, req, body);
}

/**
 * kfc_answer_number() - what incr, decr and ma left
 * @cl: the client
 * @req: the request
 * @n: the number
 * @it: the item that has it, its cas in any case, the rest for ma
 *
 * Context: the client's thread.
 */
void kfc_answer_number(struct kfc_client *cl, const struct mp_req *req, u64 n,
		       const struct mp_meta_item *it)
{
	char num[MP_U64_MAX_LEN + 2];
	__be64 be = cpu_to_be64(n);
	u32 len = mp_put_u64(num, n);
	bool value;

	if (req->binary) {
		if (!req->quiet)
			put_binary(cl, req, it->cas, &be, sizeof(be));
		return;
	}
	memcpy(num + len, "\r\n", 2);
	if (!mp_from_meta(req)) {
		if (!req->noreply)
			kfc_out_copy(&cl->out, num, len + 2);
		return;
	}
	if (meta_quiet(req) && !it->created)
		return;
	value = mp_meta_has(req, 'v');
	put_meta(cl, req, value ? "VA" : "HD", it);
	if (value)
		kfc_out_copy(&cl->out, num, len + 2);
}

/**
 * kfc_answer_end() - what follows the last key of a text get
 * @cl: the client
 * @req: the request, for the key
 *
 * Context: the client's thread.
 */
void kfc_answer_end(struct kfc_client *cl, const struct mp_req *req)
{
	if (!req->binary && req->op <= MP_GATS && req->last)
		kfc_out_copy(&cl->out, MP_END, sizeof(MP_END) - 1);
}

/**
 * kfc_ttl() - how long something has to live
 * @c: the cache
 * @exptime: when it expires, 0 for never
 *
 * Any context. Return: seconds, or MP_TTL_NONE
 */
s64 kfc_ttl(struct kfc_cache *c, u32 exptime)
{
	if (!exptime)
		return MP_TTL_NONE;
	return max_t(s64, (s64)exptime - kfc_now(c), 0);
}

/**
 * kfc_meta_expiry() - when what mg, ma or incr makes expires
 * @c: the cache
 * @req: the request, with N or with a time to make an object with
 *
 * Any context. Return: the second, 0 for never; of N and T the later one counts
 */
u32 kfc_meta_expiry(struct kfc_cache *c, const struct mp_req *req)
{
	if (mp_from_meta(req) && mp_meta_before(req, 'N', 'T'))
		return kfc_expiry(c, req->exptime);
	return kfc_expiry(c, req->vivify_exptime);
}

/**
 * kfc_meta_made() - the times to live of what was made
 * @c: the cache
 * @req: the request
 * @it: what is told of it; they are filled in
 *
 * Any context.
 */
void kfc_meta_made(struct kfc_cache *c, const struct mp_req *req,
		   struct mp_meta_item *it)
{
	it->created = true;
	/* Before it was made it had no end. */
	it->ttl = MP_TTL_NONE;
	it->ttl_made = kfc_ttl(c, kfc_expiry(c, req->vivify_exptime));
	it->ttl_new = kfc_ttl(c, kfc_expiry(c, req->exptime));
}

/**
 * kfc_meta_item() - what the meta commands tell of an object
 * @c: the cache
 * @lk: a lookup that found it
 * @it: filled in; that it was won or created is for the caller to say
 *
 * Context: as long as @lk->rec is valid.
 */
void kfc_meta_item(struct kfc_cache *c, const struct kfc_lookup *lk,
		   struct mp_meta_item *it)
{
	const struct kfc_rec *r = &lk->rec;
	u64 now = kfc_now(c);

	memset(it, 0, sizeof(*it));
	it->size = r->vlen;
	it->flags = r->flags;
	it->cas = r->cas;
	it->ttl = kfc_ttl(c, r->exptime);
	it->ttl_new = it->ttl;
	it->idle = max_t(s64, now - r->time, 0);
	it->fetched = kfc_slot_fetched(&c->log, lk->slot);
	it->base64 = r->marks & KFC_REC_BASE64;
	it->stale = r->marks & KFC_REC_STALE;
	it->sent = r->marks & KFC_REC_WON;
}

static u32 put_hit_binary(char *dst, const struct mp_req *req,
			  const struct kfc_lookup *lk)
{
	struct mp_bin_head h = {
		.opcode = req->opcode,
		.extlen = sizeof(__be32),
		.klen = req->with_key ? lk->key.len : 0,
		.vlen = kfc_wants_value(req) ? lk->rec.vlen : 0,
		.opaque = req->opaque,
		.cas = lk->rec.cas,
	};
	__be32 flags = cpu_to_be32(lk->rec.flags);
	u32 n = mp_put_bin_head(dst, &h);

	memcpy(dst + n, &flags, sizeof(flags));
	n += sizeof(flags);
	memcpy(dst + n, lk->key.p, h.klen);
	return n + h.klen;
}

/**
 * kfc_put_hit() - write what comes before the value of a hit
 * @dst: where; KFC_HEAD_MAX bytes are enough
 * @req: the request
 * @lk: the lookup
 * @it: for meta commands: the object
 *
 * Return: bytes written
 */
u32 kfc_put_hit(char *dst, const struct mp_req *req,
		const struct kfc_lookup *lk, const struct mp_meta_item *it)
{
	const struct kfc_rec *r = &lk->rec;
	bool cas = req->op == MP_GETS || req->op == MP_GATS;

	if (req->binary)
		return put_hit_binary(dst, req, lk);
	if (req->op == MP_META_DEBUG) {
		struct mp_meta_item whole = *it;

		whole.size = kfc_item_size(lk->key.len, r->flags, r->vlen);
		return mp_put_meta_debug(dst, req, &whole, KFC_CLASS);
	}
	if (req->op == MP_META_GET)
		return mp_put_meta_head(dst, kfc_wants_value(req) ? "VA" : "HD",
					req, it);
	return mp_put_value_head(dst, lk->key.p, lk->key.len, r->flags,
				 r->vlen, cas ? &r->cas : NULL);
}

/**
 * kfc_put_miss() - write the answer to a read that found nothing
 * @dst: where; KFC_HEAD_MAX bytes are enough
 * @req: the request
 *
 * Return: bytes written, 0 where nothing is said
 */
u32 kfc_put_miss(char *dst, const struct mp_req *req)
{
	struct mp_bin_head h = {
		.opcode = req->opcode,
		.klen = req->klen,
		.status = MP_BIN_NOT_FOUND,
		.opaque = req->opaque,
	};
	u32 n;

	if (!req->binary) {
		if (!mp_from_meta(req) ||
		    (req->op == MP_META_GET && meta_quiet(req)))
			return 0;
		return mp_put_meta_head(dst, "EN", req, NULL);
	}
	if (req->quiet)
		return 0;
	if (!req->with_key)
		return mp_put_bin_error(dst, req->opcode, req->opaque,
					MP_BIN_NOT_FOUND);
	n = mp_put_bin_head(dst, &h);
	memcpy(dst + n, req->key, req->klen);
	return n + req->klen;
}
