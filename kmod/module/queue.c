// SPDX-License-Identifier: GPL-2.0
/*
 * Frames that wait to be read. They stay in the packets they came in, so nothing is
 * allocated or copied where a packet arrives; the reader cuts them out.
 */
#include "queue.h"

/* Which frames of a packet wait: those whose lengths are at @position .. @end of its data. */
struct waiting {
	u64 sender;
	u32 position;
	u32 end;
};

static struct waiting *waiting(struct sk_buff *skb)
{
	BUILD_BUG_ON(sizeof(struct waiting) > sizeof(skb->cb));
	return (struct waiting *)skb->cb;
}

/**
 * paxos_queue_add() - frames for the reader; the caller holds the lock
 * @ep: the endpoint
 * @skb: linear, private and passed by px_packet_count_frames(); not the caller's any more
 * @sender: whose frames these are
 * @frames: how many
 * @from: where in the packet's data the first one's length is
 * @to: where the last one ends
 *
 * A queue that is full drops what comes, and never what is in it.
 */
void paxos_queue_add(struct paxos_endpoint *ep, struct sk_buff *skb, u64 sender, u32 frames,
		     u32 from, u32 to)
{
	lockdep_assert_held(&ep->lock);
	if (ep->arrived_bytes + skb->truesize > ep->config.queue_bytes_max) {
		paxos_drop_locked(ep, PAXOS_DROP_QUEUE_FULL, frames);
		kfree_skb(skb);
		return;
	}
	/* A slow reader must not hold up whoever has sent this. */
	skb_orphan(skb);
	ep->arrived_bytes += skb->truesize;
	*waiting(skb) = (struct waiting){ .sender = sender, .position = from, .end = to };
	__skb_queue_tail(&ep->arrived, skb);
}

/**
 * paxos_queue_readable() - whether a frame waits
 * @ep: the endpoint
 *
 * Return: that, as it looks without a lock.
 */
bool paxos_queue_readable(const struct paxos_endpoint *ep)
{
	return !skb_queue_empty_lockless(&ep->being_read) ||
	       !skb_queue_empty_lockless(&ep->arrived);
}

static struct sk_buff *first(struct paxos_endpoint *ep)
{
	if (skb_queue_empty(&ep->being_read)) {
		spin_lock_bh(&ep->lock);
		skb_queue_splice_tail_init(&ep->arrived, &ep->being_read);
		spin_unlock_bh(&ep->lock);
	}
	return skb_peek(&ep->being_read);
}

/* Copy the packet's next frame as a record; the bytes of it, or an error. */
static ssize_t copy_frame(struct sk_buff *skb, struct iov_iter *to)
{
	static const u8 zeros[PAXOS_RECORD_ALIGN];
	u32 at = waiting(skb)->position;
	u32 size = px_packet_frame_bytes(skb->data, &at);
	u32 length = sizeof(struct paxos_record) + size;
	u32 padded = ALIGN(length, PAXOS_RECORD_ALIGN);
	struct paxos_record record = {
		.length = cpu_to_le32(length),
		.type = cpu_to_le16(PAXOS_FRAME),
		.a = cpu_to_le64(waiting(skb)->sender),
	};
	size_t copied;

	if (iov_iter_count(to) < padded)
		return PAXOS_NO_ROOM;
	copied = copy_to_iter(&record, sizeof(record), to);
	if (copied == sizeof(record))
		copied += copy_to_iter(skb->data + at, size, to);
	if (copied == length)
		copied += copy_to_iter(zeros, padded - length, to);
	if (copied != padded) {
		iov_iter_revert(to, copied);
		return -EFAULT;
	}
	waiting(skb)->position = at + size;
	return padded;
}

/**
 * paxos_queue_read() - hand out frames as records, as many as fit
 * @ep: the endpoint, whose @reading the caller holds
 * @to: where to
 *
 * Return: bytes; 0 if no frame waits; PAXOS_NO_ROOM or -EFAULT, with nothing lost.
 */
ssize_t paxos_queue_read(struct paxos_endpoint *ep, struct iov_iter *to)
{
	struct sk_buff *skb;
	ssize_t done = 0;
	u64 freed = 0;

	lockdep_assert_held(&ep->reading);
	while ((skb = first(ep))) {
		ssize_t bytes = copy_frame(skb, to);

		if (bytes < 0) {
			done = done ?: bytes;
			break;
		}
		done += bytes;
		if (waiting(skb)->position < waiting(skb)->end)
			continue;
		__skb_unlink(skb, &ep->being_read);
		freed += skb->truesize;
		consume_skb(skb);
	}
	if (freed) {
		spin_lock_bh(&ep->lock);
		ep->arrived_bytes -= freed;
		spin_unlock_bh(&ep->lock);
	}
	return done;
}

/**
 * paxos_queue_free() - drop what nobody will read
 * @ep: the endpoint, which nothing reaches any more
 */
void paxos_queue_free(struct paxos_endpoint *ep)
{
	__skb_queue_purge(&ep->arrived);
	__skb_queue_purge(&ep->being_read);
}
