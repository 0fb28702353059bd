// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Whether TCP takes pages by MSG_SPLICE_PAGES; the flag alone says nothing. */
#include <linux/skbuff.h>

ssize_t kfc_probe(struct sk_buff *skb, struct iov_iter *iter);
ssize_t kfc_probe(struct sk_buff *skb, struct iov_iter *iter)
{
	return skb_splice_from_iter(skb, iter, 1, GFP_KERNEL);
}
