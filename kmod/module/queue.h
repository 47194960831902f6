/* SPDX-License-Identifier: GPL-2.0 */
#ifndef PAXOS_QUEUE_H
#define PAXOS_QUEUE_H

#include <linux/uio.h>

#include "endpoint.h"

/* Why a reader is told to come with more room: the first record does not fit. */
#define PAXOS_NO_ROOM	(-EMSGSIZE)

void paxos_queue_add(struct paxos_endpoint *ep, struct sk_buff *skb, u64 sender, u32 frames,
		     u32 from, u32 to);
ssize_t paxos_queue_read(struct paxos_endpoint *ep, struct iov_iter *to);
bool paxos_queue_readable(const struct paxos_endpoint *ep);
void paxos_queue_free(struct paxos_endpoint *ep);

#endif
