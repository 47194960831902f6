// SPDX-License-Identifier: GPL-2.0
/* Records that user space has written, and the one that every mode knows: SEND. */
#include <asm/byteorder.h>
#include <linux/etherdevice.h>

#include "record.h"

/**
 * paxos_record_type() - what a record is
 * @data: a record that paxos_record_bytes() has passed
 *
 * Return: its type, which may be none that there is.
 */
enum paxos_record_type paxos_record_type(const u8 *data)
{
	return le16_to_cpu(((const struct paxos_record *)data)->type);
}

/**
 * paxos_record_bytes() - where a record ends
 * @ep: the endpoint
 * @data: aligned to PAXOS_RECORD_ALIGN
 * @left: how many bytes there are
 *
 * Return: the bytes of the record with the zeros behind it; -EINVAL if it is none, or
 * not all there; -EMSGSIZE if none can be so large.
 */
ssize_t paxos_record_bytes(const struct paxos_endpoint *ep, const u8 *data, size_t left)
{
	static const u8 zeros[PAXOS_RECORD_ALIGN];
	u32 length, padded;

	if (left < sizeof(struct paxos_record))
		return -EINVAL;
	length = le32_to_cpu(((const struct paxos_record *)data)->length);
	if (length < sizeof(struct paxos_record))
		return -EINVAL;
	if (length > ep->buffer_bytes - PAXOS_RECORD_ALIGN)
		return -EMSGSIZE;
	padded = ALIGN(length, PAXOS_RECORD_ALIGN);
	if (padded > left || memcmp(data + length, zeros, padded - length))
		return -EINVAL;
	return padded;
}

/* The MAC of a receiver, in a copy: a client's entry may go at any time. */
static bool find_way(struct paxos_endpoint *ep, u64 to, u8 *mac)
{
	const struct paxos_member *member;
	const u8 *learnt;

	member = to == ep->config.endpoint ? NULL : paxos_member_find(&ep->config, to);
	if (member) {
		ether_addr_copy(mac, member->mac);
		return true;
	}
	spin_lock_bh(&ep->lock);
	learnt = paxos_clients_find(&ep->clients, to);
	if (learnt)
		ether_addr_copy(mac, learnt);
	spin_unlock_bh(&ep->lock);
	return learnt;
}

/**
 * paxos_record_send() - put a SEND's frame into a packet
 * @ep: the endpoint
 * @outbox: where packets are gathered
 * @data: the record
 * @bytes: what paxos_record_bytes() has returned
 *
 * What cannot be sent is dropped and counted, as by any transport.
 *
 * Return: @bytes, or -EINVAL if it is no SEND of a frame.
 */
ssize_t paxos_record_send(struct paxos_endpoint *ep, struct paxos_outbox *outbox, const u8 *data,
			  size_t bytes)
{
	const struct paxos_record *record = (const struct paxos_record *)data;
	u32 frame_bytes = le32_to_cpu(record->length) - sizeof(*record);
	u64 to = le64_to_cpu(record->a);
	u8 mac[ETH_ALEN] __aligned(2);
	u8 *place;

	if (paxos_record_type(data) != PAXOS_SEND || record->flags || record->b || record->c ||
	    record->d || !frame_bytes)
		return -EINVAL;
	if (!find_way(ep, to, mac)) {
		outbox->dropped[PAXOS_DROP_UNKNOWN_PEER]++;
		return bytes;
	}
	place = paxos_outbox_add(ep, outbox, to, mac, frame_bytes, GFP_KERNEL);
	if (place)
		memcpy(place, record + 1, frame_bytes);
	return bytes;
}
