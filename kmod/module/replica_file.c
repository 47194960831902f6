// SPDX-License-Identifier: GPL-2.0
/* A replica's records, to and from user space. */
#include <linux/poll.h>

#include "queue.h"
#include "record.h"
#include "replica.h"

/* Reading */

/* What the core has to say, by way of a buffer: it is not locked while user space is written. */
static ssize_t read_core(struct paxos_endpoint *ep, struct iov_iter *to)
{
	struct px_port *port = &ep->replica->port;
	u64 room = min_t(u64, iov_iter_count(to), ep->buffer_bytes);
	size_t copied;
	s64 bytes;

	spin_lock_bh(&ep->lock);
	bytes = port->started ? px_port_read(port, ep->read_buffer, room) : 0;
	spin_unlock_bh(&ep->lock);
	if (bytes == PX_POISONED)
		return -EIO;
	if (bytes <= 0)
		return bytes ? PAXOS_NO_ROOM : 0;
	copied = copy_to_iter(ep->read_buffer, bytes, to);
	if (copied != bytes) {
		iov_iter_revert(to, copied);
		return -EFAULT;
	}
	spin_lock_bh(&ep->lock);
	px_port_commit(port);
	spin_unlock_bh(&ep->lock);
	return bytes;
}

/**
 * paxos_replica_read() - hand out records, as many as fit
 * @ep: the endpoint, whose @reading the caller holds
 * @to: where to
 *
 * Core and clients take turns in who comes first, so that neither has to wait for ever.
 *
 * Return: bytes; 0 if there is nothing; PAXOS_NO_ROOM or -EFAULT, with nothing lost;
 * -EIO if the core broke down.
 */
ssize_t paxos_replica_read(struct paxos_endpoint *ep, struct iov_iter *to)
{
	struct paxos_replica *replica = ep->replica;
	ssize_t first, second;

	lockdep_assert_held(&ep->reading);
	replica->frames_first = !replica->frames_first;
	first = replica->frames_first ? paxos_queue_read(ep, to) : read_core(ep, to);
	if (first < 0 && first != PAXOS_NO_ROOM)
		return first;
	second = replica->frames_first ? read_core(ep, to) : paxos_queue_read(ep, to);
	if (first > 0)
		return second > 0 ? first + second : first;
	return second ?: first;
}

/**
 * paxos_replica_readable() - whether the core has something to say
 * @ep: the endpoint
 *
 * Return: that; also if it broke down, for that must be said.
 */
bool paxos_replica_readable(struct paxos_endpoint *ep)
{
	bool readable;

	spin_lock_bh(&ep->lock);
	readable = ep->replica->broken ||
		   (ep->replica->port.started && px_port_readable(&ep->replica->port));
	spin_unlock_bh(&ep->lock);
	return readable;
}

/* Writing */

/*
 * Where a run of records for the core ends that begins at one: at a SEND, or at none. A
 * COMPACT restates the log, so it ends a run too: the lock is not held for several.
 */
static size_t run_end(struct paxos_endpoint *ep, size_t at, size_t bytes)
{
	while (at < bytes) {
		const u8 *data = ep->write_buffer + at;
		ssize_t used = paxos_record_bytes(ep, data, bytes - at);

		if (used < 0 || paxos_record_type(data) == PAXOS_SEND)
			break;
		at += used;
		if (paxos_record_type(data) == PAXOS_COMPACT)
			break;
	}
	return at;
}

/* Bytes taken; 0 if the first must wait; or an error. */
static ssize_t write_core(struct paxos_endpoint *ep, const u8 *data, size_t bytes)
{
	struct paxos_replica *replica = ep->replica;
	s64 taken;

	spin_lock_bh(&ep->lock);
	taken = px_port_write(&replica->port, data, bytes);
	if (!taken) {
		WRITE_ONCE(replica->busy, true);
		px_status(replica->port.px, &replica->busy_status);
	}
	spin_unlock_bh(&ep->lock);
	return taken < 0 ? -EINVAL : taken;
}

/* A client that is slow to take answers must not hold up what the core is told. */
static ssize_t write_send(struct paxos_endpoint *ep, struct paxos_outbox *outbox, const u8 *data,
			  size_t bytes)
{
	if (sock_writeable(ep->sk))
		return paxos_record_send(ep, outbox, data, bytes);
	outbox->dropped[PAXOS_DROP_QUEUE_FULL]++;
	return bytes;
}

/**
 * paxos_replica_write() - take the records of write_buffer
 * @ep: the endpoint, whose @writing the caller holds
 * @outbox: where answers to clients are gathered
 * @bytes: how many bytes
 *
 * What follows from them, paxos_replica_settle() brings about, once for a whole write().
 *
 * Return: the bytes taken; 0 if a command must wait; -EINVAL or -EMSGSIZE if the first
 * record is none; -EIO if the core broke down.
 */
ssize_t paxos_replica_write(struct paxos_endpoint *ep, struct paxos_outbox *outbox, size_t bytes)
{
	size_t done = 0;

	if (READ_ONCE(ep->replica->broken))
		return -EIO;
	while (done < bytes) {
		const u8 *data = ep->write_buffer + done;
		ssize_t used = paxos_record_bytes(ep, data, bytes - done);

		if (used > 0 && paxos_record_type(data) == PAXOS_SEND)
			used = write_send(ep, outbox, data, used);
		else if (used > 0)
			used = write_core(ep, data, run_end(ep, done, bytes) - done);
		if (used <= 0)
			return done ?: used;
		done += used;
	}
	return done;
}

/**
 * paxos_replica_settle() - all that was written is in
 * @ep: the endpoint
 * @outbox: what is to be sent afterwards
 */
void paxos_replica_settle(struct paxos_endpoint *ep, struct paxos_outbox *outbox)
{
	spin_lock_bh(&ep->lock);
	paxos_replica_advance(ep, outbox, false);
	spin_unlock_bh(&ep->lock);
}
