// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The binary protocol: requests parsed, heads of answers written.
 *
 * A request is a header of 24 bytes, then extras, key and value, whose lengths
 * the header says. They are checked against each other and against what the
 * opcode has before anything else is looked at, so that a request that is
 * refused has changed nothing; in memcached they have been the way in more than
 * once (CVE-2016-8704 to -8706, the extras of 1.6.0). Only then are extras and
 * key waited for. A value is the caller's to take.
 *
 * Status codes and whether the connection goes on are those of memcached 1.6.18,
 * but that a body longer than a touch, gat or stat may have is invalid (1.6.18
 * takes the rest of it for the next request), and that the whole body of an
 * unknown command is skipped (1.6.18 skips too much).
 */
#include "mp.h"
#include "parse.h"

#define MP_BIN_ANSWER	0x81
/* Longest name of a SASL mechanism. */
#define MP_SASL_NAME_MAX 32

/* What an opcode has beside extras. */
#define B_KNOWN		0x01
#define B_KEY		0x02	/* must have a key */
#define B_MAY_KEY	0x04	/* may have one */
#define B_VALUE		0x08	/* the body may be longer than extras and key */
#define B_QUIET		0x10
#define B_WITH_KEY	0x20	/* the answer has the key in it */
#define B_MAY_EXT	0x40	/* the extras may be missing */

struct mp_bin_cmd {
	u8 op;			/* enum mp_op */
	u8 extlen;
	u8 has;
};

#define BIN(op, extlen, has) { op, extlen, B_KNOWN | (has) }
#define B_STORE		(B_KEY | B_VALUE)

static const struct mp_bin_cmd mp_bin_cmds[] = {
	[0x00] = BIN(MP_GET, 0, B_KEY),
	[0x01] = BIN(MP_SET, 8, B_STORE),
	[0x02] = BIN(MP_ADD, 8, B_STORE),
	[0x03] = BIN(MP_REPLACE, 8, B_STORE),
	[0x04] = BIN(MP_DELETE, 0, B_KEY),
	[0x05] = BIN(MP_INCR, 20, B_KEY),
	[0x06] = BIN(MP_DECR, 20, B_KEY),
	[0x07] = BIN(MP_QUIT, 0, 0),
	[0x08] = BIN(MP_FLUSH_ALL, 4, B_MAY_EXT),
	[0x09] = BIN(MP_GET, 0, B_KEY | B_QUIET),
	[0x0a] = BIN(MP_NOOP, 0, 0),
	[0x0b] = BIN(MP_VERSION, 0, 0),
	[0x0c] = BIN(MP_GET, 0, B_KEY | B_WITH_KEY),
	[0x0d] = BIN(MP_GET, 0, B_KEY | B_WITH_KEY | B_QUIET),
	[0x0e] = BIN(MP_APPEND, 0, B_STORE),
	[0x0f] = BIN(MP_PREPEND, 0, B_STORE),
	[0x10] = BIN(MP_STATS, 0, B_MAY_KEY),
	[0x11] = BIN(MP_SET, 8, B_STORE | B_QUIET),
	[0x12] = BIN(MP_ADD, 8, B_STORE | B_QUIET),
	[0x13] = BIN(MP_REPLACE, 8, B_STORE | B_QUIET),
	[0x14] = BIN(MP_DELETE, 0, B_KEY | B_QUIET),
	[0x15] = BIN(MP_INCR, 20, B_KEY | B_QUIET),
	[0x16] = BIN(MP_DECR, 20, B_KEY | B_QUIET),
	[0x17] = BIN(MP_QUIT, 0, B_QUIET),
	[0x18] = BIN(MP_FLUSH_ALL, 4, B_MAY_EXT | B_QUIET),
	[0x19] = BIN(MP_APPEND, 0, B_STORE | B_QUIET),
	[0x1a] = BIN(MP_PREPEND, 0, B_STORE | B_QUIET),
	/* 0x1b, verbosity, is unknown to memcached */
	[0x1c] = BIN(MP_TOUCH, 4, B_KEY),
	[0x1d] = BIN(MP_GAT, 4, B_KEY),
	[0x1e] = BIN(MP_GAT, 4, B_KEY | B_QUIET),
	[0x20] = BIN(MP_SASL_LIST, 0, 0),
	[0x21] = BIN(MP_SASL_AUTH, 0, B_KEY | B_VALUE),
	[0x22] = BIN(MP_SASL_STEP, 0, B_KEY | B_VALUE),
	[0x23] = BIN(MP_GAT, 4, B_KEY | B_WITH_KEY),
	[0x24] = BIN(MP_GAT, 4, B_KEY | B_WITH_KEY | B_QUIET),
};

/* A request's header, but what goes to struct mp_req at once. */
struct mp_bin_req {
	u32 extlen;
	u32 klen;
	u32 bodylen;
};

static u32 mp_be32(const u8 *p)
{
	return (u32)p[0] << 24 | (u32)p[1] << 16 | (u32)p[2] << 8 | p[3];
}

static u64 mp_be64(const u8 *p)
{
	return (u64)mp_be32(p) << 32 | mp_be32(p + 4);
}

static char *mp_put_be(char *p, u64 v, unsigned int bytes)
{
	while (bytes--)
		*p++ = (char)(v >> 8 * bytes);
	return p;
}

static enum mp_status mp_bin_fail(struct mp_err *err, u16 status, u64 swallow)
{
	err->status = status;
	err->swallow = swallow;
	return MP_ERR;
}

static enum mp_status mp_bin_close(struct mp_err *err, u16 status)
{
	err->status = status;
	err->close = true;
	return MP_ERR;
}

static bool mp_bin_sasl(enum mp_op op)
{
	return op == MP_SASL_LIST || op == MP_SASL_AUTH || op == MP_SASL_STEP;
}

/* Whether the lengths are what the opcode has. */
static bool mp_bin_fits(const struct mp_bin_cmd *cmd,
			const struct mp_bin_req *b)
{
	if (b->extlen != cmd->extlen &&
	    !(cmd->has & B_MAY_EXT && !b->extlen))
		return false;
	if (!b->klen && cmd->has & B_KEY)
		return false;
	if (b->klen && !(cmd->has & (B_KEY | B_MAY_KEY)))
		return false;
	return cmd->has & B_VALUE || b->bodylen == b->extlen + b->klen;
}

/*
 * All that can be decided by the header alone. MP_MORE: the request is good,
 * and *found is its command.
 */
static enum mp_status mp_bin_check(const struct mp_parser *p,
				   const struct mp_bin_req *b,
				   const struct mp_req *req,
				   const struct mp_bin_cmd **found,
				   struct mp_err *err)
{
	const struct mp_bin_cmd *cmd = NULL;

	if (req->opcode < sizeof(mp_bin_cmds) / sizeof(*mp_bin_cmds) &&
	    mp_bin_cmds[req->opcode].has & B_KNOWN)
		cmd = &mp_bin_cmds[req->opcode];

	/* Neither side can overflow: 16 and 8 bits on the left. */
	if (b->klen + b->extlen > b->bodylen)
		return mp_bin_close(err, MP_BIN_UNKNOWN);
	if (p->auth && !p->authed &&
	    !(cmd && (mp_bin_sasl(cmd->op) || cmd->op == MP_VERSION)))
		return mp_bin_close(err, MP_BIN_AUTH);
	if (b->klen > MP_KEY_MAX)
		return mp_bin_close(err, MP_BIN_INVALID);
	if (!cmd)
		return mp_bin_fail(err, MP_BIN_UNKNOWN, b->bodylen);
	if (!mp_bin_fits(cmd, b))
		return mp_bin_close(err, MP_BIN_INVALID);
	if (mp_bin_sasl(cmd->op)) {
		if (!p->auth)
			return mp_bin_fail(err, MP_BIN_UNKNOWN, b->bodylen);
		if (b->klen > MP_SASL_NAME_MAX)
			return mp_bin_fail(err, MP_BIN_INVALID, b->bodylen);
		if (b->bodylen - b->klen > MP_SASL_MAX)
			return mp_bin_fail(err, MP_BIN_AUTH, b->bodylen);
	}
	*found = cmd;
	return MP_MORE;
}

/* Extras: @ext is there whole, and as long as the opcode has it. */
static void mp_bin_extras(const u8 *ext, u32 extlen, struct mp_req *req)
{
	switch (req->op) {
	case MP_SET:
	case MP_ADD:
	case MP_REPLACE:
		req->flags = mp_be32(ext);
		req->exptime = mp_be32(ext + 4);
		/* add with a unique is no add in memcached */
		if (req->has_cas)
			req->op = MP_CAS;
		break;
	case MP_INCR:
	case MP_DECR:
		req->delta = mp_be64(ext);
		req->initial = mp_be64(ext + 8);
		req->vivify_exptime = mp_be32(ext + 16);
		req->vivify = req->vivify_exptime != 0xffffffff;
		break;
	case MP_TOUCH:
	case MP_GAT:
		req->exptime = mp_be32(ext);
		break;
	case MP_FLUSH_ALL:
		if (extlen)
			req->exptime = mp_be32(ext);
		break;
	default:
		break;
	}
}

/**
 * mp_binary() - the next request, or error, of a binary connection
 * @p: the connection's parser
 * @buf: the bytes that came and were not consumed yet
 * @len: how many
 * @used: as for mp_parse()
 * @req: the request, zeroed but for meta; for MP_ERR its opcode and opaque
 * @err: what to answer, zeroed
 *
 * Return: MP_REQ, MP_ERR, or MP_MORE with nothing consumed.
 */
enum mp_status mp_binary(const struct mp_parser *p, const u8 *buf, size_t len,
			 size_t *used, struct mp_req *req, struct mp_err *err)
{
	const struct mp_bin_cmd *cmd = NULL;
	struct mp_bin_req b;
	enum mp_status st;
	u32 vlen, need;

	*used = 0;
	if (len < MP_BIN_HEAD)
		return MP_MORE;
	b.klen = mp_be32(buf) & 0xffff;
	b.extlen = buf[4];
	b.bodylen = mp_be32(buf + 8);
	req->binary = true;
	req->opcode = buf[1];
	req->opaque = mp_be32(buf + 12);
	if (*buf != MP_BIN_MAGIC) {
		*used = MP_BIN_HEAD;
		err->close = true;
		return MP_ERR;
	}
	st = mp_bin_check(p, &b, req, &cmd, err);
	if (st != MP_MORE) {
		*used = MP_BIN_HEAD;
		return st;
	}

	req->op = cmd->op;
	vlen = b.bodylen - b.extlen - b.klen;
	need = MP_BIN_HEAD + b.extlen + b.klen;
	if (cmd->has & B_VALUE && mp_bin_sasl(req->op)) {
		req->arg_len = vlen;
		need += vlen;
	} else {
		req->vlen = vlen;
	}
	if (len < need)
		return MP_MORE;
	*used = need;

	req->quiet = cmd->has & B_QUIET;
	req->with_key = cmd->has & B_WITH_KEY;
	req->cas = mp_be64(buf + 16);
	req->has_cas = req->cas;
	req->drop_old = req->op == MP_SET;
	if (b.klen) {
		req->key = buf + MP_BIN_HEAD + b.extlen;
		req->klen = (u8)b.klen;
	}
	mp_bin_extras(buf + MP_BIN_HEAD, b.extlen, req);
	if (req->op == MP_STATS) {
		req->arg = req->key;
		req->arg_len = req->klen;
		req->key = NULL;
		req->klen = 0;
	} else if (req->arg_len) {
		req->arg = req->key + req->klen;
	}
	if (req->vlen > p->item_max) {
		err->drop_key = req->drop_old;
		err->too_large = true;
		return mp_bin_fail(err, MP_BIN_TOO_LARGE, req->vlen);
	}
	return MP_REQ;
}

/**
 * mp_bin_text() - what memcached says to a status
 * @status: of enum mp_bin_status, none that is good news
 *
 * Return: the body of the answer.
 */
const char *mp_bin_text(u16 status)
{
	switch (status) {
	case MP_BIN_NOT_FOUND:
		return "Not found";
	case MP_BIN_EXISTS:
		return "Data exists for key.";
	case MP_BIN_TOO_LARGE:
		return "Too large.";
	case MP_BIN_INVALID:
		return "Invalid arguments";
	case MP_BIN_NOT_STORED:
		return "Not stored.";
	case MP_BIN_NON_NUMERIC:
		return "Non-numeric server-side value for incr or decr";
	case MP_BIN_AUTH:
		return "Auth failure.";
	case MP_BIN_UNKNOWN:
		return "Unknown command";
	case MP_BIN_NO_MEMORY:
		return "Out of memory";
	default:
		return "";
	}
}

/**
 * mp_put_bin_head() - write the header of a binary answer
 * @dst: where; MP_BIN_HEAD bytes
 * @h: what it says
 *
 * Return: bytes written.
 */
size_t mp_put_bin_head(char *dst, const struct mp_bin_head *h)
{
	char *p = dst;

	*p++ = (char)MP_BIN_ANSWER;
	*p++ = (char)h->opcode;
	p = mp_put_be(p, h->klen, 2);
	*p++ = (char)h->extlen;
	*p++ = 0;
	p = mp_put_be(p, h->status, 2);
	p = mp_put_be(p, (u64)h->extlen + h->klen + h->vlen, 4);
	p = mp_put_be(p, h->opaque, 4);
	p = mp_put_be(p, h->cas, 8);
	return (size_t)(p - dst);
}

/**
 * mp_put_bin_error() - write a whole answer that says no
 * @dst: where; MP_BIN_ERROR_MAX bytes are enough
 * @opcode: as in the request
 * @opaque: as in the request
 * @status: of enum mp_bin_status
 *
 * Return: bytes written.
 */
size_t mp_put_bin_error(char *dst, u8 opcode, u32 opaque, u16 status)
{
	const char *text = mp_bin_text(status);
	struct mp_bin_head h = {
		.opcode = opcode,
		.status = status,
		.vlen = (u32)strlen(text),
		.opaque = opaque,
	};
	size_t n = mp_put_bin_head(dst, &h);

	memcpy(dst + n, text, h.vlen);
	return n + h.vlen;
}
