// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The network side as a whole: started, stopped, and what it tells of itself.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cpu.h>
#include <linux/cpuhotplug.h>
#include <linux/cpumask.h>
#include <linux/err.h>
#include <linux/inet.h>
#include <linux/kernel.h>
#include <linux/nsproxy.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/un.h>
#include <net/ipv6.h>
#include <net/sock.h>

#include "conn.h"
#include "kfc.h"
#include "net.h"
#include "udp.h"
#include "worker.h"

/* Lines about max_conns in the log, at most one in so many seconds. */
#define KFC_FULL_INTERVAL	60

/* A CPU is back: those who belong there, too. */
static int kfc_net_cpu_online(unsigned int cpu, struct hlist_node *node)
{
	struct kfc_net *net = hlist_entry(node, struct kfc_net, cpuhp_node);
	unsigned int i;

	for (i = 0; i < net->nr_workers; i++)
		if (net->workers[i]->cpu == cpu)
			set_cpus_allowed_ptr(net->workers[i]->task,
					     cpumask_of(cpu));
	return 0;
}

static int kfc_net_start_workers(struct kfc_net *net)
{
	const struct kfc_config *cfg = &net->cache->cfg;
	struct kfc_worker *w;
	cpumask_var_t mask;
	unsigned int i;
	int cpu = -1;
	int ret = 0;

	if (!alloc_cpumask_var(&mask, GFP_KERNEL))
		return -ENOMEM;
	cpumask_and(mask, cfg->cpus, cpu_online_mask);
	if (cpumask_empty(mask))
		cpumask_copy(mask, cpu_online_mask);
	for (i = 0; i < cfg->threads; i++) {
		cpu = cpumask_next(cpu, mask);
		if (cpu >= nr_cpu_ids)
			cpu = cpumask_first(mask);
		w = kfc_worker_start(net, i, cpu);
		if (IS_ERR(w)) {
			ret = PTR_ERR(w);
			pr_err("cannot start worker %u: error %d\n", i, ret);
			break;
		}
		net->workers[i] = w;
		/* Others look at the workers while they start. */
		smp_store_release(&net->nr_workers, i + 1);
	}
	free_cpumask_var(mask);
	return ret;
}

static int kfc_net_parse(const char *addr, u16 port,
			 struct sockaddr_storage *to)
{
	char text[6];

	snprintf(text, sizeof(text), "%u", port);
	if (!inet_pton_with_scope(current->nsproxy->net_ns, AF_UNSPEC, addr,
				  text, to))
		return 0;
	/* As an address it was good before, but an interface may be gone. */
	pr_err("listen=: \"%s\" is no IPv4 or IPv6 address of this machine\n",
	       addr);
	return -EINVAL;
}

/* TCP, then UDP, at one of the addresses of listen=. */
static int kfc_net_listen_at(struct kfc_net *net, const char *addr)
{
	const struct kfc_config *cfg = &net->cache->cfg;
	struct sockaddr_storage to;
	int ret = 0;

	if (cfg->port)
		ret = kfc_net_parse(addr, cfg->port, &to) ?:
		      kfc_listener_open(net, &to);
	if (!ret && cfg->udp_port)
		ret = kfc_net_parse(addr, cfg->udp_port, &to) ?:
		      kfc_udp_open(net, &to);
	return ret;
}

static int kfc_net_listen(struct kfc_net *net)
{
	const struct kfc_config *cfg = &net->cache->cfg;
	char *list, *rest, *addr;
	int ret = 0;

	list = kstrdup(cfg->listen, GFP_KERNEL);
	if (!list)
		return -ENOMEM;
	rest = list;
	while (!ret && (addr = strsep(&rest, ",")))
		ret = kfc_net_listen_at(net, addr);
	kfree(list);
	/* Last: a file is the last thing to be made where something fails. */
	if (!ret && cfg->unix_path)
		ret = kfc_listener_open_unix(net, cfg->unix_path,
					     cfg->unix_mode);
	return ret;
}

static int kfc_net_watch_cpus(struct kfc_net *net)
{
	int state;

	state = cpuhp_setup_state_multi(CPUHP_AP_ONLINE_DYN,
					"net/kfatcache:online",
					kfc_net_cpu_online, NULL);
	if (state < 0)
		return state;
	net->cpuhp = state;
	return cpuhp_state_add_instance_nocalls(state, &net->cpuhp_node);
}

static void kfc_net_unwatch_cpus(struct kfc_net *net)
{
	if (!hlist_unhashed(&net->cpuhp_node))
		cpuhp_state_remove_instance_nocalls(net->cpuhp,
						    &net->cpuhp_node);
	if (net->cpuhp)
		cpuhp_remove_multi_state(net->cpuhp);
}

/* A constructor keeps the cache from being merged with others of its size. */
static void kfc_net_conn_ctor(void *conn)
{
}

static int kfc_net_init(struct kfc_net *net)
{
	const struct kfc_config *cfg = &net->cache->cfg;

	net->workers = kcalloc(cfg->threads, sizeof(*net->workers), GFP_KERNEL);
	net->conn_cache = kmem_cache_create("kfc_conn", sizeof(struct kfc_conn),
					    0, SLAB_HWCACHE_ALIGN,
					    kfc_net_conn_ctor);
	net->wq = alloc_workqueue(KBUILD_MODNAME "_accept", WQ_UNBOUND, 0);
	return net->workers && net->conn_cache && net->wq ? 0 : -ENOMEM;
}

/**
 * kfc_net_start() - start workers and listeners
 * @c: the cache, which can run commands; c->net is set
 *
 * Context: may sleep; in the network namespace that is to be served.
 * Return: 0; or an errno, after a line in the log, with nothing left behind.
 */
int kfc_net_start(struct kfc_cache *c)
{
	struct kfc_net *net;
	int ret;

	net = kzalloc(sizeof(*net), GFP_KERNEL);
	if (!net)
		return -ENOMEM;
	net->cache = c;
	INIT_HLIST_NODE(&net->cpuhp_node);
	xa_init_flags(&net->by_id, XA_FLAGS_ALLOC);
	spin_lock_init(&net->accept_lock);
	spin_lock_init(&net->upload_lock);
	INIT_LIST_HEAD(&net->uploads);
	INIT_LIST_HEAD(&net->upload_waiters);
	ratelimit_state_init(&net->full_rs, KFC_FULL_INTERVAL * HZ, 1);
	ratelimit_set_flags(&net->full_rs, RATELIMIT_MSG_ON_RELEASE);

	/* Zeroed and its locks made, for kfc_net_get(). */
	smp_store_release(&c->net, net);
	ret = kfc_net_init(net);
	if (ret)
		goto err;
	/* Before the workers: nothing is left to undo there when a port is taken */
	ret = kfc_net_listen(net);
	if (ret)
		goto err;
	ret = kfc_net_start_workers(net);
	if (ret)
		goto err;
	ret = kfc_net_watch_cpus(net);
	if (ret) {
		pr_err("cannot watch CPUs: error %d\n", ret);
		goto err;
	}
	kfc_listener_start(net);
	kfc_udp_start(net);
	return 0;
err:
	kfc_net_stop(c);
	return ret;
}

/**
 * kfc_net_stop() - close everything: listeners first, then each worker
 * @c: the cache; never started, or started in part, will do
 *
 * Waits for the operations of all connections. On return nobody calls the
 * command layer any more.
 *
 * Context: may sleep.
 */
void kfc_net_stop(struct kfc_cache *c)
{
	struct kfc_net *net = c->net;
	unsigned int i;

	if (!net)
		return;
	kfc_listener_stop(net);
	kfc_udp_stop(net);
	kfc_net_unwatch_cpus(net);
	for (i = 0; i < net->nr_workers; i++)
		kfc_worker_stop(net->workers[i]);

	/*
	 * Whoever posted the last event, or found c->net, may still be about to
	 * wake a thread. And a callback of a socket that is closed by now may
	 * still be on its way out.
	 */
	WRITE_ONCE(c->net, NULL);
	synchronize_rcu();
	/* A UNIX socket's peer calls them where it may be preempted. */
	if (c->cfg.unix_path)
		synchronize_rcu_tasks();

	for (i = 0; i < net->nr_workers; i++)
		kfc_worker_free(net->workers[i]);
	kfc_udp_close(net);
	if (net->wq)
		destroy_workqueue(net->wq);
	WARN_ON_ONCE(!xa_empty(&net->by_id));
	xa_destroy(&net->by_id);
	kmem_cache_destroy(net->conn_cache);
	kfree(net->workers);
	kfree(net);
}

/* Workers that run, rcu_read_lock() held: start and stop may be under way. */
static struct kfc_net *kfc_net_get(struct kfc_cache *c, unsigned int *nr)
{
	/* Pairs with kfc_net_start(). */
	struct kfc_net *net = smp_load_acquire(&c->net);

	/* Pairs with kfc_net_start_workers(). */
	*nr = net ? smp_load_acquire(&net->nr_workers) : 0;
	return net;
}

/**
 * kfc_net_wake() - connections that found no place or no read may try again
 * @c: the cache
 *
 * Context: any, hardirq included; before kfc_net_start() and after
 *	kfc_net_stop(), too.
 */
void kfc_net_wake(struct kfc_cache *c)
{
	struct kfc_worker *w;
	struct kfc_net *net;
	unsigned int i, nr;

	rcu_read_lock();
	net = kfc_net_get(c, &nr);
	for (i = 0; i < nr; i++) {
		w = net->workers[i];
		set_bit(KFC_WORKER_RETRY, &w->flags);
		/* Pairs with the worker's look at the bit before it sleeps. */
		smp_mb__after_atomic();
		if (READ_ONCE(w->starving))
			kfc_worker_wake(w);
	}
	rcu_read_unlock();
}

/**
 * kfc_net_info() - gauges for stats
 * @c: the cache
 * @info: filled in; all zero where nothing runs
 *
 * Context: any but hardirq.
 */
void kfc_net_info(struct kfc_cache *c, struct kfc_net_info *info)
{
	struct kfc_worker *w;
	struct kfc_net *net;
	unsigned int i;

	memset(info, 0, sizeof(*info));
	rcu_read_lock();
	net = kfc_net_get(c, &info->threads);
	if (!net)
		goto out;
	info->curr_connections = atomic_read(&net->conns);
	info->accepting = READ_ONCE(net->accepting);
	/* The sockets were there before the first worker. */
	if (info->threads)
		info->udp_overflows = kfc_udp_overflows(net);
	info->upload_bytes = READ_ONCE(net->upload_used);
	info->conn_bytes = info->curr_connections * sizeof(struct kfc_conn);
	for (i = 0; i < info->threads; i++) {
		w = net->workers[i];
		if (!i)
			info->pid = w->task->pid;
		info->cpu_ns += READ_ONCE(w->task->se.sum_exec_runtime);
		info->conn_bytes += READ_ONCE(w->rbytes) +
				    READ_ONCE(w->pool.bytes);
		info->kept_pages += READ_ONCE(w->kept.nr);
	}
out:
	rcu_read_unlock();
}

/**
 * struct kfc_conn_info - what stats tells of a connection
 * @id: its number
 * @peer: who is at the other end
 * @local: where we are
 * @state: in memcached's words
 * @idle: seconds since a byte last came or went
 */
struct kfc_conn_info {
	u32 id;
	struct sockaddr_in6 peer;
	struct sockaddr_in6 local;
	const char *state;
	unsigned long idle;
};

/* An address by the fields of its socket: asking the socket may sleep. */
static void kfc_net_address(struct sockaddr_in6 *to, const struct sock *sk,
			    bool peer)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)to;

	memset(to, 0, sizeof(*to));
	to->sin6_family = sk->sk_family;
	if (sk->sk_family == AF_INET) {
		v4->sin_addr.s_addr = peer ? sk->sk_daddr : sk->sk_rcv_saddr;
		v4->sin_port = peer ? sk->sk_dport : htons(sk->sk_num);
	}
	if (IS_ENABLED(CONFIG_IPV6) && sk->sk_family == AF_INET6) {
		to->sin6_addr = peer ? sk->sk_v6_daddr : sk->sk_v6_rcv_saddr;
		to->sin6_port = peer ? sk->sk_dport : htons(sk->sk_num);
	}
}

static const char *kfc_net_state(const struct kfc_conn *c)
{
	switch (READ_ONCE(c->state)) {
	case KFC_CONN_VALUE:
		return "conn_nread";
	case KFC_CONN_SWALLOW:
		return "conn_swallow";
	case KFC_CONN_DRAIN:
	case KFC_CONN_CLOSED:
		return "conn_closing";
	default:
		return "conn_parse_cmd";
	}
}

static void kfc_net_conn_line(struct kfc_emit *e, u32 id, const char *what,
			      const char *value)
{
	char name[32];

	snprintf(name, sizeof(name), "%u:%s", id, what);
	e->line(e, name, value);
}

static void kfc_net_addr_line(struct kfc_emit *e, u32 id, const char *what,
			      const void *addr)
{
	const struct sockaddr *sa = addr;
	char value[UNIX_PATH_MAX + 8];

	if (sa->sa_family == AF_UNIX)
		snprintf(value, sizeof(value), "unix:%s",
			 ((const struct sockaddr_un *)addr)->sun_path);
	else
		snprintf(value, sizeof(value), "%s:%pISpc",
			 sa->sa_family == AF_INET6 ? "tcp6" : "tcp", addr);
	kfc_net_conn_line(e, id, what, value);
}

static void kfc_net_udp_lines(struct kfc_emit *e, u32 id,
			      const struct sockaddr_storage *addr)
{
	char value[64];

	snprintf(value, sizeof(value), "%s:%pISpc",
		 addr->ss_family == AF_INET6 ? "udp6" : "udp", addr);
	kfc_net_conn_line(e, id, "UDP", "UDP");
	kfc_net_conn_line(e, id, "addr", value);
	kfc_net_conn_line(e, id, "state", "conn_read");
}

static void kfc_net_conn_lines(struct kfc_net *net, struct kfc_emit *e,
			       const struct kfc_conn_info *i)
{
	const void *local = &i->local;
	char secs[24];

	/* There is one UNIX socket, and it was opened last. */
	if (i->local.sin6_family == AF_UNIX)
		local = &net->listeners[net->nr_listeners - 1].addr;
	snprintf(secs, sizeof(secs), "%lu", i->idle);
	kfc_net_addr_line(e, i->id, "addr", &i->peer);
	kfc_net_addr_line(e, i->id, "listen_addr", local);
	kfc_net_conn_line(e, i->id, "state", i->state);
	kfc_net_conn_line(e, i->id, "secs_since_last_cmd", secs);
}

/* Connections of one call. */
#define KFC_CONNS_PART	8

/**
 * kfc_net_conns() - what `stats conns` tells, a part of it
 * @c: the cache, started
 * @cursor: where the last part ended, 0 at first: listeners come first
 * @e: where the lines go
 *
 * Context: a worker. Takes net->by_id's lock.
 * Return: whether there may be more
 */
bool kfc_net_conns(struct kfc_cache *c, unsigned long *cursor,
		   struct kfc_emit *e)
{
	struct kfc_conn_info info[KFC_CONNS_PART];
	struct kfc_net *net = c->net;
	struct kfc_conn *conn;
	unsigned long id;
	unsigned int i, n = 0;

	for (i = 0; !*cursor && i < net->nr_listeners; i++) {
		kfc_net_addr_line(e, i, "addr", &net->listeners[i].addr);
		kfc_net_conn_line(e, i, "state", "conn_listening");
	}
	for (i = 0; !*cursor && net->udp && i < net->udp->nr; i++)
		kfc_net_udp_lines(e, net->nr_listeners + i,
				  &net->udp->sock[i].addr);

	xa_lock(&net->by_id);
	xa_for_each_start(&net->by_id, id, conn, *cursor) {
		if (n == KFC_CONNS_PART)
			break;
		info[n].id = id;
		kfc_net_address(&info[n].peer, conn->sock->sk, true);
		kfc_net_address(&info[n].local, conn->sock->sk, false);
		info[n].state = kfc_net_state(conn);
		info[n].idle = (jiffies - READ_ONCE(conn->last)) / HZ;
		*cursor = id + 1;
		n++;
	}
	xa_unlock(&net->by_id);

	for (i = 0; i < n; i++)
		kfc_net_conn_lines(net, e, &info[i]);
	return n == KFC_CONNS_PART;
}

/**
 * kfc_net_bound() - the most memory that connections and workers can take
 * @c: the cache, with its parameters; started or not
 *
 * Sockets and their buffers are the kernel's own and bounded by
 * net.ipv4.tcp_mem.
 *
 * Context: any.
 * Return: bytes.
 */
u64 kfc_net_bound(const struct kfc_cache *c)
{
	const struct kfc_config *cfg = &c->cfg;
	u64 conns = READ_ONCE(cfg->max_conns);
	u64 own = conns * (KFC_CLIENT_ANSWERS + 1) + kfc_udp_answers(cfg);
	u64 conn = sizeof(struct kfc_conn) + KFC_RBUF + KFC_OUT_MEM_MAX +
		   KFC_OUT_SLACK;
	u64 worker = sizeof(struct kfc_worker) + THREAD_SIZE +
		     (1 + KFC_SPARES) * KFC_RBUF + KFC_OUT_POOL * PAGE_SIZE +
		     (u64)kfc_pages_max(cfg) * PAGE_SIZE;

	return conns * conn + cfg->threads * worker + cfg->upload_bytes +
	       kfc_udp_bound(cfg) + kfc_cmd_bound(cfg, own);
}

/**
 * kfc_net_addresses() - where the cache listens
 * @c: the cache, started
 * @buf: "127.0.0.1:11211 [::1]:11211 /run/kfatcache.sock udp:11211"
 * @size: of @buf
 *
 * Context: any; not while the cache starts or stops.
 * Return: length of the text.
 */
int kfc_net_addresses(struct kfc_cache *c, char *buf, size_t size)
{
	const struct sockaddr_storage *addr;
	struct kfc_net *net = c->net;
	unsigned int i;
	int len = 0;

	if (size)
		*buf = '\0';
	for (i = 0; net && i < net->nr_listeners; i++) {
		addr = &net->listeners[i].addr;
		if (i)
			len += scnprintf(buf + len, size - len, " ");
		if (addr->ss_family == AF_UNIX)
			len += scnprintf(buf + len, size - len, "%s",
					 ((const struct sockaddr_un *)
					  addr)->sun_path);
		else
			len += scnprintf(buf + len, size - len, "%pISpc",
					 addr);
	}
	if (c->cfg.udp_port)
		len += scnprintf(buf + len, size - len, " udp:%u",
				 c->cfg.udp_port);
	return len;
}
