/* SPDX-License-Identifier: GPL-2.0 */
#ifndef PAXOS_RECORD_H
#define PAXOS_RECORD_H

#include "send.h"

ssize_t paxos_record_bytes(const struct paxos_endpoint *ep, const u8 *data, size_t left);
ssize_t paxos_record_send(struct paxos_endpoint *ep, struct paxos_outbox *outbox, const u8 *data,
			  size_t bytes);
enum paxos_record_type paxos_record_type(const u8 *data);

#endif
