// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The callbacks of a connection's socket: they give it a turn and do nothing
 * else.
 */
#include <linux/net.h>
#include <net/sock.h>

#include "compat.h"
#include "conn.h"
#include "worker.h"

/**
 * kfc_conn_push() - put a connection on its worker's list
 * @c: the connection; KFC_CONN_SCHEDULED was set by the caller
 *
 * Context: any. The worker may be through with it before this returns.
 */
void kfc_conn_push(struct kfc_conn *c)
{
	struct kfc_worker *w = c->worker;

	if (llist_add(&c->sched, &w->sched))
		kfc_worker_wake(w);
}

/**
 * kfc_conn_schedule() - have the owner give a connection a turn
 * @c: the connection; the caller's lock keeps it open
 *
 * Context: any.
 */
void kfc_conn_schedule(struct kfc_conn *c)
{
	if (!test_and_set_bit(KFC_CONN_SCHEDULED, &c->flags))
		kfc_conn_push(c);
}

static void kfc_conn_data_ready(struct sock *sk)
{
	struct kfc_conn *c;

	kfc_trace_sk_data_ready(sk);
	read_lock_bh(&sk->sk_callback_lock);
	c = sk->sk_user_data;
	if (c)
		kfc_conn_schedule(c);
	read_unlock_bh(&sk->sk_callback_lock);
}

static void kfc_conn_state_change(struct sock *sk)
{
	struct kfc_conn *c;

	read_lock_bh(&sk->sk_callback_lock);
	c = sk->sk_user_data;
	if (c)
		kfc_conn_schedule(c);
	read_unlock_bh(&sk->sk_callback_lock);
}

/**
 * kfc_conn_writeable() - whether a socket takes more
 * @sk: of a connection
 *
 * Context: any.
 */
bool kfc_conn_writeable(const struct sock *sk)
{
	/* It has no write queue: what is under way is in sk_wmem_alloc. */
	if (sk->sk_family == AF_UNIX)
		return sk_wmem_alloc_get(sk) << 2 <= READ_ONCE(sk->sk_sndbuf);
	return sk_stream_is_writeable(sk);
}

/* Whether somebody waits for the space that there is now. */
static bool kfc_conn_wanted(struct sock *sk)
{
	struct socket *sock = sk->sk_socket;

	if (!sock)
		return false;
	/* It sets SOCK_NOSPACE, too, but leaves it set. */
	if (sk->sk_family == AF_UNIX)
		return kfc_conn_writeable(sk) &&
		       test_and_clear_bit(SOCK_NOSPACE, &sock->flags);
	return !test_bit(SOCK_NOSPACE, &sock->flags);
}

static void kfc_conn_write_space(struct sock *sk)
{
	struct kfc_conn *c;

	read_lock_bh(&sk->sk_callback_lock);
	c = sk->sk_user_data;
	if (c) {
		c->write_space(sk);
		if (kfc_conn_wanted(sk))
			kfc_conn_schedule(c);
	}
	read_unlock_bh(&sk->sk_callback_lock);
}

/**
 * kfc_conn_hook() - have a socket's callbacks wake the owner
 * @c: the connection
 *
 * Context: may not be a softirq.
 */
void kfc_conn_hook(struct kfc_conn *c)
{
	struct sock *sk = c->sock->sk;

	write_lock_bh(&sk->sk_callback_lock);
	c->state_change = sk->sk_state_change;
	c->write_space = sk->sk_write_space;
	sk->sk_user_data = c;
	WRITE_ONCE(sk->sk_data_ready, kfc_conn_data_ready);
	WRITE_ONCE(sk->sk_state_change, kfc_conn_state_change);
	WRITE_ONCE(sk->sk_write_space, kfc_conn_write_space);
	write_unlock_bh(&sk->sk_callback_lock);
}

/**
 * kfc_conn_unhook() - the opposite: afterwards none of ours runs
 * @c: the connection
 *
 * Context: may not be a softirq.
 */
void kfc_conn_unhook(struct kfc_conn *c)
{
	struct sock *sk = c->sock->sk;

	write_lock_bh(&sk->sk_callback_lock);
	sk->sk_user_data = NULL;
	WRITE_ONCE(sk->sk_data_ready, c->data_ready);
	WRITE_ONCE(sk->sk_state_change, c->state_change);
	WRITE_ONCE(sk->sk_write_space, c->write_space);
	write_unlock_bh(&sk->sk_callback_lock);
}
