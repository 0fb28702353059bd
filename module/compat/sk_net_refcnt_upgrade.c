// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include <net/sock.h>

void kfc_probe(struct sock *sk);
void kfc_probe(struct sock *sk)
{
	sk_net_refcnt_upgrade(sk);
}
