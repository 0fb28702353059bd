// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The queue of answers, module/out.c as it is: whatever a socket takes at a time,
 * and whenever a node or its next part is ready, the bytes come in their order.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <linux/bvec.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/socket.h>

#include <cmocka.h>

/* What out.c needs of the kernel's sockets, in place of module/compat.h. */
#define KFC_COMPAT_H
#define KFC_SHIM_SOCKETS_H
#define MSG_SPLICE 0x8000000

struct kvec {
	void *iov_base;
	size_t iov_len;
};

struct socket {
	u32 takes;	/* bytes of the next call */
	u32 splices;	/* calls that took pages by reference */
	u8 got[1 << 20];
	u32 len;
};

static int take(struct socket *sock, const void *p, u32 len)
{
	u32 part = min(len, sock->takes);

	assert_true(sock->len + part <= sizeof(sock->got));
	memcpy(sock->got + sock->len, p, part);
	sock->len += part;
	sock->takes -= part;
	return part;
}

static int kernel_sendmsg(struct socket *sock, struct msghdr *msg,
			  struct kvec *kv, size_t nr, size_t bytes)
{
	u32 i, was = sock->len, all = 0;

	for (i = 0; i < nr; i++) {
		take(sock, kv[i].iov_base, kv[i].iov_len);
		all += kv[i].iov_len;
	}
	assert_int_equal(all, bytes);
	return sock->len == was ? -EAGAIN : (int)(sock->len - was);
}

static int kfc_send_pages(struct socket *sock, struct bio_vec *bv,
			  unsigned int nr, u32 bytes, int flags)
{
	u32 i, was = sock->len, all = 0;

	for (i = 0; i < nr; i++) {
		take(sock, page_address(bv[i].bv_page) + bv[i].bv_offset,
		     bv[i].bv_len);
		all += bv[i].bv_len;
	}
	assert_int_equal(all, bytes);
	sock->splices++;
	return sock->len == was ? -EAGAIN : (int)(sock->len - was);
}

#define sendpage_ok(p) true
#define alloc_pages_node(node, gfp, order) alloc_page(gfp)
#define __get_free_page(gfp) ((unsigned long)shim_alloc(PAGE_SIZE))
#define free_page(p) free((void *)(p))

#include "../../module/out.c"

/* A value of ours: so many pages, sent in parts of so many bytes. */
struct value {
	struct kfc_out_node node;
	struct bio_vec bv[8];
	struct page *page[8];
	char head[16];
	u32 vlen;
	u32 part;
	u32 from;
	bool wants;	/* its next part is to be got */
};

static u8 want[1 << 20];
static u32 want_len;
static long live;

static void expect(const void *p, u32 len)
{
	memcpy(want + want_len, p, len);
	want_len += len;
}

static void released(struct kfc_out_node *n)
{
	struct value *v = container_of(n, struct value, node);
	u32 i;

	for (i = 0; i < ARRAY_SIZE(v->page); i++)
		put_page(v->page[i]);
	free(v);
	live--;
}

static void wants_more(struct kfc_out_node *n)
{
	struct value *v = container_of(n, struct value, node);

	assert_false(n->ready);
	v->from += v->part;
	n->head_len = 0;
	v->wants = true;
}

/* The part from v->from on. */
static void fill(struct value *v)
{
	u32 at = v->from, end = min(v->vlen, v->from + v->part);

	v->node.nr_bv = 0;
	while (at < end) {
		struct bio_vec *bv = &v->bv[v->node.nr_bv++];

		bv->bv_page = v->page[at / PAGE_SIZE];
		bv->bv_offset = at % PAGE_SIZE;
		bv->bv_len = min_t(u32, end - at, PAGE_SIZE - bv->bv_offset);
		at += bv->bv_len;
	}
	v->node.parts = end < v->vlen;
	v->node.tail_len = v->node.parts ? 0 : 2;
	v->wants = false;
}

static struct value *value(struct kfc_out *o, u32 vlen, u32 part)
{
	struct value *v = calloc(1, sizeof(*v));
	u32 i, j;

	live++;
	for (i = 0; i < ARRAY_SIZE(v->page); i++) {
		v->page[i] = alloc_page(GFP_KERNEL);
		for (j = 0; j < PAGE_SIZE; j++)
			((u8 *)page_address(v->page[i]))[j] = rand();
	}
	v->vlen = vlen;
	v->part = part;
	v->node.head = v->head;
	v->node.head_len = sprintf(v->head, "VALUE %u\r\n", vlen);
	v->node.bv = v->bv;
	v->node.tail = "\r\n";
	v->node.more = wants_more;
	v->node.release = released;
	v->node.mem = sizeof(*v);
	expect(v->head, v->node.head_len);
	for (i = 0; i < vlen; i += PAGE_SIZE)
		expect(page_address(v->page[i / PAGE_SIZE]),
		       min_t(u32, vlen - i, PAGE_SIZE));
	expect("\r\n", 2);
	fill(v);
	kfc_out_add(o, &v->node);
	return v;
}

static void text(struct kfc_out *o, const char *s)
{
	expect(s, strlen(s));
	assert_true(kfc_out_copy(o, s, strlen(s)));
}

static void is_sent(const struct socket *sock)
{
	assert_int_equal(sock->len, want_len);
	assert_memory_equal(sock->got, want, want_len);
}

static void is_empty(const struct kfc_out *o)
{
	assert_true(list_empty(&o->nodes));
	assert_int_equal(o->bytes, 0);
	assert_int_equal(o->mem, 0);
	assert_int_equal(o->nodes_nr, 0);
	assert_int_equal(live, 0);
	assert_int_equal(shim_pages, 0);
}

static struct socket *begin(struct kfc_out *o)
{
	want_len = 0;
	memset(o, 0, sizeof(*o));
	kfc_out_init(o);
	return calloc(1, sizeof(struct socket));
}

/* Behind a part that is short enough to be copied comes the next part. */
static void test_short_part(void **state)
{
	struct kfc_out o;
	struct socket *sock = begin(&o);
	struct value *v = value(&o, 3000, 100);
	u64 sent = 0;
	u32 n;

	kfc_out_ready(&o, &v->node);
	text(&o, "END\r\n");
	for (n = 0; n < 30; n++) {
		sock->takes = 1 << 20;
		assert_int_equal(kfc_out_send(&o, sock, &sent), 0);
		if (n == 29)
			break;
		assert_true(v->wants);
		assert_int_equal(sent, sock->len);
		assert_int_equal(sent, 12 + 100 * (n + 1));
		fill(v);
		kfc_out_ready(&o, &v->node);
	}
	is_sent(sock);
	is_empty(&o);
	free(sock);
}

/* The same where datagrams are filled. */
static void test_peek(void **state)
{
	struct kfc_out o;
	struct socket *sock = begin(&o);
	struct value *v = value(&o, 300, 100);
	u8 dst[1024];
	u32 n, len;

	kfc_out_ready(&o, &v->node);
	text(&o, "END\r\n");
	for (n = 0; n < 3; n++) {
		len = kfc_out_peek(&o, dst, sizeof(dst));
		memcpy(sock->got + sock->len, dst, len);
		sock->len += len;
		kfc_out_advance(&o, len);
		if (n == 2)
			break;
		fill(v);
		kfc_out_ready(&o, &v->node);
	}
	is_sent(sock);
	is_empty(&o);
	free(sock);
}

/* Text and values, some late, some in parts; a socket takes what it likes. */
static void test_any(void **state)
{
	struct value *v[12];
	struct kfc_out o;
	struct socket *sock;
	u32 run, i, n, splices = 0;
	u64 sent;
	int ret;

	for (run = 0; run < 2000; run++) {
		srand(run);
		sock = begin(&o);
		sent = 0;
		n = rand() % ARRAY_SIZE(v);
		for (i = 0; i < n; i++) {
			u32 vlen = rand() % (rand() % 3 ? 30000 : 3000);

			v[i] = value(&o, vlen, rand() % 2 ? vlen :
				     1 + rand() % (rand() % 2 ? 8192 : 2500));
			if (rand() % 2)
				text(&o, "END\r\n");
			if (rand() % 4)
				continue;
			text(&o, "some more text\r\n");
		}
		while (!list_empty(&o.nodes)) {
			/* What is sent is released, so it is looked for. */
			for (i = 0; i < n; i++) {
				struct kfc_out_node *at;

				list_for_each_entry(at, &o.nodes, list)
					if (at == &v[i]->node)
						break;
				if (&at->list == &o.nodes || at->ready ||
				    rand() % 3)
					continue;
				if (v[i]->wants)
					fill(v[i]);
				kfc_out_ready(&o, at);
			}
			sock->takes = rand() % 5 ? rand() % 9000 :
						   rand() % 30;
			ret = kfc_out_send(&o, sock, &sent);
			assert_true(!ret || ret == -EAGAIN);
			assert_int_equal(sent, sock->len);
		}
		is_sent(sock);
		is_empty(&o);
		splices += sock->splices;
		free(sock);
	}
	assert_true(splices > 0);
}

/* A client goes: what is ready is released, the rest belongs to its reads. */
static void test_drop(void **state)
{
	struct kfc_out o;
	struct socket *sock = begin(&o);
	struct value *ready = value(&o, 5000, 5000);
	struct value *late = value(&o, 5000, 5000);

	kfc_out_ready(&o, &ready->node);
	text(&o, "END\r\n");
	assert_int_equal(o.nodes_nr, 3);
	kfc_out_drop(&o);
	assert_int_equal(live, 1);
	assert_true(list_empty(&late->node.list));
	released(&late->node);
	is_empty(&o);
	free(sock);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_short_part),
		cmocka_unit_test(test_peek),
		cmocka_unit_test(test_any),
		cmocka_unit_test(test_drop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
