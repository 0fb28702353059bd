/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What the files of the command layer share; nobody else includes it. */
#ifndef KFC_OP_H
#define KFC_OP_H

#include "command.h"
#include "kfc.h"
#include "store.h"

/**
 * struct kfc_op - a device read on behalf of a command
 * @ev: its completion
 * @node: the answer of a get, in its place among the client's answers
 * @rd: the read
 * @lk: the key that is looked for; lk.key.p is @key
 * @list: in client->ops until the read has ended
 * @deadline: jiffies; later the answer is a miss
 * @refs: the read and, for a get, the answer
 * @abandoned: the deadline has passed and the command went on
 * @modify: for a command that waits, not for an answer
 * @with_cas: gets
 * @bv: pieces of the value
 * @inline_bv: @bv of small records
 * @key: copy of the key
 * @head: "VALUE key flags bytes\r\n"
 *
 * All fields belong to the thread that owns the client, @rd.io to the device
 * between submission and io.done.
 */
struct kfc_op {
	struct kfc_event ev;
	struct kfc_out_node node;
	struct kfc_read rd;
	struct kfc_lookup lk;
	struct list_head list;
	unsigned long deadline;
	int refs;
	bool abandoned;
	bool modify;
	bool with_cas;
	struct bio_vec *bv;
	struct bio_vec inline_bv[4];
	u8 key[MP_KEY_MAX];
	char head[MP_VALUE_HEAD_MAX];
};

void kfc_answer(struct kfc_client *cl, const struct mp_req *req,
		const char *line);
enum kfc_cmd_ret kfc_busy(struct kfc_client *cl, u32 limit_ms);

/* get.c */
enum kfc_cmd_ret kfc_run_get(struct kfc_client *cl, const struct mp_req *req);
void kfc_answer_value(struct kfc_client *cl, const struct kfc_lookup *lk,
		      bool with_cas);
int kfc_op_start(struct kfc_client *cl, const struct kfc_lookup *lk,
		 bool modify, bool with_cas);
bool kfc_op_held(struct kfc_client *cl, struct kfc_lookup *lk);
void kfc_op_unhold(struct kfc_client *cl);

/* modify.c */
enum kfc_cmd_ret kfc_run_modify(struct kfc_client *cl,
				const struct mp_req *req,
				const struct kfc_value *val);

#endif /* KFC_OP_H */
