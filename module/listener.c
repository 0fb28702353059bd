// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Listening sockets and accepting.
 *
 * A listener is open from load to unload. When max_conns is reached, or the
 * kernel has no memory for another socket, it leaves connections in the
 * backlog and comes back for them.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/err.h>
#include <linux/cred.h>
#include <linux/fcntl.h>
#include <linux/in.h>
#include <linux/ipv6.h>
#include <linux/net.h>
#include <linux/nsproxy.h>
#include <linux/sched.h>
#include <linux/string.h>
#include <linux/un.h>
#include <net/inet_connection_sock.h>
#include <net/ipv6.h>
#include <net/sock.h>
#include <net/tcp_states.h>

#include "compat.h"
#include "conn.h"
#include "kfc.h"
#include "unixsock.h"
#include "worker.h"

/* memcached's default. */
#define KFC_BACKLOG	1024
/* Connections that are accepted before others get the CPU. */
#define KFC_ACCEPTS	64
/* How long to wait after an accept that failed. */
#define KFC_ACCEPT_BACKOFF_MS	100

static void kfc_listener_data_ready(struct sock *sk)
{
	struct kfc_listener *l;

	kfc_trace_sk_data_ready(sk);
	/* Accepted sockets inherit this callback. */
	if (READ_ONCE(sk->sk_state) != TCP_LISTEN)
		return;
	read_lock_bh(&sk->sk_callback_lock);
	l = sk->sk_user_data;
	/* While a failed accept is waited for, this does nothing. */
	if (l)
		queue_delayed_work(l->net->wq, &l->work, 0);
	read_unlock_bh(&sk->sk_callback_lock);
}

/* The log has a line for each change, but not for each that clients make. */
static void kfc_listener_say(struct kfc_net *net, bool full, u32 max)
{
	if (full && __ratelimit(&net->full_rs)) {
		net->full_said = true;
		pr_info("connections refused: max_conns=%u reached\n", max);
	} else if (!full && net->full_said) {
		net->full_said = false;
		pr_info("connections accepted again\n");
	}
}

/* Count one more connection in, if max_conns has room for it. */
static bool kfc_listener_may_accept(struct kfc_net *net)
{
	u32 max = READ_ONCE(net->cache->cfg.max_conns);
	bool changed = false;
	bool room;

	spin_lock(&net->accept_lock);
	room = atomic_read(&net->conns) < max;
	if (!room && net->accepting) {
		WRITE_ONCE(net->accepting, false);
		/* Pairs with kfc_listener_gone(): one of us sees the other. */
		smp_mb();
		room = atomic_read(&net->conns) < max;
		if (room)
			WRITE_ONCE(net->accepting, true);
		else
			changed = true;
	} else if (room && !net->accepting) {
		WRITE_ONCE(net->accepting, true);
		changed = true;
	}
	if (room)
		atomic_inc(&net->conns);
	if (changed) {
		if (!room)
			kfc_count(net->cache, listen_disabled_num);
		kfc_listener_say(net, !room, max);
	}
	spin_unlock(&net->accept_lock);
	return room;
}

/**
 * kfc_listener_kick() - look for connections that were left waiting
 * @net: whose
 *
 * Context: may not be hardirq. Takes net->accept_lock.
 */
void kfc_listener_kick(struct kfc_net *net)
{
	unsigned int i;

	spin_lock(&net->accept_lock);
	for (i = 0; net->listening && i < net->nr_listeners; i++)
		queue_delayed_work(net->wq, &net->listeners[i].work, 0);
	spin_unlock(&net->accept_lock);
}

/**
 * kfc_listener_gone() - count a connection out; others may come in
 * @net: whose
 *
 * Context: may not be hardirq. May take net->accept_lock.
 */
void kfc_listener_gone(struct kfc_net *net)
{
	atomic_dec(&net->conns);
	/* Pairs with kfc_listener_may_accept(): one of us sees the other. */
	smp_mb__after_atomic();
	if (!READ_ONCE(net->accepting))
		kfc_listener_kick(net);
}

static int kfc_listener_accept(struct kfc_listener *l)
{
	struct socket *sock;
	int ret;

	ret = kernel_accept(l->sock, &sock, O_NONBLOCK);
	if (!ret) {
		ret = kfc_conn_open(l->net, sock, l->data_ready);
		if (!ret)
			return 0;
		sock_release(sock);
	}
	kfc_listener_gone(l->net);
	return ret;
}

/* Asked before an accept: nobody is refused where nobody waits. */
static bool kfc_listener_empty(const struct kfc_listener *l)
{
	const struct sock *sk = l->sock->sk;

	if (sk->sk_family == AF_UNIX)
		return skb_queue_empty_lockless(&sk->sk_receive_queue);
	return reqsk_queue_empty(&inet_csk(sk)->icsk_accept_queue);
}

static void kfc_listener_work(struct work_struct *work)
{
	struct kfc_listener *l = container_of(to_delayed_work(work),
					      struct kfc_listener, work);
	unsigned long delay = 0;
	unsigned int n;
	int ret;

	for (n = 0; n < KFC_ACCEPTS; n++) {
		if (kfc_listener_empty(l) || !kfc_listener_may_accept(l->net))
			return;
		ret = kfc_listener_accept(l);
		if (ret == -EAGAIN)
			return;
		if (ret) {
			kfc_count(l->net->cache, accept_errors);
			pr_debug("accept: error %d\n", ret);
			delay = msecs_to_jiffies(KFC_ACCEPT_BACKOFF_MS);
			break;
		}
	}
	queue_delayed_work(l->net->wq, &l->work, delay);
}

static int kfc_listener_bind(struct kfc_listener *l, struct net *ns)
{
	struct socket *sock;
	int ret;

	ret = sock_create_kern(ns, l->addr.ss_family, SOCK_STREAM, IPPROTO_TCP,
			       &sock);
	if (ret)
		return ret;
	/* So that 0.0.0.0 and :: can be given both. */
	if (l->addr.ss_family == AF_INET6)
		ip6_sock_set_v6only(sock->sk);
	sock_set_reuseaddr(sock->sk);
	ret = kernel_bind(sock, (struct sockaddr *)&l->addr,
			  l->addr.ss_family == AF_INET6 ?
			  sizeof(struct sockaddr_in6) :
			  sizeof(struct sockaddr_in));
	if (ret)
		goto err;
	kfc_sk_hold_net(sock->sk);
	ret = kernel_listen(sock, KFC_BACKLOG);
	if (ret)
		goto err;
	l->sock = sock;
	return 0;
err:
	sock_release(sock);
	return ret;
}

/**
 * kfc_listener_open() - bind an address and listen
 * @net: whose
 * @addr: IPv4 or IPv6, with a port; one of KFC_MAX_LISTEN at most
 *
 * Nothing is accepted before kfc_listener_start().
 *
 * Context: may sleep. Takes the network namespace of the current process.
 * Return: 0 or an errno, after a line in the log.
 */
int kfc_listener_open(struct kfc_net *net, const struct sockaddr_storage *addr)
{
	struct kfc_listener *l = &net->listeners[net->nr_listeners];
	int ret;

	l->addr = *addr;
	l->net = net;
	INIT_DELAYED_WORK(&l->work, kfc_listener_work);
	ret = kfc_listener_bind(l, current->nsproxy->net_ns);
	if (ret == -EADDRINUSE)
		pr_err("cannot listen on %pISpc: port in use (%d)\n", &l->addr,
		       ret);
	else if (ret == -EADDRNOTAVAIL)
		pr_err("cannot listen on %pISpc: not an address of this machine (%d)\n",
		       &l->addr, ret);
	else if (ret)
		pr_err("cannot listen on %pISpc: error %d\n", &l->addr, ret);
	else
		net->nr_listeners++;
	return ret;
}

/**
 * kfc_listener_open_unix() - make a UNIX socket and listen
 * @net: whose; after all kfc_listener_open()
 * @path: absolute, shorter than UNIX_PATH_MAX
 * @mode: of the file
 *
 * Nothing is accepted before kfc_listener_start().
 *
 * Context: may sleep. Takes the namespaces and credentials of the current
 *	process.
 * Return: 0 or an errno, after a line in the log.
 */
int kfc_listener_open_unix(struct kfc_net *net, const char *path, umode_t mode)
{
	struct kfc_listener *l = &net->listeners[net->nr_listeners];
	struct sockaddr_un *un = (struct sockaddr_un *)&l->addr;
	int ret;

	static_assert(ARRAY_SIZE(net->listeners) > KFC_MAX_LISTEN);

	l->net = net;
	INIT_DELAYED_WORK(&l->work, kfc_listener_work);
	un->sun_family = AF_UNIX;
	strscpy(un->sun_path, path, sizeof(un->sun_path));
	ret = sock_create_kern(current->nsproxy->net_ns, AF_UNIX, SOCK_STREAM,
			       0, &l->sock);
	if (ret) {
		pr_err("unix=%s: no socket to be had (%d)\n", path, ret);
		return ret;
	}
	ret = kfc_unix_bind(l->sock, &l->addr, mode);
	if (ret)
		goto err;
	kfc_sk_hold_net(l->sock->sk);
	ret = kernel_listen(l->sock, KFC_BACKLOG);
	if (ret) {
		pr_err("unix=%s: cannot listen (%d)\n", path, ret);
		kfc_unix_unlink(l->sock, current_cred());
		goto err;
	}
	l->cred = get_current_cred();
	net->nr_listeners++;
	return 0;
err:
	sock_release(l->sock);
	return ret;
}

/**
 * kfc_listener_start() - accept on all listeners
 * @net: whose; the workers run
 *
 * Context: may sleep.
 */
void kfc_listener_start(struct kfc_net *net)
{
	struct kfc_listener *l;
	struct sock *sk;
	unsigned int i;

	net->accepting = true;
	net->listening = true;
	for (i = 0; i < net->nr_listeners; i++) {
		l = &net->listeners[i];
		sk = l->sock->sk;
		write_lock_bh(&sk->sk_callback_lock);
		l->data_ready = sk->sk_data_ready;
		sk->sk_user_data = l;
		WRITE_ONCE(sk->sk_data_ready, kfc_listener_data_ready);
		write_unlock_bh(&sk->sk_callback_lock);
	}
	/* For those who came before the callback was set. */
	kfc_listener_kick(net);
}

/**
 * kfc_listener_stop() - close all listeners
 * @net: whose; started or not; not twice
 *
 * Their addresses stay, for clients that ask for them until the workers end. A
 * UNIX socket's file goes first: so nobody meets one that nobody listens on.
 * On return nothing is accepted any more. Connections that nobody has accepted
 * are reset.
 *
 * Context: may sleep.
 */
void kfc_listener_stop(struct kfc_net *net)
{
	bool started = net->listening;
	struct kfc_listener *l;
	struct sock *sk;
	unsigned int i;

	spin_lock(&net->accept_lock);
	net->listening = false;
	spin_unlock(&net->accept_lock);

	for (i = 0; i < net->nr_listeners; i++) {
		l = &net->listeners[i];
		sk = l->sock->sk;
		if (started) {
			write_lock_bh(&sk->sk_callback_lock);
			sk->sk_user_data = NULL;
			WRITE_ONCE(sk->sk_data_ready, l->data_ready);
			write_unlock_bh(&sk->sk_callback_lock);
		}
		cancel_delayed_work_sync(&l->work);
		if (l->cred) {
			kfc_unix_unlink(l->sock, l->cred);
			put_cred(l->cred);
		}
		sock_release(l->sock);
	}
}
