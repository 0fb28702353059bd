// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The simulator: one seed, one run. See README.
 */
#include <getopt.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "params.h"
#include "sim.h"

u64 sim_seed;
struct sim_cfg sim_cfg;
struct env sim_env;
struct kfc_counters sim_counters[SIM_CPUS];
bool sim_loading;

static u64 total_steps, total_ops, total_counted;

static void draw_config(void)
{
	struct kfc_config *cfg = &sim_env.c.cfg;
	u32 bits, i;

	memset(&sim_env.c, 0, sizeof(sim_env.c));
	sim_cfg.slab_bytes = sim_one_in(2) ? 16384 : 16384 << sim_below(4);
	sim_cfg.memory_slabs = 4 + (sim_one_in(4) ? sim_below(30) :
				    sim_below(7));
	sim_cfg.devs = sim_one_in(6) ? 0 :
		       sim_one_in(2) ? 1 : 1 + sim_below(SIM_DEVS);
	for (i = 0; i < sim_cfg.devs; i++) {
		bits = sim_below(4);
		sim_cfg.device_slabs[i] = 8 + sim_below(4 << bits);
	}
	/* As params.c wants it. */
	sim_cfg.memory_slabs = max(sim_cfg.memory_slabs, 4 * sim_cfg.devs);
	sim_cfg.clients = 1 + sim_below(5);
	sim_cfg.keys = 2 << sim_below(8);
	sim_cfg.ops = 40 << sim_below(6);
	sim_cfg.value_max = 64 << sim_below(8);
	sim_cfg.sets = sim_below(4) * 16;
	sim_cfg.metas = sim_one_in(2) ? 0 : sim_below(100);
	sim_cfg.binaries = sim_one_in(2) ? 0 : sim_below(100);
	sim_cfg.latency_ms = sim_one_in(3) ? 0 : sim_below(40);
	sim_cfg.pipeline = sim_one_in(2) ? 0 : sim_below(20);
	/* Copies of what lies on the device that come and go all the time. */
	if (sim_cfg.devs && sim_one_in(12)) {
		sim_cfg.devs = 1;
		sim_cfg.slab_bytes = 16384;
		sim_cfg.memory_slabs = 7 + sim_below(3);
		sim_cfg.keys = 64 << sim_below(3);
		sim_cfg.ops = 640;
		sim_cfg.value_max = 512;
		sim_cfg.sets = sim_cfg.metas = sim_cfg.binaries = 0;
	}
	cfg->slab_bytes = sim_cfg.slab_bytes;
	cfg->memory_bytes = (u64)cfg->slab_bytes * sim_cfg.memory_slabs;
	sim_cfg.lives = sim_cfg.devs && sim_one_in(3) ? 2 + sim_below(4) : 1;
	sim_cfg.ops = max(sim_cfg.ops / sim_cfg.lives, 20u);
	/* More than one range of it, for loads. */
	cfg->index_bytes = 32 << (10 + (sim_cfg.lives > 1 ? sim_below(6) :
							    sim_below(2)));
	cfg->item_max = cfg->slab_bytes / 2;
	cfg->threads = 1 + sim_below(4);
	cfg->io_depth = 1 << sim_below(7);
	cfg->read_timeout_ms = 20 << sim_below(7);
	cfg->set_wait_ms = 10 << sim_below(6);
	cfg->flush_enabled = 1;
	cfg->discard = sim_cfg.devs && sim_one_in(2);
	cfg->reinsert_pct = sim_one_in(4) ? 0 : sim_below(91);
	/* Few groups, so that they fill; few tags, so that they collide. */
	shim_hash_mask = ~0ULL;
	bits = sim_below(8);
	if (sim_one_in(2))
		shim_hash_mask >>= min(bits, 6u);
	bits = sim_below(28);
	if (sim_one_in(3))
		shim_hash_mask &= ~(~0ULL >> 6 >> bits);
}

/* What each load begins with. */
static struct kfc_config config;

/* A cache with its parameters and its devices, named in any order. */
static void new_cache(enum kfc_format format, bool recover)
{
	struct kfc_cache *c = &sim_env.c;
	u32 i;

	memset(c, 0, sizeof(*c));
	c->cfg = config;
	c->cfg.format = format;
	c->cfg.recover_crash = recover;
	c->counters = &sim_env.counters;
	c->space = sim_space;
	c->nr_devs = sim_cfg.devs;
	for (i = 0; i < sim_cfg.devs; i++)
		c->devs[i] = &sim_devs[i];
	for (; i > 1; i--) {
		u32 with = sim_below(i);

		swap(c->devs[i - 1], c->devs[with]);
	}
}

static void start_cache(u32 life)
{
	enum kfc_format format = KFC_FORMAT_ASK;
	struct kfc_cache *c = &sim_env.c;
	bool recover = sim_one_in(2);
	u32 tries = 0;
	int err;

	if (!life && !sim_one_in(10))
		format = KFC_FORMAT_FORCE;
	else if (life && sim_one_in(20))
		format = KFC_FORMAT_NEW;
	sim_dev_load();
	lives_next();
	sim_loading = true;
	for (;;) {
		/* At last without faults, and in the end with other devices. */
		sim_calm = tries >= 4;
		sim_allocs_fail = tries < 3;
		if (tries >= 5) {
			sim_move("of a load: other devices");
			sim_dev_replace();
			if (!sim_cut)
				lives_replaced();
			format = KFC_FORMAT_FORCE;
		}
		new_cache(format, recover);
		model_new_life();
		lives_load();
		err = kfc_cache_init(c);
		if (!err)
			break;
		/* Where there is no memory nothing is left behind. */
		if (sim_allocs || shim_pages)
			sim_fail("a start that failed left memory");
		if (++tries > 6)
			sim_fail("no start at last, error %d", err);
	}
	sim_calm = false;
	sim_allocs_fail = true;
	while (kfc_cmd_init(c))
		sim_allocs_fail = false;
	sim_allocs_fail = true;
	sim_loading = false;
	if (!sim_cut && sim_cfg.devs)
		lives_loaded();
	if (sim_one_in(4))
		c->max_read_pages = min(c->max_read_pages,
					1 + 4 * kfc_read_max_pages(c));
	if (sim_one_in(2))
		c->window = 1 + sim_below(6);
}

static void count_ops(void)
{
	struct kfc_counters n;

	model_sum(&n);
	total_ops += n.cmd_get + n.cmd_set;
	total_counted += n.ev_space + n.ev_index + n.ev_tag + n.ev_device;
}

static void stop_cache(void)
{
	struct kfc_cache *c = &sim_env.c;

	count_ops();
	lives_unload();
	kfc_cmd_exit(c);
	kfc_cache_exit(c);
	if (sim_allocs || shim_pages)
		sim_fail("%ld allocations and %ld pages are left", sim_allocs,
			 shim_pages);
	lives_unloaded();
	if (!sim_cut)
		return;
	sim_dev_power_on();
	lives_power_on();
}

static void hash_state(void)
{
	struct kfc_cache *c = &sim_env.c;
	struct kfc_counters n;
	u64 place = kfc_place(0), *v;
	u32 i, nr;

	model_sum(&n);
	hash_log_bytes("counters", &n, sizeof(n));
	hash_log("level", c->index.state);
	while (place < kfc_place(c->index.lines0)) {
		v = kfc_index_group(&c->index, &place, &nr);
		hash_log_bytes("group", v, nr * sizeof(*v));
	}
	for (i = 0; i < c->log.nr_all; i++) {
		struct kfc_slab *s = &c->log.slabs[i];

		hash_log("slab", s->seq ^ (u64)s->state << 56 ^
			 (u64)s->live.v << 32 ^ s->end ^
			 (u64)s->max_order.v);
	}
}

static void run_clients(struct sim_client *cl)
{
	u32 i;

	memset(cl, 0, (sim_cfg.clients + 1) * sizeof(*cl));
	for (i = 0; i < sim_cfg.clients; i++) {
		cl[i].id = i;
		sim_client_init(&cl[i]);
		cl[i].co = sim_spawn("client", sim_client_run, &cl[i]);
	}
	for (i = 0; i < sim_cfg.clients; i++)
		while (sim_alive(cl[i].co))
			sim_sleep(cl[i].co, 0);
}

/* Without faults all that is there is to be found, and counted. */
static void look_at_all(struct sim_client *cl, bool last)
{
	sim_calm = true;
	/* The writer looks whether the device is there. */
	sim_sleep(NULL, 2000);
	memset(cl, 0, sizeof(*cl));
	sim_client_init(cl);
	sim_client_get_all(cl);
	if (last)
		model_flush_due();
	/* Let the writer come to an end of what it has to do. */
	sim_sleep(NULL, 100000);
	model_check_counters();
	hash_state();
	sim_calm = last;
}

/* Until the next load; whoever sets the clock may set it back. */
static void stand_idle(void)
{
	unsigned long ms = sim_below(2000);

	sim_time_jump(ms, sim_below(30));
	if (sim_fault("clock set back"))
		env_now -= sim_below(60);
}

/* The first coroutine: a cache's life, and those after it. */
static int life(void *arg)
{
	struct sim_client *cl = calloc(sim_cfg.clients + 1, sizeof(*cl));
	struct sim_co *dev;
	u32 nr;

	dev = sim_spawn("device", sim_dev_run, NULL);
	for (nr = 0; nr < sim_cfg.lives; nr++) {
		bool last = nr == sim_cfg.lives - 1;

		sim_may_cut = !last;
		start_cache(nr);
		if (!sim_cut)
			run_clients(cl);
		if (!sim_cut && (last || sim_one_in(2)))
			look_at_all(cl, last);
		stop_cache();
		if (!last)
			stand_idle();
	}
	sim_stop_co(dev);
	free(cl);
	return 0;
}

static u64 one(u64 seed)
{
	bool faults = sim_mix(seed ^ 0xfa) % 4;
	u64 hash;

	sim_seed = seed;
	sim_sched_start(seed);
	srand(sim_rand() >> 33);
	draw_config();
	config = sim_env.c.cfg;
	sim_coins_start(seed, faults);
	sim_step_limit = 100000000;
	jiffies = 1000;
	env_now = 1700000000;
	hash_log_start(seed);
	sim_dev_start();
	model_start();
	sim_clients_start();
	alarm(120);
	sim_run_co(life, NULL);
	model_end();
	sim_dev_exit();
	sim_coins_end();
	hash = hash_log_end();
	total_steps += sim_steps;
	return hash;
}

static void on_signal(int sig)
{
	/* Not to be returned from; what it says matters more than how. */
	fprintf(stderr, "seed %llu: step %llu: signal %d (%s)\n", sim_seed,
		sim_steps, sig, strsignal(sig));
	_exit(1);
}

static double seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

static void usage(void)
{
	fprintf(stderr, "usage: sim [--seed S] [--seeds N [--from S]] [--seconds N] [--minutes N]\n"
		"           [--record FILE] [--compare FILE] [--poison BYTE] [--quiet] [--trace]\n");
	exit(2);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "seed", 1, NULL, 's' }, { "seeds", 1, NULL, 'n' },
		{ "from", 1, NULL, 'f' }, { "minutes", 1, NULL, 'm' },
		{ "seconds", 1, NULL, 't' }, { "record", 1, NULL, 'r' },
		{ "compare", 1, NULL, 'c' }, { "poison", 1, NULL, 'p' },
		{ "quiet", 0, NULL, 'q' }, { "trace", 0, NULL, 'v' }, { 0 },
	};
	u64 seed = 1, max = 1, n = 0, hash = 0;
	const char *record = NULL, *compare = NULL;
	bool single = true, quiet = false, ok = true;
	double limit = 0, start = seconds(), took;
	int o;

	while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (o) {
		case 's':
		case 'f':
			seed = strtoull(optarg, NULL, 0);
			break;
		case 'n':
			max = strtoull(optarg, NULL, 0);
			single = false;
			break;
		case 'm':
		case 't':
			limit = strtod(optarg, NULL) * (o == 'm' ? 60 : 1);
			max = ~0ULL;
			single = false;
			break;
		case 'r':
			record = optarg;
			break;
		case 'c':
			compare = optarg;
			break;
		case 'p':
			shim_poison = strtoul(optarg, NULL, 0);
			break;
		case 'v':
			hash_log_trace = true;
			break;
		case 'q':
			quiet = true;
			break;
		default:
			usage();
		}
	}
	signal(SIGABRT, on_signal);
	signal(SIGSEGV, on_signal);
	signal(SIGALRM, on_signal);
	hash_log_open(record, compare);
	for (; n < max && (!limit || seconds() - start < limit); n++)
		hash = one(seed + n);
	alarm(0);
	hash_log_close();
	took = seconds() - start;
	if (single)
		printf("seed %llu: %llu steps, trace %016llx\n", seed,
		       total_steps, hash);
	if (!quiet)
		ok = sim_coins_print(n) || single;
	printf("%s sim: %llu seeds from %llu, %llu steps, %llu operations, %llu evictions, %.1f s, %.1f million steps a minute\n",
	       ok ? "ok" : "not ok", n, seed, total_steps, total_ops,
	       total_counted, took, total_steps / took * 60 / 1e6);
	return !ok;
}
