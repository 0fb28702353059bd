// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Meta commands, parsed: mn, mg, ms, md, ma, me.
 *
 * Flags, and what gets which error line, are those of memcached 1.6.18. All
 * commands take all flags, whether they have a use for them or not. E and x are
 * of later versions. What 1.6.18 finds out only while it answers (a token of O
 * that is too long) is an error here before anything is done.
 *
 * Whatever is needed for the answer is copied to the request: a value may have
 * to be waited for, and the line is gone by then.
 */
#include "mp.h"
#include "parse.h"

/* Words of a line, command and key included. */
#define MP_META_WORDS	(2 + MP_META_FLAGS_MAX)

#define MP_BAD_TOKEN	"CLIENT_ERROR bad token in command line format\r\n"
#define MP_BAD_KEY	"CLIENT_ERROR error decoding key\r\n"
#define MP_BAD_FLAG	"CLIENT_ERROR invalid flag\r\n"
#define MP_TWICE	"CLIENT_ERROR duplicate flag\r\n"
#define MP_BAD_OR_TWICE	"CLIENT_ERROR invalid or duplicate flag\r\n"
#define MP_BAD_MODE_LEN	"CLIENT_ERROR incorrect length for M token\r\n"
#define MP_BAD_MODE_SET	"CLIENT_ERROR invalid mode for ms M token\r\n"
#define MP_BAD_MODE_ARITH "CLIENT_ERROR invalid mode for ma M token\r\n"
#define MP_BAD_INITIAL	"CLIENT_ERROR invalid numeric initial value\r\n"
#define MP_BAD_META_DELTA "CLIENT_ERROR invalid numeric delta value\r\n"
#define MP_LONG_OPAQUE	"CLIENT_ERROR opaque token too long\r\n"
#define MP_MANY_FLAGS	"CLIENT_ERROR options flags too long\r\n"
#define MP_MANY_FLAGS_GET "CLIENT_ERROR options flags are too long\r\n"

/* What is only checked once all flags are known. */
struct mp_meta_late {
	u8 mode;		/* token of M, or 0 */
	bool long_opaque;
};

/**
 * mp_is_meta() - whether a line is a meta command
 * @t: its first word
 *
 * Return: whether it is.
 */
bool mp_is_meta(const struct mp_tok *t)
{
	return t->len == 2 && t->p[0] == 'm' && memchr("gsdnae", t->p[1], 6);
}

/**
 * mp_meta_before() - the order of two flags, where it matters
 * @req: the request
 * @first: a flag's letter
 * @second: another's
 *
 * As in memcached, "t" before "T" is the old time to live, and "R" before "T"
 * looks at the old one.
 *
 * Return: true if both were given, and @first came first.
 */
bool mp_meta_before(const struct mp_req *req, char first, char second)
{
	bool seen = false;
	unsigned int i;

	for (i = 0; i < req->meta.nr; i++) {
		if (req->meta.order[i] == first)
			seen = true;
		else if (req->meta.order[i] == second)
			return seen;
	}
	return false;
}

static bool mp_meta_key(const struct mp_tok *t, struct mp_req *req)
{
	size_t n = mp_base64_decode(req->key_buf, t->p, t->len);

	req->key = req->key_buf;
	req->klen = (u8)n;
	return n;
}

static void mp_meta_opaque(const struct mp_tok *v, struct mp_req *req,
			   struct mp_meta_late *late)
{
	late->long_opaque = v->len > MP_META_OPAQUE_MAX;
	if (late->long_opaque)
		return;
	memcpy(req->meta.opaque, v->p, v->len);
	req->meta.opaque_len = (u8)v->len;
}

/*
 * A flag's token. False if it is bad; *why is then the error line, left as it
 * is where memcached leaves it.
 */
static bool mp_meta_token(u8 flag, const struct mp_tok *v,
			  const struct mp_tok *key, struct mp_req *req,
			  struct mp_meta_late *late, const char **why)
{
	const char *bad = MP_BAD_TOKEN;
	bool ok = true;

	switch (flag) {
	case 'b':
		bad = MP_BAD_KEY;
		ok = mp_meta_key(key, req);
		break;
	case 'C':
		req->has_cas = true;
		ok = mp_tok_u64(v, &req->cas);
		break;
	case 'D':
		bad = MP_BAD_META_DELTA;
		ok = mp_tok_u64(v, &req->delta);
		break;
	case 'E':
		ok = mp_tok_u64(v, &req->meta.cas_new);
		break;
	case 'F':
		bad = *why;
		ok = mp_tok_u32(v, &req->flags);
		break;
	case 'J':
		bad = MP_BAD_INITIAL;
		ok = mp_tok_u64(v, &req->initial);
		break;
	case 'M':
		bad = MP_BAD_MODE_LEN;
		ok = v->len == 1;
		late->mode = ok ? *v->p : 0;
		break;
	case 'N':
		req->vivify = true;
		ok = mp_tok_s64(v, &req->vivify_exptime);
		break;
	case 'O':
		mp_meta_opaque(v, req, late);
		break;
	case 'R':
		ok = mp_tok_s64(v, &req->meta.recache);
		break;
	case 'T':
		ok = mp_tok_s64(v, &req->exptime);
		break;
	default:
		break;
	}
	if (!ok)
		*why = bad;
	return ok;
}

static bool mp_meta_known(u8 flag)
{
	return memchr("bCDEFIJLMNOPRTcfhklqstuvx", flag, 25);
}

/* All flags from the word @t on. Returns NULL or the error line. */
static const char *mp_meta_flags(const struct mp_line *l, struct mp_tok t,
				 struct mp_req *req, struct mp_meta_late *late)
{
	const char *why = MP_BAD_FORMAT;
	struct mp_meta *m = &req->meta;
	bool ok = true;

	late->mode = 0;
	late->long_opaque = false;
	while (t.len) {
		struct mp_tok v = { t.p + 1, t.len - 1 };
		u8 flag = *t.p;

		if (flag >= 127)
			return MP_TWICE;
		if (!mp_meta_known(flag))
			return MP_BAD_FLAG;
		if (mp_meta_has(req, (char)flag))
			return MP_TWICE;
		m->given |= mp_meta_bit((char)flag);
		m->order[m->nr++] = (char)flag;
		if (!mp_meta_token(flag, &v, &l->tok[1], req, late, &why))
			ok = false;
		mp_next_tok(t.p + t.len, l->end, &t);
	}
	if (!ok)
		return why;
	return NULL;
}

/* Whether a line has more words than memcached takes. */
static bool mp_meta_long(const struct mp_line *l)
{
	struct mp_tok t = l->tok[MP_TOKS - 1];
	unsigned int n = l->n;

	if (n < MP_TOKS)
		return false;
	for (; n <= MP_META_WORDS; n++) {
		mp_next_tok(t.p + t.len, l->end, &t);
		if (!t.len)
			return false;
	}
	return true;
}

static bool mp_meta_set_mode(struct mp_req *req, u8 mode)
{
	switch (mode) {
	case 0:
	case 'S':
		req->mode = MP_SET;
		break;
	case 'E':
		req->mode = MP_ADD;
		break;
	case 'A':
		req->mode = MP_APPEND;
		break;
	case 'P':
		req->mode = MP_PREPEND;
		break;
	case 'R':
		req->mode = MP_REPLACE;
		break;
	default:
		return false;
	}
	if (req->has_cas &&
	    (req->mode == MP_SET || req->mode == MP_REPLACE))
		req->mode = MP_CAS;
	return true;
}

static bool mp_meta_arith_mode(struct mp_req *req, u8 mode)
{
	switch (mode) {
	case 0:
	case 'I':
	case '+':
		req->mode = MP_INCR;
		return true;
	case 'D':
	case '-':
		req->mode = MP_DECR;
		return true;
	default:
		return false;
	}
}

static enum mp_status mp_meta_get(const struct mp_line *l, struct mp_req *req,
				  struct mp_err *err)
{
	struct mp_meta_late late;
	const char *why;

	if (mp_meta_long(l))
		return mp_fail(err, MP_MANY_FLAGS_GET, false);
	why = mp_meta_flags(l, l->tok[2], req, &late);
	if (!why && late.long_opaque)
		why = MP_LONG_OPAQUE;
	return why ? mp_fail(err, why, false) : MP_REQ;
}

static enum mp_status mp_meta_set(const struct mp_parser *p,
				  const struct mp_line *l, struct mp_req *req,
				  struct mp_err *err)
{
	struct mp_meta_late late;
	const char *why;
	s64 vlen;

	if (l->n == 2)
		return mp_fail(err, MP_BAD_FORMAT, false);
	if (mp_meta_long(l))
		return mp_fail(err, MP_MANY_FLAGS, false);
	if (!mp_tok_s64(&l->tok[2], &vlen) || vlen < 0 || vlen > MP_VLEN_MAX)
		return mp_fail(err, MP_BAD_FORMAT, false);
	req->vlen = (u32)vlen;
	req->drop_old = true;

	why = mp_meta_flags(l, l->tok[3], req, &late);
	if (!why && !mp_meta_set_mode(req, late.mode))
		why = MP_BAD_MODE_SET;
	if (!why && late.long_opaque)
		why = MP_LONG_OPAQUE;
	if (!why && req->vlen > p->item_max) {
		err->drop_key = true;
		err->too_large = true;
		why = MP_TOO_LARGE;
	}
	if (!why)
		return MP_REQ;
	err->swallow = (u64)req->vlen + 2;
	return mp_fail(err, why, false);
}

/* md and ma */
static enum mp_status mp_meta_change(const struct mp_line *l,
				     struct mp_req *req, struct mp_err *err)
{
	struct mp_meta_late late;
	const char *why = NULL;

	req->delta = 1;
	if (mp_meta_long(l))
		return mp_fail(err, MP_MANY_FLAGS, false);
	if (mp_meta_flags(l, l->tok[2], req, &late))
		why = MP_BAD_OR_TWICE;
	else if (req->op == MP_META_ARITH &&
		 !mp_meta_arith_mode(req, late.mode))
		why = MP_BAD_MODE_ARITH;
	else if (late.long_opaque)
		why = MP_LONG_OPAQUE;
	return why ? mp_fail(err, why, false) : MP_REQ;
}

/* me, whose only flag is a b right behind the key; the rest is not looked at */
static enum mp_status mp_meta_debug(const struct mp_line *l,
				    struct mp_req *req, struct mp_err *err)
{
	if (l->n < 3 || !mp_is(&l->tok[2], "b", 1))
		return MP_REQ;
	req->meta.given = mp_meta_bit('b');
	if (!mp_meta_key(&l->tok[1], req))
		return mp_fail(err, MP_BAD_FORMAT, false);
	return MP_REQ;
}

/**
 * mp_meta() - a meta command
 * @p: the parser
 * @l: the line, its first word one that mp_is_meta()
 * @req: the request, zeroed but for meta
 * @err: what to answer, for MP_ERR
 *
 * Flag q never makes noreply: errors are answered whatever it says.
 *
 * Return: MP_REQ or MP_ERR.
 */
enum mp_status mp_meta(const struct mp_parser *p, const struct mp_line *l,
		       struct mp_req *req, struct mp_err *err)
{
	u8 cmd = l->tok[0].p[1];

	memset(&req->meta, 0, sizeof(req->meta));
	if (cmd == 'n') {
		req->op = MP_META_NOOP;
		return MP_REQ;
	}
	if (l->n < 2)
		return mp_fail(err, cmd == 'e' ? MP_BAD_FORMAT : MP_ERROR,
			       false);
	if (!mp_take_key(&l->tok[1], req))
		return mp_fail(err, MP_BAD_FORMAT, false);

	switch (cmd) {
	case 'g':
		req->op = MP_META_GET;
		return mp_meta_get(l, req, err);
	case 's':
		req->op = MP_META_SET;
		return mp_meta_set(p, l, req, err);
	case 'd':
		req->op = MP_META_DELETE;
		return mp_meta_change(l, req, err);
	case 'a':
		req->op = MP_META_ARITH;
		return mp_meta_change(l, req, err);
	default:
		req->op = MP_META_DEBUG;
		return mp_meta_debug(l, req, err);
	}
}
