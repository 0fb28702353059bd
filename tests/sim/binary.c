// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Binary commands, several at once, quiet ones among them, and their answers.
 *
 * Each has an opaque of its own: whatever is older than the one that an answer
 * belongs to was not answered, and has to be quiet. For the model each is the
 * classic command that it amounts to.
 */
#include "sim.h"

#define COMMANDS(X)					\
	X(0x00, "get", MP_GET, 0, 0)			\
	X(0x01, "set", MP_SET, 0, 0)			\
	X(0x02, "add", MP_ADD, 0, 0)			\
	X(0x03, "replace", MP_REPLACE, 0, 0)		\
	X(0x04, "delete", MP_DELETE, 0, 0)		\
	X(0x05, "increment", MP_INCR, 0, 0)		\
	X(0x06, "decrement", MP_DECR, 0, 0)		\
	X(0x07, "quit", MP_QUIT, 0, 0)			\
	X(0x08, "flush", MP_FLUSH_ALL, 0, 0)		\
	X(0x09, "getq", MP_GET, 1, 0)			\
	X(0x0a, "noop", MP_NOOP, 0, 0)			\
	X(0x0c, "getk", MP_GET, 0, 1)			\
	X(0x0d, "getkq", MP_GET, 1, 1)			\
	X(0x0e, "append", MP_APPEND, 0, 0)		\
	X(0x0f, "prepend", MP_PREPEND, 0, 0)		\
	X(0x11, "setq", MP_SET, 1, 0)			\
	X(0x12, "addq", MP_ADD, 1, 0)			\
	X(0x13, "replaceq", MP_REPLACE, 1, 0)		\
	X(0x14, "deleteq", MP_DELETE, 1, 0)		\
	X(0x15, "incrementq", MP_INCR, 1, 0)		\
	X(0x16, "decrementq", MP_DECR, 1, 0)		\
	X(0x17, "quitq", MP_QUIT, 1, 0)			\
	X(0x18, "flushq", MP_FLUSH_ALL, 1, 0)		\
	X(0x19, "appendq", MP_APPEND, 1, 0)		\
	X(0x1a, "prependq", MP_PREPEND, 1, 0)		\
	X(0x1c, "touch", MP_TOUCH, 0, 0)		\
	X(0x1d, "gat", MP_GAT, 0, 0)			\
	X(0x1e, "gatq", MP_GAT, 1, 0)			\
	X(0x23, "gatk", MP_GAT, 0, 1)			\
	X(0x24, "gatkq", MP_GAT, 1, 1)

#define NOOP	0x0a
#define NO_MAKE	0xffffffff	/* an expiry: the number is not to be made */

static const struct command {
	u8 opcode;
	enum mp_op op;
	bool quiet;
	bool with_key;
} commands[] = {
#define X(code, name, op, quiet, with_key) { code, op, quiet, with_key },
	COMMANDS(X)
#undef X
};

static void note_answered(const struct sim_op *op)
{
	switch (op->opcode) {
#define X(code, name, ...) case code: sim_told("binary " name); break;
	COMMANDS(X)
#undef X
	}
}

static void put_be(u8 **p, u64 v, u32 bytes)
{
	while (bytes--)
		*(*p)++ = v >> 8 * bytes;
}

static u64 get_be(const char *p, u32 bytes)
{
	u64 v = 0;

	while (bytes--)
		v = v << 8 | (u8)*p++;
	return v;
}

/* There is no negative one. */
static u32 random_expiry(void)
{
	s64 exptime = sim_random_expiry();

	return exptime < 0 ? sim_now() - sim_below(5) : exptime;
}

/* The unique that it wants: for most none, else often the right one. */
static u64 compare(struct sim_op *op)
{
	switch (op->op) {
	case MP_SET:
	case MP_ADD:
	case MP_REPLACE:
	case MP_APPEND:
	case MP_PREPEND:
	case MP_DELETE:
	case MP_INCR:
	case MP_DECR:
		if (sim_one_in(4))
			break;
		return 0;
	default:
		return 0;
	}
	op->cas = sim_one_in(4) ? 1 + (sim_rand() >> 1) : op->key->cur.cas;
	if (!op->cas)
		return 0;
	if (op->op == MP_SET || op->op == MP_ADD || op->op == MP_REPLACE)
		op->op = MP_CAS;
	else
		op->compares = true;
	return op->cas;
}

static u32 extras(struct sim_op *op, u8 *at)
{
	u8 *p = at;

	switch (op->op) {
	case MP_SET:
	case MP_ADD:
	case MP_REPLACE:
		op->flags = sim_below(3);
		op->exptime = random_expiry();
		put_be(&p, op->flags, 4);
		put_be(&p, op->exptime, 4);
		break;
	case MP_INCR:
	case MP_DECR:
		op->delta = sim_below(100);
		op->initial = sim_below(1000);
		op->vivifies = sim_one_in(2);
		op->made_exptime = op->vivifies ? random_expiry() : NO_MAKE;
		put_be(&p, op->delta, 8);
		put_be(&p, op->initial, 8);
		put_be(&p, op->made_exptime, 4);
		break;
	case MP_TOUCH:
	case MP_GAT:
		op->exptime = random_expiry();
		put_be(&p, op->exptime, 4);
		break;
	case MP_FLUSH_ALL:
		op->exptime = sim_one_in(2) ? 0 : 1 + sim_below(20);
		if (op->exptime || sim_one_in(2))
			put_be(&p, op->exptime, 4);
		break;
	default:
		break;
	}
	return p - at;
}

/* Its bytes go to @at. Return: how many */
static size_t put_command(struct sim_client *cl, const struct command *cmd,
			  u8 *at)
{
	bool keyed = cmd->op < MP_FLUSH_ALL;
	struct sim_op *op = sim_new_op(cl, cmd->op,
				       keyed ? sim_random_key() : NULL);
	u8 ext[20], *p = at;
	u32 extlen, klen = keyed ? op->key->len : 0;
	u64 cas;

	op->opcode = cmd->opcode;
	op->quiet = cmd->quiet;
	op->with_key = cmd->with_key;
	op->opaque = ++cl->opaque;
	op->drops = cmd->op == MP_SET;
	if (cmd->op >= MP_SET && cmd->op < MP_CAS)
		op->val = sim_random_value();
	extlen = extras(op, ext);
	cas = compare(op);
	put_be(&p, MP_BIN_MAGIC, 1);
	put_be(&p, op->opcode, 1);
	put_be(&p, klen, 2);
	put_be(&p, extlen, 1);
	put_be(&p, 0, 3);
	put_be(&p, extlen + klen + (op->val ? op->val->len : 0), 4);
	put_be(&p, op->opaque, 4);
	put_be(&p, cas, 8);
	memcpy(p, ext, extlen);
	p += extlen;
	if (keyed)
		memcpy(p, op->key->name, klen);
	p += klen;
	if (op->val) {
		memcpy(p, op->val->bytes, op->val->len);
		p += op->val->len;
	}
	return p - at;
}

/* One that may come at any time; what ends the connection seldom does. */
static const struct command *draw(struct sim_client *cl)
{
	const struct command *cmd;

	if (sim_one_in(3))
		return &commands[0];
	cmd = &commands[sim_below(ARRAY_SIZE(commands))];
	if (cmd->op == MP_QUIT && !sim_one_in(16))
		return &commands[0];
	if (cmd->op == MP_FLUSH_ALL && (!sim_one_in(32) || !sim_flush_begin()))
		return &commands[0];
	return cmd;
}

/* Some in one piece; what is quiet is followed by what is not. */
void sim_binary_command(struct sim_client *cl)
{
	static const struct command noop = { .opcode = NOOP, .op = MP_NOOP };
	u32 nr = 1 + sim_below(4);
	const struct command *cmd;
	struct list_head *last = cl->fifo.prev;
	size_t n = 0;

	do {
		cmd = draw(cl);
		n += put_command(cl, cmd, (u8 *)sim_text + n);
	} while (--nr && cmd->op != MP_QUIT);
	cl->quits = cmd->op == MP_QUIT;
	if (cmd->quiet && !cl->quits)
		n += put_command(cl, &noop, (u8 *)sim_text + n);
	sim_send(cl, list_entry(last->next, struct sim_op, fifo), n);
}

/* What one came to that was not answered. */
static void take_silence(struct sim_client *cl, struct sim_op *op)
{
	struct sim_state none = { 0 };
	const char *line = MP_STORED;

	if (!op->quiet)
		sim_fail("no answer to binary command %02x", op->opcode);
	note_answered(op);
	switch (op->op) {
	case MP_QUIT:
		sim_dropped(cl, op);
		return;
	case MP_GET:
	case MP_GAT:
		line = MP_END;
		break;
	case MP_FLUSH_ALL:
		line = MP_OK;
		break;
	case MP_DELETE:
		line = MP_DELETED;
		break;
	default:
		break;
	}
	sim_answered(cl, op, line, &none);
}

/* The connection has ended, as asked, and all that was to be sent is. */
void sim_binary_end(struct sim_client *cl)
{
	while (!list_empty(&cl->fifo))
		take_silence(cl, list_first_entry(&cl->fifo, struct sim_op,
						  fifo));
}

static bool reads(const struct sim_op *op)
{
	return op->op == MP_GET || op->op == MP_GAT;
}

/* What a status says, in the words of the text protocol. */
static const char *refused(const struct sim_op *op, u32 status)
{
	/* add and replace have words of their own for "not stored". */
	switch (status) {
	case MP_BIN_NOT_FOUND:
		if (reads(op))
			return MP_END;
		return op->op == MP_REPLACE ? MP_NOT_STORED : MP_NOT_FOUND;
	case MP_BIN_EXISTS:
		return op->op == MP_ADD ? MP_NOT_STORED : MP_EXISTS;
	case MP_BIN_TOO_LARGE:
		return MP_TOO_LARGE;
	case MP_BIN_NOT_STORED:
		if (op->op == MP_APPEND || op->op == MP_PREPEND)
			return MP_NOT_STORED;
		break;
	case MP_BIN_NON_NUMERIC:
		return MP_NON_NUMERIC;
	case MP_BIN_NO_MEMORY:
		return op->op == MP_GET || op->put ? MP_NO_MEMORY_READ :
						     MP_NO_MEMORY;
	}
	sim_fail("status %x to binary command %02x", status, op->opcode);
}

/* The value of a hit, with flags; touch has none. */
static const char *take_hit(struct sim_op *op, const char *ext, u32 extlen,
			    const char *val, u32 vlen, struct sim_state *got)
{
	if (extlen != 4 || (op->op == MP_TOUCH && vlen))
		sim_fail("a broken hit");
	op->hit = true;
	op->asks = SIM_SHOWS_FLAGS | SIM_SHOWS_CAS;
	got->flags = get_be(ext, 4);
	if (op->op == MP_TOUCH)
		return MP_TOUCHED;
	op->asks |= SIM_SHOWS_VALUE;
	got->val = blob_new(vlen);
	memcpy(got->val->bytes, val, vlen);
	return "VALUE";
}

static const char *take_done(struct sim_op *op, const char *val, u32 vlen,
			     const struct sim_state *got)
{
	static char num[MP_U64_MAX_LEN + 3];

	if (op->quiet)
		sim_fail("an answer to the quiet binary command %02x",
			 op->opcode);
	if (vlen != (sim_counts(op) ? 8 : 0))
		sim_fail("%u bytes in the answer to %02x", vlen, op->opcode);
	if (got->cas != op->stored_cas)
		sim_fail("stored as %llx, not %llx", op->stored_cas, got->cas);
	if (sim_counts(op)) {
		sprintf(num, "%llu\r\n", get_be(val, 8));
		return num;
	}
	if (op->op == MP_DELETE)
		return MP_DELETED;
	return op->op == MP_FLUSH_ALL ? MP_OK : MP_STORED;
}

static struct sim_op *asked(struct sim_client *cl, u32 opaque)
{
	struct sim_op *op;

	while (!list_empty(&cl->fifo)) {
		op = list_first_entry(&cl->fifo, struct sim_op, fifo);
		if (op->opaque == opaque)
			return op;
		take_silence(cl, op);
	}
	sim_fail("a binary answer to nothing");
}

/* One answer. Return: its bytes */
size_t sim_binary_answer(struct sim_client *cl, const char *p, size_t len)
{
	struct sim_state got = { 0 };
	u32 klen, extlen, status, body, vlen;
	const char *ext, *val, *line;
	struct sim_op *op;

	if (len < MP_BIN_HEAD || get_be(p, 1) != 0x81 || p[5])
		sim_fail("a broken binary answer");
	klen = get_be(p + 2, 2);
	extlen = get_be(p + 4, 1);
	status = get_be(p + 6, 2);
	body = get_be(p + 8, 4);
	got.cas = get_be(p + 16, 8);
	op = asked(cl, get_be(p + 12, 4));
	if (len - MP_BIN_HEAD < body || extlen + klen > body)
		sim_fail("half a binary answer");
	if ((u8)p[1] != op->opcode)
		sim_fail("an answer to %02x, and not %02x", p[1], op->opcode);
	note_answered(op);
	vlen = body - extlen - klen;
	ext = p + MP_BIN_HEAD;
	val = ext + extlen + klen;
	if (op->with_key && (!status || status == MP_BIN_NOT_FOUND) ?
	    klen != op->key->len || memcmp(val - klen, op->key->name, klen) :
	    klen)
		sim_fail("another key in a binary answer");
	if (op->op == MP_NOOP || op->op == MP_QUIT) {
		if (status || body || op->quiet)
			sim_fail("a broken answer to %02x", op->opcode);
		sim_dropped(cl, op);
	} else if (status) {
		if (status == MP_BIN_NOT_FOUND && reads(op) && op->quiet)
			sim_fail("a quiet miss was answered");
		line = refused(op, status);
		sim_answered(cl, op, line, &got);
	} else {
		if (reads(op) || op->op == MP_TOUCH)
			line = take_hit(op, ext, extlen, val, vlen, &got);
		else
			line = take_done(op, val, vlen, &got);
		sim_answered(cl, op, line, &got);
	}
	return MP_BIN_HEAD + body;
}
