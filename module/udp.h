/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef KFC_UDP_H
#define KFC_UDP_H

#include <linux/socket.h>
#include <linux/types.h>

#include "params.h"

struct kfc_net;
struct kfc_worker;
struct sock;
struct socket;

/**
 * struct kfc_udp_sock - a socket
 * @net: whose
 * @nr: its bit in struct kfc_udp_worker
 * @sock: the socket
 * @addr: where it is bound
 * @loopback: that is this machine's own address
 * @any: that is all addresses: an answer has to say from which it comes
 * @data_ready: the socket's own callback
 */
struct kfc_udp_sock {
	struct kfc_net *net;
	unsigned int nr;
	struct socket *sock;
	struct sockaddr_storage addr;
	bool loopback;
	bool any;
	void (*data_ready)(struct sock *sk);
};

/**
 * struct kfc_udp - the sockets; constant while there are workers
 * @sock: sockets
 * @nr: how many
 */
struct kfc_udp {
	struct kfc_udp_sock sock[KFC_MAX_LISTEN];
	unsigned int nr;
};

int kfc_udp_open(struct kfc_net *net, const struct sockaddr_storage *addr);
void kfc_udp_start(struct kfc_net *net);
void kfc_udp_stop(struct kfc_net *net);
void kfc_udp_close(struct kfc_net *net);
u64 kfc_udp_overflows(const struct kfc_net *net);

u64 kfc_udp_answers(const struct kfc_config *cfg);
u64 kfc_udp_bound(const struct kfc_config *cfg);
void kfc_udp_worker_kick(struct kfc_worker *w, unsigned int nr);
int kfc_udp_worker_init(struct kfc_worker *w);
void kfc_udp_worker_exit(struct kfc_worker *w);
void kfc_udp_worker_drop(struct kfc_worker *w);
void kfc_udp_worker_turn(struct kfc_worker *w);
bool kfc_udp_worker_busy(const struct kfc_worker *w);
bool kfc_udp_worker_pending(const struct kfc_worker *w);
long kfc_udp_worker_nap(const struct kfc_worker *w);

#endif /* KFC_UDP_H */
