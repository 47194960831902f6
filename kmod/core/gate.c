// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The outbox, and the gate that keeps the order safe.
 *
 * The rule (Paxos Made Simple, 2.5): an acceptor records its response in stable
 * storage before it sends it. So what depends on a record stays here until
 * px_persisted() has come for the write that holds the record. All else may leave
 * at once.
 */
#include "core.h"
#include <paxos.h>

/**
 * px_gate() - the write that a gated message would wait for now
 * @px: the core
 *
 * Return: a write id; 0 if it need not wait.
 */
u64 px_gate(const struct px *px)
{
	const struct px_outbox *outbox = &px->outbox;
	u64 write_id = outbox->records.head ? outbox->taken + 1 : outbox->taken;

	return write_id > outbox->persisted ? write_id : 0;
}

/**
 * px_note_take() - an empty message
 * @px: the core
 * @kind: of the message
 *
 * Return: the message, with all but the kind zero; NULL without memory, and then
 * it is as if the network had lost it.
 */
struct px_note *px_note_take(struct px *px, u8 kind)
{
	struct px_note *note = px_unit_take(&px->memory);

	if (!note)
		return NULL;
	memset(note, 0, sizeof(*note));
	note->kind = kind;
	return note;
}

/**
 * px_note_free() - a message has been handed out, or heard
 * @px: the core
 * @note: the message, with all that it refers to
 */
void px_note_free(struct px *px, struct px_note *note)
{
	if (note->value)
		px_value_put(&px->memory, note->value);
	if (note->page)
		px_pages_free(px, note->page);
	px_unit_give(&px->memory, note);
}

/**
 * px_note_add() - behind all others
 * @notes: the queue
 * @note: the message
 */
void px_note_add(struct px_notes *notes, struct px_note *note)
{
	note->next = NULL;
	if (notes->tail)
		notes->tail->next = note;
	else
		notes->head = note;
	notes->tail = note;
}

/**
 * px_note_pop() - the oldest message of a queue
 * @notes: the queue
 *
 * Return: the message, taken out; NULL if the queue is empty.
 */
struct px_note *px_note_pop(struct px_notes *notes)
{
	struct px_note *note = notes->head;

	if (!note)
		return NULL;
	notes->head = note->next;
	if (!note->next)
		notes->tail = NULL;
	return note;
}

/**
 * px_send() - promises nothing that a crash could take back: may leave at once
 * @px: the core
 * @note: the message
 */
void px_send(struct px *px, struct px_note *note)
{
	bool to_self = !note->mask && note->to == px->config.node;

	px_note_add(to_self ? &px->outbox.to_self : &px->outbox.messages, note);
}

/**
 * px_send_gated() - leaves once every record so far is on stable storage
 * @px: the core
 * @note: the message
 */
void px_send_gated(struct px *px, struct px_note *note)
{
	u64 write_id = px_gate(px);

	if (!write_id) {
		px_send(px, note);
		return;
	}
	note->write_id = write_id;
	px->outbox.gated_count += note->mask ? px_count_bits(note->mask) : 1;
	px_note_add(&px->outbox.gated, note);
}

/**
 * px_say() - send one plain message to one receiver
 * @px: the core
 * @to: the receiver
 * @kind: of the message
 * @one: its first number
 * @two: its second number; this and those that follow are 0 where it has fewer
 * @three: its third number
 * @four: its fourth number
 */
void px_say(struct px *px, u64 to, u8 kind, u64 one, u64 two, u64 three, u64 four)
{
	struct px_note *note = px_note_take(px, kind);

	if (!note)
		return;
	note->to = to;
	note->number[0] = one;
	note->number[1] = two;
	note->number[2] = three;
	note->number[3] = four;
	px_send(px, note);
}

/**
 * px_broadcast() - send one plain message to several members
 * @px: the core
 * @mask: the members
 * @kind: of the message
 * @one: its first number
 * @two: its second number
 * @three: its third number, or 0
 */
void px_broadcast(struct px *px, u64 mask, u8 kind, u64 one, u64 two, u64 three)
{
	struct px_note *note;

	if (!mask)
		return;
	note = px_note_take(px, kind);
	if (!note)
		return;
	note->mask = mask;
	note->number[0] = one;
	note->number[1] = two;
	note->number[2] = three;
	px_send(px, note);
}

static struct px_sheet *sheet_take(struct px *px)
{
	struct px_sheet *sheet = px_unit_take(&px->memory);

	if (!px_holds(px, sheet != NULL, PX_POISON_RECORD_LOST))
		return NULL;
	sheet->next = NULL;
	sheet->write_id = px->outbox.taken + 1;
	sheet->snapshot_checksum = 0;
	sheet->count = 0;
	sheet->checkpoint = false;
	return sheet;
}

/**
 * px_record() - must be on stable storage before any later gated message leaves
 * @px: the core
 * @kind: of the record
 * @slot: its slot; of a Promised, the ballot
 * @ballot: of a Voted; of a Snapshot, its bytes
 * @value: what the record holds, or NULL; the record has a reference of its own
 */
void px_record(struct px *px, u8 kind, u64 slot, u64 ballot, struct px_value *value)
{
	struct px_sheets *records = &px->outbox.records;
	struct px_sheet *sheet = records->tail;
	struct px_item *item;

	if (!sheet || sheet->count == PX_SHEET_RECORDS) {
		sheet = sheet_take(px);
		if (!sheet)
			return;
		if (records->tail)
			records->tail->next = sheet;
		else
			records->head = sheet;
		records->tail = sheet;
	}
	sheet->kind[sheet->count] = kind;
	item = &sheet->item[sheet->count++];
	item->slot = slot;
	item->ballot = ballot;
	item->value = value ? px_value_get(value) : NULL;
	if (kind == PX_SNAPSHOT)
		sheet->snapshot_checksum = (u32)px->catchup.snapshot.checksum;
}

static void sheet_free(struct px *px, struct px_sheet *sheet)
{
	for (u32 i = 0; i < sheet->count; i++)
		if (sheet->item[i].value)
			px_value_put(&px->memory, sheet->item[i].value);
	px_unit_give(&px->memory, sheet);
}

/**
 * px_restate() - what is recorded from here on replaces all records ever written
 * @px: the core
 */
void px_restate(struct px *px)
{
	struct px_sheets *records = &px->outbox.records;

	while (records->head) {
		struct px_sheet *sheet = records->head;

		records->head = sheet->next;
		sheet_free(px, sheet);
	}
	records->tail = NULL;
	px->outbox.checkpoint = true;
}

/* Where events are many, only the last word on who leads is kept, and lesser ones go. */
static bool is_left_out(struct px_outbox *outbox, u16 type, u64 a, u64 b)
{
	struct px_incident *last = outbox->events.tail;

	if (outbox->event_count < PX_EVENTS_MAX)
		return false;
	/* But for the one that is being read just now. */
	if (!last && outbox->ready_events.tail != outbox->event_cursor)
		last = outbox->ready_events.tail;
	if (type == PAXOS_LEADER && last && last->type == PAXOS_LEADER) {
		last->a = a;
		last->b = b;
		return true;
	}
	return type == PAXOS_CAUGHT_UP || type == PAXOS_SERVE || type == PAXOS_TOO_LARGE;
}

/**
 * px_event() - something happened that is no message, record or decision
 * @px: the core
 * @type: PAXOS_* of uapi/paxos.h
 * @a: by type
 * @b: by type
 * @c: by type
 * @d: by type
 * @value: bytes that go with it, or NULL; the event takes over the reference
 */
void px_event(struct px *px, u16 type, u64 a, u64 b, u64 c, u64 d, struct px_value *value)
{
	struct px_outbox *outbox = &px->outbox;
	struct px_incident *event;

	if (is_left_out(outbox, type, a, b))
		return;
	event = px_unit_take(&px->memory);
	if (!px_holds(px, event != NULL, PX_POISON_RECORD_LOST))
		return;
	event->next = NULL;
	event->write_id = outbox->taken + 1;
	event->type = type;
	event->a = a;
	event->b = b;
	event->c = c;
	event->d = d;
	event->value = value;
	if (outbox->events.tail)
		outbox->events.tail->next = event;
	else
		outbox->events.head = event;
	outbox->events.tail = event;
	outbox->event_count++;
}

/**
 * px_open_gate() - everything that waited for writes up to one may leave
 * @px: the core
 * @write_id: the write, which was taken
 */
void px_open_gate(struct px *px, u64 write_id)
{
	struct px_outbox *outbox = &px->outbox;

	outbox->persisted = px_max(outbox->persisted, write_id);
	while (outbox->gated.head && outbox->gated.head->write_id <= outbox->persisted) {
		struct px_note *note = px_note_pop(&outbox->gated);

		outbox->gated_count -= note->mask ? px_count_bits(note->mask) : 1;
		px_send(px, note);
	}
}

static void take_messages(struct px_outbox *outbox)
{
	if (!outbox->messages.head)
		return;
	if (outbox->ready_messages.tail)
		outbox->ready_messages.tail->next = outbox->messages.head;
	else
		outbox->ready_messages.head = outbox->messages.head;
	outbox->ready_messages.tail = outbox->messages.tail;
	outbox->messages.head = outbox->messages.tail = NULL;
}

static void take_events(struct px_outbox *outbox)
{
	if (!outbox->events.head)
		return;
	if (outbox->ready_events.tail)
		outbox->ready_events.tail->next = outbox->events.head;
	else
		outbox->ready_events.head = outbox->events.head;
	outbox->ready_events.tail = outbox->events.tail;
	outbox->events.head = outbox->events.tail = NULL;
}

static void take_records(struct px_outbox *outbox)
{
	if (outbox->checkpoint)
		for (struct px_sheet *sheet = outbox->records.head; sheet; sheet = sheet->next)
			sheet->checkpoint = true;
	outbox->checkpoint = false;
	if (!outbox->records.head)
		return;
	outbox->taken++;
	if (outbox->ready_records.tail)
		outbox->ready_records.tail->next = outbox->records.head;
	else
		outbox->ready_records.head = outbox->records.head;
	outbox->ready_records.tail = outbox->records.tail;
	outbox->records.head = outbox->records.tail = NULL;
}

/**
 * px_outbox_take() - all that was collected may be handed out
 * @px: the core
 *
 * Return: whether there is anything.
 */
bool px_outbox_take(struct px *px)
{
	struct px_outbox *outbox = &px->outbox;

	take_messages(outbox);
	take_events(outbox);
	take_records(outbox);
	outbox->ready_watermark = px->learner.watermark;
	return outbox->ready_messages.head || outbox->ready_events.head ||
	       outbox->ready_records.head || outbox->read_slot < outbox->ready_watermark;
}
