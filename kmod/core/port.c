// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The records of uapi/paxos.h, to and from a core: what read() and write() of the
 * device carry, and what the library's callers do.
 */
#include "px_port.h"
#include "core.h"
#include <paxos.h>

#define HEADER_BYTES	40u
#define TICKS_MAX	(1u << 20)	/* of one TICK */

struct header {
	u64 number[4];
	u32 length;
	u16 type;
	u16 flags;
};

/* All integers of records are little-endian. Without loops: compilers make one access of each. */
static u32 read_le32(const u8 *at)
{
	return at[0] | (u32)at[1] << 8 | (u32)at[2] << 16 | (u32)at[3] << 24;
}

static u64 read_le64(const u8 *at)
{
	return read_le32(at) | (u64)read_le32(at + 4) << 32;
}

static void write_le32(u8 *at, u32 number)
{
	at[0] = (u8)number;
	at[1] = (u8)(number >> 8);
	at[2] = (u8)(number >> 16);
	at[3] = (u8)(number >> 24);
}

static void write_le64(u8 *at, u64 number)
{
	write_le32(at, (u32)number);
	write_le32(at + 4, (u32)(number >> 32));
}

static u64 padded(u64 bytes)
{
	return (bytes + PAXOS_RECORD_ALIGN - 1) & ~(u64)(PAXOS_RECORD_ALIGN - 1);
}

/* Writing */

static bool read_header(struct header *header, const u8 *data, u64 bytes)
{
	if (bytes < HEADER_BYTES)
		return false;
	header->length = read_le32(data);
	header->type = (u16)read_le32(data + 4);
	header->flags = (u16)(read_le32(data + 4) >> 16);
	for (u32 i = 0; i < 4; i++)
		header->number[i] = read_le64(data + 8 + 8 * i);
	return header->length >= HEADER_BYTES && padded(header->length) <= bytes;
}

static int pass_ticks(struct px *px, u64 ticks)
{
	int error = PX_OK;

	for (ticks = px_min(ticks, TICKS_MAX); ticks && !error; ticks--)
		error = px_tick(px);
	return error;
}

/* PX_DROP_MALFORMED for a type that this port does not take. */
static int take_network_record(struct px_port *port, const struct header *header, const u8 *payload)
{
	if (port->kind != PX_PORT_LIBRARY)
		return PX_DROP_MALFORMED;
	if (header->type == PAXOS_FRAME)
		/* What a peer sends may be malformed too: then the frame is, not the record. */
		return px_receive(port->px, header->number[0], payload,
				  header->length - HEADER_BYTES);
	return pass_ticks(port->px, header->number[0]);
}

/* What nobody has read, nobody can have written: no gate opens for it. */
static int take_persisted(struct px_port *port, u64 write_id)
{
	const struct px_sheet *unread = port->px->outbox.ready_records.head;

	if (port->durable && unread && write_id >= unread->write_id)
		return PX_BAD_CALL;
	return px_persisted(port->px, write_id);
}

static int take_record(struct px_port *port, const struct header *header, const u8 *payload)
{
	u32 bytes = header->length - HEADER_BYTES;
	const u64 *number = header->number;

	switch (header->type) {
	case PAXOS_RESTORE:
		return px_restore(port->px, payload, bytes);
	case PAXOS_RESTORE_SNAPSHOT:
		return px_restore_snapshot(port->px, number[0], (u32)number[1], number[2]);
	case PAXOS_PROPOSE:
		return px_propose(port->px, payload, bytes);
	case PAXOS_PERSISTED:
		return take_persisted(port, number[0]);
	case PAXOS_COMPACT:
		return px_replica_compact(port->px, number[0], (u32)number[1], number[2]);
	default:
		return take_network_record(port, header, payload);
	}
}

/* How many of its numbers a record says something with. */
static u32 numbers_of(u16 type)
{
	switch (type) {
	case PAXOS_RESTORE_SNAPSHOT:
	case PAXOS_COMPACT:
		return 3;
	case PAXOS_PERSISTED:
	case PAXOS_FRAME:
	case PAXOS_TICK:
		return 1;
	default:
		return 0;
	}
}

/* Flags and numbers that mean nothing yet are refused, so that they may mean something later. */
static bool says_more(const struct header *header)
{
	u32 numbers = numbers_of(header->type);
	u64 more = header->flags;

	for (u32 i = numbers; i < 4; i++)
		more |= header->number[i];
	/* A checksum has 32 bits. */
	if (numbers == 3)
		more |= header->number[1] >> 32;
	return more;
}

static bool is_known(const struct px_port *port, const struct header *header)
{
	u16 type = header->type;
	bool known = type >= PAXOS_RESTORE && type <= PAXOS_COMPACT;

	if (type == PAXOS_FRAME || type == PAXOS_TICK)
		known = port->kind == PX_PORT_LIBRARY;
	return known && !says_more(header);
}

static bool must_wait(u16 type, int error)
{
	return type == PAXOS_PROPOSE && (error == PX_OVERLOADED || error == PX_DROP_NO_MEMORY);
}

/**
 * px_port_write() - take whole records
 * @port: the port
 * @data: the records
 * @bytes: how many bytes they are
 *
 * Return: the bytes taken, less than @bytes if a record must wait or is none;
 * PX_DROP_MALFORMED if the first is none.
 */
s64 px_port_write(struct px_port *port, const u8 *data, u64 bytes)
{
	u64 taken = 0;
	struct header header;

	while (taken < bytes) {
		int error;

		if (!read_header(&header, data + taken, bytes - taken) ||
		    !is_known(port, &header))
			return taken ? (s64)taken : PX_DROP_MALFORMED;
		error = take_record(port, &header, data + taken + HEADER_BYTES);
		if (must_wait(header.type, error))
			break;
		if (error < 0 && error > -16)
			port->dropped[-error]++;
		taken += padded(header.length);
	}
	return (s64)taken;
}

/**
 * px_port_settle() - take; and unless writes are to be durable, let them count as done
 * @port: the port
 *
 * Return: 1 if there is anything to read or to send, else 0; PX_POISONED.
 */
int px_port_settle(struct px_port *port)
{
	struct px *px = port->px;
	int found;

	for (;;) {
		found = px_take(px);
		if (found < 0 || port->durable || !px_forget_records(px))
			break;
		found = px_persisted(px, px->outbox.taken);
		if (found < 0)
			break;
	}
	if (found < 0)
		return found;
	return px->outbox.ready_messages.head || px_port_readable(port);
}

/* Reading */

struct reader {
	u8 *data;
	u64 bytes;
	u64 used;
	bool full;
};

/* Room for one record with its header written; NULL, and full, if it does not fit. */
static u8 *begin(struct reader *reader, u16 type, u16 flags, u64 payload, const u64 *number)
{
	u64 length = HEADER_BYTES + payload;
	u8 *at = reader->data + reader->used;

	if (padded(length) > reader->bytes - reader->used) {
		reader->full = true;
		return NULL;
	}
	write_le32(at, (u32)length);
	write_le32(at + 4, type | (u32)flags << 16);
	for (u32 i = 0; i < 4; i++)
		write_le64(at + 8 + 8 * i, number[i]);
	for (u64 end = length; end < padded(length); end++)
		at[end] = 0;
	reader->used += padded(length);
	return at + HEADER_BYTES;
}

/*
 * The cursor must not pass what did not fit. So each of these looks at where the
 * cursor is, and puts it back.
 */
static bool read_message(struct px *px, struct reader *reader)
{
	struct px_note *cursor = px->outbox.message_cursor;
	u64 mask = px->outbox.message_mask, number[4] = { 0 };
	struct px_message message;
	u8 *at;

	if (!px_peek_message(px, &message))
		return false;
	number[0] = message.to;
	at = begin(reader, PAXOS_SEND, 0, message.bytes, number);
	if (at) {
		px_encode(px, &message, at);
	} else {
		px->outbox.message_cursor = cursor;
		px->outbox.message_mask = mask;
	}
	return at;
}

static bool read_event(struct px *px, struct reader *reader)
{
	struct px_incident *cursor = px->outbox.event_cursor;
	struct px_event event;
	u8 *at;

	if (!px_peek_event(px, &event))
		return false;
	at = begin(reader, event.type, 0, event.bytes,
		   (const u64[4]){ event.a, event.b, event.c, event.d });
	if (!at)
		px->outbox.event_cursor = cursor;
	else if (event.bytes)
		memcpy(at, event.data, event.bytes);
	return at;
}

static u8 *begin_record(struct reader *reader, const struct px_record *record)
{
	u16 flags = (u16)((record->checkpoint ? PAXOS_RECORD_CHECKPOINT : 0) |
			  (record->last ? PAXOS_RECORD_LAST : 0));

	if (record->snapshot)
		return begin(reader, PAXOS_RECORD_SNAPSHOT, flags, 0,
			     (const u64[4]){ record->write_id, record->snapshot_slot,
					     record->snapshot_checksum, record->snapshot_bytes });
	return begin(reader, PAXOS_RECORD, flags, record->bytes,
		     (const u64[4]){ record->write_id, 0, 0, 0 });
}

static bool read_record(struct px *px, struct reader *reader)
{
	struct px_sheet *cursor = px->outbox.record_cursor;
	u32 index = px->outbox.record_index;
	struct px_record record;
	u8 *at;

	if (!px_peek_record(px, &record))
		return false;
	at = begin_record(reader, &record);
	if (at) {
		px_encode_record(px, &record, at);
	} else {
		px->outbox.record_cursor = cursor;
		px->outbox.record_index = index;
	}
	return at;
}

static bool read_decided(struct px *px, struct reader *reader)
{
	u64 cursor = px->outbox.read_cursor;
	struct px_decided decided;
	u8 *at;

	if (!px_peek_decided(px, &decided))
		return false;
	at = begin(reader, PAXOS_DECIDED, 0, decided.bytes,
		   (const u64[4]){ decided.slot, decided.checksum, 0, 0 });
	if (at)
		memcpy(at, decided.value, decided.bytes);
	else
		px->outbox.read_cursor = cursor;
	return at;
}

/* Events of a take come before its records: a checkpoint may name a snapshot just installed. */
static bool record_is_older(const struct px *px)
{
	const struct px_outbox *outbox = &px->outbox;
	const struct px_sheet *sheet = outbox->record_cursor;
	const struct px_incident *event = outbox->event_cursor ? outbox->event_cursor->next :
								  outbox->ready_events.head;

	if (!sheet)
		sheet = outbox->ready_records.head;
	else if (outbox->record_index + 1 == sheet->count)
		sheet = sheet->next;
	return sheet && (!event || sheet->write_id < event->write_id);
}

static bool read_one(struct px_port *port, struct reader *reader)
{
	struct px *px = port->px;

	if (port->kind == PX_PORT_LIBRARY && read_message(px, reader))
		return true;
	if (reader->full)
		return false;
	if (record_is_older(px))
		return read_record(px, reader);
	if (read_event(px, reader))
		return true;
	return !reader->full && read_decided(px, reader);
}

/**
 * px_port_read() - whole records, as many as fit
 * @port: the port
 * @data: where to
 * @bytes: how much room there is
 *
 * Return: the bytes written, 0 if there is nothing; -1 if the first does not fit;
 * PX_POISONED.
 */
s64 px_port_read(struct px_port *port, u8 *data, u64 bytes)
{
	struct reader reader = { .data = data, .bytes = bytes };

	if (port->px->poisoned)
		return PX_POISONED;
	px_rewind(port->px, port->kind == PX_PORT_LIBRARY);
	while (read_one(port, &reader))
		;
	return reader.full && !reader.used ? -1 : (s64)reader.used;
}

/**
 * px_port_commit() - what px_port_read() gave last is read
 * @port: the port
 */
void px_port_commit(struct px_port *port)
{
	struct px *px = port->px;

	if (port->kind == PX_PORT_LIBRARY)
		px_commit_messages(px);
	px_commit_records(px);
	px_commit_events(px);
	px_commit_decided(px);
}

/**
 * px_port_urgent() - whether there is more to read than decided values
 * @port: the port
 */
bool px_port_urgent(const struct px_port *port)
{
	const struct px_outbox *outbox = &port->px->outbox;

	return (port->kind == PX_PORT_LIBRARY && outbox->ready_messages.head) ||
	       outbox->ready_records.head || outbox->ready_events.head;
}

/**
 * px_port_readable() - whether px_port_read() would give something
 * @port: the port
 */
bool px_port_readable(const struct px_port *port)
{
	const struct px_outbox *outbox = &port->px->outbox;

	if (port->px->poisoned)
		return false;
	return px_port_urgent(port) || outbox->read_slot < outbox->ready_watermark;
}
