// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The keys of a get line, one by one, and lines too long to wait for.
 *
 * Nothing here needs the line's end to be there. What a word means is only
 * decided when the byte after it has come, and how far anything looks ahead
 * is bounded, so the same bytes mean the same however they were cut up.
 */
#include "mp.h"
#include "parse.h"

/* Spaces before a command that a line longer than MP_LINE_MAX may have. */
#define MP_LEAD_MAX	100
/**
 * mp_long_line() - more than MP_LINE_MAX bytes and no end of line
 * @p: the parser
 * @buf: the bytes
 * @pos: where the line begins; where its words follow, for MP_MORE
 * @len: end of the bytes
 * @err: what to answer, for MP_ERR
 *
 * A get can be gone on with in pieces; anything else closes the connection.
 *
 * Return: MP_MORE if it is a get, else MP_ERR.
 */
enum mp_status mp_long_line(struct mp_parser *p, const u8 *buf, size_t *pos,
			    size_t len, struct mp_err *err)
{
	static const char * const names[] = { "get", "gets", "gat", "gats" };
	const u8 *s;
	struct mp_tok t;
	enum mp_op op;

	s = mp_next_tok(buf + *pos, buf + len, &t);
	for (op = MP_GET; op <= MP_GATS; op++)
		if (mp_is(&t, names[op], strlen(names[op])))
			break;
	if (op > MP_GATS || t.p > buf + *pos + MP_LEAD_MAX) {
		err->close = true;
		p->skip_line = true;
		*pos = len;
		return mp_fail(err, NULL, false);
	}
	p->op = op;
	p->in_keys = true;
	p->had_key = false;
	p->want_exptime = mp_is_gat(op);
	p->exptime = 0;
	*pos = (size_t)(s - buf);
	return MP_MORE;
}

/* The end of a get line that was not seen when its last key was handed out. */
static enum mp_status mp_keys_end(struct mp_parser *p, struct mp_err *err)
{
	bool fine = p->had_key || (mp_is_gat(p->op) && !p->want_exptime);

	p->in_keys = false;
	return mp_fail(err, fine ? MP_END : MP_ERROR, false);
}

static enum mp_status mp_keys_broken(struct mp_parser *p, struct mp_err *err,
				     const char *line)
{
	p->in_keys = false;
	p->skip_line = true;
	return mp_fail(err, line, false);
}

/* The end of the word that begins at @pos, @max bytes away at most. */
static size_t mp_word_end(const u8 *buf, size_t pos, size_t len, size_t max)
{
	if (len - pos > max)
		len = pos + max;
	while (pos < len && buf[pos] != ' ' && buf[pos] != '\n' && buf[pos])
		pos++;
	return pos;
}

/*
 * A key is known: is it the line's last? MP_MORE: that cannot be seen yet.
 * @next is where the key's word ended.
 */
static enum mp_status mp_key_last(struct mp_parser *p, const u8 *buf,
				  size_t *pos, size_t next, size_t len,
				  struct mp_req *req)
{
	size_t start = *pos;

	while (next < len && buf[next] == ' ')
		next++;
	if (next - start >= MP_LINE_MAX) {
		/* spaces without end: let the key go, END comes by itself */
		*pos = next;
	} else if (next == len ||
		   (buf[next] == '\r' && next + 1 == len)) {
		return MP_MORE;
	} else if (buf[next] == '\n') {
		req->last = true;
		*pos = next + 1;
	} else if (buf[next] == '\r' && buf[next + 1] == '\n') {
		req->last = true;
		*pos = next + 2;
	} else if (!buf[next]) {
		req->last = true;
		p->skip_line = true;
		*pos = next + 1;
	} else {
		*pos = next;
	}
	if (req->last)
		p->in_keys = false;
	p->had_key = true;
	return MP_REQ;
}

/* The exptime word of a long gat line: false if it is not there whole. */
static bool mp_keys_exptime(struct mp_parser *p, const u8 *buf, size_t *pos,
			    size_t len, enum mp_status *st, struct mp_err *err)
{
	size_t end = mp_word_end(buf, *pos, len, MP_LINE_MAX);
	struct mp_tok t = { buf + *pos, end - *pos };

	*st = MP_MORE;
	if (end == len && t.len < MP_LINE_MAX)
		return false;
	*pos = end;
	if (t.len >= MP_LINE_MAX || !mp_get_s64(t.p, t.len, &p->exptime)) {
		*st = mp_keys_broken(p, err, MP_BAD_EXPTIME);
		return false;
	}
	p->want_exptime = false;
	return true;
}

/**
 * mp_keys() - inside a get line: its next key
 * @p: the parser
 * @buf: the bytes
 * @pos: where to go on; moved past what is done with
 * @len: end of the bytes
 * @req: the request, for MP_REQ
 * @err: what to answer, for MP_ERR
 *
 * Return: MP_REQ, MP_ERR, or MP_MORE if the key, or whether it is the last,
 * cannot be seen yet.
 */
enum mp_status mp_keys(struct mp_parser *p, const u8 *buf, size_t *pos,
		       size_t len, struct mp_req *req, struct mp_err *err)
{
	enum mp_status st;
	struct mp_tok t;
	size_t end;

again:
	while (*pos < len && buf[*pos] == ' ')
		(*pos)++;
	if (*pos == len)
		return MP_MORE;
	if (!buf[*pos]) {
		(*pos)++;
		p->skip_line = true;
		return mp_keys_end(p, err);
	}
	if (buf[*pos] == '\r' && *pos + 1 == len)
		return MP_MORE;
	if (buf[*pos] == '\r' && buf[*pos + 1] == '\n')
		(*pos)++;
	if (buf[*pos] == '\n') {
		(*pos)++;
		return mp_keys_end(p, err);
	}
	if (p->want_exptime) {
		if (!mp_keys_exptime(p, buf, pos, len, &st, err))
			return st;
		goto again;
	}

	/* one byte past a key of full length, which may be the line's CR */
	end = mp_word_end(buf, *pos, len, MP_KEY_MAX + 1);
	t.p = buf + *pos;
	t.len = end - *pos;
	if (end < len && buf[end] == '\n' && buf[end - 1] == '\r')
		t.len--;
	else if (end == len && t.len == MP_KEY_MAX + 1 && buf[end - 1] == '\r')
		return MP_MORE;
	if (!mp_take_key(&t, req)) {
		*pos = end;
		return mp_keys_broken(p, err, MP_BAD_FORMAT);
	}
	req->op = p->op;
	req->exptime = p->exptime;
	return mp_key_last(p, buf, pos, end, len, req);
}
