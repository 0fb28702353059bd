/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef KFC_OUT_H
#define KFC_OUT_H

#include <linux/bvec.h>
#include <linux/list.h>
#include <linux/types.h>

struct socket;

/**
 * struct kfc_out_node - one piece of a connection's answers, in their order
 * @list: its place in kfc_out.nodes
 * @ready: the bytes are known; sending stops at a node that is not ready
 * @parts: what is known is not all of them: see @more
 * @head: bytes before the pages; they belong to whoever owns the node
 * @head_len: how many; 0 and no pages for an answer of nothing (a miss)
 * @bv: pages of the value, each piece within one order-0 page. Nothing writes
 *	to these bytes while the node holds its references, so a socket may
 *	splice them
 * @nr_bv: how many pieces
 * @tail: bytes after the pages ("\r\n"), static storage
 * @tail_len: how many
 * @sent: how many bytes of the node are out already (out.c's own)
 * @len: all bytes of the node, set by kfc_out_ready()
 * @mem: memory that it takes, where no other bound counts that; before
 *	kfc_out_add()
 * @more: called instead of @release when the node has been sent and @parts is
 *	set: it is not ready again until kfc_out_ready(), which @more does not
 *	call itself
 * @release: called once when the node has been sent or the connection is
 *	gone; drops the page references and frees the node
 *
 * All fields belong to the thread that owns the connection.
 *
 * A node that is not ready belongs to an operation in flight. When the
 * connection goes, kfc_out_drop() unlinks it (list_del_init()) without calling
 * @release: the operation sees list_empty(&node->list) when it is done, calls
 * neither kfc_out_ready() nor anything else of out.c, and frees the node itself.
 */
struct kfc_out_node {
	struct list_head list;
	bool ready;
	bool parts;
	const char *head;
	u32 head_len;
	struct bio_vec *bv;
	u32 nr_bv;
	const char *tail;
	u32 tail_len;
	u32 sent;
	u32 len;
	u32 mem;
	void (*more)(struct kfc_out_node *n);
	void (*release)(struct kfc_out_node *n);
};

/* Pages of text that one thread keeps for its connections. */
#define KFC_OUT_POOL	16

/**
 * struct kfc_out_pool - memory for queued text, one a worker
 * @page: free pages
 * @nr: how many
 * @bytes: memory in use for queued text; the owner writes, anybody may read
 */
struct kfc_out_pool {
	void *page[KFC_OUT_POOL];
	u32 nr;
	u64 bytes;
};

/**
 * struct kfc_out - the answers of one connection that are not sent yet
 * @nodes: struct kfc_out_node, oldest first
 * @bytes: bytes of all ready nodes, less what was sent
 * @nodes_nr: how many nodes are queued
 * @mem: memory that queued text takes, and that of nodes which say so
 * @failed: an allocation failed; the stream has a gap, close the connection
 * @pool: where text pages come from; NULL: from the page allocator
 *
 * All fields belong to the thread that owns the connection.
 */
struct kfc_out {
	struct list_head nodes;
	u32 bytes;
	u32 nodes_nr;
	u32 mem;
	bool failed;
	struct kfc_out_pool *pool;
};

/* Most that kfc_out_reserve() gives in one piece. */
#define KFC_OUT_PIECE 2048

void kfc_out_init(struct kfc_out *o);
char *kfc_out_reserve(struct kfc_out *o, u32 len);
void kfc_out_commit(struct kfc_out *o, u32 len);
bool kfc_out_copy(struct kfc_out *o, const void *p, u32 len);
void kfc_out_add(struct kfc_out *o, struct kfc_out_node *n);
void kfc_out_ready(struct kfc_out *o, struct kfc_out_node *n);
void kfc_out_unready(struct kfc_out *o, struct kfc_out_node *n);
void kfc_out_drop(struct kfc_out *o);
u32 kfc_out_peek(const struct kfc_out *o, u8 *dst, u32 max);
bool kfc_out_complete(const struct kfc_out *o);
void kfc_out_advance(struct kfc_out *o, u32 len);
int kfc_out_send(struct kfc_out *o, struct socket *sock, u64 *sent);
int kfc_out_pool_init(struct kfc_out_pool *p, int node);
void kfc_out_pool_exit(struct kfc_out_pool *p);

#endif /* KFC_OUT_H */
