/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Between the parser's own files; nobody else includes this.
 */
#ifndef MP_PARSE_H
#define MP_PARSE_H

#include "mp.h"

struct mp_tok {
	const u8 *p;
	size_t len;
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

enum mp_status mp_long_line(struct mp_parser *p, const u8 *buf, size_t *pos,
			    size_t len, struct mp_err *err);
enum mp_status mp_keys(struct mp_parser *p, const u8 *buf, size_t *pos,
		       size_t len, struct mp_req *req, struct mp_err *err);

#endif /* MP_PARSE_H */
