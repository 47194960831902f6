/* SPDX-License-Identifier: GPL-2.0 */
#ifndef PAXOS_SEND_H
#define PAXOS_SEND_H

#include <linux/skbuff.h>

#include "endpoint.h"

#define PAXOS_OUTBOX_OPEN	16

/**
 * struct paxos_outbox - packets that are being filled, and those that are full
 * @ready: full ones, in the order in which they are sent
 * @open: one for each receiver that still has room, or so few that the oldest is closed
 * @opened: how many of @open count
 * @oldest: which of a full @open makes room next
 * @owner: what the packets are counted against while they are on their way, or NULL
 * @dropped: frames not taken, by cause
 */
struct paxos_outbox {
	struct sk_buff_head ready;
	struct {
		u64 to;
		struct sk_buff *skb;
	} open[PAXOS_OUTBOX_OPEN];
	u32 opened;
	u32 oldest;
	struct sock *owner;
	u64 dropped[PAXOS_DROP_CAUSES];
};

void paxos_outbox_init(struct paxos_outbox *outbox, struct sock *owner);
u8 *paxos_outbox_add(struct paxos_endpoint *ep, struct paxos_outbox *outbox, u64 to,
		     const u8 *mac, u32 frame_bytes, gfp_t gfp);
void paxos_outbox_transmit(struct paxos_endpoint *ep, struct paxos_outbox *outbox);

#endif
