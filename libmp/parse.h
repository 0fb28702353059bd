/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Between the parser's own files; nobody else includes this.
 */
#ifndef MP_PARSE_H
#define MP_PARSE_H

#include "mp.h"

/* As many words as any command has a use for, and one that is too many. */
#define MP_TOKS		8
/* Largest value length that is understood; more is a bad number. */
#define MP_VLEN_MAX	(0x7fffffffu - 2)

struct mp_tok {
	const u8 *p;
	size_t len;
};

/*
 * A line that is there whole, without its CRLF and what follows a NUL. The
 * word after the last one is empty and at the line's end.
 */
struct mp_line {
	struct mp_tok tok[MP_TOKS];
	unsigned int n;		/* words; MP_TOKS: that many or more */
	const u8 *end;
};

static inline const u8 *mp_next_tok(const u8 *s, const u8 *end, struct mp_tok *t)
{
	while (s < end && *s == ' ')
		s++;
	t->p = s;
	while (s < end && *s != ' ')
		s++;
	t->len = (size_t)(s - t->p);
	return s;
}

static inline bool mp_is(const struct mp_tok *t, const char *word, size_t len)
{
	return t->len == len && !memcmp(t->p, word, len);
}

static inline bool mp_tok_u64(const struct mp_tok *t, u64 *v)
{
	return mp_get_u64(t->p, t->len, v);
}

static inline bool mp_tok_u32(const struct mp_tok *t, u32 *v)
{
	u64 n;

	if (!mp_tok_u64(t, &n) || n > 0xffffffffu)
		return false;
	*v = (u32)n;
	return true;
}

static inline bool mp_tok_s64(const struct mp_tok *t, s64 *v)
{
	return mp_get_s64(t->p, t->len, v);
}

static inline bool mp_is_get(enum mp_op op)
{
	return op <= MP_GATS;
}

static inline bool mp_is_gat(enum mp_op op)
{
	return op == MP_GAT || op == MP_GATS;
}

static inline enum mp_status mp_fail(struct mp_err *err, const char *line,
				     bool noreply)
{
	err->line = noreply ? NULL : line;
	return MP_ERR;
}

static inline bool mp_take_key(const struct mp_tok *t, struct mp_req *req)
{
	if (t->len > MP_KEY_MAX)
		return false;
	req->key = t->p;
	req->klen = (u8)t->len;
	return true;
}

void mp_split(struct mp_line *l, const u8 *s, const u8 *lf);
enum mp_status mp_auth(const u8 *buf, size_t len, size_t *used,
		       struct mp_req *req, struct mp_err *err);
enum mp_status mp_long_line(struct mp_parser *p, const u8 *buf, size_t *pos,
			    size_t len, struct mp_err *err);
enum mp_status mp_keys(struct mp_parser *p, const u8 *buf, size_t *pos,
		       size_t len, struct mp_req *req, struct mp_err *err);
bool mp_admin(const struct mp_line *l, struct mp_err *err);
bool mp_metadump(const struct mp_line *l, struct mp_req *req);
bool mp_is_meta(const struct mp_tok *t);
enum mp_status mp_meta(const struct mp_parser *p, const struct mp_line *l,
		       struct mp_req *req, struct mp_err *err);
enum mp_status mp_binary(const struct mp_parser *p, const u8 *buf, size_t len,
			 size_t *used, struct mp_req *req, struct mp_err *err);

#endif /* MP_PARSE_H */
