// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * What was taken, handed out piece by piece.
 *
 * A peek moves a cursor, and what it gave stays where it is until a commit forgets
 * all that the cursor has passed. So a copy to user space that fails loses nothing.
 */
#include "core.h"

/* Messages */

static void message_describe(const struct px_note *note, u64 mask, struct px_message *message,
			     const struct px *px)
{
	message->to = mask ? px->config.member[px_lowest_bit(mask)] : note->to;
	message->bytes = px_frame_bytes(note->kind, note->body_bytes);
	message->opaque = note;
}

/**
 * px_peek_message() - the next message, which stays
 * @px: the core
 * @message: to be filled in
 *
 * Return: 1, or 0 if there is none.
 */
int px_peek_message(struct px *px, struct px_message *message)
{
	struct px_outbox *outbox = &px->outbox;
	struct px_note *note = outbox->message_cursor;
	bool same = note && outbox->message_mask;

	if (!same) {
		note = note ? note->next : outbox->ready_messages.head;
		if (!note)
			return 0;
		outbox->message_cursor = note;
		outbox->message_mask = note->mask;
	}
	message_describe(note, outbox->message_mask, message, px);
	message->same = same || note->again;
	outbox->message_mask &= outbox->message_mask - 1;
	return 1;
}

/**
 * px_commit_messages() - forget the messages that were peeked at
 * @px: the core
 */
void px_commit_messages(struct px *px)
{
	struct px_outbox *outbox = &px->outbox;
	struct px_note *cursor = outbox->message_cursor;

	if (!cursor)
		return;
	while (outbox->ready_messages.head != cursor)
		px_note_free(px, px_note_pop(&outbox->ready_messages));
	if (outbox->message_mask) {
		cursor->mask = outbox->message_mask;
		cursor->again = true;
	} else {
		px_note_free(px, px_note_pop(&outbox->ready_messages));
	}
	outbox->message_cursor = NULL;
}

/**
 * px_encode() - the frame of a message
 * @px: the core
 * @message: as px_next_message() gave it
 * @frame: where to; message->bytes of room
 */
void px_encode(const struct px *px, const struct px_message *message, u8 *frame)
{
	const struct px_note *note = message->opaque;
	u8 *at = px_frame_write_head(frame, note->kind, px->config.cluster, px->config.node,
				     note->number);

	if (note->value) {
		at = px_body_header_write(at, note->value->bytes);
		memcpy(at, note->value->data, note->value->bytes);
		return;
	}
	if (note->kind != PX_PROMISE)
		return;
	at = px_body_header_write(at, note->body_bytes);
	for (const struct px_page *page = note->page; page; page = page->next)
		for (u32 i = 0; i < page->count; i++) {
			const struct px_vote *vote = &page->vote[i];
			const struct px_value *value = vote->value;
			struct px_wire_vote wire = {
				.slot = vote->slot, .ballot = vote->ballot,
				.checksum = value->crc, .bytes = value->bytes,
			};

			at = px_vote_header_write(at, &wire);
			memcpy(at, value->data, value->bytes);
			at += value->bytes;
		}
}

/* Decided values: a cursor over the log */

/**
 * px_peek_decided() - the next decided value, which stays
 * @px: the core
 * @decided: to be filled in
 *
 * Return: 1, or 0 if there is none.
 */
int px_peek_decided(struct px *px, struct px_decided *decided)
{
	struct px_outbox *outbox = &px->outbox;
	const struct px_value *value;

	if (outbox->read_cursor >= outbox->ready_watermark)
		return 0;
	value = px_log_at(px, outbox->read_cursor);
	decided->slot = outbox->read_cursor++;
	decided->checksum = value->crc;
	decided->bytes = value->bytes;
	decided->value = value->data;
	return 1;
}

/**
 * px_commit_decided() - the decided values that were peeked at are read
 * @px: the core
 */
void px_commit_decided(struct px *px)
{
	px->outbox.read_slot = px->outbox.read_cursor;
}

/* Records */

/**
 * px_peek_record() - the next record, which stays
 * @px: the core
 * @record: to be filled in
 *
 * Return: 1, or 0 if there is none.
 */
int px_peek_record(struct px *px, struct px_record *record)
{
	struct px_outbox *outbox = &px->outbox;
	struct px_sheet *sheet = outbox->record_cursor;
	u32 index = outbox->record_index + 1;

	if (!sheet) {
		sheet = outbox->ready_records.head;
		index = outbox->record_first;
	} else if (index == sheet->count) {
		sheet = sheet->next;
		index = 0;
	}
	if (!sheet)
		return 0;
	outbox->record_cursor = sheet;
	outbox->record_index = index;
	memset(record, 0, sizeof(*record));
	record->write_id = sheet->write_id;
	record->checkpoint = sheet->checkpoint;
	record->last = index + 1 == sheet->count &&
		       (!sheet->next || sheet->next->write_id != sheet->write_id);
	record->opaque = sheet;
	if (sheet->kind[index] == PX_SNAPSHOT) {
		record->snapshot = true;
		record->snapshot_slot = sheet->item[index].slot;
		record->snapshot_bytes = sheet->item[index].ballot;
		record->snapshot_checksum = sheet->snapshot_checksum;
	} else {
		record->bytes = px_record_bytes(sheet->kind[index], &sheet->item[index]);
	}
	return 1;
}

/**
 * px_commit_records() - forget the records that were peeked at
 * @px: the core
 */
void px_commit_records(struct px *px)
{
	struct px_outbox *outbox = &px->outbox;
	struct px_sheet *cursor = outbox->record_cursor;

	while (cursor && outbox->ready_records.head) {
		struct px_sheet *sheet = outbox->ready_records.head;
		u32 end = sheet == cursor ? outbox->record_index + 1 : sheet->count;

		for (u32 i = outbox->record_first; i < end; i++) {
			if (sheet->item[i].value)
				px_value_put(&px->memory, sheet->item[i].value);
			sheet->item[i].value = NULL;
		}
		outbox->record_first = end;
		if (end < sheet->count)
			break;
		outbox->record_first = 0;
		outbox->ready_records.head = sheet->next;
		if (!sheet->next)
			outbox->ready_records.tail = NULL;
		px_unit_give(&px->memory, sheet);
		if (sheet == cursor)
			break;
	}
	outbox->record_cursor = NULL;
}

/**
 * px_forget_records() - as if all records were handed out: they are not to be durable
 * @px: the core
 *
 * Return: whether there were any.
 */
bool px_forget_records(struct px *px)
{
	struct px_outbox *outbox = &px->outbox;

	if (!outbox->ready_records.head)
		return false;
	outbox->record_cursor = outbox->ready_records.tail;
	outbox->record_index = outbox->ready_records.tail->count - 1u;
	px_commit_records(px);
	return true;
}

/**
 * px_encode_record() - the bytes of a record
 * @px: the core
 * @record: as px_next_record() gave it last
 * @data: where to; record->bytes of room
 */
void px_encode_record(const struct px *px, const struct px_record *record, u8 *data)
{
	const struct px_sheet *sheet = record->opaque;
	u32 index = px->outbox.record_index;

	if (!record->snapshot)
		px_record_write(data, sheet->kind[index], &sheet->item[index]);
}

/* Events */

/**
 * px_peek_event() - the next event, which stays
 * @px: the core
 * @event: to be filled in
 *
 * Return: 1, or 0 if there is none.
 */
int px_peek_event(struct px *px, struct px_event *event)
{
	struct px_outbox *outbox = &px->outbox;
	struct px_incident *next = outbox->event_cursor ? outbox->event_cursor->next :
							   outbox->ready_events.head;

	if (!next)
		return 0;
	outbox->event_cursor = next;
	event->type = next->type;
	event->a = next->a;
	event->b = next->b;
	event->c = next->c;
	event->d = next->d;
	event->bytes = next->value ? next->value->bytes : 0;
	event->data = next->value ? next->value->data : NULL;
	return 1;
}

/**
 * px_commit_events() - forget the events that were peeked at
 * @px: the core
 */
void px_commit_events(struct px *px)
{
	struct px_outbox *outbox = &px->outbox;
	struct px_incident *cursor = outbox->event_cursor, *event;

	if (!cursor)
		return;
	do {
		event = outbox->ready_events.head;
		outbox->ready_events.head = event->next;
		if (!event->next)
			outbox->ready_events.tail = NULL;
		if (event->value)
			px_value_put(&px->memory, event->value);
		px_unit_give(&px->memory, event);
		outbox->event_count--;
	} while (event != cursor);
	outbox->event_cursor = NULL;
}

/**
 * px_rewind() - what was peeked at and not committed will be handed out again
 * @px: the core
 * @messages: also the messages
 */
void px_rewind(struct px *px, bool messages)
{
	struct px_outbox *outbox = &px->outbox;

	if (messages)
		outbox->message_cursor = NULL;
	outbox->record_cursor = NULL;
	outbox->event_cursor = NULL;
	outbox->read_cursor = outbox->read_slot;
}

/* One at a time */

/**
 * px_next_message() - the next message that is safe to send
 * @px: the core
 * @message: to be filled in
 *
 * Return: 1; 0 if there is none; PX_POISONED.
 */
int px_next_message(struct px *px, struct px_message *message)
{
	if (px->poisoned)
		return PX_POISONED;
	px_commit_messages(px);
	return px_peek_message(px, message);
}

/**
 * px_next_decided() - the next decided value, in slot order
 * @px: the core
 * @decided: to be filled in
 *
 * Return: 1; 0 if there is none; PX_POISONED.
 */
int px_next_decided(struct px *px, struct px_decided *decided)
{
	if (px->poisoned)
		return PX_POISONED;
	px_commit_decided(px);
	return px_peek_decided(px, decided);
}

/**
 * px_next_record() - the next record to be written
 * @px: the core
 * @record: to be filled in
 *
 * Return: 1; 0 if there is none; PX_POISONED.
 */
int px_next_record(struct px *px, struct px_record *record)
{
	if (px->poisoned)
		return PX_POISONED;
	px_commit_records(px);
	return px_peek_record(px, record);
}

/**
 * px_next_event() - what else happened, in order
 * @px: the core
 * @event: to be filled in
 *
 * Return: 1; 0 if there is none; PX_POISONED.
 */
int px_next_event(struct px *px, struct px_event *event)
{
	if (px->poisoned)
		return PX_POISONED;
	px_commit_events(px);
	return px_peek_event(px, event);
}
