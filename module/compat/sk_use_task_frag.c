// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include <net/sock.h>

void kfc_probe(struct sock *sk);
void kfc_probe(struct sock *sk)
{
	sk->sk_use_task_frag = false;
}
