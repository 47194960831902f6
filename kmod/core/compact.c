// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The application's snapshots, as far as they are the core's: when one is due, and
 * what of the log may go once it is there.
 */
#include "core.h"
#include <paxos.h>

/* Whether the log can take no more for want of slots or of memory. */
static bool log_is_full(const struct px *px)
{
	return px->starved ||
	       px->learner.watermark - px->learner.first_slot > px->learner.log_mask;
}

/**
 * px_snapshot_due() - whether the log has grown enough to be worth a snapshot
 * @px: the core
 *
 * As in Python; or half of the slots are used that were free when the log was last
 * cut; or memory runs short, and the log has its part in it; or the log is full.
 */
bool px_snapshot_due(const struct px *px)
{
	const struct px_learner *learner = &px->learner;
	const struct px_snapshot *snapshot = &px->catchup.snapshot;
	u64 slots = learner->watermark - learner->first_slot;
	u64 grown = learner->log_bytes - px_min(px->kept_bytes, learner->log_bytes);
	u64 units = px->memory.units;

	if (grown > px_max(px->config.log_bytes_max, snapshot->bytes))
		return true;
	if (slots - px_min(px->kept_slots, slots) >
	    (px->config.log_slots_max - px->kept_slots) / 2)
		return true;
	if (px->memory.free_units < units / 4 && grown > units / 8 * PX_UNIT_BYTES)
		return true;
	return log_is_full(px) && px->outbox.read_slot > px_max(snapshot->slot, learner->first_slot);
}

/*
 * What lies behind a snapshot may go. Some of it is kept, so that a replica that lags
 * a little needs no snapshot; but not at the price of a log that stays full.
 */
static void trim_behind(struct px *px, u64 slot)
{
	struct px_learner *learner = &px->learner;
	u64 keep = px->config.log_keep_slots;

	px_learner_trim(px, px_max(slot > keep ? slot - keep : 0, learner->first_slot));
	while (learner->first_slot < slot &&
	       (px->starved || px->memory.free_units < px->memory.units / 4 ||
		learner->watermark - learner->first_slot > px->config.log_slots_max / 2))
		px_learner_trim(px, learner->first_slot + 1);
	px->starved = false;
}

/**
 * px_replica_compact() - px_compact(), but only what was committed counts as read
 * @px: the core
 * @slot: as there
 * @checksum: as there
 * @bytes: as there
 *
 * Return: as there.
 */
int px_replica_compact(struct px *px, u64 slot, u32 checksum, u64 bytes)
{
	struct px_snapshot *snapshot = &px->catchup.snapshot;
	int error = px_ready_for_input(px);
	u64 records;

	if (error)
		return error;
	if (bytes > px->config.snapshot_bytes_max) {
		px->kept_bytes = px->learner.log_bytes;
		px->kept_slots = px->learner.watermark - px->learner.first_slot;
		/* Said as long as there is room to say it: who asks again and again may not read. */
		if (px_room(px, 0))
			px_event(px, PAXOS_TOO_LARGE, bytes, 0, 0, 0, NULL);
		return PX_TOO_LARGE;
	}
	if (slot > px->outbox.read_slot || (snapshot->known && slot < snapshot->slot))
		return PX_BAD_CALL;
	records = px->learner.watermark - px_max(slot, px->learner.first_slot) +
		  px->acceptor.votes;
	if (px->memory.free_units < records / PX_SHEET_RECORDS + 4)
		return PX_DROP_NO_MEMORY;
	snapshot->known = true;
	snapshot->slot = slot;
	snapshot->checksum = checksum;
	snapshot->bytes = bytes;
	trim_behind(px, slot);
	px_replica_checkpoint(px);
	/* A log that was full has room again. */
	return px->poisoned ? PX_POISONED : px_settle(px);
}

/**
 * px_compact() - the application's state after every slot below one: trim the log behind it
 * @px: the core
 * @slot: at most what was read of px_next_decided(), and not below the last snapshot's
 * @checksum: of the state's bytes, which stay with the caller
 * @bytes: how many they are
 *
 * Return: PX_OK; PX_TOO_LARGE over snapshot_bytes_max, which is an event too, and trims
 * nothing; PX_BAD_CALL for an impossible slot; PX_DROP_NO_MEMORY; PX_POISONED.
 */
int px_compact(struct px *px, u64 slot, u32 checksum, u64 bytes)
{
	px_commit_decided(px);
	return px_replica_compact(px, slot, checksum, bytes);
}
