/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * The inside of the core: what its files know of one another. One noun a file, as
 * in paxos_core; the comments there hold here.
 *
 * An input is refused before it has changed anything, or it is taken whole: see
 * px_room(). Slots and ballots are compared by difference, never by a sum that
 * could run over.
 */
#ifndef PX_CORE_H
#define PX_CORE_H

#include "state.h"

/* An invariant: if it does not hold, nothing more is done. */
static inline bool px_holds(struct px *px, bool condition, enum px_poison poison)
{
	if (!condition && !px->poisoned)
		px->poisoned = poison;
	return condition;
}

/* Whether an input may begin that takes `units` beside the few that each may take. */
static inline bool px_room(const struct px *px, u64 units)
{
	return px->memory.free_units >= px->reserve + units;
}

/*
 * Whether a value may come in. Values stop before the rest does, so that ticks, small
 * messages and a page of the log still pass when the log has filled the block.
 */
static inline bool px_room_for_value(const struct px *px, u64 bytes)
{
	return px_room(px, PX_HEADROOM + px_value_units(bytes));
}

/* Whether a command may wait. They stop first: what waits to be proposed must leave room for it. */
static inline bool px_room_for_command(const struct px *px, u64 units)
{
	return px_room(px, PX_HEADROOM + units + 4 * px_value_units(px->config.frame_bytes_max));
}

static inline u32 px_count_bits(u64 mask)
{
	mask -= mask >> 1 & 0x5555555555555555u;
	mask = (mask & 0x3333333333333333u) + (mask >> 2 & 0x3333333333333333u);
	mask = (mask + (mask >> 4)) & 0x0f0f0f0f0f0f0f0fu;
	return (u32)(mask * 0x0101010101010101u >> 56);
}

static inline u32 px_lowest_bit(u64 mask)
{
	return (u32)__builtin_ctzll(mask);
}

static inline u64 px_max(u64 one, u64 other)
{
	return one > other ? one : other;
}

static inline u64 px_min(u64 one, u64 other)
{
	return one < other ? one : other;
}

/* Whether `slot` lies in window .. window + slots - 1. */
static inline bool px_within(u64 slot, u64 window, u64 slots)
{
	return slot >= window && slot - window < slots;
}

static inline bool px_is_phase1(const struct px *px, u64 mask)
{
	return px_count_bits(mask) >= px->config.phase1;
}

static inline bool px_is_phase2(const struct px *px, u64 mask)
{
	return px_count_bits(mask) >= px->config.phase2;
}

/* Whether `sender` may speak as the proposer of `ballot`, and the ballot is to be believed. */
static inline bool px_is_proposer(u64 sender, u64 ballot)
{
	return (ballot & PX_NODE_MAX) == sender && ballot >> PX_NODE_BITS <= PX_ROUND_BELIEVED_MAX;
}

/* Without the division that some machines have not. */
static inline u32 px_modulo(u64 number, u32 by)
{
	u64 rest = 0;

	for (u32 bit = 64; bit; bit--) {
		rest = rest << 1 | (number >> (bit - 1) & 1);
		if (rest >= by)
			rest -= by;
	}
	return (u32)rest;
}

/* config.c */
bool px_config_is_good(const struct px_config *config);
u64 px_member_bit(const struct px *px, u64 node);

/* gate.c */
u64 px_gate(const struct px *px);
struct px_note *px_note_take(struct px *px, u8 kind);
void px_note_free(struct px *px, struct px_note *note);
void px_note_add(struct px_notes *notes, struct px_note *note);
struct px_note *px_note_pop(struct px_notes *notes);
void px_send(struct px *px, struct px_note *note);
void px_send_gated(struct px *px, struct px_note *note);
void px_say(struct px *px, u64 to, u8 kind, u64 one, u64 two, u64 three, u64 four);
void px_broadcast(struct px *px, u64 mask, u8 kind, u64 one, u64 two, u64 three);
void px_record(struct px *px, u8 kind, u64 slot, u64 ballot, struct px_value *value);
void px_restate(struct px *px);
void px_event(struct px *px, u16 type, u64 a, u64 b, u64 c, u64 d, struct px_value *value);
void px_open_gate(struct px *px, u64 write_id);
bool px_outbox_take(struct px *px);

/* page.c: the votes of a Promise */
struct px_page *px_page_add(struct px *px, struct px_page **tail, const struct px_vote *vote);
void px_pages_free(struct px *px, struct px_page *page);

/* acceptor.c */
void px_acceptor_receive_prepare(struct px *px, u64 sender, u64 ballot, u64 from_slot);
bool px_acceptor_receive_accept(struct px *px, u64 sender, u64 ballot);
bool px_acceptor_keeps(const struct px *px, u64 ballot, u64 slot);
bool px_acceptor_knows(const struct px *px, u64 ballot, u64 slot, const u8 *data, u32 bytes,
		       u32 crc);
bool px_acceptor_vote(struct px *px, u64 ballot, u64 slot, struct px_value *value);
void px_acceptor_confirm(struct px *px, u64 to, u64 ballot, u64 slot);
void px_acceptor_advance(struct px *px, u64 watermark);
struct px_vote *px_vote_at(const struct px *px, u64 slot);
int px_vote_put(struct px *px, u64 slot, u64 ballot, struct px_value *value);
void px_vote_drop(struct px *px, struct px_vote *vote);

/* durable.c */
bool px_stored_read(struct px_stored *record, const u8 *data, u32 bytes);
u32 px_record_bytes(u8 kind, const struct px_item *item);
void px_record_write(u8 *at, u8 kind, const struct px_item *item);

/* learner.c */
struct px_entry *px_entry_at(const struct px *px, u64 slot);
void px_hear_watermark(struct px *px, u64 watermark);
struct px_value *px_log_at(const struct px *px, u64 slot);
struct px_value *px_ahead_at(const struct px *px, u64 slot);
bool px_learns(const struct px *px, u64 slot);
void px_learn(struct px *px, u64 slot, struct px_value *value);
bool px_learner_has_next(const struct px *px);
struct px_entry *px_learner_deliver_next(struct px *px);
void px_learner_trim(struct px *px, u64 first_slot);
void px_learner_restart(struct px *px, u64 slot);

/* batch.c */
int px_batch_add(struct px *px, const u8 *command, u32 bytes);
struct px_value *px_batch_pop(struct px *px);
void px_batch_clear(struct px *px);
struct px_value *px_batch_noop(struct px *px);

/* proposer.c */
void px_proposer_prepare(struct px *px, u64 ballot);
int px_proposer_receive_promise(struct px *px, u64 sender, const struct px_frame *frame);
void px_proposer_hear_own_promise(struct px *px, const struct px_note *note);
void px_proposer_receive_accepted(struct px *px, u64 sender, u64 ballot, u64 first, u64 last);
bool px_proposer_can_lead(const struct px *px);
bool px_proposer_lead(struct px *px);
void px_proposer_fill_window(struct px *px);
bool px_proposer_advance(struct px *px, u64 watermark);
void px_proposer_resend(struct px *px);
void px_proposer_stop(struct px *px);

/* open.c: what is open at the proposer, by slot */
struct px_open *px_open_at(const struct px *px, u64 slot);
bool px_open_reserve(struct px *px, u64 slots);
struct px_open *px_open_put(struct px *px, u64 slot, struct px_value *value);
void px_open_drop(struct px *px, struct px_open *open);
void px_open_clear(struct px *px);

/* election.c */
void px_election_init(struct px *px);
enum px_verdict px_election_tick(struct px *px);
bool px_election_canvass(struct px *px);
void px_election_receive_pre_vote(struct px *px, u64 sender, u64 ballot);
bool px_election_receive_pre_vote_reply(struct px *px, u64 sender, u64 ballot, u64 granted,
					u64 promised);
u64 px_election_next_ballot(struct px *px);
void px_election_see(struct px *px, u64 ballot);
void px_election_become_candidate(struct px *px, u64 ballot);
void px_election_become_leader(struct px *px, u64 ballot);
void px_election_become_follower(struct px *px);
void px_election_follow(struct px *px, u64 ballot);
void px_election_yield_to(struct px *px, u64 ballot);
void px_election_hear_candidate(struct px *px);
void px_election_hear_page(struct px *px);
void px_election_hear_answer(struct px *px, u64 sender);

/* catchup.c */
void px_catchup_init(struct px *px);
void px_catchup_tick(struct px *px);
void px_catchup_after_chosen(struct px *px, u64 sender, u64 page_end);
int px_catchup_receive_chunk(struct px *px, u64 sender, const struct px_frame *frame, bool *whole);
void px_catchup_installed(struct px *px, u64 sender);
void px_catchup_new_drain(struct px *px);
int px_catchup_receive_learn(struct px *px, u64 sender, u64 from_slot);
void px_catchup_receive_snapshot_request(struct px *px, u64 sender, u64 slot, u64 offset);

/* replica.c */
void px_announce_install(struct px *px);
int px_ready_for_input(const struct px *px);
int px_settle(struct px *px);
void px_replica_advance(struct px *px);
void px_replica_deliver(struct px *px);
void px_replica_checkpoint(struct px *px);
void px_replica_step_down(struct px *px);

/* compact.c */
int px_replica_compact(struct px *px, u64 slot, u32 checksum, u64 bytes);
bool px_snapshot_due(const struct px *px);

/* handlers.c */
int px_handle(struct px *px, u64 sender, const struct px_frame *frame);
void px_handle_own(struct px *px, struct px_note *note);
void px_campaign(struct px *px);

/* out.c: peeks move a cursor, commits forget what it has passed */
int px_peek_message(struct px *px, struct px_message *message);
int px_peek_record(struct px *px, struct px_record *record);
int px_peek_event(struct px *px, struct px_event *event);
int px_peek_decided(struct px *px, struct px_decided *decided);
void px_commit_messages(struct px *px);
void px_commit_records(struct px *px);
bool px_forget_records(struct px *px);
void px_commit_events(struct px *px);
void px_commit_decided(struct px *px);
void px_rewind(struct px *px, bool messages);

#endif
