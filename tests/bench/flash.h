/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * A flash device in virtual time, in front of the device of env.c, which keeps
 * the bytes. So many channels work side by side, and a channel does one thing at
 * a time: it reads from a unit of some pages, one or all of them, or programs it.
 * Units of the device's address space lie on the channels in turn, so a slab is
 * spread over all of them. An I/O ends with the last of its units.
 */
#ifndef KFC_FLASH_H
#define KFC_FLASH_H

#include "env.h"

/* What a read meets on a channel that has programs to do. */
enum flash_order {
	FLASH_SUSPEND,	/* the one under way is suspended, and goes on later */
	FLASH_WHOLE,	/* the one under way ends first, the others wait */
	FLASH_FIFO,	/* all that came before it end first */
};

struct flash_cfg {
	u32 channels;
	u32 unit_pages;
	u32 read_ns;		/* from a unit */
	u32 program_ns;		/* of a unit */
	u32 suspend_ns;		/* until a read may begin, and once more after */
	enum flash_order order;
};

void flash_start(struct env *e, const struct flash_cfg *cfg);
void flash_order(enum flash_order order);
u64 flash_next(void);
void flash_run(u64 now);

/* Virtual time in ns, and bytes that were programmed. */
extern u64 flash_now;
extern u64 flash_programmed;

#endif /* KFC_FLASH_H */
