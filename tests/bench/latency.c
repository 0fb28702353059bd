// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * How long gets take while sets run as fast as the log takes them, on a flash
 * device in virtual time (flash.h). CPU takes no time here: what is seen is who
 * waits for whom, in the store and on the device.
 */
#include <math.h>

#include "figure.h"
#include "flash.h"

#define LEN 1000
#define SLAB (4 * MIB)
#define SLABS 160
#define BUFS 16
#define INDEX (8 * MIB)
/* Fewer than the device holds, so that most are there. */
#define KEYS 400000
/* Gets come at random, so many a second, each on a connection of its own. */
#define RATE 100000
#define CONNS 1024
#define SECOND 1000000000ULL
/* As long is counted, after a tenth of that. */
#define RUN (SECOND * 3 / 4)

static const struct flash_cfg flash = {
	.channels = 32,
	.read_ns = 80000,
	.unit_pages = 4,
	.program_ns = 500000,
	.suspend_ns = 30000,
};

struct conn {
	struct env_client ec;
	struct mp_req req;
	char key[32];
	u64 since;		/* of its get; 0 while it has none */
	bool refused;		/* it is to be tried again */
	bool read;
};

static struct env e;
static struct env_client setter;
static struct conn conns[CONNS];
static struct conn *spare[CONNS], *ready[CONNS];
static u32 nr_spare, nr_ready, nr_refused;
static u64 seed = 4, next_get;
static bool setting, counting;

/* Of gets that read from the device, in ns. */
static u64 *took;
static u32 nr_took, most_took;
static u64 gets, misses, waits, sets, set_waits;

static u64 draw(void)
{
	return fig_mix(seed++);
}

static void post(struct kfc_client *cl, struct kfc_event *ev)
{
	struct conn *c = container_of(cl, struct conn, ec.cl);

	c->ec.events[c->ec.nr_events++] = ev;
	ready[nr_ready++] = c;
}

static void answered(struct conn *c)
{
	if (counting) {
		gets++;
		misses += c->ec.answer[0] != 'V';
		if (c->read && nr_took < most_took)
			took[nr_took++] = flash_now - c->since;
	}
	c->since = 0;
	spare[nr_spare++] = c;
}

static void try_get(struct conn *c)
{
	bool refused = c->refused;

	c->refused = kfc_cmd_run(&c->ec.cl, &c->req, NULL) == KFC_CMD_BUSY;
	nr_refused += c->refused - refused;
	if (c->refused) {
		waits += counting && !refused;
		return;
	}
	c->read = c->ec.cl.inflight;
	env_events(&c->ec);
	if (!c->read)
		answered(c);
}

/* Open loop: they come, however long the others take. */
static void get_comes(void)
{
	struct conn *c;

	assert(nr_spare);
	c = spare[--nr_spare];
	fig_key(c->key, draw() % KEYS);
	c->req = (struct mp_req) { .op = MP_GET, .last = true,
		.key = (u8 *)c->key, .klen = FIG_KLEN };
	c->ec.len = 0;
	c->since = flash_now;
	try_get(c);
	next_get += -log((draw() >> 11 | 1) * 0x1p-53) * SECOND / RATE;
}

/* As many as there is room for, one after the other. */
static void try_sets(void)
{
	static char key[32], value[LEN];
	static struct mp_req req = { .op = MP_SET, .noreply = true,
		.vlen = LEN, .key = (u8 *)key, .klen = FIG_KLEN };
	static struct kfc_value v = { .len = LEN, .flat = (u8 *)value };
	static bool again;

	while (setting) {
		if (!again)
			fig_key(key, draw() % KEYS);
		again = kfc_cmd_run(&setter.cl, &req, &v) == KFC_CMD_BUSY;
		if (again)
			break;
		sets += counting;
	}
	set_waits += setting && counting;
}

/* To the next event, whatever it is: all but the writer have their turn. */
static void step(void)
{
	u64 next = min(next_get, flash_next());
	u32 i;

	flash_run(next);
	jiffies = 1000 + next / (SECOND / HZ);
	while (nr_ready) {
		struct conn *c = ready[--nr_ready];

		env_events(&c->ec);
		answered(c);
	}
	for (i = 0; nr_refused && i < CONNS; i++)
		if (conns[i].refused)
			try_get(&conns[i]);
	if (next == next_get)
		get_comes();
	try_sets();
}

static void run_until(u64 end)
{
	while (flash_now < end)
		if (!kfc_log_step(&e.c))
			step();
}

static int by_size(const void *a, const void *b)
{
	u64 x = *(const u64 *)a, y = *(const u64 *)b;

	return x < y ? -1 : x > y;
}

static double us(double share)
{
	return nr_took ? took[(u64)((nr_took - 1) * share)] / 1000.0 : 0;
}

/* Return: p99 in us, to be compared with @idle, if that is not 0 */
static double measure(const char *order, u32 pct, bool with_sets, double idle)
{
	u64 written, reads, from;
	double p99;

	e.c.cfg.reinsert_pct = pct;
	setting = with_sets;
	run_until(flash_now + RUN / 10);
	nr_took = 0;
	gets = misses = waits = sets = set_waits = 0;
	written = flash_programmed;
	reads = e.counters.reclaim_reads;
	from = flash_now;
	counting = true;
	run_until(flash_now + RUN);
	counting = false;
	qsort(took, nr_took, sizeof(*took), by_size);
	p99 = us(0.99);
	printf("%s,%u,%s,%llu,%u,%.0f,%llu,%llu,%llu,%.0f,%.0f,%.0f,%.0f,%.0f,%.2f\n",
	       order, pct, with_sets ? "at the limit" : "none", gets, nr_took,
	       (flash_programmed - written) * 1e3 / (flash_now - from),
	       sets * SECOND / (flash_now - from), waits,
	       e.counters.reclaim_reads - reads, us(0.5), us(0.9), p99,
	       us(0.999), us(1), p99 / (idle ?: p99));
	/* What is under way ends. */
	setting = false;
	next_get = U64_MAX;
	for (;;) {
		if (kfc_log_step(&e.c))
			continue;
		if (flash_next() == U64_MAX)
			break;
		step();
	}
	next_get = flash_now;
	assert(!nr_refused && nr_spare == CONNS);
	return p99;
}

static void fill(void)
{
	u64 i;

	for (i = 0; i < 2 * KEYS; i++) {
		fig_set(&e, &setter, draw() % KEYS, 0, LEN);
		if (i % FIG_TURN == 0)
			fig_writer(&e);
	}
}

int main(void)
{
	static const char *const names[] = {
		[FLASH_SUSPEND] = "programs suspended",
		[FLASH_WHOLE] = "programs whole",
		[FLASH_FIFO] = "first come",
	};
	double idle, worst[ARRAY_SIZE(names)];
	u32 i;

	srand(4);
	most_took = RUN / SECOND * RATE + RATE;
	took = calloc(most_took, sizeof(*took));
	env_start(&e, SLAB, BUFS, SLABS, INDEX);
	e.c.cfg.io_depth = 256;
	env_client_init(&e, &setter);
	for (i = 0; i < CONNS; i++) {
		env_client_init(&e, &conns[i].ec);
		conns[i].ec.cl.post = post;
		spare[nr_spare++] = &conns[i];
	}
	fill();
	flash_start(&e, &flash);
	shim_wait = step;

	printf("# GET on a device in virtual time: %u channels, %u us a read of 4 KiB or of all of a unit, %u us a program of a unit of %u KiB (%.0f MB/s in all), %u us to suspend one and as much to go on; slabs of 4 MiB over all channels, memory_mb=%llu, device %llu MiB, values of %u B, %u gets a second at random times, io_depth=256; gets that read, in us\n",
	       flash.channels, flash.read_ns / 1000, flash.program_ns / 1000,
	       flash.unit_pages * KFC_PAGE >> 10,
	       flash.channels * flash.unit_pages * KFC_PAGE * 1e3 /
	       flash.program_ns, flash.suspend_ns / 1000, BUFS * SLAB / MIB,
	       SLABS * SLAB / MIB, LEN, RATE);
	printf("device,reinsert_pct,sets,gets,device_gets,programmed_mb_s,sets_a_second,gets_that_waited,reclaim_reads,p50,p90,p99,p999,max,p99_times_idle\n");
	for (i = 0; i < ARRAY_SIZE(names); i++) {
		flash_order(i);
		idle = measure(names[i], 50, false, 0);
		worst[i] = measure(names[i], 0, true, idle) / idle;
		worst[i] = max(worst[i],
			       measure(names[i], 50, true, idle) / idle);
	}
	fig_bar(worst[FLASH_SUSPEND] <= 3,
		"latency: p99 of gets under sets is %.2f times idle where a read suspends a program (at most 3); missed where it can't: %.2f times, and %.2f where all that came before it ends first",
		worst[FLASH_SUSPEND], worst[FLASH_WHOLE], worst[FLASH_FIFO]);
	return fig_end();
}
