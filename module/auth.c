// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Who may use the cache: the users, and the commands by which a client says
 * that it is one of them.
 *
 * How long a comparison takes says nothing of the users: there is one place for
 * each that there may be, of one size whatever is in it, and all are compared.
 */
#include <crypto/algapi.h>
#include <linux/err.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "auth.h"
#include "op.h"

/* The zeros behind a word are part of it: it has none itself. */
struct kfc_user {
	u8 name[KFC_USER_LINE + 1];
	u8 pass[KFC_USER_LINE + 1];
};

/* A place that is not taken is all zeros, which nobody's name is. */
struct kfc_users {
	struct kfc_user user[KFC_USERS];
};

/**
 * kfc_users_free() - forget a table of users
 * @u: the table, or NULL; nobody looks at it
 *
 * Any context.
 */
void kfc_users_free(struct kfc_users *u)
{
	kfree_sensitive(u);
}

/* One line, its newline not counted. */
static bool parse_user(struct kfc_user *u, const u8 *p, size_t len)
{
	const u8 *colon;
	size_t ulen;

	if (len && p[len - 1] == '\r')
		len--;
	if (!len || len > KFC_USER_LINE || memchr(p, 0, len) ||
	    memchr(p, '\r', len))
		return false;
	colon = memchr(p, ':', len);
	if (!colon || colon == p || colon == p + len - 1)
		return false;
	ulen = colon - p;
	memcpy(u->name, p, ulen);
	memcpy(u->pass, colon + 1, len - ulen - 1);
	return true;
}

/**
 * kfc_users_parse() - make a table of "user:password" lines
 * @text: the lines; the last one may lack its end
 * @len: bytes of @text
 * @line: set to the number of the last line that was looked at, 0 for none
 *
 * The first colon ends the name. A name may be there more than once, each time
 * with another password.
 *
 * Context: may sleep.
 * Return: the table; or -EINVAL where @line is no such line, -EFBIG where it is
 * one too many, -ENOMEM
 */
struct kfc_users *kfc_users_parse(const u8 *text, size_t len, u32 *line)
{
	struct kfc_users *u = kzalloc(sizeof(*u), GFP_KERNEL);
	int err = len ? 0 : -EINVAL;

	*line = 0;
	if (!u)
		return ERR_PTR(-ENOMEM);
	while (len && !err) {
		const u8 *lf = memchr(text, '\n', len);
		size_t n = lf ? lf - text : len;

		if (++*line > KFC_USERS)
			err = -EFBIG;
		else if (!parse_user(&u->user[*line - 1], text, n))
			err = -EINVAL;
		n += !!lf;
		text += n;
		len -= n;
	}
	if (!err)
		return u;
	kfc_users_free(u);
	return ERR_PTR(err);
}

/**
 * kfc_users_replace() - have other users from now on
 * @c: the cache
 * @u: the table, the cache's from here on
 *
 * Clients that are authenticated stay so. Context: sleeps; one at a time.
 */
void kfc_users_replace(struct kfc_cache *c, struct kfc_users *u)
{
	struct kfc_users *old = rcu_replace_pointer(c->users, u, true);

	if (old)
		synchronize_rcu();
	kfc_users_free(old);
}

/**
 * kfc_auth_required() - whether clients have to authenticate
 * @c: the cache
 *
 * Any context.
 */
bool kfc_auth_required(const struct kfc_cache *c)
{
	return rcu_access_pointer(c->users);
}

/**
 * kfc_auth_check() - whether somebody is one of the users
 * @c: the cache, one that has users
 * @in: who it says it is
 *
 * Any context.
 */
bool kfc_auth_check(struct kfc_cache *c, const struct mp_login *in)
{
	const struct kfc_users *u;
	struct kfc_user who = { };
	u32 i, found = 0;

	if (!in->ulen || in->ulen > KFC_USER_LINE ||
	    !in->plen || in->plen > KFC_USER_LINE)
		return false;
	memcpy(who.name, in->user, in->ulen);
	memcpy(who.pass, in->pass, in->plen);
	rcu_read_lock();
	u = rcu_dereference(c->users);
	for (i = 0; i < KFC_USERS; i++)
		found += !crypto_memneq(&u->user[i], &who, sizeof(who));
	rcu_read_unlock();
	memzero_explicit(&who, sizeof(who));
	return found;
}

/**
 * kfc_auth_open() - whether a command is for clients that nobody knows, too
 * @op: the command
 */
bool kfc_auth_open(enum mp_op op)
{
	switch (op) {
	case MP_AUTH:
	case MP_SASL_LIST:
	case MP_SASL_AUTH:
	case MP_SASL_STEP:
	case MP_VERSION:
		return true;
	default:
		return false;
	}
}

static bool login(struct kfc_client *cl, bool valid, const struct mp_login *in)
{
	cl->authed = valid && kfc_auth_check(cl->cache, in);
	kfc_count(cl->cache, auth_cmds);
	if (!cl->authed)
		kfc_count(cl->cache, auth_errors);
	return cl->authed;
}

static void text_login(struct kfc_client *cl, const struct mp_req *req)
{
	struct mp_login in;

	if (!mp_login_text(req->arg, req->arg_len, &in))
		kfc_say(cl, req, MP_BAD_LOGIN);
	else if (login(cl, true, &in))
		kfc_answer(cl, req, KFC_STORED, 0);
	else
		kfc_answer(cl, req, KFC_AUTH_FAILURE, 0);
}

/* AUTH brings the message, or nothing, and then STEP brings it. */
static void sasl_login(struct kfc_client *cl, const struct mp_req *req)
{
	bool valid = cl->sasl_step;
	struct mp_login in = { };

	if (req->op == MP_SASL_AUTH) {
		valid = req->klen == 5 && !strncasecmp((const char *)req->key, "PLAIN", 5);
		cl->sasl_step = valid && !req->arg_len;
		if (cl->sasl_step) {
			kfc_answer(cl, req, KFC_AUTH_CONTINUE, 0);
			return;
		}
	}
	valid = valid && mp_login_plain(req->arg, req->arg_len, &in);
	if (!login(cl, valid, &in)) {
		kfc_answer(cl, req, KFC_AUTH_FAILURE, 0);
		return;
	}
	cl->sasl_step = false;
	kfc_answer_text(cl, req, "Authenticated");
}

/**
 * kfc_run_auth() - a command by which a client says who it is
 * @cl: the client
 * @req: the request: MP_AUTH or one of SASL
 *
 * As in memcached whoever begins with SASL anew is unknown until that ends.
 *
 * Context: the client's thread.
 */
void kfc_run_auth(struct kfc_client *cl, const struct mp_req *req)
{
	cl->authed = false;
	if (req->op == MP_AUTH)
		text_login(cl, req);
	else if (req->op == MP_SASL_LIST)
		kfc_answer_text(cl, req, "PLAIN");
	else
		sasl_login(cl, req);
}
