// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Values that did not arrive whole, and the budget they share.
 *
 * A value's whole memory is reserved when it begins, so that one that has begun
 * can always end; its pages are allocated as its bytes come. Who finds the budget
 * used up waits in line, first come first served, and is not read meanwhile.
 * As long as somebody waits, the slowest sender has to go, one at a time.
 */
#include <linux/gfp.h>
#include <linux/jiffies.h>
#include <linux/math64.h>
#include <linux/mm.h>
#include <linux/net.h>
#include <linux/overflow.h>
#include <linux/slab.h>
#include <linux/socket.h>
#include <linux/uio.h>

#include "conn.h"
#include "kfc.h"
#include "net.h"
#include "worker.h"

#define KFC_UPLOAD_GFP	(GFP_NOWAIT | __GFP_NOWARN)

/* Pages that one receive fills. */
#define KFC_UPLOAD_VECS	16
/* Uploads younger than this are not called slow. */
#define KFC_UPLOAD_GRACE	HZ

/* The first in line, or NULL; *fits: there is budget for it. upload_lock. */
static struct kfc_conn *kfc_upload_first(struct kfc_net *net, bool *fits)
{
	struct kfc_conn *c;

	c = list_first_entry_or_null(&net->upload_waiters, struct kfc_conn,
				     upwait);
	*fits = c && net->upload_used + c->upcost <=
		     net->cache->cfg.upload_bytes;
	return c;
}

/* Let the first in line try again, if there is a chance. net->upload_lock. */
static void kfc_upload_next(struct kfc_net *net)
{
	struct kfc_conn *c;
	bool fits;

	c = kfc_upload_first(net, &fits);
	if (fits)
		kfc_conn_schedule(c);
}

/* Tell the slowest sender to go. net->upload_lock. */
static void kfc_upload_pick(struct kfc_net *net)
{
	struct kfc_upload *up, *slowest = NULL;
	unsigned long now = jiffies;
	u64 rate, least = U64_MAX;
	bool fits;

	if (net->upload_victim || !kfc_upload_first(net, &fits) || fits)
		return;
	list_for_each_entry(up, &net->uploads, list) {
		/* The oldest come first. */
		if (time_before(now, up->since + KFC_UPLOAD_GRACE))
			break;
		/* Not its sender's fault: it waits for a place in the log. */
		if (READ_ONCE(up->got) == up->need)
			continue;
		rate = div64_ul((u64)READ_ONCE(up->got) * HZ, now - up->since);
		if (rate < least) {
			least = rate;
			slowest = up;
		}
	}
	if (!slowest)
		return;
	WRITE_ONCE(slowest->evict, true);
	net->upload_victim = slowest;
	kfc_conn_schedule(slowest->conn);
}

/* Reserve @cost, or wait in line for it. */
static bool kfc_upload_charge(struct kfc_conn *c, u64 cost)
{
	struct kfc_net *net = c->worker->net;
	struct kfc_conn *first;
	bool ok;

	spin_lock(&net->upload_lock);
	c->upcost = cost;
	first = list_first_entry_or_null(&net->upload_waiters, struct kfc_conn,
					 upwait);
	ok = (!first || first == c) &&
	     net->upload_used + cost <= net->cache->cfg.upload_bytes;
	if (ok) {
		WRITE_ONCE(net->upload_used, net->upload_used + cost);
		list_del_init(&c->upwait);
		kfc_upload_next(net);
	} else {
		if (list_empty(&c->upwait))
			list_add_tail(&c->upwait, &net->upload_waiters);
		kfc_upload_pick(net);
	}
	spin_unlock(&net->upload_lock);

	if (c->upwaits != !ok) {
		c->upwaits = !ok;
		c->worker->nr_upwaits += ok ? -1 : 1;
	}
	return ok;
}

static void kfc_upload_uncharge(struct kfc_net *net, u64 cost)
{
	spin_lock(&net->upload_lock);
	WRITE_ONCE(net->upload_used, net->upload_used - cost);
	kfc_upload_next(net);
	spin_unlock(&net->upload_lock);
}

/**
 * kfc_upload_cost() - what a value takes of the upload budget
 * @need: its bytes, CRLF included
 *
 * Any context. Return: bytes
 */
u64 kfc_upload_cost(u32 need)
{
	u32 nr = DIV_ROUND_UP(need, PAGE_SIZE);
	struct kfc_upload *up;

	return struct_size(up, pages, nr) + (u64)nr * PAGE_SIZE;
}

/**
 * kfc_upload_begin() - begin to receive a value into pages
 * @c: the connection; its c->up is set on success
 * @req: the command, copied with its key
 *
 * Context: the owner. Does not sleep. Takes net->upload_lock.
 * Return: 0; -E2BIG: more than the whole budget; -EAGAIN: the budget is used up,
 *	the connection gets a turn when it may try again; -ENOMEM.
 */
int kfc_upload_begin(struct kfc_conn *c, const struct mp_req *req)
{
	struct kfc_net *net = c->worker->net;
	u32 need = req->vlen + mp_value_tail(req);
	u32 nr = DIV_ROUND_UP(need, PAGE_SIZE);
	u64 cost = kfc_upload_cost(need);
	struct kfc_upload *up;

	if (cost > net->cache->cfg.upload_bytes)
		return -E2BIG;
	if (!kfc_upload_charge(c, cost))
		return -EAGAIN;
	up = kzalloc(struct_size(up, pages, nr), KFC_UPLOAD_GFP);
	if (!up) {
		kfc_upload_uncharge(net, cost);
		return -ENOMEM;
	}
	up->conn = c;
	memcpy(&up->req, req, offsetof(struct mp_req, key_buf));
	memcpy(up->key, req->key, req->klen);
	up->req.key = up->key;
	up->cost = cost;
	up->since = jiffies;
	up->need = need;
	up->nr_pages = nr;
	c->up = up;

	spin_lock(&net->upload_lock);
	list_add_tail(&up->list, &net->uploads);
	spin_unlock(&net->upload_lock);
	return 0;
}

/* The address of byte @at, in a page that is allocated if need be. */
static u8 *kfc_upload_at(struct kfc_upload *up, u32 at)
{
	struct page **p = &up->pages[at / PAGE_SIZE];

	if (!*p)
		*p = alloc_page(KFC_UPLOAD_GFP);
	return *p ? page_address(*p) + offset_in_page(at) : NULL;
}

/**
 * kfc_upload_fill() - put bytes that are here already into an upload
 * @c: the connection, with an upload
 * @p: the bytes
 * @len: how many, fewer than the upload needs
 *
 * Context: the owner. Does not sleep.
 * Return: 0 or -ENOMEM.
 */
int kfc_upload_fill(struct kfc_conn *c, const u8 *p, u32 len)
{
	struct kfc_upload *up = c->up;
	u32 part;
	u8 *to;

	while (len) {
		to = kfc_upload_at(up, up->got);
		if (!to)
			return -ENOMEM;
		part = min_t(u32, len, PAGE_SIZE - offset_in_page(up->got));
		memcpy(to, p, part);
		WRITE_ONCE(up->got, up->got + part);
		p += part;
		len -= part;
	}
	return 0;
}

/**
 * kfc_upload_recv() - receive more of an upload
 * @c: the connection, with an upload that is not whole; c->drained is set when
 *	the socket had no more
 * @max: about how many bytes to take at most
 *
 * Context: the owner. Does not sleep but for the socket's lock.
 * Return: bytes; 0 at the end of the stream; -EAGAIN; -ENOMEM; or the socket's
 *	error.
 */
int kfc_upload_recv(struct kfc_conn *c, u32 max)
{
	struct kfc_upload *up = c->up;
	struct kvec kv[KFC_UPLOAD_VECS];
	struct msghdr msg = { };
	u32 at = up->got;
	u32 len = 0;
	u32 part;
	u32 n;
	int ret;

	for (n = 0; n < KFC_UPLOAD_VECS && at < up->need && len < max; n++) {
		kv[n].iov_base = kfc_upload_at(up, at);
		if (!kv[n].iov_base)
			break;
		part = min_t(u32, up->need - at,
			     PAGE_SIZE - offset_in_page(at));
		kv[n].iov_len = part;
		at += part;
		len += part;
	}
	if (!n)
		return -ENOMEM;
	ret = kernel_recvmsg(c->sock, &msg, kv, n, len, MSG_DONTWAIT);
	if (ret > 0) {
		WRITE_ONCE(up->got, up->got + ret);
		c->drained = kfc_conn_drained(c, ret < len);
	}
	return ret;
}

/**
 * kfc_upload_crlf() - whether a whole upload ends as it must
 * @up: the upload
 *
 * Context: the owner.
 * Return: whether its last two bytes are CR and LF.
 */
bool kfc_upload_crlf(const struct kfc_upload *up)
{
	u32 at = up->req.vlen;
	const u8 *cr = page_address(up->pages[at / PAGE_SIZE]);
	const u8 *lf = page_address(up->pages[(at + 1) / PAGE_SIZE]);

	return cr[offset_in_page(at)] == '\r' &&
	       lf[offset_in_page(at + 1)] == '\n';
}

/**
 * kfc_upload_end() - free a connection's upload
 * @c: the connection, with an upload or without
 *
 * Context: the owner. Does not sleep. Takes net->upload_lock.
 */
void kfc_upload_end(struct kfc_conn *c)
{
	struct kfc_net *net = c->worker->net;
	struct kfc_upload *up = c->up;
	u32 i;

	if (!up)
		return;
	c->up = NULL;
	spin_lock(&net->upload_lock);
	list_del(&up->list);
	if (net->upload_victim == up)
		net->upload_victim = NULL;
	spin_unlock(&net->upload_lock);

	for (i = 0; i < up->nr_pages && up->pages[i]; i++)
		__free_page(up->pages[i]);
	/* Only now, so that the budget is never exceeded. */
	kfc_upload_uncharge(net, up->cost);
	kfree(up);
}

/**
 * kfc_upload_unwait() - a connection no longer waits for the upload budget
 * @c: the connection, whether it waited or not
 *
 * Context: the owner. Does not sleep. Takes net->upload_lock.
 */
void kfc_upload_unwait(struct kfc_conn *c)
{
	struct kfc_net *net = c->worker->net;

	if (!c->upwaits)
		return;
	c->upwaits = false;
	c->worker->nr_upwaits--;
	spin_lock(&net->upload_lock);
	list_del_init(&c->upwait);
	kfc_upload_next(net);
	spin_unlock(&net->upload_lock);
}

/**
 * kfc_upload_shed() - have the slowest sender go, if somebody waits for budget
 * @net: whose
 *
 * Context: a worker. Takes net->upload_lock.
 */
void kfc_upload_shed(struct kfc_net *net)
{
	spin_lock(&net->upload_lock);
	kfc_upload_pick(net);
	spin_unlock(&net->upload_lock);
}
