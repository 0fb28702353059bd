// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The stats command: which group is wanted, and its lines on their way out.
 */
#include <linux/string.h>

#include "net.h"
#include "op.h"
#include "prefix.h"

/**
 * struct stat_out - lines of stats on their way to a client
 * @cl: the client
 * @req: its request
 */
struct stat_out {
	struct kfc_client *cl;
	const struct mp_req *req;
};

/* One line, of the binary protocol a packet. */
static bool stat_line(struct kfc_emit *e, const char *name, const char *value)
{
	const struct stat_out *so = e->arg;
	struct kfc_out *out = &so->cl->out;
	u32 nlen = strlen(name), vlen = strlen(value);
	char head[MP_BIN_HEAD];

	if (so->req->binary) {
		struct mp_bin_head h = {
			.opcode = so->req->opcode,
			.klen = nlen,
			.vlen = vlen,
			.opaque = so->req->opaque,
		};

		return kfc_out_copy(out, head, mp_put_bin_head(head, &h)) &&
		       kfc_out_copy(out, name, nlen) &&
		       kfc_out_copy(out, value, vlen);
	}
	return kfc_out_copy(out, "STAT ", 5) &&
	       kfc_out_copy(out, name, nlen) &&
	       kfc_out_copy(out, " ", 1) &&
	       kfc_out_copy(out, value, vlen) &&
	       kfc_out_copy(out, "\r\n", 2);
}

/* The end of a group, in both protocols. */
static enum kfc_cmd_ret end(struct kfc_client *cl, const struct mp_req *req)
{
	kfc_answer_text(cl, req, req->binary ? "" : MP_END);
	return KFC_CMD_DONE;
}

static enum kfc_cmd_ret
stat_all(struct kfc_client *cl, const struct mp_req *req, struct kfc_emit *e)
{
	kfc_stats_print(cl->cache, e);
	return end(cl, req);
}

static enum kfc_cmd_ret
stat_settings(struct kfc_client *cl, const struct mp_req *req, struct kfc_emit *e)
{
	kfc_stats_settings(cl->cache, e);
	return end(cl, req);
}

static enum kfc_cmd_ret
stat_items(struct kfc_client *cl, const struct mp_req *req, struct kfc_emit *e)
{
	kfc_stats_items(cl->cache, e);
	return end(cl, req);
}

static enum kfc_cmd_ret
stat_slabs(struct kfc_client *cl, const struct mp_req *req, struct kfc_emit *e)
{
	kfc_stats_slabs(cl->cache, e);
	return end(cl, req);
}

/* There are no sizes to count: a record takes what it is long. */
static enum kfc_cmd_ret
stat_sizes(struct kfc_client *cl, const struct mp_req *req, struct kfc_emit *e)
{
	e->line(e, "sizes_status", "disabled");
	return end(cl, req);
}

static enum kfc_cmd_ret
stat_nothing(struct kfc_client *cl, const struct mp_req *req, struct kfc_emit *e)
{
	return end(cl, req);
}

static enum kfc_cmd_ret
stat_reset(struct kfc_client *cl, const struct mp_req *req, struct kfc_emit *e)
{
	kfc_stats_reset(cl->cache);
	kfc_prefix_clear(cl->cache);
	kfc_answer_text(cl, req, req->binary ? "" : MP_RESET);
	return KFC_CMD_DONE;
}

/* A part at a time: there may be very many. */
static enum kfc_cmd_ret
stat_conns(struct kfc_client *cl, const struct mp_req *req, struct kfc_emit *e)
{
	if (kfc_net_conns(cl->cache, &cl->cursor, e))
		return KFC_CMD_MORE;
	cl->cursor = 0;
	return end(cl, req);
}

/* The first word of what follows @at in the request's argument. */
static const u8 *next_word(const struct mp_req *req, const u8 *at, u32 *len)
{
	const u8 *stop = req->arg + req->arg_len, *p;

	while (at < stop && *at == ' ')
		at++;
	for (p = at; p < stop && *p != ' '; p++)
		;
	*len = p - at;
	return at;
}

static bool is(const u8 *word, u32 len, const char *name)
{
	/* Of a binary request without a key there is no word at all. */
	return len == strlen(name) && (!len || !memcmp(word, name, len));
}

static bool prefix_line(struct kfc_emit *e, const char *name,
			const char *value)
{
	const struct stat_out *so = e->arg;
	struct kfc_out *out = &so->cl->out;

	return kfc_out_copy(out, "PREFIX ", 7) &&
	       kfc_out_copy(out, name, strlen(name)) &&
	       kfc_out_copy(out, " ", 1) &&
	       kfc_out_copy(out, value, strlen(value)) &&
	       kfc_out_copy(out, "\r\n", 2);
}

static enum kfc_cmd_ret detail_dump(struct kfc_client *cl,
				    const struct mp_req *req)
{
	struct stat_out so = { cl, req };
	struct kfc_emit e = { .line = prefix_line, .arg = &so };

	if (kfc_prefix_print(cl->cache, &cl->cursor, &e))
		return KFC_CMD_MORE;
	cl->cursor = 0;
	kfc_say(cl, req, MP_END);
	return KFC_CMD_DONE;
}

static enum kfc_cmd_ret
stat_detail(struct kfc_client *cl, const struct mp_req *req, struct kfc_emit *e)
{
	const u8 *word;
	u32 len;

	word = next_word(req, req->arg, &len);
	word = next_word(req, word + len, &len);
	if (is(word, len, "on") || is(word, len, "off")) {
		kfc_prefix_enable(cl->cache, len == 2);
		kfc_answer_text(cl, req, req->binary ? "" : MP_OK);
	} else if (is(word, len, "dump") && !req->binary) {
		return detail_dump(cl, req);
	} else if (req->binary) {
		kfc_answer(cl, req, KFC_NOT_FOUND, 0);
	} else {
		kfc_say(cl, req,
			"CLIENT_ERROR usage: stats detail on|off|dump\r\n");
	}
	return KFC_CMD_DONE;
}

static const struct {
	const char *name;
	enum kfc_cmd_ret (*run)(struct kfc_client *cl, const struct mp_req *req,
				struct kfc_emit *e);
} groups[] = {
	{ "", stat_all },
	{ "settings", stat_settings },
	{ "items", stat_items },
	{ "slabs", stat_slabs },
	{ "sizes", stat_sizes },
	{ "conns", stat_conns },
	{ "reset", stat_reset },
	{ "detail", stat_detail },
	{ "extstore", stat_nothing },
};

/**
 * kfc_run_stats() - stats, all of it or a group
 * @cl: the client
 * @req: the request
 *
 * Context: the client's thread; does not sleep.
 * Return: as kfc_cmd_run()
 */
enum kfc_cmd_ret kfc_run_stats(struct kfc_client *cl,
			       const struct mp_req *req)
{
	struct stat_out so = { cl, req };
	struct kfc_emit e = { .line = stat_line, .arg = &so };
	const u8 *word;
	u32 len;
	int i;

	word = next_word(req, req->arg, &len);
	for (i = 0; i < ARRAY_SIZE(groups); i++)
		if (is(word, len, groups[i].name))
			return groups[i].run(cl, req, &e);
	if (req->binary)
		kfc_answer(cl, req, KFC_NOT_FOUND, 0);
	else
		kfc_say(cl, req, MP_ERROR);
	return KFC_CMD_DONE;
}
