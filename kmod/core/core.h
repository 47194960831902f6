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

#include "codec.h"
#include "memory.h"

#define PX_NODE_BITS		16
#define PX_NODE_MAX		0xffffu
#define PX_ROUND_MAX		(((u64)1 << (64 - PX_NODE_BITS)) - 1)
#define PX_ROUND_BELIEVED_MAX	(PX_ROUND_MAX >> 1)
#define PX_SLOT_BELIEVED_MAX	(PX_U64_MAX >> 1)	/* types.py */

#define PX_VALUE_OVERHEAD_BYTES		160u	/* config.py */
#define PX_FRAME_BYTES_MIN		512u
#define PX_FRAME_BYTES_MAX		(1u << 30)
#define PX_ENTRY_OVERHEAD_BYTES		128u	/* learner.py */
#define PX_UNRECORDED_BYTES_MAX		(1u << 20)	/* replica.py */
#define PX_BATCH_HEADER_BYTES		5u	/* batch.py */
#define PX_COMMAND_HEADER_BYTES		5u
#define PX_BATCH_COMMANDS_MAX		4096u
#define PX_PAGE_SLOTS_MAX		256u	/* catchup.py */
#define PX_ASKS_PER_PEER		3u
#define PX_STRANGER_PAGES_PER_TICK	4u
#define PX_HEADROOM			384u	/* units that values leave to all else */
#define PX_STRANGERS_MAX		32	/* answered between two takes */
#define PX_EVENTS_MAX			4096u	/* that wait to be read, before lesser ones are left out */

/* What broke; px_status.poisoned. */
enum px_poison {
	PX_POISON_RECORD_LOST = 1,	/* no unit for a record, though they were counted */
	PX_POISON_TWO_VALUES,		/* two values chosen for one slot */
	PX_POISON_VOTE_BALLOT,		/* a vote that is not in the promised ballot */
	PX_POISON_VOTE_ORDER,		/* a vote below the one that is known */
	PX_POISON_WATERMARK,		/* a watermark would go back, or past the last slot */
	PX_POISON_BALLOT_USED,		/* phase 1 of a ballot that is not above all */
	PX_POISON_BALLOTS_END,		/* no round is left */
	PX_POISON_LEAD,			/* phase 2 before phase 1 is done */
	PX_POISON_TO_SELF,		/* a message to ourselves that makes no sense */
};

struct px_vote {
	u64 slot;
	u64 ballot;
	struct px_value *value;	/* NULL: no vote */
};

/* Votes of a Promise, four to a unit. */
#define PX_PAGE_VOTES	4u

struct px_page {
	struct px_page *next;
	u32 count;
	struct px_vote vote[PX_PAGE_VOTES];
};

/* A message on its way: one for all its receivers. */
struct px_note {
	struct px_note *next;
	u64 to;			/* the receiver, if there is but one */
	u64 mask;		/* else the members that are still to get it */
	u64 write_id;		/* what it waits for */
	u64 number[4];
	struct px_value *value;
	struct px_page *page;	/* of a Promise */
	u32 body_bytes;
	u8 kind;
	bool again;		/* another receiver has had it */
};

struct px_notes {
	struct px_note *head;
	struct px_note *tail;
};

/* Durable records, four to a unit, each unit of one write. */
#define PX_SHEET_RECORDS	4u

enum px_record_kind {
	PX_PROMISED = 1,
	PX_VOTED = 2,
	PX_CHOSEN_VALUE = 3,
	PX_CHOSEN_UP_TO = 4,
	PX_SNAPSHOT = 5,
};

struct px_item {
	u64 slot;		/* of Promised: the ballot */
	u64 ballot;		/* of Snapshot: its bytes */
	struct px_value *value;
};

/* A record that has been read; `body` points into it. */
struct px_stored {
	u64 number[3];
	const u8 *body;
	u32 body_bytes;
	u8 kind;
};

struct px_sheet {
	struct px_sheet *next;
	u64 write_id;
	u32 snapshot_checksum;
	u8 count;
	bool checkpoint;
	u8 kind[PX_SHEET_RECORDS];
	struct px_item item[PX_SHEET_RECORDS];
};

struct px_sheets {
	struct px_sheet *head;
	struct px_sheet *tail;
};

/* An event that waits to be handed out. */
struct px_incident {
	struct px_incident *next;
	u64 write_id;		/* records of this write, and later ones, come after it */
	u64 a, b, c, d;
	struct px_value *value;
	u16 type;
};

struct px_incidents {
	struct px_incident *head;
	struct px_incident *tail;
};

/* ready.py: what was said, and what is held back for unwritten records. */
struct px_outbox {
	u64 taken;
	u64 persisted;
	u64 gated_count;	/* receivers of gated messages */
	struct px_notes gated;
	struct px_notes to_self;
	struct px_notes messages;	/* since the last take */
	struct px_sheets records;
	struct px_incidents events;
	u32 event_count;	/* events that wait, taken or not */
	bool checkpoint;

	/* Taken. The cursors stand on what was handed out last; NULL: nothing yet. */
	struct px_notes ready_messages;
	struct px_note *message_cursor;
	u64 message_mask;	/* receivers that the cursor's message still has */
	struct px_sheets ready_records;
	struct px_sheet *record_cursor;
	u32 record_index;	/* in the cursor's sheet */
	u32 record_first;	/* the first of the first sheet that was not handed out */
	struct px_incidents ready_events;
	struct px_incident *event_cursor;
	u64 ready_watermark;
	u64 read_slot;
	u64 read_cursor;
};

struct px_acceptor {
	u64 promised;
	u64 watermark;
	struct px_vote *ring;	/* by slot & mask: from the watermark up */
	struct px_vote *ring_first;	/* the one that was there at the start */
	u32 mask;
	u32 votes;
	u64 end;		/* no vote is at or above */
	struct px_note *run;
	u64 run_gate;
};

struct px_entry {
	struct px_value *value;
	bool unrecorded;	/* chosen, and replay could not find this value */
};

struct px_learner {
	u64 first_slot;
	u64 watermark;
	u64 known_chosen;
	u64 log_bytes;
	struct px_entry *log;	/* by slot & log_mask */
	u32 log_mask;
	struct px_value **ahead;	/* by slot & ahead_mask: from the watermark up */
	u32 ahead_mask;
	u32 ahead_count;
};

enum px_phase { PX_IDLE, PX_PREPARING, PX_LEADING };

/* A vote that promises showed, then the proposal that came of it. */
struct px_open {
	u64 slot;
	u64 ballot;		/* of the vote */
	u64 told;		/* the watermark in the Accept */
	u64 mask;		/* acceptors that confirmed it */
	u64 sent_tick;
	struct px_value *value;	/* NULL: nothing */
};

struct px_proposer {
	enum px_phase phase;
	u64 ballot;
	u64 from_slot;
	u64 promised_mask;
	u64 prepare_tick;
	u64 promised_watermark;
	u64 next_slot;
	struct px_open *ring;	/* by slot & mask */
	struct px_open *ring_first;	/* the one that was there at the start */
	u32 mask;
	u32 mask_first;
	u32 count;		/* votes while preparing, else proposals in flight */
	u64 first;		/* no entry is below */
	u64 end;		/* no vote is at or above */
	bool pages_kept;
	struct px_value *pending;	/* batches in the making; but the last they are full */
	struct px_value *pending_tail;
	u32 tail_units;
	u32 tail_commands;
	u64 pending_count;
	u64 pending_bytes;
	u64 pages[PX_MEMBERS_MAX];
};

enum px_role { PX_FOLLOWER, PX_CANDIDATE, PX_LEADER };
enum px_verdict { PX_WAIT, PX_CANVASS, PX_STEP_DOWN };

struct px_election {
	enum px_role role;
	u64 leader;
	u64 leader_ballot;
	u64 seen;
	u64 silent_ticks;
	u64 led_ticks;
	u64 waited_ticks;
	u64 timeout_ticks;
	u64 asked;
	u64 grants_mask;
	u64 reached_mask;
	u64 answered_mask;
	u64 sequence;
	u64 checked_sequence;
	u64 jitter;
};

struct px_snapshot {
	bool known;
	u64 slot;
	u64 checksum;
	u64 bytes;
};

struct px_catchup {
	u64 turn;
	u32 turn_index;		/* turn, modulo the number of peers */
	u64 patience;
	u64 asked_from;
	u64 progress_slot;
	u64 progress_bytes;
	u64 strangers_left;
	u64 served_mask;
	u64 stranger[PX_STRANGERS_MAX];
	u32 strangers;
	struct px_snapshot wanted;	/* bytes: the whole snapshot's */
	u64 buffered;
	u32 buffered_crc;
	struct px_snapshot snapshot;
};

struct px {
	struct px_config config;
	u64 own;		/* our bit among the members */
	u64 peers;		/* the others' */
	u32 value_bytes_max;
	u32 promise_bytes_max;	/* a page of votes */
	u32 reserve;		/* units that only what must not fail may use */
	u32 poisoned;
	int restore_error;
	bool starved;		/* an input was dropped for memory since the log was last cut */
	bool started;
	u64 now;
	struct px_memory memory;
	struct px_outbox outbox;
	struct px_acceptor acceptor;
	struct px_learner learner;
	struct px_proposer proposer;
	struct px_election election;
	struct px_catchup catchup;
	u64 recorded;
	u64 unrecorded_count;
	u64 unrecorded_bytes;
	u64 kept_bytes;
	u64 kept_slots;
	struct px_value *noop;
};

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
void px_settle(struct px *px);
void px_replica_advance(struct px *px);
void px_replica_deliver(struct px *px);
void px_replica_checkpoint(struct px *px);
void px_replica_step_down(struct px *px);
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
