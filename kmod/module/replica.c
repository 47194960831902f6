// SPDX-License-Identifier: GPL-2.0
/* The replica in the kernel: not there yet, so CONFIGURE refuses its mode. */
#include "replica.h"

int paxos_replica_init(struct paxos_endpoint *ep)
{
	return -EOPNOTSUPP;
}

int paxos_replica_start(struct paxos_endpoint *ep)
{
	return -EOPNOTSUPP;
}

void paxos_replica_run(struct paxos_endpoint *ep)
{
}

void paxos_replica_stop(struct paxos_endpoint *ep)
{
}

void paxos_replica_free(struct paxos_endpoint *ep)
{
}

void paxos_replica_receive(struct paxos_endpoint *ep, struct sk_buff *skb,
			   const struct paxos_received *received)
{
	kfree_skb(skb);
}

ssize_t paxos_replica_read(struct paxos_endpoint *ep, struct iov_iter *to)
{
	return -EOPNOTSUPP;
}

ssize_t paxos_replica_write(struct paxos_endpoint *ep, struct paxos_outbox *outbox, size_t bytes)
{
	return -EOPNOTSUPP;
}

void paxos_replica_settle(struct paxos_endpoint *ep)
{
}

bool paxos_replica_readable(struct paxos_endpoint *ep)
{
	return false;
}

bool paxos_replica_busy(struct paxos_endpoint *ep)
{
	return false;
}

void paxos_replica_status(struct paxos_endpoint *ep, struct paxos_status *status)
{
	memset(status, 0, sizeof(*status));
}
