// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The answers of a connection: text that is copied, and nodes whose pages a
 * socket takes by reference.
 *
 * Text lies in nodes of its own, each with its struct in front of the bytes:
 * a page (from the worker's pool), or, for a few bytes behind a node of another
 * kind, a piece of KFC_TEXT_SMALL bytes, so that an END after each value does
 * not cost a page each.
 */
#include <linux/gfp.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/net.h>
#include <linux/slab.h>
#include <linux/socket.h>
#include <linux/string.h>
#include <linux/topology.h>
#include <linux/uio.h>

#include "compat.h"
#include "out.h"

#define KFC_TEXT_SMALL	256
#define KFC_OUT_GFP	(GFP_NOWAIT | __GFP_NOWARN)

/* Values from this size on leave by reference, shorter ones are copied. */
#define KFC_SPLICE_MIN	2048
/* Pieces that one send takes. */
#define KFC_SEND_PIECES	64

/**
 * struct kfc_text - a node of text
 * @n: the node; its head is @data, its mem the whole piece, this struct included
 * @o: whose it is
 * @data: the bytes
 */
struct kfc_text {
	struct kfc_out_node n;
	struct kfc_out *o;
	char data[];
};

static_assert(sizeof(struct kfc_text) + KFC_OUT_PIECE <= PAGE_SIZE);

/**
 * struct kfc_send - one call to the socket being put together
 * @kv: pieces to copy, or
 * @bv: pieces to take by reference
 * @nr: pieces
 * @bytes: bytes of them
 * @splice: which of the two
 * @more: something that is ready follows
 */
struct kfc_send {
	union {
		struct kvec kv[KFC_SEND_PIECES];
		struct bio_vec bv[KFC_SEND_PIECES];
	};
	unsigned int nr;
	u32 bytes;
	bool splice;
	bool more;
};

/**
 * kfc_out_pool_init() - fill a pool with its pages
 * @p: the pool
 * @node: NUMA node, or NUMA_NO_NODE
 *
 * Context: may sleep.
 * Return: 0 or -ENOMEM; kfc_out_pool_exit() is due in both cases.
 */
int kfc_out_pool_init(struct kfc_out_pool *p, int node)
{
	struct page *page;

	while (p->nr < KFC_OUT_POOL) {
		page = alloc_pages_node(node, GFP_KERNEL, 0);
		if (!page)
			return -ENOMEM;
		p->page[p->nr++] = page_address(page);
	}
	return 0;
}

/**
 * kfc_out_pool_exit() - give a pool's pages back
 * @p: the pool; no text that came from it is left
 *
 * Context: any.
 */
void kfc_out_pool_exit(struct kfc_out_pool *p)
{
	while (p->nr)
		free_page((unsigned long)p->page[--p->nr]);
}

static void kfc_out_charge(struct kfc_out *o, int size)
{
	o->mem += size;
	if (o->pool)
		WRITE_ONCE(o->pool->bytes, o->pool->bytes + size);
}

static void kfc_out_append(struct kfc_out *o, struct kfc_out_node *n)
{
	list_add_tail(&n->list, &o->nodes);
	o->nodes_nr++;
	kfc_out_charge(o, n->mem);
}

static void kfc_text_release(struct kfc_out_node *n)
{
	struct kfc_text *t = container_of(n, struct kfc_text, n);
	struct kfc_out_pool *pool = t->o->pool;

	if (n->mem != PAGE_SIZE)
		kfree(t);
	else if (pool && pool->nr < KFC_OUT_POOL)
		pool->page[pool->nr++] = t;
	else
		free_page((unsigned long)t);
}

static void *kfc_text_page(struct kfc_out_pool *pool)
{
	if (pool && pool->nr)
		return pool->page[--pool->nr];
	return (void *)__get_free_page(KFC_OUT_GFP);
}

static struct kfc_text *kfc_text_new(struct kfc_out *o, u32 len)
{
	struct kfc_text *t;
	u32 size = PAGE_SIZE;

	if (!list_empty(&o->nodes) && sizeof(*t) + len <= KFC_TEXT_SMALL &&
	    list_last_entry(&o->nodes, struct kfc_out_node,
			    list)->release != kfc_text_release)
		size = KFC_TEXT_SMALL;
	t = size == PAGE_SIZE ? NULL : kmalloc(size, KFC_OUT_GFP);
	if (!t) {
		/* Of pages there are some in reserve. */
		size = PAGE_SIZE;
		t = kfc_text_page(o->pool);
	}
	if (!t) {
		o->failed = true;
		return NULL;
	}
	memset(&t->n, 0, sizeof(t->n));
	t->o = o;
	t->n.head = t->data;
	t->n.ready = true;
	t->n.mem = size;
	t->n.release = kfc_text_release;
	kfc_out_append(o, &t->n);
	return t;
}

/* The last node, if it is text. */
static struct kfc_text *kfc_text_last(struct kfc_out *o)
{
	struct kfc_out_node *n;

	if (list_empty(&o->nodes))
		return NULL;
	n = list_last_entry(&o->nodes, struct kfc_out_node, list);
	if (n->release != kfc_text_release)
		return NULL;
	return container_of(n, struct kfc_text, n);
}

static u32 kfc_text_room(const struct kfc_text *t)
{
	return t->n.mem - sizeof(*t) - t->n.head_len;
}

/**
 * kfc_out_init() - an empty queue
 * @o: the queue
 *
 * Whoever has a pool sets o->pool afterwards, before the first byte.
 */
void kfc_out_init(struct kfc_out *o)
{
	memset(o, 0, sizeof(*o));
	INIT_LIST_HEAD(&o->nodes);
}

/**
 * kfc_out_reserve() - room for text at the end of a queue
 * @o: the queue
 * @len: most that will be written, KFC_OUT_PIECE at the most
 *
 * kfc_out_commit() makes what was written part of the stream; nothing else may
 * be queued in between.
 *
 * Context: the thread that owns the connection. Does not sleep.
 * Return: where to write, or NULL without memory (o->failed is set).
 */
char *kfc_out_reserve(struct kfc_out *o, u32 len)
{
	struct kfc_text *t = kfc_text_last(o);

	if (!t || kfc_text_room(t) < len)
		t = kfc_text_new(o, len);
	return t ? t->data + t->n.head_len : NULL;
}

/**
 * kfc_out_commit() - make reserved bytes part of the stream
 * @o: the queue
 * @len: how many of them were written
 *
 * Context: the thread that owns the connection. Does not sleep.
 */
void kfc_out_commit(struct kfc_out *o, u32 len)
{
	struct kfc_text *t = kfc_text_last(o);

	t->n.head_len += len;
	t->n.len += len;
	o->bytes += len;
}

/**
 * kfc_out_copy() - queue a copy of some bytes
 * @o: the queue
 * @p: the bytes
 * @len: how many
 *
 * Context: the thread that owns the connection. Does not sleep.
 * Return: false without memory (o->failed is set).
 */
bool kfc_out_copy(struct kfc_out *o, const void *p, u32 len)
{
	struct kfc_text *t = kfc_text_last(o);
	u32 part;

	while (len) {
		if (!t || !kfc_text_room(t)) {
			t = kfc_text_new(o, len);
			if (!t)
				return false;
		}
		part = min(len, kfc_text_room(t));
		memcpy(t->data + t->n.head_len, p, part);
		kfc_out_commit(o, part);
		p += part;
		len -= part;
	}
	return true;
}

/**
 * kfc_out_add() - give a node its place in the stream
 * @o: the queue
 * @n: the node; its bytes may come later, with kfc_out_ready()
 *
 * Context: the thread that owns the connection. Does not sleep.
 */
void kfc_out_add(struct kfc_out *o, struct kfc_out_node *n)
{
	n->ready = false;
	n->sent = 0;
	n->len = 0;
	kfc_out_append(o, n);
}

/**
 * kfc_out_ready() - the bytes of a node are known
 * @o: the queue it was added to
 * @n: the node; after kfc_out_unready() whatever was not sent, or, where @sent is
 *	not 0, the same bytes that far; the next ones after its @more
 *
 * Context: the thread that owns the connection. Does not sleep.
 */
void kfc_out_ready(struct kfc_out *o, struct kfc_out_node *n)
{
	u32 i;

	n->len = n->head_len + n->tail_len;
	for (i = 0; i < n->nr_bv; i++)
		n->len += n->bv[i].bv_len;
	n->ready = true;
	o->bytes += n->len - n->sent;
}

/**
 * kfc_out_unready() - take the bytes of a node back
 * @o: the queue it was added to
 * @n: the node, ready; what was sent of it stays sent
 *
 * Context: the thread that owns the connection. Does not sleep.
 */
void kfc_out_unready(struct kfc_out *o, struct kfc_out_node *n)
{
	n->ready = false;
	o->bytes -= n->len - n->sent;
}

static void kfc_out_del(struct kfc_out *o, struct kfc_out_node *n)
{
	list_del_init(&n->list);
	o->nodes_nr--;
	kfc_out_charge(o, -(int)n->mem);
	if (!n->ready)
		return;
	o->bytes -= n->len - n->sent;
	n->release(n);
}

/**
 * kfc_out_drop() - empty a queue unsent
 * @o: the queue
 *
 * Nodes that are not ready are unlinked and left to their operations, see
 * struct kfc_out_node.
 *
 * Context: the thread that owns the connection. Does not sleep.
 */
void kfc_out_drop(struct kfc_out *o)
{
	struct kfc_out_node *n, *next;

	list_for_each_entry_safe(n, next, &o->nodes, list)
		kfc_out_del(o, n);
}

/* Whether the call still takes a piece of this kind. */
static bool kfc_send_takes(struct kfc_send *s, bool splice)
{
	if (s->nr && s->splice != splice) {
		s->more = true;
		return false;
	}
	if (s->nr == KFC_SEND_PIECES) {
		s->more = true;
		return false;
	}
	s->splice = splice;
	return true;
}

static bool kfc_send_copy(struct kfc_send *s, const void *p, u32 len, u32 *skip)
{
	u32 cut = min(*skip, len);

	*skip -= cut;
	if (cut == len)
		return true;
	if (!kfc_send_takes(s, false))
		return false;
	s->kv[s->nr].iov_base = (void *)(p + cut);
	s->kv[s->nr++].iov_len = len - cut;
	s->bytes += len - cut;
	return true;
}

static bool kfc_send_page(struct kfc_send *s, const struct bio_vec *bv,
			  bool splice, u32 *skip)
{
	u32 cut = min(*skip, bv->bv_len);

	if (!splice || !sendpage_ok(bv->bv_page))
		return kfc_send_copy(s, page_address(bv->bv_page) +
				     bv->bv_offset, bv->bv_len, skip);
	*skip -= cut;
	if (cut == bv->bv_len)
		return true;
	if (!kfc_send_takes(s, true))
		return false;
	s->bv[s->nr].bv_page = bv->bv_page;
	s->bv[s->nr].bv_offset = bv->bv_offset + cut;
	s->bv[s->nr++].bv_len = bv->bv_len - cut;
	s->bytes += bv->bv_len - cut;
	return true;
}

static bool kfc_send_node(struct kfc_send *s, const struct kfc_out_node *n)
{
	bool splice = n->len - n->head_len - n->tail_len >= KFC_SPLICE_MIN;
	u32 skip = n->sent;
	u32 i;

	if (!kfc_send_copy(s, n->head, n->head_len, &skip))
		return false;
	for (i = 0; i < n->nr_bv; i++)
		if (!kfc_send_page(s, &n->bv[i], splice, &skip))
			return false;
	return kfc_send_copy(s, n->tail, n->tail_len, &skip);
}

static void kfc_send_gather(struct kfc_send *s, struct kfc_out *o)
{
	struct kfc_out_node *n;

	s->nr = 0;
	s->bytes = 0;
	s->more = false;
	/* Behind a part comes the next one, not the next node. */
	list_for_each_entry(n, &o->nodes, list)
		if (!n->ready || !kfc_send_node(s, n) || n->parts)
			return;
}

/**
 * kfc_out_advance() - some bytes are out: done with the nodes that held them
 * @o: the queue
 * @len: how many, all of them of nodes that are ready
 *
 * Context: the thread that owns the connection. Does not sleep.
 */
void kfc_out_advance(struct kfc_out *o, u32 len)
{
	struct kfc_out_node *n, *next;
	u32 part;

	list_for_each_entry_safe(n, next, &o->nodes, list) {
		if (!n->ready)
			return;
		part = min(len, n->len - n->sent);
		n->sent += part;
		o->bytes -= part;
		len -= part;
		if (n->sent != n->len)
			return;
		if (n->parts) {
			n->ready = false;
			n->sent = 0;
			n->more(n);
			return;
		}
		kfc_out_del(o, n);
	}
}

/* Copy of a piece what lies behind @skip and fits; both move on. */
static u32 kfc_peek_piece(u8 *dst, const void *p, u32 len, u32 *skip, u32 *max)
{
	u32 cut = min(*skip, len);
	u32 part = min(len - cut, *max);

	*skip -= cut;
	*max -= part;
	if (part)
		memcpy(dst, p + cut, part);
	return part;
}

/**
 * kfc_out_peek() - copy what is to be sent next
 * @o: the queue
 * @dst: where to
 * @max: how much at most
 *
 * kfc_out_advance() says that it is out.
 *
 * Context: the thread that owns the connection. Does not sleep.
 * Return: how much; less than @max at the end, or in front of a node that is
 *	not ready
 */
u32 kfc_out_peek(const struct kfc_out *o, u8 *dst, u32 max)
{
	const struct kfc_out_node *n;
	u32 i, skip, len = 0;

	list_for_each_entry(n, &o->nodes, list) {
		if (!n->ready || !max)
			break;
		skip = n->sent;
		len += kfc_peek_piece(dst + len, n->head, n->head_len, &skip,
				      &max);
		for (i = 0; i < n->nr_bv; i++)
			len += kfc_peek_piece(dst + len,
					      page_address(n->bv[i].bv_page) +
					      n->bv[i].bv_offset,
					      n->bv[i].bv_len, &skip, &max);
		len += kfc_peek_piece(dst + len, n->tail, n->tail_len, &skip,
				      &max);
		if (n->parts)
			break;
	}
	return len;
}

/**
 * kfc_out_complete() - whether nothing that is queued waits for its bytes
 * @o: the queue
 *
 * Context: the thread that owns the connection.
 */
bool kfc_out_complete(const struct kfc_out *o)
{
	const struct kfc_out_node *n;

	list_for_each_entry(n, &o->nodes, list)
		if (!n->ready)
			return false;
	return true;
}

/**
 * kfc_out_send() - send what is ready, up to the first node that is not
 * @o: the queue
 * @sock: a stream socket
 * @sent: the bytes that went out are added here
 *
 * Text of all nodes in a row leaves in one call; pages of long values leave by
 * reference, in calls of their own, with MSG_MORE in between. -EAGAIN comes
 * with SOCK_NOSPACE set by TCP, so that sk_write_space() tells when to go on;
 * but where the socket had no memory and has nothing in flight it never comes,
 * and the caller has to try again by itself.
 *
 * Context: the thread that owns the connection. Does not sleep but for the
 *	socket's lock.
 * Return: 0 when nothing that is ready is left, -EAGAIN, or the socket's error.
 */
int kfc_out_send(struct kfc_out *o, struct socket *sock, u64 *sent)
{
	struct kfc_send s;
	int flags;
	int ret;

	for (;;) {
		kfc_send_gather(&s, o);
		if (!s.nr)
			break;
		flags = MSG_DONTWAIT | MSG_NOSIGNAL;
		if (s.more)
			flags |= MSG_MORE;
		if (s.splice) {
			ret = kfc_send_pages(sock, s.bv, s.nr, s.bytes, flags);
		} else {
			struct msghdr msg = { .msg_flags = flags };

			ret = kernel_sendmsg(sock, &msg, s.kv, s.nr, s.bytes);
		}
		if (ret <= 0)
			return ret ?: -EAGAIN;
		*sent += ret;
		kfc_out_advance(o, ret);
	}
	/* What is left in front are answers of nothing. */
	kfc_out_advance(o, 0);
	return 0;
}
