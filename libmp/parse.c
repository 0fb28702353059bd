// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The text protocol's parser.
 *
 * A line that has arrived whole is split at spaces and checked at once, in
 * memcached 1.6.18's order, so that it gets memcached's own error line. The
 * keys of a get are then handed out one a call: the parser stands inside the
 * line (in_keys) between two calls.
 *
 * A get line whose end has not come within MP_LINE_MAX bytes is taken key by
 * key, as far as it is there. So MP_MORE never leaves more than MP_LINE_MAX
 * bytes unconsumed, and a buffer of MP_LINE_MAX + 1 bytes is enough for any
 * input.
 *
 * As in memcached a NUL ends a line's meaning: the rest of it is skipped.
 */
#include "mp.h"
#include "parse.h"

#define MP_DELETE_USAGE	\
	"CLIENT_ERROR bad command line format.  Usage: delete <key> [noreply]\r\n"

struct mp_cmd {
	char name[15];
	u8 len;
	enum mp_op op;
	u8 min;			/* words, the command included */
	u8 max;
};

#define MP_CMD(name, op, min, max) { name, sizeof(name) - 1, op, min, max }

static const struct mp_cmd mp_cmds[] = {
	MP_CMD("get", MP_GET, 2, MP_TOKS),
	MP_CMD("set", MP_SET, 5, 6),
	MP_CMD("gets", MP_GETS, 2, MP_TOKS),
	MP_CMD("delete", MP_DELETE, 2, 4),
	MP_CMD("incr", MP_INCR, 3, 4),
	MP_CMD("decr", MP_DECR, 3, 4),
	MP_CMD("add", MP_ADD, 5, 6),
	MP_CMD("cas", MP_CAS, 5, 7),
	MP_CMD("touch", MP_TOUCH, 3, 4),
	MP_CMD("gat", MP_GAT, 2, MP_TOKS),
	MP_CMD("gats", MP_GATS, 2, MP_TOKS),
	MP_CMD("replace", MP_REPLACE, 5, 6),
	MP_CMD("append", MP_APPEND, 5, 6),
	MP_CMD("prepend", MP_PREPEND, 5, 6),
	MP_CMD("version", MP_VERSION, 1, MP_TOKS),
	MP_CMD("stats", MP_STATS, 1, MP_TOKS),
	MP_CMD("flush_all", MP_FLUSH_ALL, 1, 3),
	MP_CMD("verbosity", MP_VERBOSITY, 2, 3),
	MP_CMD("quit", MP_QUIT, 1, MP_TOKS),
	MP_CMD("shutdown", MP_SHUTDOWN, 1, MP_TOKS),
	MP_CMD("cache_memlimit", MP_CACHE_MEMLIMIT, 2, 3),
	MP_CMD("bget", MP_GET, 2, MP_TOKS),	/* ancient; memcached has it */
	{ }
};

/**
 * mp_split() - the words of a line
 * @l: gets them
 * @s: where the line begins
 * @lf: its end
 */
void mp_split(struct mp_line *l, const u8 *s, const u8 *lf)
{
	const u8 *nul;

	l->end = lf;
	if (lf > s && lf[-1] == '\r')
		l->end--;
	nul = memchr(s, 0, (size_t)(l->end - s));
	if (nul)
		l->end = nul;
	for (l->n = 0; l->n < MP_TOKS; l->n++) {
		s = mp_next_tok(s, l->end, &l->tok[l->n]);
		if (!l->tok[l->n].len)
			break;
	}
}

static enum mp_status mp_storage(const struct mp_parser *p,
				 const struct mp_line *l, struct mp_req *req,
				 struct mp_err *err)
{
	const struct mp_tok *t = l->tok;
	s64 vlen;

	if (!mp_take_key(&t[1], req) ||
	    !mp_tok_u32(&t[2], &req->flags) ||
	    !mp_tok_s64(&t[3], &req->exptime) ||
	    !mp_tok_s64(&t[4], &vlen) || vlen < 0 || vlen > MP_VLEN_MAX)
		return mp_fail(err, MP_BAD_FORMAT, req->noreply);
	req->vlen = (u32)vlen;
	req->drop_old = req->op == MP_SET;
	req->has_cas = req->op == MP_CAS;

	/* Whose unique is broken would have its value taken for commands. */
	if (req->op == MP_CAS && !mp_tok_u64(&t[5], &req->cas)) {
		err->swallow = (u64)req->vlen + 2;
		return mp_fail(err, MP_BAD_FORMAT, req->noreply);
	}
	if (req->vlen > p->item_max) {
		err->swallow = (u64)req->vlen + 2;
		err->drop_key = req->drop_old;
		err->too_large = true;
		return mp_fail(err, MP_TOO_LARGE, req->noreply);
	}
	return MP_REQ;
}

static enum mp_status mp_delete(const struct mp_line *l, struct mp_req *req,
				struct mp_err *err)
{
	/* The 0 is the hold time that delete once had. */
	bool zero = l->n > 2 && mp_is(&l->tok[2], "0", 1);

	if ((l->n == 3 && !zero && !req->noreply) ||
	    (l->n == 4 && !(zero && req->noreply)))
		return mp_fail(err, MP_DELETE_USAGE, req->noreply);
	if (!mp_take_key(&l->tok[1], req))
		return mp_fail(err, MP_BAD_FORMAT, req->noreply);
	return MP_REQ;
}

static enum mp_status mp_flush_all(const struct mp_parser *p,
				   const struct mp_line *l, struct mp_req *req,
				   struct mp_err *err)
{
	if (p->no_flush || l->n == (req->noreply ? 2 : 1))
		return MP_REQ;
	if (!mp_tok_s64(&l->tok[1], &req->exptime))
		return mp_fail(err, MP_BAD_EXPTIME, req->noreply);
	if (req->exptime < 0)
		req->exptime = 0;
	return MP_REQ;
}

static void mp_stats_arg(const struct mp_line *l, struct mp_req *req)
{
	const u8 *end = l->end;

	if (l->n < 2)
		return;
	while (end[-1] == ' ')
		end--;
	req->arg = l->tok[1].p;
	req->arg_len = (u32)(end - req->arg);
}

/* Every command but the get family, once its number of words is right. */
static enum mp_status mp_command(const struct mp_parser *p,
				 const struct mp_line *l, struct mp_req *req,
				 struct mp_err *err)
{
	const struct mp_tok *t = l->tok;
	u32 n;

	switch (req->op) {
	case MP_SET:
	case MP_ADD:
	case MP_REPLACE:
	case MP_APPEND:
	case MP_PREPEND:
	case MP_CAS:
		return mp_storage(p, l, req, err);
	case MP_DELETE:
		return mp_delete(l, req, err);
	case MP_INCR:
	case MP_DECR:
		if (!mp_take_key(&t[1], req))
			return mp_fail(err, MP_BAD_FORMAT, req->noreply);
		if (!mp_tok_u64(&t[2], &req->delta))
			return mp_fail(err, MP_BAD_DELTA, req->noreply);
		return MP_REQ;
	case MP_TOUCH:
		if (!mp_take_key(&t[1], req))
			return mp_fail(err, MP_BAD_FORMAT, req->noreply);
		if (!mp_tok_s64(&t[2], &req->exptime))
			return mp_fail(err, MP_BAD_EXPTIME, req->noreply);
		return MP_REQ;
	case MP_FLUSH_ALL:
		return mp_flush_all(p, l, req, err);
	case MP_VERBOSITY:
		if (!mp_tok_u32(&t[1], &n))
			return mp_fail(err, MP_BAD_FORMAT, req->noreply);
		return MP_REQ;
	case MP_CACHE_MEMLIMIT:
		if (!mp_tok_u64(&t[1], &req->delta))
			return mp_fail(err, MP_ERROR, req->noreply);
		return MP_REQ;
	case MP_STATS:
		mp_stats_arg(l, req);
		return MP_REQ;
	default:
		return MP_REQ;
	}
}

/* These answer, or read "noreply" as they read any other word. */
static bool mp_knows_noreply(enum mp_op op)
{
	switch (op) {
	case MP_VERSION:
	case MP_STATS:
	case MP_SHUTDOWN:
	case MP_QUIT:
		return false;
	default:
		return true;
	}
}

static bool mp_noreply(const struct mp_line *l, enum mp_op op)
{
	if (!mp_knows_noreply(op) || l->n < 2)
		return false;
	/* "delete noreply" is about a key, "cas k 0 0 noreply" is cut short */
	if ((op == MP_DELETE && l->n == 2) || (op == MP_CAS && l->n == 5))
		return false;
	return mp_is(&l->tok[l->n - 1], "noreply", 7);
}

/*
 * Check a whole line of the get family before any of its keys is handed out.
 * MP_MORE: it is good, and its keys begin at *first.
 */
static enum mp_status mp_get_line(struct mp_parser *p, const struct mp_line *l,
				  const u8 **first, struct mp_req *req,
				  struct mp_err *err)
{
	struct mp_tok key;
	const u8 *s;

	*first = l->tok[1].p;
	p->exptime = 0;
	if (mp_is_gat(req->op)) {
		if (!mp_tok_s64(&l->tok[1], &p->exptime))
			return mp_fail(err, MP_BAD_EXPTIME, false);
		*first = l->tok[2].p;
	}
	s = mp_next_tok(*first, l->end, &key);
	while (key.len) {
		if (key.len > MP_KEY_MAX)
			return mp_fail(err, MP_BAD_FORMAT, false);
		s = mp_next_tok(s, l->end, &key);
	}
	return MP_MORE;
}

static const struct mp_cmd *mp_find(const struct mp_tok *t)
{
	const struct mp_cmd *cmd;

	for (cmd = mp_cmds; cmd->len; cmd++)
		if (mp_is(t, cmd->name, cmd->len))
			return cmd;
	return NULL;
}

/* A line that is there whole; MP_MORE: its keys follow from *pos. */
static enum mp_status mp_line(struct mp_parser *p, const u8 *buf, size_t *pos,
			      const u8 *lf, struct mp_req *req,
			      struct mp_err *err)
{
	const struct mp_cmd *cmd;
	enum mp_status st;
	struct mp_line l;
	const u8 *first;

	mp_split(&l, buf + *pos, lf);
	*pos = (size_t)(lf - buf) + 1;
	if (p->meta && l.n && mp_is_meta(&l.tok[0]))
		return mp_meta(p, &l, req, err);
	if (mp_metadump(&l, req))
		return MP_REQ;
	if (l.n && mp_admin(&l, err))
		return MP_ERR;
	cmd = l.n ? mp_find(&l.tok[0]) : NULL;
	if (!cmd || l.n < cmd->min ||
	    (cmd->max < MP_TOKS && l.n > cmd->max))
		return mp_fail(err, MP_ERROR, false);

	req->op = cmd->op;
	if (!mp_is_get(req->op)) {
		req->noreply = mp_noreply(&l, req->op);
		return mp_command(p, &l, req, err);
	}
	st = mp_get_line(p, &l, &first, req, err);
	if (st != MP_MORE)
		return st;
	*pos = (size_t)(first - buf);
	p->op = req->op;
	p->in_keys = true;
	p->had_key = false;
	p->want_exptime = false;
	return MP_MORE;
}

/**
 * mp_parser_init() - prepare a parser for a new connection
 * @p: the parser
 * @item_max: values longer than this get MP_TOO_LARGE
 */
void mp_parser_init(struct mp_parser *p, u32 item_max)
{
	memset(p, 0, sizeof(*p));
	p->item_max = item_max;
}

/**
 * mp_parse() - the next request, or error, in a connection's bytes
 * @p: the connection's parser
 * @buf: the bytes that came and were not consumed yet
 * @len: how many
 * @used: bytes of @buf that are done with; drop them once @req has served
 * @req: the request (MP_REQ), or the key to drop (MP_ERR with drop_key)
 * @err: what to answer (MP_ERR)
 *
 * One request or error a call; call again until MP_MORE. After a request with
 * a value (mp_has_value()) the caller takes vlen + mp_value_tail() bytes itself,
 * after an error err->swallow bytes, before the next call. MP_MORE leaves at
 * most MP_LINE_MAX bytes unconsumed.
 *
 * An error is not always a fault: a get line without a key left to hand out
 * ("gat 0", or a last key followed by more than MP_LINE_MAX spaces) comes as
 * MP_ERR with the line "END".
 *
 * Return: MP_REQ, MP_ERR or MP_MORE.
 */
enum mp_status mp_parse(struct mp_parser *p, const u8 *buf, size_t len,
			size_t *used, struct mp_req *req, struct mp_err *err)
{
	enum mp_status st = MP_MORE;
	const u8 *lf = NULL;
	size_t pos = 0;

	memset(req, 0, offsetof(struct mp_req, meta));
	memset(err, 0, sizeof(*err));

	if (p->proto == MP_PROTO_NONE && len)
		p->proto = p->binary && *buf == MP_BIN_MAGIC ?
			   MP_PROTO_BINARY : MP_PROTO_TEXT;
	if (p->proto == MP_PROTO_BINARY)
		return mp_binary(p, buf, len, used, req, err);
	if (p->auth && !p->authed)
		return mp_auth(buf, len, used, req, err);

	if (p->skip_line && len) {
		lf = memchr(buf, '\n', len);
		pos = lf ? (size_t)(lf - buf) + 1 : len;
		p->skip_line = !lf;
	}
	if (!p->in_keys && pos < len) {
		lf = memchr(buf + pos, '\n', len - pos);
		if (lf)
			st = mp_line(p, buf, &pos, lf, req, err);
		else if (len - pos > MP_LINE_MAX)
			st = mp_long_line(p, buf, &pos, len, err);
	}
	if (p->in_keys && st == MP_MORE)
		st = mp_keys(p, buf, &pos, len, req, err);
	*used = pos;
	return st;
}
