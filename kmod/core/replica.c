// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * One replica: acceptor, proposer, learner and election put together. The inputs,
 * and what follows from each.
 */
#include "core.h"
#include <paxos.h>

/**
 * px_announce_install() - the application's state is to become the last snapshot
 * @px: the core
 */
void px_announce_install(struct px *px)
{
	const struct px_snapshot *snapshot = &px->catchup.snapshot;

	if (snapshot->known)
		px_event(px, PAXOS_INSTALL, snapshot->slot, snapshot->checksum, snapshot->bytes,
			 0, NULL);
}

/* What follows from inputs */

/* Keep what replay could not find: a chosen value that our own vote does not hold. */
static void note_unrecorded(struct px *px, u64 slot, struct px_entry *entry)
{
	const struct px_vote *vote = px_vote_at(px, slot);

	if (vote && px_value_equal(vote->value, entry->value))
		return;
	entry->unrecorded = true;
	px->unrecorded_count++;
	px->unrecorded_bytes += entry->value->bytes;
}

static void forget_unrecorded(struct px *px)
{
	u64 slot = px_max(px->recorded, px->learner.first_slot);

	for (; px->unrecorded_count && slot < px->learner.watermark; slot++) {
		struct px_entry *entry = px_entry_at(px, slot);

		if (entry->unrecorded)
			px->unrecorded_count--;
		entry->unrecorded = false;
	}
	px->unrecorded_count = 0;
	px->unrecorded_bytes = 0;
	px->recorded = px->learner.watermark;
}

/* That slots are chosen may be recorded late, so it waits if memory is short. */
static void record_chosen(struct px *px)
{
	u64 slot = px->recorded, left = px->unrecorded_count;

	if (px->recorded == px->learner.watermark ||
	    px->memory.free_units < px->reserve / 2 + left / PX_SHEET_RECORDS + 2)
		return;
	for (; left; slot++) {
		struct px_entry *entry = px_entry_at(px, slot);

		if (!entry->unrecorded)
			continue;
		px_record(px, PX_CHOSEN_VALUE, slot, 0, entry->value);
		left--;
	}
	px_record(px, PX_CHOSEN_UP_TO, px->learner.watermark, 0, NULL);
	forget_unrecorded(px);
}

/**
 * px_replica_step_down() - lead no more
 * @px: the core
 */
void px_replica_step_down(struct px *px)
{
	px_proposer_stop(px);
	px_election_become_follower(px);
}

/**
 * px_replica_advance() - the watermark moved: below it nothing need be voted for or proposed
 * @px: the core
 */
void px_replica_advance(struct px *px)
{
	px_acceptor_advance(px, px->learner.watermark);
	if (!px_proposer_advance(px, px->learner.watermark))
		px_replica_step_down(px);
}

/**
 * px_replica_deliver() - whatever is next in order
 * @px: the core
 */
void px_replica_deliver(struct px *px)
{
	if (!px_learner_has_next(px))
		return;
	while (px_learner_has_next(px)) {
		u64 slot = px->learner.watermark;

		note_unrecorded(px, slot, px_learner_deliver_next(px));
	}
	px_replica_advance(px);
}

/**
 * px_settle() - deliver our own messages to ourselves, then what became chosen
 * @px: the core
 *
 * Return: PX_OK or PX_POISONED: what the input that came before comes to.
 */
int px_settle(struct px *px)
{
	struct px_note *note;

	while (!px->poisoned && (note = px_note_pop(&px->outbox.to_self))) {
		px_handle_own(px, note);
		px_note_free(px, note);
	}
	if (px->poisoned)
		return PX_POISONED;
	px_replica_deliver(px);
	if (px_proposer_can_lead(px) && px_proposer_lead(px))
		px_election_become_leader(px, px->proposer.ballot);
	return px->poisoned ? PX_POISONED : PX_OK;
}

/**
 * px_replica_checkpoint() - restate everything that must survive
 * @px: the core, which has a snapshot
 */
void px_replica_checkpoint(struct px *px)
{
	const struct px_snapshot *snapshot = &px->catchup.snapshot;
	struct px_acceptor *acceptor = &px->acceptor;
	u64 slot = px_max(snapshot->slot, px->learner.first_slot);
	u32 votes = 0;

	px->kept_bytes = px->learner.log_bytes;
	px->kept_slots = px->learner.watermark - px->learner.first_slot;
	px_restate(px);
	px_record(px, PX_PROMISED, acceptor->promised, 0, NULL);
	px_record(px, PX_SNAPSHOT, snapshot->slot, snapshot->bytes, NULL);
	for (; slot < px->learner.watermark; slot++)
		px_record(px, PX_CHOSEN_VALUE, slot, 0, px_log_at(px, slot));
	px_record(px, PX_CHOSEN_UP_TO, px->learner.watermark, 0, NULL);
	for (slot = acceptor->watermark; votes < acceptor->votes && slot < acceptor->end; slot++) {
		const struct px_vote *vote = px_vote_at(px, slot);

		if (!vote)
			continue;
		votes++;
		px_record(px, PX_VOTED, slot, vote->ballot, vote->value);
	}
	forget_unrecorded(px);
}

/* Inputs */

/**
 * px_ready_for_input() - whether an input may come
 * @px: the core
 *
 * Return: PX_OK; PX_BAD_CALL before px_start(); PX_POISONED.
 */
int px_ready_for_input(const struct px *px)
{
	if (px->poisoned)
		return PX_POISONED;
	return px->started ? PX_OK : PX_BAD_CALL;
}

/**
 * px_receive() - a frame that somebody sent
 * @px: the core
 * @sender: as the transport knows it
 * @frame: any bytes whatever
 * @bytes: how many
 *
 * Return: PX_OK, also for what is heard and ignored; else why it was dropped.
 */
int px_receive(struct px *px, u64 sender, const u8 *frame, u32 bytes)
{
	int error = px_ready_for_input(px);
	struct px_frame read;
	u64 bit;

	if (error)
		return error;
	error = px_frame_read(&read, px->config.cluster, frame, bytes);
	if (error)
		return error;
	if (read.sender != sender)
		return PX_DROP_MISATTRIBUTED;
	if (read.kind >= PX_CLIENT_KINDS)
		return PX_DROP_NOT_FOR_CORE;
	bit = px_member_bit(px, sender);
	if (bit == px->own ||
	    (!bit && read.kind != PX_LEARN && read.kind != PX_SNAPSHOT_REQUEST))
		return PX_OK;
	error = px_room(px, 0) ? px_handle(px, sender, &read) : PX_DROP_NO_MEMORY;
	if (error) {
		px->starved = true;
		return error;
	}
	return px->poisoned ? PX_POISONED : px_settle(px);
}

/**
 * px_tick() - time passed
 * @px: the core
 *
 * Return: PX_OK; PX_DROP_NO_MEMORY, and then time has not passed; PX_POISONED.
 */
int px_tick(struct px *px)
{
	int error = px_ready_for_input(px);

	if (error)
		return error;
	if (!px_room(px, PX_MEMBERS_MAX)) {
		px->starved = true;
		return PX_DROP_NO_MEMORY;
	}
	px->now++;
	switch (px_election_tick(px)) {
	case PX_STEP_DOWN:
		px_replica_step_down(px);
		break;
	case PX_CANVASS:
		px_proposer_stop(px);
		if (px_election_canvass(px))
			px_campaign(px);
		break;
	default:
		break;
	}
	if (px->poisoned)
		return PX_POISONED;
	px_proposer_resend(px);
	px_catchup_tick(px);
	if (px_modulo(px->now, px->config.heartbeat_ticks) == 0)
		record_chosen(px);
	return px_settle(px);
}

/**
 * px_propose() - have a command decided
 * @px: the core
 * @command: its bytes, opaque
 * @bytes: how many
 *
 * It may be lost when leadership is, or be decided although nobody hears of it.
 *
 * Return: PX_OK, PX_NOT_LEADER, PX_TOO_LARGE, PX_OVERLOADED, PX_DROP_NO_MEMORY or
 * PX_POISONED.
 */
int px_propose(struct px *px, const u8 *command, u32 bytes)
{
	int error = px_ready_for_input(px);

	if (error)
		return error;
	if (px->proposer.phase != PX_LEADING)
		return PX_NOT_LEADER;
	if (bytes > px->value_bytes_max - PX_BATCH_HEADER_BYTES - PX_COMMAND_HEADER_BYTES)
		return PX_TOO_LARGE;
	if (px->proposer.pending_bytes + PX_COMMAND_HEADER_BYTES + bytes >
	    px->config.pending_bytes_max)
		return PX_OVERLOADED;
	error = px_batch_add(px, command, bytes);
	if (error)
		px->starved = true;
	return error;
}

/**
 * px_persisted() - every record up to a write is on stable storage
 * @px: the core
 * @write_id: of the write, which was taken
 *
 * Return: PX_OK; PX_BAD_CALL for a write that was never taken; PX_POISONED.
 */
int px_persisted(struct px *px, u64 write_id)
{
	int error = px_ready_for_input(px);

	if (error)
		return error;
	if (write_id > px->outbox.taken)
		return PX_BAD_CALL;
	px_open_gate(px, write_id);
	return px_settle(px);
}

/*
 * Memory was short: what the log keeps below the last snapshot is a favour to replicas
 * that lag, and goes first. If that does not help, a snapshot is due.
 */
static void relieve(struct px *px)
{
	struct px_learner *learner = &px->learner;

	if (!px->starved || learner->first_slot >= px->catchup.snapshot.slot)
		return;
	px_learner_trim(px, px->catchup.snapshot.slot);
	px->kept_bytes = px_min(px->kept_bytes, learner->log_bytes);
	px->kept_slots = px_min(px->kept_slots, learner->watermark - learner->first_slot);
	px->starved = false;
}

/**
 * px_take() - all that followed from the inputs so far
 * @px: the core
 *
 * Return: 1 if there is anything to hand out, else 0; PX_POISONED.
 */
int px_take(struct px *px)
{
	int error = px_ready_for_input(px);

	if (error)
		return error;
	relieve(px);
	px_proposer_fill_window(px);
	px_catchup_new_drain(px);
	if (px->poisoned)
		return PX_POISONED;
	error = px_settle(px);
	if (error)
		return error;
	if (px->outbox.records.head || px->unrecorded_bytes > PX_UNRECORDED_BYTES_MAX)
		record_chosen(px);
	if (px->poisoned)
		return PX_POISONED;
	return px_outbox_take(px);
}
