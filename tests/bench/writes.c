// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Bytes written to the device for each byte of records, without reinsertion.
 * What a slab consists of is read from the device.
 */
#include "figure.h"

#define SLAB (4 * MIB)
#define SLABS 32
/* The device is written so often. */
#define ROUNDS 3

static const struct size {
	u32 len;
	double bar;	/* 0 for none */
} sizes[] = {
	{ 100, 0 }, { 300, 1.15 }, { 1000, 1.05 }, { 2000, 1.05 },
	{ 10000, 0 }, { 100000, 0 },
};

/* Bytes of slabs on the device, by what they are. */
struct parts {
	u64 slabs, records, record, page_hdr, summary;
};

static void take_record(struct parts *p, const u8 *slab,
			const struct kfc_sum_entry *s)
{
	const struct kfc_rec_hdr *h;
	u32 lens;

	h = (const void *)(slab + le32_to_cpu(s->off));
	lens = le32_to_cpu(h->lens);
	assert(h->order == s->order && (lens & 0xff) == FIG_KLEN);
	p->records++;
	p->record += KFC_REC_HDR + (lens & 0xff) + (lens >> 8);
}

static void take_slab(struct parts *p, const u8 *slab)
{
	const struct kfc_sum_page *last, *sp;
	u32 i, count, pages;

	last = (const void *)(slab + SLAB - KFC_PAGE);
	if (le32_to_cpu(last->magic) != KFC_SUM_MAGIC)
		return;
	count = le32_to_cpu(last->count);
	pages = DIV_ROUND_UP(count, KFC_SUM_ENTRIES);
	for (i = 0; i < count; i++) {
		sp = last - i / KFC_SUM_ENTRIES;
		take_record(p, slab, &sp->e[i % KFC_SUM_ENTRIES]);
	}
	p->slabs++;
	p->page_hdr += SLAB / KFC_PAGE * KFC_PAGE_HDR;
	p->summary += (u64)pages * KFC_PAGE_DATA;
}

static void figure(const struct size *s)
{
	double hdr, pad, sum, ratio, device;
	struct env_client ec;
	struct parts p = { };
	struct env e;
	u32 i;
	u64 n;

	srand(3);
	env_start(&e, SLAB, 8, SLABS, 8 * MIB);
	e.c.cfg.reinsert_pct = 0;
	env_client_init(&e, &ec);
	for (n = 0; e.counters.ext_bytes_written < ROUNDS * SLABS * SLAB; n++) {
		fig_set(&e, &ec, n, 0, s->len);
		if (n % FIG_TURN == 0 || s->len > 1000)
			fig_writer(&e);
	}
	for (i = 0; i < e.c.log.nr_slabs; i++)
		take_slab(&p, e.d.mem + KFC_PAGE + i * SLAB);
	ratio = (double)e.d.writes * SLAB / (e.counters.ext_objects_written *
		(double)(KFC_REC_HDR + FIG_KLEN + s->len));
	device = (double)p.slabs * SLAB;
	hdr = (double)p.page_hdr / p.record;
	sum = (double)p.summary / p.record;
	pad = device / p.record - 1 - hdr - sum;
	printf("%u,%u,%llu,%.4f,%.4f,%.4f,%.4f\n", s->len,
	       KFC_REC_HDR + FIG_KLEN + s->len, p.records / p.slabs, ratio,
	       hdr, pad, sum);
	/* The counters and what lies there say the same. */
	assert(device / p.record - ratio < 0.001 &&
	       ratio - device / p.record < 0.001);
	env_client_exit(&e, &ec);
	env_stop(&e);
	if (s->bar)
		fig_bar(ratio <= s->bar,
			"writes: %.4f device bytes a record byte, values of %u B (at most %.2f)",
			ratio, s->len, s->bar);
}

int main(void)
{
	u32 i;

	printf("# Device bytes a record byte: slabs of 4 MiB, keys of %u B, reinsert_pct=0; what is above 1 by its parts\n",
	       FIG_KLEN);
	printf("value,record,objects_a_slab,device_bytes_a_record_byte,page_headers,padding,summary\n");
	for (i = 0; i < ARRAY_SIZE(sizes); i++)
		figure(&sizes[i]);
	return fig_end();
}
