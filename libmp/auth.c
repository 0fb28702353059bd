// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Clients that have to say who they are first.
 *
 * Until then the text protocol has one command, a set of any key whose value is
 * "user password"; the whole of it has to fit into MP_LINE_MAX bytes. The error
 * lines, and what is looked at in the command line, are memcached 1.6.18's. But
 * it answers only the last of some refused commands that come together, and
 * does not close the connection when a value is long.
 */
#include "mp.h"
#include "parse.h"

/**
 * mp_auth() - the next request, or error, of a client that nobody knows yet
 * @buf: the bytes that came and were not consumed yet
 * @len: how many
 * @used: as for mp_parse()
 * @req: the request, zeroed but for meta: MP_AUTH or none
 * @err: what to answer, zeroed
 *
 * Return: MP_REQ, MP_ERR, or MP_MORE with nothing consumed.
 */
enum mp_status mp_auth(const u8 *buf, size_t len, size_t *used,
		       struct mp_req *req, struct mp_err *err)
{
	const u8 *lf = len ? memchr(buf, '\n', len) : NULL;
	size_t line, whole;
	struct mp_line l;
	u32 n;

	*used = 0;
	if (!lf) {
		if (len <= MP_LINE_MAX)
			return MP_MORE;
		*used = len;
		err->close = true;
		return MP_ERR;
	}
	line = (size_t)(lf - buf) + 1;
	*used = line;
	mp_split(&l, buf, lf);
	if (l.n < 5 || !mp_is(&l.tok[0], "set", 3) ||
	    !mp_tok_u32(&l.tok[4], &n) || n > MP_VLEN_MAX)
		return mp_fail(err, MP_NOT_AUTHED, false);
	whole = line + n + 2;
	if (whole > MP_LINE_MAX) {
		err->swallow = (u64)n + 2;
		return mp_fail(err, MP_NOT_AUTHED, false);
	}
	if (len < whole) {
		*used = 0;
		return MP_MORE;
	}
	*used = whole;
	if (memcmp(buf + line + n, "\r\n", 2))
		return mp_fail(err, MP_BAD_LOGIN_END, false);
	req->op = MP_AUTH;
	req->arg = buf + line;
	req->arg_len = n;
	return MP_REQ;
}

/**
 * mp_login_text() - who a text client says it is
 * @p: argument of MP_AUTH: a name, a password, and words that do not matter
 * @len: its length
 * @in: points into it
 *
 * Return: false if there are not two words before its end or a NUL.
 */
bool mp_login_text(const u8 *p, size_t len, struct mp_login *in)
{
	const u8 *nul = len ? memchr(p, 0, len) : NULL;
	const u8 *end = nul ? nul : p + len;
	struct mp_tok user, pass;

	mp_next_tok(mp_next_tok(p, end, &user), end, &pass);
	in->user = user.p;
	in->ulen = user.len;
	in->pass = pass.p;
	in->plen = pass.len;
	return pass.len;
}

/**
 * mp_login_plain() - who a SASL client says it is
 * @p: a message of the mechanism PLAIN (RFC 4616): for whom it wants to act, its
 *	name, its password, with NULs between them
 * @len: its length
 * @in: points into it
 *
 * Return: false if that is not what it is, or it wants to act for another.
 */
bool mp_login_plain(const u8 *p, size_t len, struct mp_login *in)
{
	const u8 *nul = len ? memchr(p, 0, len) : NULL;
	const u8 *end, *other = p;
	size_t olen;

	if (!nul)
		return false;
	end = p + len;
	olen = (size_t)(nul - other);
	in->user = nul + 1;
	nul = memchr(in->user, 0, (size_t)(end - in->user));
	if (!nul)
		return false;
	in->ulen = (size_t)(nul - in->user);
	in->pass = nul + 1;
	in->plen = (size_t)(end - in->pass);
	if (memchr(in->pass, 0, in->plen))
		return false;
	return !olen || (olen == in->ulen && !memcmp(other, in->user, olen));
}
