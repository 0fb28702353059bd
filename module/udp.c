// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * UDP sockets. What comes to them goes to the worker of the CPU that it came
 * to; the requests are in udpreq.c.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/errno.h>
#include <linux/in.h>
#include <linux/net.h>
#include <linux/nsproxy.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <net/ip.h>
#include <net/ipv6.h>
#include <net/sock.h>

#include "compat.h"
#include "kfc.h"
#include "udp.h"
#include "worker.h"

static void kfc_udp_data_ready(struct sock *sk)
{
	struct kfc_udp_sock *us;
	struct kfc_worker *w;
	struct kfc_net *net;

	kfc_trace_sk_data_ready(sk);
	read_lock_bh(&sk->sk_callback_lock);
	us = sk->sk_user_data;
	if (us) {
		net = us->net;
		w = net->workers[raw_smp_processor_id() % net->nr_workers];
		kfc_udp_worker_kick(w, us->nr);
	}
	read_unlock_bh(&sk->sk_callback_lock);
}

static int kfc_udp_bind(struct kfc_udp_sock *us, struct net *ns)
{
	bool v6 = us->addr.ss_family == AF_INET6;
	struct sock *sk;
	int ret;

	ret = sock_create_kern(ns, us->addr.ss_family, SOCK_DGRAM, IPPROTO_UDP,
			       &us->sock);
	if (ret)
		return ret;
	sk = us->sock->sk;
	if (v6)
		ip6_sock_set_v6only(sk);
	if (us->any && v6)
		ip6_sock_set_recvpktinfo(sk);
	else if (us->any)
		ip_sock_set_pktinfo(sk);
	kfc_sk_no_task_frag(sk);
	sk->sk_allocation = GFP_NOWAIT | __GFP_NOWARN;
	ret = kernel_bind(us->sock, (struct sockaddr *)&us->addr,
			  v6 ? sizeof(struct sockaddr_in6) :
			       sizeof(struct sockaddr_in));
	if (ret) {
		sock_release(us->sock);
		return ret;
	}
	kfc_sk_hold_net(sk);
	return 0;
}

static bool kfc_udp_any(const struct sockaddr_storage *addr)
{
	if (addr->ss_family == AF_INET6)
		return ipv6_addr_any(&((struct sockaddr_in6 *)addr)->sin6_addr);
	return !((struct sockaddr_in *)addr)->sin_addr.s_addr;
}

/**
 * kfc_udp_open() - bind an address
 * @net: whose; no workers yet
 * @addr: IPv4 or IPv6, with a port; one of KFC_MAX_LISTEN at most
 *
 * Nothing is received before kfc_udp_start().
 *
 * Context: may sleep. Takes the network namespace of the current process.
 * Return: 0 or an errno, after a line in the log.
 */
int kfc_udp_open(struct kfc_net *net, const struct sockaddr_storage *addr)
{
	struct kfc_udp_sock *us;
	int ret;

	if (!net->udp)
		net->udp = kzalloc(sizeof(*net->udp), GFP_KERNEL);
	if (!net->udp)
		return -ENOMEM;
	us = &net->udp->sock[net->udp->nr];
	us->addr = *addr;
	us->net = net;
	us->nr = net->udp->nr;
	us->any = kfc_udp_any(&us->addr);
	us->loopback = kfc_addr_loopback(&us->addr);
	ret = kfc_udp_bind(us, current->nsproxy->net_ns);
	if (ret == -EADDRINUSE)
		pr_err("cannot take UDP at %pISpc: port in use (%d)\n",
		       &us->addr, ret);
	else if (ret)
		pr_err("cannot take UDP at %pISpc: error %d\n", &us->addr,
		       ret);
	else
		net->udp->nr++;
	return ret;
}

/**
 * kfc_udp_start() - receive on all sockets
 * @net: whose; the workers run
 *
 * Context: may sleep.
 */
void kfc_udp_start(struct kfc_net *net)
{
	struct kfc_udp_sock *us;
	struct sock *sk;
	unsigned int i;

	for (i = 0; net->udp && i < net->udp->nr; i++) {
		us = &net->udp->sock[i];
		sk = us->sock->sk;
		write_lock_bh(&sk->sk_callback_lock);
		us->data_ready = sk->sk_data_ready;
		sk->sk_user_data = us;
		WRITE_ONCE(sk->sk_data_ready, kfc_udp_data_ready);
		write_unlock_bh(&sk->sk_callback_lock);
		/* For what came before. */
		kfc_udp_worker_kick(net->workers[0], i);
	}
}

/**
 * kfc_udp_stop() - take nothing any more
 * @net: whose; started or not
 *
 * Answers may still go out.
 *
 * Context: may sleep.
 */
void kfc_udp_stop(struct kfc_net *net)
{
	struct kfc_udp_sock *us;
	struct sock *sk;
	unsigned int i;

	for (i = 0; net->udp && i < net->udp->nr; i++) {
		us = &net->udp->sock[i];
		sk = us->sock->sk;
		write_lock_bh(&sk->sk_callback_lock);
		if (sk->sk_user_data) {
			sk->sk_user_data = NULL;
			WRITE_ONCE(sk->sk_data_ready, us->data_ready);
		}
		write_unlock_bh(&sk->sk_callback_lock);
	}
}

/**
 * kfc_udp_close() - close all sockets
 * @net: whose; stopped, its workers have ended
 *
 * Context: may sleep.
 */
void kfc_udp_close(struct kfc_net *net)
{
	unsigned int i;

	for (i = 0; net->udp && i < net->udp->nr; i++)
		sock_release(net->udp->sock[i].sock);
	kfree(net->udp);
	net->udp = NULL;
}

/**
 * kfc_udp_overflows() - datagrams that found no room in a socket's buffer
 * @net: whose
 *
 * Context: any; @net stays.
 * Return: how many, since load.
 */
u64 kfc_udp_overflows(const struct kfc_net *net)
{
	unsigned int i;
	u64 n = 0;

	for (i = 0; net->udp && i < net->udp->nr; i++)
		n += (u32)atomic_read(&net->udp->sock[i].sock->sk->sk_drops);
	return n;
}
