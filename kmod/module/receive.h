/* SPDX-License-Identifier: GPL-2.0 */
#ifndef PAXOS_RECEIVE_H
#define PAXOS_RECEIVE_H

#include <linux/netdevice.h>

#include "endpoint.h"

/**
 * struct paxos_received - a packet that may be believed
 * @packet: what its header says
 * @body: its frames, each behind its length
 * @frames: how many
 */
struct paxos_received {
	struct px_packet packet;
	const u8 *body;
	u32 frames;
};

int paxos_receive(struct sk_buff *skb, struct net_device *dev, struct packet_type *type,
		  struct net_device *orig_dev);

void paxos_received_count(struct paxos_endpoint *ep, const struct sk_buff *skb,
			  const struct paxos_received *received);

void paxos_echo_receive(struct paxos_endpoint *ep, struct sk_buff *skb,
			const struct paxos_received *received);

#endif
