// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Meta commands, with flags by chance, and their answers taken apart. For the
 * model each is the classic command that it amounts to.
 */
#include "sim.h"

/* Flags that any of them may have; a quiet one is told by its opaque. */
static size_t common(struct sim_op *op, char *p)
{
	size_t n = 0;

	op->quiet = sim_one_in(4);
	if (op->quiet)
		n += sprintf(p + n, " q");
	/* A get may win later, and has to be known by then. */
	if (op->quiet || op->op == MP_GET || sim_one_in(3)) {
		op->opaque = ++op->cl->opaque;
		n += sprintf(p + n, " O%u", op->opaque);
	}
	if (sim_one_in(3))
		n += sprintf(p + n, " k");
	return n;
}

static size_t ask(struct sim_op *op, char *p, const char *letters)
{
	static const char all[] = "vfstc";	/* as SIM_SHOWS_* */
	size_t n = 0;

	for (; *letters; letters++) {
		if (sim_one_in(2))
			continue;
		op->asks |= 1 << (strchr(all, *letters) - all);
		n += sprintf(p + n, " %c", *letters);
	}
	return n;
}

static size_t expiry(struct sim_op *op, char *p)
{
	op->exptime = sim_random_expiry();
	return sprintf(p, " T%lld", op->exptime);
}

/* Only if the unique is this one. */
static size_t compare(struct sim_op *op, char *p)
{
	op->compares = true;
	op->cas = op->key->cur.cas;
	if (sim_one_in(4))
		op->cas = sim_one_in(2) ? op->cas - 1 : sim_rand() >> 1;
	return sprintf(p, " C%llu", op->cas);
}

static size_t choose(struct sim_op *op, char *p)
{
	op->chooses = true;
	op->new_cas = 1 + (sim_rand() >> 2);
	return sprintf(p, " E%llu", op->new_cas);
}

/* Behind a quiet one something has to be answered. */
static void finish_line(struct sim_client *cl, struct sim_op *op, size_t n)
{
	op->is_meta = true;
	if (op->quiet) {
		sim_new_op(cl, MP_META_NOOP, NULL)->is_meta = true;
		n += sprintf(sim_text + n, "mn\r\n");
	}
	sim_send(cl, op, n);
}

/* N, with what an item that it makes will live. */
static size_t vivify(struct sim_op *op, char *p)
{
	op->vivifies = true;
	op->made_exptime = sim_random_expiry();
	return sprintf(p, " N%lld", op->made_exptime);
}

static size_t recache(struct sim_op *op, char *p, bool late)
{
	op->recache = 1 + sim_below(40);
	op->recache_late = late;
	return sprintf(p, " R%lld", op->recache);
}

static void get(struct sim_client *cl)
{
	bool touch = sim_one_in(5), early = sim_one_in(2);
	struct sim_op *op = sim_new_op(cl, touch ? MP_GAT : MP_GET,
				       sim_random_key());
	size_t n = sprintf(sim_text, "mg %s", op->key->name);

	n += common(op, sim_text + n);
	if (sim_one_in(4))
		n += sprintf(sim_text + n, " u");
	if (sim_one_in(4))
		n += vivify(op, sim_text + n);
	if (early && sim_one_in(3))
		n += recache(op, sim_text + n, false);
	/* A time to live is told as it is at that place in the line. */
	if (op->vivifies && touch) {
		n += expiry(op, sim_text + n);
		op->made_exptime = op->exptime;
	}
	n += ask(op, sim_text + n, "fvtsc");
	if (!op->vivifies && touch)
		n += expiry(op, sim_text + n);
	if (!early && sim_one_in(3))
		n += recache(op, sim_text + n, touch);
	n += sprintf(sim_text + n, "\r\n");
	finish_line(cl, op, n);
}

static void set(struct sim_client *cl)
{
	static const struct {
		enum mp_op op;
		const char *mode;
	} modes[] = {
		{ MP_SET, "" }, { MP_SET, " MS" }, { MP_ADD, " ME" },
		{ MP_REPLACE, " MR" }, { MP_APPEND, " MA" },
		{ MP_PREPEND, " MP" }, { MP_CAS, "" },
	};
	u32 mode = sim_below(ARRAY_SIZE(modes));
	struct sim_op *op = sim_new_op(cl, modes[mode].op, sim_random_key());
	size_t n;

	op->val = sim_random_value();
	n = sprintf(sim_text, "ms %s %u%s", op->key->name, op->val->len,
		    modes[mode].mode);
	n += common(op, sim_text + n);
	n += ask(op, sim_text + n, "c");
	if (sim_one_in(2)) {
		op->flags = sim_below(3);
		n += sprintf(sim_text + n, " F%u", op->flags);
	}
	if (sim_one_in(2))
		n += expiry(op, sim_text + n);
	if (op->op == MP_CAS) {
		n += compare(op, sim_text + n);
		op->compares = false;
		op->invalidates = sim_one_in(3);
		if (op->invalidates)
			n += sprintf(sim_text + n, " I");
	}
	if (op->op == MP_APPEND || op->op == MP_PREPEND) {
		if (sim_one_in(3))
			n += vivify(op, sim_text + n);
		if (sim_one_in(4))
			n += compare(op, sim_text + n);
	}
	if (sim_one_in(3))
		n += choose(op, sim_text + n);
	n += sprintf(sim_text + n, "\r\n");
	memcpy(sim_text + n, op->val->bytes, op->val->len);
	n += op->val->len;
	n += sprintf(sim_text + n, "\r\n");
	finish_line(cl, op, n);
}

static void delete(struct sim_client *cl)
{
	struct sim_op *op = sim_new_op(cl, MP_DELETE, sim_random_key());
	size_t n = sprintf(sim_text, "md %s", op->key->name);

	n += common(op, sim_text + n);
	if (sim_one_in(3))
		n += compare(op, sim_text + n);
	op->invalidates = sim_one_in(2);
	op->empties = sim_one_in(4);
	op->expires = sim_one_in(3);
	if (op->invalidates)
		n += sprintf(sim_text + n, " I");
	if (op->empties)
		n += sprintf(sim_text + n, " x");
	if (op->expires)
		n += expiry(op, sim_text + n);
	if ((op->invalidates || op->empties) && sim_one_in(4))
		n += choose(op, sim_text + n);
	n += sprintf(sim_text + n, "\r\n");
	finish_line(cl, op, n);
}

static void count(struct sim_client *cl)
{
	bool incr = sim_one_in(2);
	struct sim_op *op = sim_new_op(cl, incr ? MP_INCR : MP_DECR,
				       sim_random_key());
	size_t n = sprintf(sim_text, "ma %s M%c", op->key->name,
			   incr ? 'I' : 'D');

	n += common(op, sim_text + n);
	op->delta = sim_below(100);
	n += sprintf(sim_text + n, " D%llu", op->delta);
	if (sim_one_in(3)) {
		n += vivify(op, sim_text + n);
		op->initial = sim_below(1000);
		n += sprintf(sim_text + n, " J%llu", op->initial);
	}
	/* As in get(). */
	if (sim_one_in(4)) {
		op->expires = true;
		n += expiry(op, sim_text + n);
		op->made_exptime = op->exptime;
	}
	n += ask(op, sim_text + n, "vtc");
	if (sim_one_in(4))
		n += compare(op, sim_text + n);
	if (sim_one_in(4))
		n += choose(op, sim_text + n);
	n += sprintf(sim_text + n, "\r\n");
	finish_line(cl, op, n);
}

void sim_meta_command(struct sim_client *cl)
{
	switch (sim_below(10)) {
	case 0 ... 4:
		get(cl);
		break;
	case 5 ... 7:
		set(cl);
		break;
	case 8:
		delete(cl);
		break;
	default:
		count(cl);
		break;
	}
}

/* The flags behind a code; what was asked has to be there, and no more. */
static void take_flags(struct sim_op *op, const char *p, struct sim_state *got)
{
	u32 shown = op->asks & SIM_SHOWS_VALUE, opaque = 0;
	char *end;

	while (*p == ' ') {
		char letter = p[1];

		p += 2;
		switch (letter) {
		case 'f':
			shown |= SIM_SHOWS_FLAGS;
			got->flags = strtoul(p, &end, 10);
			break;
		case 's':
			shown |= SIM_SHOWS_SIZE;
			op->got_size = strtoul(p, &end, 10);
			break;
		case 't':
			shown |= SIM_SHOWS_TTL;
			op->got_ttl = strtoll(p, &end, 10);
			break;
		case 'c':
			shown |= SIM_SHOWS_CAS;
			got->cas = strtoull(p, &end, 10);
			break;
		case 'O':
			opaque = strtoul(p, &end, 10);
			break;
		case 'W':
			op->got_win = true;
			sim_told("to be refreshed by this one");
			end = (char *)p;
			break;
		case 'X':
			got->stale = true;
			sim_told("stale");
			end = (char *)p;
			break;
		case 'Z':
			got->won = true;
			sim_told("to be refreshed by another one");
			end = (char *)p;
			break;
		case 'k':
			if (strncmp(p, op->key->name, op->key->len))
				sim_fail("a meta answer for another key");
			end = (char *)p + op->key->len;
			break;
		default:
			sim_fail("a meta answer with flag %c", letter);
		}
		p = end;
	}
	if (*p != '\r' && *p != '\n')
		sim_fail("a broken meta answer");
	if (opaque != op->opaque)
		sim_fail("opaque %u, and not %u", opaque, op->opaque);
	if (op->hit && shown != op->asks)
		sim_fail("asked for %x, and got %x", op->asks, shown);
}

/* What a quiet one that was not answered came to. */
static const char *silent(const struct sim_op *op)
{
	if (op->op == MP_GET || op->op == MP_GAT)
		return MP_END;
	if (op->made && sim_counts(op))
		sim_fail("what was made was not answered");
	return op->op == MP_DELETE ? MP_DELETED : MP_STORED;
}

/* "HD flags": what was to be done was, or it is there. */
static const char *done(struct sim_op *op, const struct sim_state *got)
{
	if (op->op == MP_DELETE)
		return MP_DELETED;
	if (op->op == MP_GET || op->op == MP_GAT)
		return MP_END;	/* and op->hit */
	if (op->val && op->asks & SIM_SHOWS_CAS && got->cas != op->stored_cas)
		sim_fail("stored as %llx, not %llx", op->stored_cas, got->cas);
	return MP_STORED;
}

/*
 * One answer to the client's first operation. Return: bytes, 0 where it is one
 * that other protocols have, too
 */
size_t sim_meta_answer(struct sim_client *cl, struct sim_op *op, const char *p,
		       size_t len)
{
	static char number[32];
	struct sim_state got = { 0 };
	const char *eol = memchr(p, '\n', len), *line = NULL;
	size_t n = eol ? eol + 1 - p : 0;
	u32 vlen;

	if (!n)
		sim_fail("half an answer");
	if (!strncmp(p, "MN\r\n", 4)) {
		if (op->quiet) {
			sim_answered(cl, op, silent(op), &got);
			op = list_first_entry(&cl->fifo, struct sim_op, fifo);
		}
		if (op->op != MP_META_NOOP)
			sim_fail("an answer to mn that was not asked");
		sim_dropped(cl, op);
		return n;
	}
	op->hit = !op->val && op->op != MP_DELETE &&
		  (!strncmp(p, "HD", 2) || !strncmp(p, "VA", 2));
	if (!strncmp(p, "VA ", 3)) {
		char *end;

		vlen = strtoul(p + 3, &end, 10);
		take_flags(op, end, &got);
		if (!(op->asks & SIM_SHOWS_VALUE))
			sim_fail("a value that nobody asked for");
		if (n + vlen + 2 > len || memcmp(p + n + vlen, "\r\n", 2))
			sim_fail("a broken value");
		if (op->op == MP_INCR || op->op == MP_DECR) {
			snprintf(number, sizeof(number), "%.*s", (int)vlen + 2,
				 p + n);
			line = number;
		} else {
			line = "VALUE";
			got.val = blob_new(vlen);
			memcpy(got.val->bytes, p + n, vlen);
		}
		n += vlen + 2;
	} else if (!strncmp(p, "HD", 2)) {
		take_flags(op, p + 2, &got);
		line = done(op, &got);
	} else if (!strncmp(p, "EN", 2)) {
		line = MP_END;
	} else if (!strncmp(p, "NF", 2)) {
		line = MP_NOT_FOUND;
	} else if (!strncmp(p, "NS", 2)) {
		line = MP_NOT_STORED;
	} else if (!strncmp(p, "EX", 2)) {
		line = MP_EXISTS;
	}
	if (!line)
		return 0;
	if (*p == 'N' || *p == 'E')
		take_flags(op, p + 2, &got);
	sim_answered(cl, op, line, &got);
	return n;
}
