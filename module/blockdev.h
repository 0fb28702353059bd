/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef KFC_BLOCKDEV_H
#define KFC_BLOCKDEV_H

#include "dev.h"

struct blk_plug;

struct kfc_dev *kfc_blockdev_open(const char *path);
void kfc_blockdev_close(struct kfc_dev *d);
bool kfc_blockdev_gather(struct kfc_dev *d, struct blk_plug *plug);
void kfc_blockdev_let_go(struct blk_plug *plug);

#endif /* KFC_BLOCKDEV_H */
