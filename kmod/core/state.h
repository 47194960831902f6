/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * What the core keeps: one structure for each noun, in the order in which they come up,
 * and the core itself at the end.
 */
#ifndef PX_STATE_H
#define PX_STATE_H

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
	struct px_value **pending_link;	/* what points to the tail */
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

#endif
