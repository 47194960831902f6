/* SPDX-License-Identifier: GPL-2.0 */
#ifndef PAXOS_PROGRESS_H
#define PAXOS_PROGRESS_H

#include "../core/px.h"
#include "../uapi/paxos.h"

struct paxos_stamp;

/**
 * struct paxos_progress - slots from proposal to decision
 * @watermark: every slot below has been counted as decided
 * @next_slot: every slot below has been counted as proposed
 * @ballot: the ballot of @next_slot; 0 if somebody else leads
 * @stamps: when slots were proposed, by slot & @mask
 * @mask: how many stamps there are, less one
 */
struct paxos_progress {
	u64 watermark;
	u64 next_slot;
	u64 ballot;
	struct paxos_stamp *stamps;
	u32 mask;
};

int paxos_progress_init(struct paxos_progress *progress, u32 window_slots);
void paxos_progress_free(struct paxos_progress *progress);
void paxos_progress_begin(struct paxos_progress *progress, const struct px_status *status);
void paxos_progress_note(struct paxos_progress *progress, const struct px_status *status,
			 struct paxos_stats *stats);

#endif
