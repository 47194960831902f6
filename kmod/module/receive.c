// SPDX-License-Identifier: GPL-2.0
/*
 * The packet handler: is this for us, is it whole, and is it from whom it says? The rules
 * and their order are those of transports/_datagrams.py.
 */
#include <linux/etherdevice.h>
#include <linux/if_ether.h>

#include "queue.h"
#include "receive.h"
#include "replica.h"

/* The sender's header alone, from a buffer that others may hold too. */
static int look(const struct paxos_endpoint *ep, const struct sk_buff *skb)
{
	u8 copy[PX_PACKET_HEADER_BYTES];
	struct px_packet packet;
	const u8 *header;

	header = skb_header_pointer(skb, 0, sizeof(copy), copy);
	if (!header || !px_packet_read_header(&packet, header, skb->len))
		return 1 + PAXOS_DROP_MALFORMED;
	return packet.receiver == ep->config.endpoint ? 0 : 1 + PAXOS_DROP_MISDIRECTED;
}

/* Why a packet is not from whom it says; 0 if it may be believed. */
static int mistrust(const struct paxos_endpoint *ep, u64 sender, const u8 *source)
{
	const struct paxos_config *config = &ep->config;
	const struct paxos_member *member;

	member = sender == config->endpoint ? NULL : paxos_member_find(config, sender);
	if (member)
		return ether_addr_equal_unaligned(member->mac, source) ? 0 :
			1 + PAXOS_DROP_MISATTRIBUTED;
	if (config->endpoint < PAXOS_FIRST_CLIENT &&
	    sender >= PAXOS_FIRST_CLIENT && sender <= PAXOS_LAST_CLIENT)
		return 0;
	return 1 + PAXOS_DROP_UNKNOWN_SENDER;
}

/*
 * Read a packet that is ours alone and lies in one piece, so that nobody changes it
 * between a check and its use. 0, or one more than why it is dropped.
 */
static int examine(const struct paxos_endpoint *ep, struct sk_buff *skb,
		   struct paxos_received *received)
{
	u32 largest;
	int cause;

	/* Not so if the interface has become one of another kind, as a bond may. */
	if (!skb_mac_header_was_set(skb) || skb->data - skb_mac_header(skb) != ETH_HLEN)
		return 1 + PAXOS_DROP_MALFORMED;
	if (!px_packet_read_header(&received->packet, skb->data, skb->len))
		return 1 + PAXOS_DROP_MALFORMED;
	received->body = skb->data + PX_PACKET_HEADER_BYTES;
	received->frames = px_packet_count_frames(&received->packet, received->body, &largest);
	if (!received->frames)
		return 1 + PAXOS_DROP_MALFORMED;
	if (received->packet.receiver != ep->config.endpoint)
		return 1 + PAXOS_DROP_MISDIRECTED;
	cause = mistrust(ep, received->packet.sender, eth_hdr(skb)->h_source);
	if (cause)
		return cause;
	return largest > ep->config.frame_bytes_max ? 1 + PAXOS_DROP_OVERSIZED : 0;
}

/**
 * paxos_received_count() - count a packet, and remember the way back to a client
 * @ep: the endpoint, whose lock the caller holds
 * @skb: the packet
 * @received: what it holds
 */
void paxos_received_count(struct paxos_endpoint *ep, const struct sk_buff *skb,
			  const struct paxos_received *received)
{
	const struct px_packet *packet = &received->packet;

	lockdep_assert_held(&ep->lock);
	ep->stats.packets_received++;
	ep->stats.frames_received += received->frames;
	ep->stats.bytes_received += packet->bytes - PX_PACKET_LENGTH_BYTES * received->frames;
	if (packet->sender >= PAXOS_FIRST_CLIENT)
		paxos_clients_learn(&ep->clients, packet->sender, eth_hdr(skb)->h_source);
}

static void relay(struct paxos_endpoint *ep, struct sk_buff *skb,
		  const struct paxos_received *received)
{
	u32 start = PX_PACKET_HEADER_BYTES;

	spin_lock(&ep->lock);
	paxos_received_count(ep, skb, received);
	paxos_queue_add(ep, skb, received->packet.sender, received->frames, start,
			start + received->packet.bytes);
	spin_unlock(&ep->lock);
	if (wq_has_sleeper(&ep->read_wait))
		wake_up_interruptible_poll(&ep->read_wait, EPOLLIN | EPOLLRDNORM);
}

/**
 * paxos_receive() - a packet has come for an interface's EtherType
 * @skb: the packet, perhaps shared with other handlers
 * @dev: the interface
 * @type: which endpoint listens
 * @orig_dev: not looked at
 *
 * Runs with bottom halves off. Return: what the network stack expects.
 */
int paxos_receive(struct sk_buff *skb, struct net_device *dev, struct packet_type *type,
		  struct net_device *orig_dev)
{
	struct paxos_endpoint *ep = type->af_packet_priv;
	struct paxos_received received;
	int cause;

	if (skb->pkt_type != PACKET_HOST) {
		consume_skb(skb);
		return NET_RX_SUCCESS;
	}
	cause = look(ep, skb);
	if (cause)
		goto drop;
	skb = skb_share_check(skb, GFP_ATOMIC);
	if (!skb || skb_linearize(skb)) {
		cause = 1 + PAXOS_DROP_NO_MEMORY;
		goto drop;
	}
	cause = examine(ep, skb, &received);
	if (cause)
		goto drop;

	if (ep->config.mode == PAXOS_MODE_REPLICA)
		paxos_replica_receive(ep, skb, &received);
	else if (ep->config.mode == PAXOS_MODE_ECHO)
		paxos_echo_receive(ep, skb, &received);
	else
		relay(ep, skb, &received);
	return NET_RX_SUCCESS;

drop:
	kfree_skb(skb);
	paxos_drop(ep, cause - 1, 1);
	return NET_RX_DROP;
}
