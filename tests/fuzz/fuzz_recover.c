// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Load whatever lies on a device: superblocks, index area, summaries and
 * records. An input edits a device that was in use, and then says what is asked
 * of the cache that is loaded from it. Where it says so, the checksums are set
 * right after the edits, so that what is behind them is reached as well.
 *
 * A value that comes back for a key was stored for it, by this run or by the
 * one that made the device; with checksums set right it is in a record of that
 * key on the device. Entries and what is counted of them are the same number
 * at any time, and what is refused is not written to.
 */
#define _GNU_SOURCE		/* memfd_create(), memmem() */
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../must.h"
#include "area.h"
#include "env.h"
#include "restart.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);
const char *__asan_default_options(void);

/* A cache comes and goes with each input: let it have the same memory again. */
const char *__asan_default_options(void)
{
	return "quarantine_size_mb=8";
}

#define KEYS		40
#define FLUSHED		4	/* the first keys are from before a flush_all */
#define GENS		64
#define SLAB_PAGES	256
#define PAGES		(SLAB_PAGES + 9 * SLAB_PAGES + 1)
#define INDEX_BYTES	(512 << 10)
#define USED_MAX	1024
#define EDITS_MAX	48
#define OPS_MAX		24
#define NOW		1700000000

/* The first byte of an input. */
#define MODE_RECOVER	0x01	/* recover=crash */
#define MODE_SUMS	0x02	/* checksums are set right */
#define MODE_CRASHED	0x04	/* the device was not unloaded */
#define MODE_TABLE	0x08	/* a slab's life is what the table says it is */
#define MODE_BOTH	0x10	/* both superblocks are edited alike */
#define MODE_BAD	0x20	/* some pages can't be read */
#define MODE_AGAIN	0x40	/* it is loaded once more */

/**
 * struct key - what may come back for a key
 * @gens: values that it had since the flush_all
 * @last: the one that it has, 0 for none
 * @odd: modified by this run in a way that is not followed
 */
struct key {
	u64 gens;
	u32 last;
	bool odd;
};

static struct env e;
static struct env_client ec;
static struct kfc_cache fresh;	/* as it was before the first load */
static int image;
static struct key made[KEYS], now[KEYS];

/* Pages that have something on them, and what that is after the edits. */
static u32 used[USED_MAX], nr_used, nr_base;
static u32 used_at[PAGES];	/* number in used[], plus one */
static bool touched[PAGES];
static u8 seen[USED_MAX][KFC_PAGE];
static u64 base_salt, base_seq[2][16];
static u32 base_slabs_at, base_slabs, base_area;

struct input {
	const u8 *p, *end;
};

static u32 u8_of(struct input *in)
{
	return in->p < in->end ? *in->p++ : 0;
}

static u32 u16_of(struct input *in)
{
	u32 v = u8_of(in);

	return v << 8 | u8_of(in);
}

static u8 *page_at(u32 page)
{
	return e.d.mem + (u64)page * KFC_PAGE;
}

/* Keys of 1 to 250 bytes. */
static void key_name(u32 k, char *name)
{
	u32 n = sprintf(name, "k%u", k);

	if (k % 13 == 12) {
		memset(name + n, 'x', 250 - n);
		n = 250;
	}
	name[n] = 0;
}

static u32 make_value(u32 k, u32 gen, char *value)
{
	static const u32 lens[] = { 0, 3, 30, 200, 900, 1100, 5000, 20000 };
	u32 len = lens[(k + gen) % ARRAY_SIZE(lens)] + (gen & 1);
	u32 n = sprintf(value, "%u", gen);

	/* A number: so that it can be counted up. */
	if (k % 8 == 1)
		return n;
	n += sprintf(value + n, ".%u;", k);
	for (; n < len; n *= 2)
		memcpy(value + n, value, n);
	return len;
}

static char value[65536];

static bool set(u32 k, u32 gen)
{
	u32 len = make_value(k, gen, value);
	char name[256];
	const char *a;

	key_name(k, name);
	a = env_set(&e, &ec, "set", name, k, 0, value, len, "");
	if (strcmp(a, "STORED\r\n")) {
		MUST(!strncmp(a, "SERVER_ERROR ", 13));
		/* Refused or not, the older value is gone. */
		now[k] = (struct key){ };
		return false;
	}
	now[k] = (struct key){ .gens = 1ULL << gen, .last = gen };
	return true;
}

static void load_all(void)
{
	while (kfc_restart_step(&e.c))
		;
}

static void make_round(u32 round)
{
	u32 k, gen;
	char name[256];

	for (gen = round * 4 + 1; gen < round * 4 + 4; gen++) {
		for (k = FLUSHED; k < KEYS; k++) {
			u64 had = now[k].gens;

			if ((k * 7 + gen) % 5 > 1)
				continue;
			MUST(set(k, gen));
			now[k].gens |= had;
			while (gen & 1 && kfc_log_step(&e.c))
				;
		}
	}
	for (k = FLUSHED + round; k < KEYS; k += 9) {
		key_name(k, name);
		env_ask(&e, &ec, "delete %s\r\n", name);
		now[k].last = 0;
	}
	/* A unique of the client's choice, and a key in base64. */
	env_ask(&e, &ec, "ms chosen 1 E%u\r\nx\r\n", 77 + round);
	env_ask(&e, &ec, "ms YmFzZTY0 1 b T%u\r\nx\r\n", 1000 * round);
}

/* Three loads of a device, each unloaded cleanly. */
static void make_image(void)
{
	u32 i, j;

	srand(1);
	env_now = NOW;
	env_start_on(&e, 1 << 20, 4, PAGES, INDEX_BYTES);
	env_client_init(&e, &ec);
	for (i = 0; i < FLUSHED; i++)
		MUST(set(i, 1));
	kfc_log_step(&e.c);
	MUST(!strcmp(env_ask(&e, &ec, "flush_all\r\n"), "OK\r\n"));
	memset(now, 0, sizeof(now));
	for (i = 0; i < 3; i++) {
		make_round(i);
		env_client_exit(&e, &ec);
		base_slabs_at = e.c.log.members[0].slabs_at;
		base_slabs = e.c.log.nr_slabs;
		base_area = e.c.log.geo.index_pages;
		base_salt = e.c.log.salt;
		env_unload(&e);
		if (i == 2)
			break;
		MUST(!env_load(&e));
		load_all();
		env_client_init(&e, &ec);
	}
	memcpy(made, now, sizeof(made));
	fresh = e.c;
	image = memfd_create("image", 0);
	MUST(image >= 0 && !ftruncate(image, (u64)PAGES * KFC_PAGE));
	for (i = 0; i < PAGES; i++) {
		if (!memchr_inv(page_at(i), 0, KFC_PAGE))
			continue;
		MUST(pwrite(image, page_at(i), KFC_PAGE,
			    (u64)i * KFC_PAGE) == KFC_PAGE);
		/* Padding has a checksum and nothing else. */
		if (!memchr_inv(page_at(i) + KFC_PAGE_HDR, 0, KFC_PAGE_DATA))
			continue;
		MUST(nr_base < USED_MAX / 2);
		used[nr_base++] = i;
		used_at[i] = nr_base;
	}
	nr_used = nr_base;
	for (j = 0; j < base_slabs; j++) {
		struct kfc_sum_page *sp = (void *)
			page_at(base_slabs_at + (j + 1) * SLAB_PAGES - 1);
		struct kfc_area_slabs *t = (void *)page_at(1);

		base_seq[0][j] = sp->seq;
		base_seq[1][j] = t->slab[j].seq;
	}
	free(e.d.mem);
	e.d.mem = NULL;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	make_image();
	return 0;
}

/* The edits. */

static void touch(u32 page)
{
	touched[page] = true;
	if (used_at[page])
		return;
	MUST(nr_used < USED_MAX);
	used[nr_used++] = page;
	used_at[page] = nr_used;
}

static u32 target(struct input *in)
{
	u32 kind = u8_of(in), nr = u8_of(in), slab;

	switch (kind & 7) {
	case 0:
		return nr & 1 ? PAGES - 1 : 0;
	case 1:
		return 1 + nr % base_area;
	case 2:
		/* the summary of a slab */
		slab = nr % base_slabs;
		return base_slabs_at + (slab + 1) * SLAB_PAGES - 1 -
		       (kind >> 3 & 1);
	case 3:
		slab = nr % base_slabs;
		return base_slabs_at + slab * SLAB_PAGES + (kind >> 3);
	default:
		return used[(kind >> 3 << 8 | nr) % nr_base];
	}
}

/* Numbers that lie at an edge somewhere. */
static u64 number(struct input *in)
{
	u32 which = u8_of(in), small = u8_of(in);
	u64 v = small;

	switch (which & 7) {
	case 0:
		return v;
	case 1:
		return 0 - v;
	case 2:
		return v << (which >> 3);
	case 3:
		return (v << (which >> 3)) - 1;
	case 4:
		return (1ULL << KFC_EPOCH_SHIFT) * (which >> 3) + v - 128;
	case 5:
		return 0x7fffffffffffffffULL + v;
	case 6:
		return NOW + v - 128;
	default:
		return v | v << 8 | v << 16 | v << 24 | v << 32 | v << 40;
	}
}

/* Where the record lies that is so many after the first of its page. */
static u32 record_at(const u8 *page, u32 nr)
{
	const struct kfc_page_hdr *ph = (const void *)page;
	u32 off = ph->first & ~3, lens;

	while (nr-- && off >= KFC_PAGE_HDR && off + KFC_REC_HDR <= KFC_PAGE) {
		memcpy(&lens, page + off + offsetof(struct kfc_rec_hdr, lens),
		       4);
		off = round_up(off + KFC_REC_HDR + (lens & 0xff) + (lens >> 8),
			       KFC_REC_ALIGN);
	}
	return off + KFC_REC_HDR <= KFC_PAGE ? off : KFC_PAGE_HDR;
}

static void put(u32 page, u32 off, const void *src, u32 len)
{
	len = min_t(u32, len, KFC_PAGE - off);
	memcpy(page_at(page) + off, src, len);
	touch(page);
}

static void one_edit(struct input *in, u32 kind, bool both)
{
	u32 page = target(in), other, off, len;
	u8 buf[KFC_PAGE];
	u64 v;

	switch (kind) {
	case 1:
		/* bytes */
		off = u16_of(in) % KFC_PAGE;
		len = min_t(u64, u8_of(in), in->end - in->p);
		put(page, off, in->p, len);
		in->p += len;
		break;
	case 2:
	case 3:
		/* a number at a place that may well be a field */
		off = u8_of(in) * (kind == 2 ? 4 : 24);
		len = 1 << (u8_of(in) & 3);
		v = number(in);
		put(page, off % KFC_PAGE, &v, len);
		break;
	case 4:
		/* a page of somewhere else */
		other = target(in);
		memcpy(buf, page_at(other), KFC_PAGE);
		put(page, 0, buf, KFC_PAGE);
		break;
	case 5:
		off = u16_of(in) % KFC_PAGE;
		buf[0] = page_at(page)[off] ^ 1 << (u8_of(in) & 7);
		put(page, off, buf, 1);
		break;
	case 6:
		memset(buf, u8_of(in), KFC_PAGE);
		off = u8_of(in) * 16;
		put(page, off, buf, KFC_PAGE);
		break;
	default:
		/* a field of a record */
		off = record_at(page_at(page), u8_of(in) & 15);
		off += (u8_of(in) & 7) * 4;
		len = 1 << (u8_of(in) & 3);
		v = number(in);
		put(page, off % KFC_PAGE, &v, len);
		break;
	}
	if (both && page == 0)
		put(PAGES - 1, 0, page_at(0), KFC_PAGE);
}

/* Checksums. */

static void sum_super(u32 page)
{
	struct kfc_super *sb = (void *)page_at(page);

	sb->crc = 0;
	sb->crc = XXH32(sb, KFC_PAGE, 0);
}

static void sum_area(u32 page)
{
	struct kfc_area_hdr *h = (void *)page_at(page);

	h->sum = kfc_area_sum(&e.c, h, page - 1);
}

static void sum_slab(u32 page, u64 seq)
{
	struct kfc_page_hdr *h = (void *)page_at(page);
	u32 at = (page - base_slabs_at) % SLAB_PAGES;

	h->sum = kfc_page_sum(h, kfc_slab_seed(&e.c.log, seq), at);
}

static void sum_all(u32 mode)
{
	struct kfc_super *sb = (void *)page_at(0);
	bool table = mode & MODE_TABLE;
	u32 i, slab;
	u64 seq;

	memcpy(&e.c.log.salt, sb->hash_key, 8);
	for (i = 0; i < nr_used; i++) {
		u32 page = used[i];
		bool stale = touched[page] || e.c.log.salt != base_salt;

		if (!page || page == PAGES - 1) {
			if (touched[page])
				sum_super(page);
			continue;
		}
		if (page < 1 + base_area) {
			if (stale)
				sum_area(page);
			continue;
		}
		slab = (page - base_slabs_at) / SLAB_PAGES;
		if (page < base_slabs_at || slab >= base_slabs)
			continue;
		seq = ((struct kfc_sum_page *)
		       page_at(base_slabs_at + (slab + 1) * SLAB_PAGES - 1))->seq;
		if (table)
			seq = ((struct kfc_area_slabs *)page_at(1))->slab[slab].seq;
		if (stale || seq != base_seq[table][slab])
			sum_slab(page, seq);
	}
	e.c.log.salt = 0;
}

/* What is on the device, for says_so(). */
static void snapshot(void)
{
	u32 i;

	for (i = 0; i < nr_used; i++)
		memcpy(seen[i], page_at(used[i]), KFC_PAGE);
}

/* Are the bytes of a value what follows a record's key? */
static bool same_value(u32 page, u32 off, const char *val, u32 len)
{
	while (len) {
		u32 n, i;

		if (off >= KFC_PAGE) {
			off -= KFC_PAGE - KFC_PAGE_HDR;
			page++;
			continue;
		}
		if (page >= PAGES)
			return false;
		n = min_t(u32, len, KFC_PAGE - off);
		i = used_at[page];
		if (i ? memcmp(seen[i - 1] + off, val, n) :
			!!memchr_inv(val, 0, n))
			return false;
		val += n;
		len -= n;
		off += n;
	}
	return true;
}

/* Is there a record of this key and this value? */
static bool says_so(const char *key, u32 flags, const char *val, u32 len)
{
	u32 i, klen = strlen(key);

	for (i = 0; i < nr_used; i++) {
		u8 *p = seen[i] + KFC_PAGE_HDR + KFC_REC_HDR, *at;
		u8 *end = seen[i] + KFC_PAGE;

		while ((at = memmem(p, end - p, key, klen))) {
			struct kfc_rec_hdr h;
			u32 off;

			p = at + 1;
			memcpy(&h, at - KFC_REC_HDR, sizeof(h));
			off = at - seen[i] + klen;
			if (h.meta & KFC_REC_CAS)
				off += KFC_REC_EXT;
			if (h.lens == (len << 8 | klen) && h.flags == flags &&
			    same_value(used[i], off, val, len))
				return true;
		}
	}
	return false;
}

/* Use of the cache. */

static void check_counts(void)
{
	MUST(env_items(&e) == env_slots(&e));
}

static bool is_gen(u32 k, u32 gen, const char *val, u32 len)
{
	return make_value(k, gen, value) == len && !memcmp(value, val, len);
}

/* Returns true for a hit. */
static bool get(u32 k, u32 mode)
{
	u32 flags, len, gen;
	char name[256];
	const char *a;
	int n = 0;

	key_name(k, name);
	a = env_ask(&e, &ec, "get %s\r\n", name);
	if (!strcmp(a, "END\r\n"))
		return false;
	MUST(!strncmp(a, "VALUE ", 6));
	MUST(!strncmp(a + 6, name, strlen(name)));
	MUST(sscanf(a + 6 + strlen(name), " %u %u\r\n%n", &flags, &len,
		    &n) == 2);
	/* %n takes white space of the value, too */
	a = strstr(a, "\r\n") + 2;
	MUST(ec.answer + ec.len == a + len + 7);
	MUST(!memcmp(a + len, "\r\nEND\r\n", 7));
	if (now[k].odd)
		return true;
	/* What was not saved is not there, unless it is asked for. */
	MUST((mode & (MODE_CRASHED | MODE_RECOVER | MODE_SUMS)) !=
	     MODE_CRASHED || now[k].gens != made[k].gens);
	if (now[k].last && is_gen(k, now[k].last, a, len))
		return true;
	if (mode & MODE_SUMS) {
		MUST(now[k].gens == made[k].gens);
		MUST(says_so(name, flags, a, len));
		return true;
	}
	MUST(flags == k);
	/* Older than that it can't be but after a crash. */
	MUST(mode & MODE_CRASHED && mode & MODE_RECOVER);
	for (gen = 1; gen < GENS; gen++)
		if (now[k].gens >> gen & 1 && is_gen(k, gen, a, len))
			return true;
	MUST(!"a value that was never stored");
}

static void modify(u32 k, u32 how)
{
	static const char *const lines[] = {
		"touch %s 1000\r\n", "gat 0 %s\r\n", "incr %s 5\r\n",
		"append %s 0 0 3\r\nabc\r\n", "mg %s c f h l s t v\r\n",
		"md %s I\r\n", "ma %s N0 J7 v\r\n", "me %s\r\n",
	};
	char name[256];

	key_name(k, name);
	env_ask(&e, &ec, lines[how % 8], name);
	now[k].odd = true;
}

/* Two of them are a slab: space is wanted, and the oldest makes room. */
static void fill(u32 nr)
{
	static char large[500000];
	char name[16];

	sprintf(name, "fill%u", nr);
	env_set(&e, &ec, "set", name, 0, 0, large, sizeof(large), "");
	kfc_log_step(&e.c);
}

static void one_op(struct input *in, u32 mode, u32 *gen)
{
	u32 op = u8_of(in), k = u8_of(in) % KEYS;
	char name[256];
	bool stored;

	switch (op & 15) {
	case 0 ... 3:
		get(k, mode);
		break;
	case 4:
	case 5:
		*gen = *gen % (GENS - 33) + 32;
		stored = set(k, *gen);
		if (mode & MODE_SUMS)
			break;
		MUST(stored && get(k, mode));
		break;
	case 6:
		key_name(k, name);
		env_ask(&e, &ec, "delete %s\r\n", name);
		now[k] = (struct key){ };
		break;
	case 7 ... 9:
		modify(k, op >> 4);
		break;
	case 10:
		kfc_restart_step(&e.c);
		break;
	case 11:
		kfc_log_step(&e.c);
		break;
	case 12:
		env_now += k * 8;
		jiffies += HZ;
		break;
	case 13:
		env_ask(&e, &ec, op & 16 ? "lru_crawler metadump all\r\n" :
			"stats cachedump 1 10\r\n");
		break;
	case 14:
		env_ask(&e, &ec, "get chosen base64\r\n");
		fill(k % 3);
		fill(3 + k % 2);
		break;
	default:
		load_all();
		break;
	}
}

static void get_all(u32 mode)
{
	u32 k;

	for (k = 0; k < KEYS; k++)
		get(k, mode);
}

static void use(struct input *in, u32 mode)
{
	u32 i, gen = 32;

	env_client_init(&e, &ec);
	for (i = 0; i < OPS_MAX && in->p < in->end; i++)
		one_op(in, mode, &gen);
	load_all();
	check_counts();
	get_all(mode);
	e.d.bad_to = 0;
	set(0, gen);
	env_client_exit(&e, &ec);
	check_counts();
	env_unload(&e);
	if (!(mode & MODE_AGAIN))
		return;
	if (env_load(&e)) {
		/* A superblock that says no more loads are possible. */
		MUST(mode & MODE_SUMS);
		return;
	}
	/* What it was unloaded with is a device like any other. */
	env_client_init(&e, &ec);
	get_all(mode);
	check_counts();
	env_client_exit(&e, &ec);
	env_unload(&e);
}

static void prepare(void)
{
	u32 i;

	srand(1);
	env_now = NOW;
	jiffies = 1000;
	memcpy(now, made, sizeof(now));
	memset(touched, 0, sizeof(touched));
	for (i = nr_base; i < nr_used; i++)
		used_at[used[i]] = 0;
	nr_used = nr_base;
	e.c = fresh;
	memset(&e.counters, 0, sizeof(e.counters));
	e.d = (struct env_dev){ .dev = e.d.dev };
	e.d.mem = mmap(NULL, (u64)PAGES * KFC_PAGE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE, image, 0);
	MUST(e.d.mem != MAP_FAILED);
}

static void not_unloaded(u32 page)
{
	struct kfc_super *sb = (void *)page_at(page);

	sb->flags &= cpu_to_le32(~KFC_SB_CLEAN);
	sum_super(page);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, data + size };
	struct kfc_cache was;
	u32 mode, i, kind;
	int err;

	prepare();
	mode = u8_of(&in);
	if (mode & MODE_CRASHED) {
		not_unloaded(0);
		not_unloaded(PAGES - 1);
	}
	for (i = 0; i < EDITS_MAX && in.p < in.end; i++) {
		kind = u8_of(&in) & 7;
		if (!kind)
			break;
		one_edit(&in, kind, mode & MODE_BOTH);
	}
	if (mode & MODE_SUMS) {
		sum_all(mode);
		snapshot();
	}
	if (mode & MODE_BAD) {
		e.d.bad_from = 1 + u16_of(&in) % (PAGES - 2);
		e.d.bad_to = min_t(u32, e.d.bad_from + 1 + (u8_of(&in) & 15),
				   PAGES - 1);
	}
	e.c.cfg.recover_crash = mode & MODE_RECOVER;
	was = e.c;
	err = env_load(&e);
	if (err) {
		MUST(!e.d.writes && !shim_pages);
		e.c = was;
	} else {
		use(&in, mode);
	}
	munmap(e.d.mem, (u64)PAGES * KFC_PAGE);
	e.d.mem = NULL;
	return 0;
}
