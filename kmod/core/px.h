/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * The C twin of paxos_core: one replica as a pure state machine.
 *
 * The same inputs as Replica in paxos_core/replica.py, in the same order, give
 * the same outputs, byte for byte, and that file's comments hold here too. No
 * allocator, no lock, no clock, no floating point: the caller owns one block of
 * memory, in which the core keeps all it has, and calls it from one thread at a
 * time. Where the block is full, inputs are dropped as a network would drop them
 * (PX_DROP_NO_MEMORY); what was promised is never forgotten for it.
 *
 *	px_init(), px_restore() for each durable record, px_start()
 *	px_receive() px_tick() px_propose() px_persisted() px_compact()	inputs
 *	px_take(), then px_next_*() until each says 0			outputs
 *
 * Snapshots are the application's, so their bytes stay outside: the core says
 * which part of whose snapshot is to be sent or has come, and keeps slot, size
 * and checksum.
 */
#ifndef PX_H
#define PX_H

#include <px_deps.h>		/* u8..u64, size_t, bool, memcpy, memcmp, memset, crc: by include path */

#pragma GCC visibility push(default)	/* all else stays inside a library */

#define PX_MEMBERS_MAX	64

struct px;			/* lies at the start of the caller's block */

struct px_config {
	u64 cluster;
	u64 seed;
	u16 node;
	u16 members;		/* how many of member[] count */
	u16 phase1;
	u16 phase2;
	bool voting;
	u32 frame_bytes_max;
	u32 heartbeat_ticks;
	u32 election_ticks_min;
	u32 election_ticks_max;
	u32 resend_ticks;
	u32 window_slots;
	u32 vote_slots_max;
	u32 open_slots_max;	/* a power of two; as in proposer.py */
	u32 log_slots_max;	/* a power of two; a full log delivers no more until px_compact() */
	u32 log_keep_slots;
	u32 page_bytes_max;
	u64 pending_bytes_max;
	u64 log_bytes_max;
	u64 snapshot_bytes_max;
	u16 member[PX_MEMBERS_MAX];	/* ascending */
};

/* Why an input was not taken; 0 if it was. Negative, so that counts may be returned too. */
enum px_error {
	PX_OK = 0,
	PX_DROP_MALFORMED = -1,		/* px_receive(): no frame of this version */
	PX_DROP_VERSION = -2,
	PX_DROP_CLUSTER = -3,
	PX_DROP_MISATTRIBUTED = -4,	/* the envelope names another sender */
	PX_DROP_NOT_FOR_CORE = -5,	/* a client's message: the caller's to handle */
	PX_DROP_NO_MEMORY = -6,
	PX_NOT_LEADER = -7,		/* px_propose() */
	PX_OVERLOADED = -8,
	PX_TOO_LARGE = -9,		/* px_propose(), px_compact() */
	PX_POISONED = -10,		/* an invariant broke: the core takes no part any more */
	PX_BAD_RECORD = -11,		/* px_restore(): the promise is unknown, do not start */
	PX_BAD_CONFIG = -12,
	PX_BAD_CALL = -13,		/* out of order, or px_compact() of an impossible slot */
};

/* The least that px_init() takes for this configuration; 0 if that is impossible. */
u64 px_memory_bytes_min(const struct px_config *config);

/* The core, in `memory` (aligned to 64, `bytes` long); NULL if either is unfit. */
struct px *px_init(void *memory, u64 bytes, const struct px_config *config);

/* One durable record (durable.py), oldest first, before px_start(). */
int px_restore(struct px *px, const u8 *record, u32 bytes);
int px_restore_snapshot(struct px *px, u64 slot, u32 checksum, u64 bytes);
int px_start(struct px *px);

/* Inputs. */

/* A frame (codec.py) that `sender`, as the transport knows it, has sent. */
int px_receive(struct px *px, u64 sender, const u8 *frame, u32 bytes);
int px_tick(struct px *px);
int px_propose(struct px *px, const u8 *command, u32 bytes);
int px_persisted(struct px *px, u64 write_id);
int px_compact(struct px *px, u64 slot, u32 checksum, u64 bytes);

/* Outputs. */

/* All that followed from the inputs so far: 1 if there is anything to hand out, else 0. */
int px_take(struct px *px);

/*
 * Each hands out the next of its kind, in order, and returns 1; 0 when there is
 * none left; PX_* if something is wrong. Bytes point into the core's memory and
 * are good until the next call of anything but px_encode().
 */
struct px_message {		/* safe to send at once */
	u64 to;
	u32 bytes;		/* of its frame */
	u32 same;		/* 1: the same frame as the one before, to another receiver */
	const void *opaque;
};

int px_next_message(struct px *px, struct px_message *message);
void px_encode(const struct px *px, const struct px_message *message, u8 *frame);

struct px_decided {
	u64 slot;
	u32 checksum;
	u32 bytes;
	const u8 *value;
};

int px_next_decided(struct px *px, struct px_decided *decided);

/*
 * A durable record to be written. `bytes` is what px_encode_record() writes;
 * 0 for the Snapshot in a checkpoint, which is described and has its bytes
 * outside.
 */
struct px_record {
	u64 write_id;
	u32 bytes;
	bool checkpoint;	/* this write restates all that was written before */
	bool last;		/* of its write */
	bool snapshot;
	u64 snapshot_slot;
	u64 snapshot_bytes;
	u32 snapshot_checksum;
	const void *opaque;
};

int px_next_record(struct px *px, struct px_record *record);
void px_encode_record(const struct px *px, const struct px_record *record, u8 *data);

/* All else that happened, in order; `type` and numbers as in PAXOS_* of uapi/paxos.h. */
struct px_event {
	u16 type;		/* SNAPSHOT_BYTES, INSTALL, SERVE, LEADER, CAUGHT_UP, TOO_LARGE */
	u32 bytes;
	u64 a, b, c, d;
	const u8 *data;
};

int px_next_event(struct px *px, struct px_event *event);

/* A look inside. */
struct px_status {
	u64 leader, ballot, promised, watermark, read_slot, first_slot, known_chosen, next_slot;
	u64 log_bytes, pending_bytes, memory_bytes_free, write_id, persisted;
	u32 in_flight_slots, role, voting, lags, snapshot_due, poisoned;
};

void px_status(const struct px *px, struct px_status *status);

/* Every number of the state, for comparison with the Python core: how many u64 (at most `max`). */
u32 px_dump(const struct px *px, u64 *numbers, u32 max);

#pragma GCC visibility pop

#endif
