// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include <trace/events/sock.h>

void kfc_probe(const struct sock *sk);
void kfc_probe(const struct sock *sk)
{
	trace_sk_data_ready(sk);
}
