/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef KFC_BLOCKDEV_H
#define KFC_BLOCKDEV_H

#include "dev.h"

struct blk_plug;

int kfc_blockdevs_open(const char *paths, struct kfc_dev **devs, u32 *nr);
void kfc_blockdevs_close(struct kfc_dev **devs, u32 *nr);
bool kfc_blockdevs_gather(struct kfc_dev **devs, u32 nr, struct blk_plug *plug);
void kfc_blockdevs_let_go(struct blk_plug *plug);

#endif /* KFC_BLOCKDEV_H */
