/* SPDX-License-Identifier: GPL-2.0 */
#ifndef PAXOS_REPLICA_H
#define PAXOS_REPLICA_H

#include <linux/uio.h>

#include "endpoint.h"
#include "receive.h"
#include "send.h"

int paxos_replica_init(struct paxos_endpoint *ep);
int paxos_replica_start(struct paxos_endpoint *ep);
void paxos_replica_run(struct paxos_endpoint *ep);
void paxos_replica_stop(struct paxos_endpoint *ep);
void paxos_replica_free(struct paxos_endpoint *ep);

void paxos_replica_receive(struct paxos_endpoint *ep, struct sk_buff *skb,
			   const struct paxos_received *received);
ssize_t paxos_replica_read(struct paxos_endpoint *ep, struct iov_iter *to);
ssize_t paxos_replica_write(struct paxos_endpoint *ep, struct paxos_outbox *outbox, size_t bytes);
void paxos_replica_settle(struct paxos_endpoint *ep);
bool paxos_replica_readable(struct paxos_endpoint *ep);
bool paxos_replica_busy(struct paxos_endpoint *ep);
void paxos_replica_status(struct paxos_endpoint *ep, struct paxos_status *status);

#endif
