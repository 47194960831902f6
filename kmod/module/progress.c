// SPDX-License-Identifier: GPL-2.0
/* How long decisions take: a histogram, filled where slots are proposed and decided. */
#include <linux/ktime.h>
#include <linux/log2.h>
#include <linux/slab.h>

#include "progress.h"
#include "replica.h"

#define STAMPS_MAX	4096u

struct paxos_stamp {
	u64 slot;
	u64 ns;		/* 0: not ours */
};

/**
 * paxos_progress_init() - room for the slots of a window
 * @progress: zeroed
 * @window_slots: how many may be open; of very many, some are not timed
 *
 * Return: 0 or -ENOMEM.
 */
int paxos_progress_init(struct paxos_progress *progress, u32 window_slots)
{
	u32 stamps = roundup_pow_of_two(clamp(window_slots, 1u, STAMPS_MAX));

	progress->mask = stamps - 1;
	progress->stamps = kvcalloc(stamps, sizeof(*progress->stamps), GFP_KERNEL_ACCOUNT);
	return progress->stamps ? 0 : -ENOMEM;
}

/**
 * paxos_progress_free() - the opposite
 * @progress: initialised or zeroed
 */
void paxos_progress_free(struct paxos_progress *progress)
{
	kvfree(progress->stamps);
}

/* The ballot in which this replica leads; 0 if it does not. */
static u64 own_ballot(const struct px_status *status)
{
	return status->role == PAXOS_ROLE_LEADER ? status->ballot : 0;
}

/**
 * paxos_progress_begin() - count from here
 * @progress: initialised
 * @status: how the replica starts
 */
void paxos_progress_begin(struct paxos_progress *progress, const struct px_status *status)
{
	progress->watermark = status->watermark;
	progress->next_slot = status->next_slot;
	progress->ballot = own_ballot(status);
}

/* The first of the slots before `end` that a stamp can still be had for. */
static u64 first_of(const struct paxos_progress *progress, u64 begin, u64 end)
{
	u64 stamps = (u64)progress->mask + 1;

	return end - begin > stamps ? end - stamps : begin;
}

static void note_proposed(struct paxos_progress *progress, u64 end, u64 now,
			  struct paxos_stats *stats)
{
	u64 slot = first_of(progress, progress->next_slot, end);

	stats->proposed += end - progress->next_slot;
	for (; slot < end; slot++)
		progress->stamps[slot & progress->mask] = (struct paxos_stamp){ slot, now };
}

static void note_decided(struct paxos_progress *progress, u64 end, u64 now,
			 struct paxos_stats *stats)
{
	u64 slot = first_of(progress, progress->watermark, end);

	stats->decisions += end - progress->watermark;
	for (; slot < end; slot++) {
		struct paxos_stamp *stamp = &progress->stamps[slot & progress->mask];
		u64 took;

		if (stamp->slot != slot || !stamp->ns)
			continue;
		took = max(now - stamp->ns, 1ull);
		stamp->ns = 0;
		stats->latency_ns[ilog2(took)]++;
		stats->latency_ns_sum += took;
	}
}

/**
 * paxos_progress_note() - count what has been proposed and decided since the last time
 * @progress: begun
 * @status: how the replica is now
 * @stats: where it is counted
 */
void paxos_progress_note(struct paxos_progress *progress, const struct px_status *status,
			 struct paxos_stats *stats)
{
	u64 ballot = own_ballot(status);
	bool proposed = ballot && ballot == progress->ballot &&
			status->next_slot > progress->next_slot;
	bool decided = status->watermark > progress->watermark;

	if (proposed || decided) {
		u64 now = ktime_get_ns();

		/* With a quorum of one, a slot is proposed and decided at once. */
		if (proposed)
			note_proposed(progress, status->next_slot, now, stats);
		if (decided)
			note_decided(progress, status->watermark, now, stats);
	}
	progress->watermark = max(progress->watermark, status->watermark);
	progress->next_slot = status->next_slot;
	progress->ballot = ballot;
}
