// SPDX-License-Identifier: GPL-2.0
/*
 * Frames go into packets, and packets to the interface. Frames to one receiver share a
 * packet as long as they fit: half of what a small frame costs is the packet around it.
 */
#include <linux/etherdevice.h>
#include <linux/if_ether.h>

#include "config.h"
#include "send.h"

/* What is to be known of a packet until it is sent. */
struct outgoing {
	u8 mac[ETH_ALEN];
	u32 frames;
};

static struct outgoing *outgoing(struct sk_buff *skb)
{
	BUILD_BUG_ON(sizeof(struct outgoing) > sizeof(skb->cb));
	return (struct outgoing *)skb->cb;
}

/**
 * paxos_outbox_init() - an empty one
 * @outbox: on the caller's stack, say
 * @owner: see there
 */
void paxos_outbox_init(struct paxos_outbox *outbox, struct sock *owner)
{
	/* What is open is looked at up to @opened alone: most of it is never touched. */
	outbox->opened = 0;
	outbox->oldest = 0;
	outbox->owner = owner;
	memset(outbox->dropped, 0, sizeof(outbox->dropped));
	__skb_queue_head_init(&outbox->ready);
}

static struct sk_buff *find_open(struct paxos_outbox *outbox, u64 to, u32 *index)
{
	u32 i;

	for (i = 0; i < outbox->opened; i++) {
		if (outbox->open[i].to != to)
			continue;
		*index = i;
		return outbox->open[i].skb;
	}
	return NULL;
}

static void close_packet(struct paxos_endpoint *ep, struct paxos_outbox *outbox, u32 index)
{
	struct sk_buff *skb = outbox->open[index].skb;
	struct px_packet packet = {
		.sender = ep->config.endpoint,
		.receiver = outbox->open[index].to,
		.bytes = skb->len - PX_PACKET_HEADER_BYTES,
	};

	px_packet_write_header(skb->data, &packet);
	/* Only now: a packet that is still growing would be counted wrongly. */
	if (outbox->owner)
		skb_set_owner_w(skb, outbox->owner);
	__skb_queue_tail(&outbox->ready, skb);
}

/* Whether the packet takes so many bytes more, if need be in a larger buffer. */
static bool make_room(const struct paxos_endpoint *ep, struct sk_buff *skb, u32 bytes, gfp_t gfp)
{
	u32 most = PX_PACKET_OVERHEAD_BYTES + ep->config.frame_bytes_max;

	if (skb->len + bytes > most)
		return false;
	if (skb_tailroom(skb) >= bytes + ep->tailroom)
		return true;
	/* Twice as large, so that many small frames are not copied many times. */
	return !pskb_expand_head(skb, 0, max(skb->len, bytes) + ep->tailroom, gfp | __GFP_NOWARN);
}

static struct sk_buff *open_packet(struct paxos_endpoint *ep, struct paxos_outbox *outbox, u64 to,
				   const u8 *mac, u32 frame_bytes, gfp_t gfp)
{
	u32 bytes = PX_PACKET_OVERHEAD_BYTES + frame_bytes;
	struct sk_buff *skb;
	u32 index;

	skb = alloc_skb(ep->headroom + bytes + ep->tailroom, gfp | __GFP_NOWARN);
	if (!skb)
		return NULL;
	skb_reserve(skb, ep->headroom);
	skb_put(skb, PX_PACKET_HEADER_BYTES);
	ether_addr_copy(outgoing(skb)->mac, mac);
	outgoing(skb)->frames = 0;

	if (outbox->opened < PAXOS_OUTBOX_OPEN) {
		index = outbox->opened++;
	} else {
		index = outbox->oldest++ % PAXOS_OUTBOX_OPEN;
		close_packet(ep, outbox, index);
	}
	outbox->open[index].to = to;
	outbox->open[index].skb = skb;
	return skb;
}

/**
 * paxos_outbox_add() - make room for a frame
 * @ep: the endpoint that sends
 * @outbox: where its packets are gathered
 * @to: the receiver's id
 * @mac: the receiver's MAC
 * @frame_bytes: above zero
 * @gfp: how to allocate
 *
 * A frame that is too large, or that no memory is left for, is counted in @outbox.
 *
 * Return: where to write the frame before the next call, or NULL.
 */
u8 *paxos_outbox_add(struct paxos_endpoint *ep, struct paxos_outbox *outbox, u64 to,
		     const u8 *mac, u32 frame_bytes, gfp_t gfp)
{
	struct sk_buff *skb;
	u32 index;
	u8 *place;

	if (frame_bytes > ep->config.frame_bytes_max) {
		outbox->dropped[PAXOS_DROP_OVERSIZED]++;
		return NULL;
	}
	skb = find_open(outbox, to, &index);
	if (skb && !make_room(ep, skb, PX_PACKET_LENGTH_BYTES + frame_bytes, gfp)) {
		close_packet(ep, outbox, index);
		outbox->open[index] = outbox->open[--outbox->opened];
		skb = NULL;
	}
	if (!skb)
		skb = open_packet(ep, outbox, to, mac, frame_bytes, gfp);
	if (!skb) {
		outbox->dropped[PAXOS_DROP_NO_MEMORY]++;
		return NULL;
	}
	place = skb_put(skb, PX_PACKET_LENGTH_BYTES + frame_bytes);
	px_packet_write_length(place, frame_bytes);
	outgoing(skb)->frames++;
	return place + PX_PACKET_LENGTH_BYTES;
}

/* Hand a packet to the interface; 0, or why not, plus one. */
static int transmit(struct paxos_endpoint *ep, struct net_device *dev, struct sk_buff *skb)
{
	u8 mac[ETH_ALEN];
	int err;

	if (!dev || !netif_running(dev) || !netif_carrier_ok(dev)) {
		kfree_skb(skb);
		return 1 + PAXOS_DROP_INTERFACE_DOWN;
	}
	/* It may have become one of another kind, as a bond does with its first member. */
	if (!paxos_is_ethernet(dev)) {
		kfree_skb(skb);
		return 1 + PAXOS_DROP_SEND_FAILED;
	}
	if (skb->len > READ_ONCE(dev->mtu)) {
		kfree_skb(skb);
		return 1 + PAXOS_DROP_OVERSIZED;
	}
	ether_addr_copy(mac, outgoing(skb)->mac);
	memset(skb->cb, 0, sizeof(skb->cb));
	skb->dev = dev;
	skb->protocol = htons(ep->config.ethertype);
	skb_reset_network_header(skb);
	if (dev_hard_header(skb, dev, ep->config.ethertype, mac, NULL, skb->len) < 0) {
		kfree_skb(skb);
		return 1 + PAXOS_DROP_SEND_FAILED;
	}
	skb_reset_mac_header(skb);
	err = dev_queue_xmit(skb);
	if (err == -ENETDOWN)
		return 1 + PAXOS_DROP_INTERFACE_DOWN;
	/* NET_XMIT_CN speaks of congestion, not of this packet. */
	return net_xmit_eval(err) ? 1 + PAXOS_DROP_SEND_FAILED : 0;
}

static void count_drops(struct paxos_endpoint *ep, struct paxos_outbox *outbox)
{
	u32 i;

	for (i = 0; i < PAXOS_DROP_CAUSES; i++)
		paxos_drop_locked(ep, i, outbox->dropped[i]);
	memset(outbox->dropped, 0, sizeof(outbox->dropped));
}

/**
 * paxos_outbox_transmit() - send all that was gathered
 * @ep: the endpoint that sends; its lock is not held
 * @outbox: empty afterwards
 *
 * What goes out is counted, and so is what does not.
 */
void paxos_outbox_transmit(struct paxos_endpoint *ep, struct paxos_outbox *outbox)
{
	u64 frames = 0, bytes = 0, packets = 0;
	struct net_device *dev;
	struct sk_buff *skb;
	u32 i;

	for (i = 0; i < outbox->opened; i++)
		close_packet(ep, outbox, i);
	outbox->opened = 0;

	/* With bottom halves off, receivers on this machine see the batch as one. */
	local_bh_disable();
	rcu_read_lock();
	dev = rcu_dereference(ep->dev);
	while ((skb = __skb_dequeue(&outbox->ready))) {
		u32 in_packet = outgoing(skb)->frames;
		u32 packet_bytes = skb->len;
		int cause = transmit(ep, dev, skb);

		if (cause) {
			outbox->dropped[cause - 1] += in_packet;
			continue;
		}
		packets++;
		frames += in_packet;
		bytes += packet_bytes - PX_PACKET_HEADER_BYTES - PX_PACKET_LENGTH_BYTES * in_packet;
	}
	rcu_read_unlock();

	spin_lock(&ep->lock);
	ep->stats.packets_sent += packets;
	ep->stats.frames_sent += frames;
	ep->stats.bytes_sent += bytes;
	if (memchr_inv(outbox->dropped, 0, sizeof(outbox->dropped)))
		count_drops(ep, outbox);
	spin_unlock(&ep->lock);
	local_bh_enable();
}
