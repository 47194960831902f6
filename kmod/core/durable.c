// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * What must survive a crash: records as bytes, and their replay.
 *
 * Each record is one fixed-width MessagePack array, [kind, number, ..., body]. The
 * same records, oldest first, give the same state. Whatever paxos_core/durable.py
 * calls a RecordError is PX_BAD_RECORD here; and then px_start() says so too.
 */
#include "core.h"

#define RECORD_KINDS	6
#define RECORD_HEADER_BYTES	3u

struct layout {
	u8 numbers;
	u8 body;
};

static const struct layout layouts[RECORD_KINDS] = {
	[PX_PROMISED] = { 1, 0 },
	[PX_VOTED] = { 3, 1 },
	[PX_CHOSEN_VALUE] = { 2, 1 },
	[PX_CHOSEN_UP_TO] = { 1, 0 },
	[PX_SNAPSHOT] = { 2, 1 },
};

static u8 array_of(const struct layout *layout)
{
	return (u8)(PX_FIXARRAY | (1 + layout->numbers + layout->body));
}

/**
 * px_record_bytes() - the length of a record
 * @kind: any but PX_SNAPSHOT, whose bytes are outside
 * @item: the record
 */
u32 px_record_bytes(u8 kind, const struct px_item *item)
{
	const struct layout *layout = &layouts[kind];

	return RECORD_HEADER_BYTES + layout->numbers * PX_FIELD_BYTES +
	       (item->value ? PX_BODY_HEADER_BYTES + item->value->bytes : 0);
}

/**
 * px_record_write() - the bytes of a record
 * @at: where to; px_record_bytes() of room
 * @kind: any but PX_SNAPSHOT
 * @item: the record
 */
void px_record_write(u8 *at, u8 kind, const struct px_item *item)
{
	at[0] = array_of(&layouts[kind]);
	at[1] = PX_UINT8;
	at[2] = kind;
	at = px_field_write(at + RECORD_HEADER_BYTES, item->slot);
	if (kind == PX_VOTED)
		at = px_field_write(at, item->ballot);
	if (!item->value)
		return;
	at = px_field_write(at, item->value->crc);
	at = px_body_header_write(at, item->value->bytes);
	memcpy(at, item->value->data, item->value->bytes);
}

/**
 * px_stored_read() - check a record's form, and find what is in it
 * @record: to be filled in; its body points into @data
 * @data: any bytes whatever
 * @bytes: how many
 *
 * Return: false for anything that px_record_write() does not give.
 */
bool px_stored_read(struct px_stored *record, const u8 *data, u32 bytes)
{
	const struct layout *layout;
	const u8 *at = data + RECORD_HEADER_BYTES;
	u32 head;

	if (bytes < RECORD_HEADER_BYTES || data[1] != PX_UINT8 || data[2] >= RECORD_KINDS)
		return false;
	record->kind = data[2];
	layout = &layouts[record->kind];
	head = RECORD_HEADER_BYTES + layout->numbers * PX_FIELD_BYTES +
	       layout->body * PX_BODY_HEADER_BYTES;
	if (!layout->numbers || data[0] != array_of(layout) || bytes < head)
		return false;
	for (u32 i = 0; i < layout->numbers; i++, at += PX_FIELD_BYTES) {
		if (at[0] != PX_UINT64)
			return false;
		record->number[i] = px_read_be64(at + 1);
	}
	record->body = data + head;
	record->body_bytes = bytes - head;
	if (!layout->body)
		return record->body_bytes == 0;
	return at[0] == PX_BIN32 && px_read_be32(at + 1) == record->body_bytes;
}

/*
 * The record's value in the block; it was checked against `crc` already. What fitted
 * before a crash is to fit after it, in whatever pieces, so half of the reserve may go.
 */
static struct px_value *make_value(struct px *px, const struct px_stored *record, u64 crc)
{
	u64 units = px_value_units(record->body_bytes);

	if (px->memory.free_units < px->reserve / 2 + units)
		return NULL;
	return px_value_make(&px->memory, record->body, record->body_bytes, (u32)crc);
}

static int replay_vote(struct px *px, const struct px_stored *record)
{
	u64 slot = record->number[0], ballot = record->number[1];
	struct px_value *value;
	int error;

	px->acceptor.promised = px_max(px->acceptor.promised, ballot);
	if (slot < px->learner.watermark)
		return PX_OK;
	value = make_value(px, record, record->number[2]);
	if (!value)
		return PX_DROP_NO_MEMORY;
	error = px_vote_put(px, slot, ballot, value);
	px_value_put(&px->memory, value);
	return error;
}

static void entry_set(struct px *px, u64 slot, struct px_value *value)
{
	struct px_entry *entry = px_entry_at(px, slot);

	if (entry->value)
		px_value_put(&px->memory, entry->value);
	entry->value = value;
}

static bool fits_log(const struct px *px, u64 slot)
{
	return slot - px->learner.first_slot <= px->learner.log_mask;
}

/* It waits in the log, above the watermark. */
static int replay_value(struct px *px, const struct px_stored *record)
{
	u64 slot = record->number[0];
	struct px_value *value;

	if (slot < px->learner.watermark)
		return PX_OK;
	value = fits_log(px, slot) ? make_value(px, record, record->number[1]) : NULL;
	if (!value)
		return PX_DROP_NO_MEMORY;
	entry_set(px, slot, value);
	return PX_OK;
}

/* A slot's chosen value is the one on record, else that of the last vote for it. */
static int replay_chosen(struct px *px, u64 watermark)
{
	struct px_learner *learner = &px->learner;

	for (; learner->watermark < watermark; learner->watermark++) {
		u64 slot = learner->watermark;
		struct px_vote *vote = px_vote_at(px, slot);
		bool known = fits_log(px, slot) && px_entry_at(px, slot)->value;

		if (!known && !vote)
			return PX_BAD_RECORD;
		if (!fits_log(px, slot))
			return PX_DROP_NO_MEMORY;
		if (!known)
			entry_set(px, slot, px_value_get(vote->value));
		px_acceptor_advance(px, slot + 1);
	}
	return PX_OK;
}

static int replay_snapshot(struct px *px, u64 slot, u64 checksum, u64 bytes)
{
	struct px_learner *learner = &px->learner;
	struct px_snapshot *snapshot = &px->catchup.snapshot;
	u64 at = learner->first_slot;

	if (slot > PX_SLOT_BELIEVED_MAX)
		return PX_BAD_RECORD;
	if (snapshot->known && slot < snapshot->slot)
		return PX_OK;
	snapshot->known = true;
	snapshot->slot = slot;
	snapshot->checksum = checksum;
	snapshot->bytes = bytes;
	for (u64 i = 0; i <= learner->log_mask && at < slot; i++, at++)
		entry_set(px, at, NULL);
	learner->first_slot = slot;
	if (learner->watermark < slot) {
		learner->watermark = slot;
		px_acceptor_advance(px, slot);
	}
	return PX_OK;
}

static int replay(struct px *px, const struct px_stored *record)
{
	u32 last = layouts[record->kind].numbers - 1u;

	if (layouts[record->kind].body &&
	    px_crc32(0, record->body, record->body_bytes) != record->number[last])
		return PX_BAD_RECORD;
	switch (record->kind) {
	case PX_PROMISED:
		px->acceptor.promised = px_max(px->acceptor.promised, record->number[0]);
		return PX_OK;
	case PX_VOTED:
		return replay_vote(px, record);
	case PX_CHOSEN_VALUE:
		return replay_value(px, record);
	case PX_CHOSEN_UP_TO:
		return replay_chosen(px, record->number[0]);
	default:
		return replay_snapshot(px, record->number[0], record->number[1],
				       record->body_bytes);
	}
}

/* The first error stays: what came after it is not to be trusted. */
static int settle_error(struct px *px, int error)
{
	if (!px->restore_error)
		px->restore_error = error;
	return px->restore_error;
}

/**
 * px_restore() - one durable record, oldest first, before px_start()
 * @px: the core
 * @record: the record; also a Snapshot with its bytes
 * @bytes: its length
 *
 * Return: PX_OK; PX_BAD_RECORD if the records contradict themselves; PX_DROP_NO_MEMORY
 * if the block or log_slots_max is too small for them; PX_BAD_CALL after px_start().
 * The first error is what px_start() will say.
 */
int px_restore(struct px *px, const u8 *record, u32 bytes)
{
	struct px_stored read;

	if (px->started)
		return PX_BAD_CALL;
	if (px->restore_error)
		return px->restore_error;
	if (!px_stored_read(&read, record, bytes))
		return settle_error(px, PX_BAD_RECORD);
	return settle_error(px, replay(px, &read));
}

/**
 * px_restore_snapshot() - a Snapshot record whose bytes the caller has checked
 * @px: the core
 * @slot: every slot below is in it
 * @checksum: of its bytes
 * @bytes: how many they are
 *
 * Return: as px_restore().
 */
int px_restore_snapshot(struct px *px, u64 slot, u32 checksum, u64 bytes)
{
	if (px->started)
		return PX_BAD_CALL;
	if (px->restore_error)
		return px->restore_error;
	return settle_error(px, replay_snapshot(px, slot, checksum, bytes));
}
