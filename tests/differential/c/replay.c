/* SPDX-License-Identifier: MIT */
/*
 * Does again what a tape says (recorder.py), in a build with sanitizers, and
 * prints one number over all that was answered.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "px.h"

enum {
	FRAME = 2,
	RESTORE = 16, RESTORE_SNAPSHOT, PROPOSE, PERSISTED, COMPACT, TICK,
	TAKE = 200, START, INIT,
};

#define NUMBERS_MAX (1 << 17)

struct record {
	u32 length;
	u16 type, flags;
	u64 a, b, c, d;
};

static u32 crc, table[256];
static u64 steps, total;
static struct px *px;
static void *block;
static u64 numbers[NUMBERS_MAX];

static void make_table(void)
{
	for (u32 byte = 0; byte < 256; byte++) {
		u32 value = byte;

		for (int bit = 0; bit < 8; bit++)
			value = value >> 1 ^ (value & 1 ? 0xedb88320u : 0);
		table[byte] = value;
	}
}

static void note(const void *data, size_t bytes)
{
	const u8 *byte = data;
	u32 value = ~crc;

	for (; bytes; bytes--)
		value = table[(value ^ *byte++) & 255] ^ value >> 8;
	crc = ~value;
}

static void note_number(u64 number)
{
	note(&number, sizeof(number));
}

static void die(const char *why)
{
	fprintf(stderr, "replay: %s\n", why);
	exit(2);
}

static void note_dump(void)
{
	u32 count = px_dump(px, numbers, NUMBERS_MAX);

	if (count > NUMBERS_MAX)
		die("a dump is too long");
	note(numbers, count * sizeof(numbers[0]));
}

/* Behind what it hands out an exact block, so that a byte too many is seen. */
static void note_encoded(u32 bytes, void (*encode)(const void *, u8 *), const void *what)
{
	u8 *data = malloc(bytes ? bytes : 1);

	encode(what, data);
	note(data, bytes);
	free(data);
}

static void encode_message(const void *message, u8 *data)
{
	px_encode(px, message, data);
}

static void encode_record(const void *record, u8 *data)
{
	px_encode_record(px, record, data);
}

static void take_events(void)
{
	struct px_event event;

	while (px_next_event(px, &event) == 1) {
		note_number(event.type);
		note_number(event.bytes);
		note_number(event.a);
		note_number(event.b);
		note_number(event.c);
		note_number(event.d);
		note(event.data, event.bytes);
	}
}

static void take_messages(void)
{
	struct px_message message;
	bool some = false;

	while (px_next_message(px, &message) == 1) {
		note_number(message.to);
		note_number(message.bytes);
		note_number(message.same);
		if (!message.same || !some)
			note_encoded(message.bytes, encode_message, &message);
		some = true;
	}
}

static void take_records(void)
{
	struct px_record record;

	while (px_next_record(px, &record) == 1) {
		note_number(record.write_id);
		note_number(record.bytes);
		note_number(record.checkpoint);
		note_number(record.last);
		note_number(record.snapshot);
		note_number(record.snapshot_slot);
		note_number(record.snapshot_bytes);
		note_number(record.snapshot_checksum);
		if (!record.snapshot)
			note_encoded(record.bytes, encode_record, &record);
	}
}

static void take_decided(void)
{
	struct px_decided decided;

	while (px_next_decided(px, &decided) == 1) {
		note_number(decided.slot);
		note_number(decided.checksum);
		note_number(decided.bytes);
		note(decided.value, decided.bytes);
	}
}

static void take(void)
{
	if (px_take(px) >= 0) {
		take_events();
		take_messages();
		take_records();
		take_decided();
	}
	steps++;
	note_dump();
}

/* A trace has ended. */
static void fold(void)
{
	if (px)
		total = total * 1000003 + crc;
	crc = 0;
}

static void init(const struct record *record, const u8 *payload)
{
	struct px_config config;
	u64 bytes;

	fold();
	memcpy(&config, payload, sizeof(config));
	bytes = px_memory_bytes_min(&config) + record->a;
	/* aligned_alloc() wants a multiple; what is over the multiple is not used. */
	bytes = bytes / 64 * 64;
	free(block);
	block = aligned_alloc(64, bytes);
	if (!block)
		die("no memory");
	memset(block, 0x5a, bytes);
	px = px_init(block, bytes, &config);
	if (!px)
		die("px_init() refuses");
}

static void did(int error)
{
	note(&error, sizeof(error));
	steps++;
	note_dump();
}

static void apply(const struct record *record, const u8 *payload, u32 bytes)
{
	/* Its own block, so that reading behind the frame is seen. */
	u8 *exact = malloc(bytes ? bytes : 1);

	memcpy(exact, payload, bytes);
	switch (record->type) {
	case INIT:
		init(record, exact);
		break;
	case RESTORE:
		px_restore(px, exact, bytes);
		break;
	case RESTORE_SNAPSHOT:
		px_restore_snapshot(px, record->a, (u32)record->b, record->c);
		break;
	case START:
		px_start(px);
		break;
	case FRAME:
		did(px_receive(px, record->a, exact, bytes));
		break;
	case PROPOSE:
		did(px_propose(px, exact, bytes));
		break;
	case PERSISTED:
		did(px_persisted(px, record->a));
		break;
	case COMPACT:
		did(px_compact(px, record->a, (u32)record->b, record->c));
		break;
	case TICK:
		did(px_tick(px));
		break;
	case TAKE:
		take();
		break;
	default:
		die("a record of no known type");
	}
	free(exact);
}

int main(int count, char **arguments)
{
	static u8 payload[1 << 20];
	struct record record;
	FILE *tape = count == 2 ? fopen(arguments[1], "rb") : NULL;

	if (!tape)
		die("which tape?");
	make_table();
	while (fread(&record, sizeof(record), 1, tape) == 1) {
		u32 bytes = record.length - sizeof(record);
		u32 padded = (bytes + 7) / 8 * 8;

		if (record.length < sizeof(record) || padded > sizeof(payload))
			die("a damaged tape");
		if (padded && fread(payload, padded, 1, tape) != 1)
			die("a cut tape");
		apply(&record, payload, bytes);
	}
	fclose(tape);
	fold();
	free(block);
	printf("%llu %016llx\n", (unsigned long long)steps, (unsigned long long)total);
	return 0;
}
