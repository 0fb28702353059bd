// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The simulator: one seed, one run. See README.
 */
#include <getopt.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "sim.h"

u64 sim_seed;
struct sim_cfg sim_cfg;
struct env sim_env;
struct kfc_counters sim_counters[SIM_CPUS];

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
	sim_cfg.latency_ms = sim_one_in(3) ? 0 : sim_below(40);
	sim_cfg.pipeline = sim_one_in(2) ? 0 : sim_below(20);
	cfg->slab_bytes = sim_cfg.slab_bytes;
	cfg->memory_bytes = (u64)cfg->slab_bytes * sim_cfg.memory_slabs;
	cfg->index_bytes = 32 << (10 + sim_below(2));
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

static void start_cache(void)
{
	struct kfc_cache *c = &sim_env.c;
	u32 tries = 0;

	c->counters = &sim_env.counters;
	for (c->nr_devs = 0; c->nr_devs < sim_cfg.devs; c->nr_devs++)
		c->devs[c->nr_devs] = &sim_devs[c->nr_devs];
	/* Where there is no memory nothing is left behind. */
	sim_allocs_fail = true;
	while (kfc_cache_init(c)) {
		if (sim_allocs || shim_pages)
			sim_fail("a start that failed left memory");
		sim_allocs_fail = ++tries < 3;
	}
	sim_allocs_fail = true;
	while (kfc_cmd_init(c))
		sim_allocs_fail = false;
	sim_allocs_fail = true;
	c->space = sim_space;
	if (sim_one_in(4))
		c->max_read_pages = min(c->max_read_pages,
					1 + 4 * kfc_read_max_pages(c));
	if (sim_one_in(2))
		c->window = 1 + sim_below(6);
}

static void stop_cache(void)
{
	struct kfc_cache *c = &sim_env.c;

	kfc_cmd_exit(c);
	kfc_cache_exit(c);
	if (sim_allocs || shim_pages)
		sim_fail("%ld allocations and %ld pages are left", sim_allocs,
			 shim_pages);
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
	total_ops += n.cmd_get + n.cmd_set;
	total_counted += n.ev_space + n.ev_index + n.ev_tag + n.ev_device;
}

/* The first coroutine: a cache's life. */
static int life(void *arg)
{
	struct sim_client *cl = calloc(sim_cfg.clients + 1, sizeof(*cl));
	struct sim_co *dev;
	u32 i;

	dev = sim_spawn("device", sim_dev_run, NULL);
	start_cache();
	for (i = 0; i < sim_cfg.clients; i++) {
		cl[i].id = i;
		sim_client_init(&cl[i]);
		cl[i].co = sim_spawn("client", sim_client_run, &cl[i]);
	}
	for (i = 0; i < sim_cfg.clients; i++)
		while (sim_alive(cl[i].co))
			sim_sleep(cl[i].co, 0);
	sim_calm = true;
	/* The writer looks whether the device is there. */
	sim_sleep(NULL, 2000);
	sim_client_init(&cl[0]);
	sim_client_get_all(&cl[0]);
	model_flush_due();
	/* Let the writer come to an end of what it has to do. */
	sim_sleep(NULL, 100000);
	model_check_counters();
	hash_state();
	stop_cache();
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
