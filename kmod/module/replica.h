/* SPDX-License-Identifier: GPL-2.0 */
#ifndef PAXOS_REPLICA_H
#define PAXOS_REPLICA_H

#include <linux/hrtimer.h>
#include <linux/uio.h>

#include "../core/px_port.h"
#include "endpoint.h"
#include "progress.h"
#include "receive.h"
#include "send.h"

/**
 * struct paxos_replica - a core, and what drives it
 * @port: the core as records see it
 * @memory: the core's block
 * @timer: its ticks
 * @progress: what is known of its slots
 * @frames_first: which of core and clients a reader hears first; @reading of the endpoint
 * @busy: a command had to wait
 * @busy_status: how the core was then
 * @broken: an invariant broke; nothing is done any more
 *
 * All under the endpoint's lock, unless said otherwise.
 */
struct paxos_replica {
	struct px_port port;
	void *memory;
	struct hrtimer timer;
	struct paxos_progress progress;
	bool frames_first;
	bool busy;
	struct px_status busy_status;
	bool broken;
	struct paxos_endpoint *ep;
};

int paxos_replica_init(struct paxos_endpoint *ep);
int paxos_replica_start(struct paxos_endpoint *ep);
void paxos_replica_run(struct paxos_endpoint *ep);
void paxos_replica_stop(struct paxos_endpoint *ep);
void paxos_replica_free(struct paxos_endpoint *ep);
void paxos_replica_receive(struct paxos_endpoint *ep, struct sk_buff *skb,
			   const struct paxos_received *received);
void paxos_replica_advance(struct paxos_endpoint *ep, struct paxos_outbox *outbox, bool late);
void paxos_replica_status(struct paxos_endpoint *ep, struct paxos_status *status);

/* replica_file.c: its records to and from user space */
ssize_t paxos_replica_read(struct paxos_endpoint *ep, struct iov_iter *to);
ssize_t paxos_replica_write(struct paxos_endpoint *ep, struct paxos_outbox *outbox, size_t bytes);
void paxos_replica_settle(struct paxos_endpoint *ep, struct paxos_outbox *outbox);
bool paxos_replica_readable(struct paxos_endpoint *ep);

#endif
