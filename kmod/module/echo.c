// SPDX-License-Identifier: GPL-2.0
/* Every packet of a client goes back to it from the packet handler: no Paxos, no wakeup. */
#include <linux/etherdevice.h>
#include <linux/if_ether.h>

#include "receive.h"

/* Turn the packet round; false if there is no memory for a copy of our own. */
static bool turn_round(struct sk_buff *skb, const struct px_packet *packet)
{
	struct px_packet answer = {
		.sender = packet->receiver,
		.receiver = packet->sender,
		.bytes = packet->bytes,
	};
	struct ethhdr *header;
	u8 mac[ETH_ALEN];

	skb_push(skb, ETH_HLEN);
	if (skb_ensure_writable(skb, skb->len))
		return false;
	skb_reset_mac_header(skb);
	header = eth_hdr(skb);
	ether_addr_copy(mac, header->h_dest);
	ether_addr_copy(header->h_dest, header->h_source);
	ether_addr_copy(header->h_source, mac);
	px_packet_write_header(skb->data + ETH_HLEN, &answer);
	return true;
}

/**
 * paxos_echo_receive() - send a packet back
 * @ep: the endpoint
 * @skb: the packet; not the caller's any more
 * @received: what it holds
 *
 * Only clients are answered: two echoes that answered one another would never end.
 */
void paxos_echo_receive(struct paxos_endpoint *ep, struct sk_buff *skb,
			const struct paxos_received *received)
{
	u32 frames = received->frames;
	u64 bytes = received->packet.bytes - PX_PACKET_LENGTH_BYTES * frames;
	int err;

	spin_lock(&ep->lock);
	paxos_received_count(ep, skb, received);
	spin_unlock(&ep->lock);
	if (received->packet.sender < PAXOS_FIRST_CLIENT) {
		kfree_skb(skb);
		paxos_drop(ep, PAXOS_DROP_UNKNOWN_PEER, frames);
		return;
	}
	skb_orphan(skb);
	if (!turn_round(skb, &received->packet)) {
		kfree_skb(skb);
		paxos_drop(ep, PAXOS_DROP_NO_MEMORY, frames);
		return;
	}
	skb->ip_summed = CHECKSUM_NONE;
	skb_clear_tstamp(skb);
	err = dev_queue_xmit(skb);

	spin_lock(&ep->lock);
	if (net_xmit_eval(err)) {
		paxos_drop_locked(ep, PAXOS_DROP_SEND_FAILED, frames);
	} else {
		ep->stats.packets_sent++;
		ep->stats.frames_sent += frames;
		ep->stats.bytes_sent += bytes;
	}
	spin_unlock(&ep->lock);
}
