/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * As ../mp_feed.h, for a parser that knows meta commands and the binary
 * protocol, too: what comes out is checked, written down, and answered into
 * buffers of just the size that mp.h promises to be enough. For the unit tests
 * and the fuzzers.
 */
#ifndef MP_TALK_H
#define MP_TALK_H

#include "../mp_feed.h"

static const char *const talk_ops[MP_OP_NR] = {
	[MP_META_NOOP] = "mn", [MP_META_GET] = "mg", [MP_META_SET] = "ms",
	[MP_META_DELETE] = "md", [MP_META_ARITH] = "ma",
	[MP_META_DEBUG] = "me", [MP_NOOP] = "noop",
	[MP_SASL_LIST] = "sasl_list", [MP_SASL_AUTH] = "sasl_auth",
	[MP_SASL_STEP] = "sasl_step", [MP_AUTH] = "auth",
};

static const char *talk_op(enum mp_op op)
{
	MUST(op < MP_OP_NR);
	return talk_ops[op] ? talk_ops[op] : feed_ops[op];
}

/* A key is in the line, or in the request's own buffer. */
static void talk_key(struct feed *f, const char *name, const struct mp_req *r,
		     const u8 *buf, size_t used)
{
	MUST(r->klen >= 1 && r->klen <= MP_KEY_MAX);
	if (r->key == r->key_buf)
		MUST(r->klen <= sizeof(r->key_buf) && mp_meta_has(r, 'b'));
	else
		feed_inside(r->key, r->klen, buf, used);
	feed_word(&f->log, name, r->key, r->klen);
}

/* Answer with all that there may be to say, and a little less. */
static void talk_meta_answers(const struct mp_req *r)
{
	struct mp_meta_item it = {
		.size = ~0u, .flags = ~0u, .cas = ~0ULL, .ttl = 1LL << 40,
		.ttl_new = 0xffffffff, .idle = ~0u, .created = true,
		.base64 = true, .won = true, .stale = true, .sent = true,
	};
	char *dst = malloc(MP_META_HEAD_MAX);
	char *dbg = malloc(MP_META_DEBUG_MAX);
	size_t n, i;

	MUST(dst && dbg);
	for (i = 0; i < 3; i++) {
		n = mp_put_meta_head(dst, i ? "VA" : "EN", r, i ? &it : NULL);
		MUST(n >= 4 && n <= MP_META_HEAD_MAX);
		MUST(!memcmp(dst + n - 2, "\r\n", 2));
		n = mp_put_meta_debug(dbg, r, &it, ~0u);
		MUST(n <= MP_META_DEBUG_MAX);
		it.base64 = false;
		it.ttl = MP_TTL_NONE;
	}
	free(dst);
	free(dbg);
}

static void talk_meta(struct feed *f, const struct mp_req *r, const u8 *buf,
		      size_t used)
{
	const struct mp_meta *m = &r->meta;
	struct feed_log *l = &f->log;
	u64 given = 0;
	unsigned int i;

	MUST(!r->noreply && !r->last && !r->binary && !r->arg_len);
	feed_note(l, "%s", talk_op(r->op));
	if (r->op == MP_META_NOOP) {
		MUST(!r->klen && !m->given);
		feed_note(l, "; ");
		return;
	}
	talk_key(f, "k", r, buf, used);
	if (r->op == MP_META_DEBUG) {
		MUST(!m->nr);
		feed_note(l, "; ");
		talk_meta_answers(r);
		return;
	}
	MUST(m->nr <= MP_META_FLAGS_MAX);
	for (i = 0; i < m->nr; i++) {
		MUST(!(given & mp_meta_bit(m->order[i])));
		given |= mp_meta_bit(m->order[i]);
		MUST(!i || mp_meta_before(r, m->order[i - 1],
					  m->order[i]));
	}
	MUST(given == m->given);
	MUST(m->opaque_len <= MP_META_OPAQUE_MAX);
	MUST(r->has_cas == mp_meta_has(r, 'C'));
	MUST(r->vivify == mp_meta_has(r, 'N'));
	MUST((r->key == r->key_buf) == mp_meta_has(r, 'b'));
	if (r->op == MP_META_SET) {
		MUST(r->mode >= MP_SET && r->mode <= MP_CAS);
		MUST(r->vlen <= f->p.item_max && r->drop_old);
		feed_note(l, " %s v=%u", talk_op(r->mode), r->vlen);
		f->skip = (u64)r->vlen + mp_value_tail(r);
	}
	if (r->op == MP_META_ARITH) {
		MUST(r->mode == MP_INCR || r->mode == MP_DECR);
		feed_note(l, " %s d=%llu", talk_op(r->mode), r->delta);
	}
	if (m->nr)
		feed_note(l, " [%.*s]", (int)m->nr, m->order);
	if (m->opaque_len)
		feed_word(l, "O", (const u8 *)m->opaque, m->opaque_len);
	if (r->has_cas)
		feed_note(l, " c=%llu", r->cas);
	if (r->flags)
		feed_note(l, " f=%u", r->flags);
	if (mp_meta_has(r, 'T'))
		feed_note(l, " e=%lld", r->exptime);
	if (r->vivify)
		feed_note(l, " n=%lld", r->vivify_exptime);
	if (r->initial)
		feed_note(l, " i=%llu", r->initial);
	if (m->recache)
		feed_note(l, " r=%lld", m->recache);
	if (m->cas_new)
		feed_note(l, " E=%llu", m->cas_new);
	feed_note(l, "; ");
	talk_meta_answers(r);
}

static bool talk_needs_key(enum mp_op op)
{
	switch (op) {
	case MP_QUIT:
	case MP_FLUSH_ALL:
	case MP_NOOP:
	case MP_VERSION:
	case MP_STATS:
	case MP_SASL_LIST:
		return false;
	default:
		return true;
	}
}

static void talk_binary(struct feed *f, const struct mp_req *r, const u8 *buf,
			size_t used)
{
	struct feed_log *l = &f->log;

	MUST(!r->noreply && !r->last && r->op != MP_GETS &&
	     r->op != MP_GATS);
	feed_note(l, "%s", talk_op(r->op));
	if (talk_needs_key(r->op))
		talk_key(f, "k", r, buf, used);
	else
		MUST(!r->klen);
	if (mp_has_value(r)) {
		MUST(r->vlen <= f->p.item_max && !mp_value_tail(r));
		feed_note(l, " f=%u e=%lld v=%u", r->flags, r->exptime, r->vlen);
		f->skip = r->vlen;
	} else {
		MUST(!r->vlen && !r->flags);
	}
	if (r->op == MP_TOUCH || r->op == MP_GAT || r->op == MP_FLUSH_ALL)
		feed_note(l, " e=%lld", r->exptime);
	if (r->op == MP_INCR || r->op == MP_DECR) {
		feed_note(l, " d=%llu", r->delta);
		if (r->vivify)
			feed_note(l, " i=%llu n=%lld", r->initial,
				  r->vivify_exptime);
	} else {
		MUST(!r->vivify);
	}
	if (r->arg_len) {
		feed_inside(r->arg, r->arg_len, buf, used);
		feed_word(l, "arg", r->arg, r->arg_len);
	}
	MUST(r->has_cas == !!r->cas);
	if (r->has_cas)
		feed_note(l, " c=%llu", r->cas);
	if (r->drop_old)
		feed_note(l, " drops");
	if (r->quiet)
		feed_note(l, " quiet");
	if (r->with_key)
		feed_note(l, " with_key");
	feed_note(l, " #%x; ", r->opaque);
}

static void talk_inside(const u8 *p, size_t n, const struct mp_req *r)
{
	feed_inside(p, n, r->arg, r->arg_len);
	MUST(!memchr(p, 0, n));
}

static void talk_auth(struct feed *f, const struct mp_req *r, const u8 *buf,
		      size_t used)
{
	struct mp_login in;

	MUST(!r->noreply && !r->last && !r->klen && !r->vlen);
	feed_note(&f->log, "auth");
	if (r->arg_len) {
		feed_inside(r->arg, r->arg_len, buf, used);
		feed_word(&f->log, "arg", r->arg, r->arg_len);
	}
	if (mp_login_text(r->arg, r->arg_len, &in)) {
		talk_inside(in.user, in.ulen, r);
		talk_inside(in.pass, in.plen, r);
		MUST(in.ulen && in.plen);
		feed_word(&f->log, "user", in.user, in.ulen);
		feed_word(&f->log, "pass", in.pass, in.plen);
	}
	feed_note(&f->log, "; ");
}

/* A SASL message as it might be in any argument. */
static void talk_plain(const struct mp_req *r)
{
	struct mp_login in;

	if (!mp_login_plain(r->arg, r->arg_len, &in))
		return;
	talk_inside(in.user, in.ulen, r);
	talk_inside(in.pass, in.plen, r);
}

static void talk_req(struct feed *f, const struct mp_req *r, const u8 *buf,
		     size_t used)
{
	if (r->op == MP_SASL_AUTH || r->op == MP_SASL_STEP)
		talk_plain(r);
	if (r->binary)
		talk_binary(f, r, buf, used);
	else if (r->op == MP_AUTH)
		talk_auth(f, r, buf, used);
	else if (r->op >= MP_META_NOOP && r->op <= MP_META_DEBUG)
		talk_meta(f, r, buf, used);
	else
		feed_req(f, r, buf, used);
}

static void talk_err(struct feed *f, const struct mp_req *r,
		     const struct mp_err *e, const u8 *buf, size_t used)
{
	struct feed_log *l = &f->log;
	char *dst;
	size_t n;

	feed_note(l, "ERR");
	if (e->line) {
		n = strlen(e->line);
		MUST(!e->status && f->p.proto == MP_PROTO_TEXT);
		MUST(n > 2 && !strcmp(e->line + n - 2, "\r\n"));
		feed_note(l, " %.*s", (int)(n - 2), e->line);
	}
	if (e->status) {
		MUST(f->p.proto == MP_PROTO_BINARY && r->binary);
		dst = malloc(MP_BIN_ERROR_MAX);
		MUST(dst);
		n = mp_put_bin_error(dst, r->opcode, r->opaque, e->status);
		MUST(n > MP_BIN_HEAD && n <= MP_BIN_ERROR_MAX);
		feed_note(l, " %02x op=%02x #%x %.*s", e->status, r->opcode,
			  r->opaque, (int)(n - MP_BIN_HEAD), dst + MP_BIN_HEAD);
		free(dst);
	}
	if (e->swallow) {
		MUST(e->swallow <= 0xffffffff && !e->close);
		feed_note(l, " swallow=%llu", e->swallow);
		f->skip = e->swallow;
	}
	if (e->drop_key)
		talk_key(f, "drop", r, buf, used);
	if (e->close) {
		feed_note(l, " close");
		f->closed = true;
	}
	feed_note(l, "; ");
}

/* One call of the parser. False if it has to wait for more bytes. */
static bool talk_step(struct feed *f, size_t n)
{
	size_t used = (size_t)-1;
	struct mp_req req;
	struct mp_err err;
	enum mp_status st;
	u8 *buf = malloc(n);

	MUST(buf || !n);
	if (n)
		memcpy(buf, f->in + f->pos, n);
	memset(&req, 0xa5, sizeof(req));
	memset(&err, 0xa5, sizeof(err));
	st = mp_parse(&f->p, buf, n, &used, &req, &err);
	MUST(used <= n);
	f->events++;
	MUST(f->events <= 2 * f->len + 100000);
	switch (st) {
	case MP_REQ:
		MUST(used);
		talk_req(f, &req, buf, used);
		break;
	case MP_ERR:
		MUST(used);
		f->line_failed = true;
		talk_err(f, &req, &err, buf, used);
		break;
	default:
		MUST(st == MP_MORE);
		MUST(n - used <= MP_LINE_MAX);
		MUST(!used || f->p.proto == MP_PROTO_TEXT);
		break;
	}
	free(buf);
	f->pos += used;
	f->fresh = !f->p.in_keys;
	return st != MP_MORE;
}

/* Let the bytes up to @have arrive, and take all that can be taken. */
static void talk_to(struct feed *f, size_t have)
{
	MUST(have >= f->have && have <= f->len);
	f->have = have;
	while (!f->closed) {
		size_t n = f->have - f->pos;

		if (f->skip) {
			if (n > f->skip)
				n = (size_t)f->skip;
			f->pos += n;
			f->skip -= n;
			if (f->skip)
				return;
			n = f->have - f->pos;
		}
		if (f->p.proto != MP_PROTO_BINARY)
			feed_line(f);
		if (!talk_step(f, n))
			return;
		if (f->fresh && f->p.proto == MP_PROTO_TEXT)
			feed_blur(f);
	}
}

/* As feed_start(), for a parser that knows everything. */
static void talk_start(struct feed *f, const void *in, size_t len, u32 item_max)
{
	(void)feed_to;		/* not everybody has a use for it */
	feed_start(f, in, len, item_max);
	f->p.meta = true;
	f->p.binary = true;
}

#endif /* MP_TALK_H */
