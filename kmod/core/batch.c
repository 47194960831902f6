// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Commands that wait, as the batches that they will be: MessagePack `array 32` of
 * `bin 32`.
 *
 * A batch takes commands from the head of the queue while they fit, so where one
 * batch ends is settled as its commands come in, and each command is written once,
 * to its place. Only the last batch is still open.
 */
#include "core.h"

static void write_header(u8 *at, u32 count)
{
	at[0] = PX_ARRAY32;
	px_write_be32(at + 1, count);
}

/* An empty batch with room for `bytes` in all, at the end of the queue. */
static bool begin(struct px *px, u32 bytes)
{
	struct px_proposer *proposer = &px->proposer;
	struct px_value *batch = px_value_take(&px->memory, bytes);

	if (!batch)
		return false;
	batch->bytes = PX_BATCH_HEADER_BYTES;
	proposer->pending_link = proposer->pending_tail ? &proposer->pending_tail->next :
							  &proposer->pending;
	*proposer->pending_link = batch;
	proposer->pending_tail = batch;
	proposer->tail_units = (u32)px_value_units(bytes);
	proposer->tail_commands = 0;
	return true;
}

/* Give back what a batch that gets no more commands does not need. */
static void finish(struct px *px)
{
	struct px_proposer *proposer = &px->proposer;
	struct px_value *batch = proposer->pending_tail;
	u32 units = (u32)px_value_units(batch->bytes);

	px_memory_give(&px->memory, (u8 *)batch + (size_t)units * PX_UNIT_BYTES,
		       proposer->tail_units - units);
	proposer->tail_units = units;
}

/* Twice the room for the open batch, in another place. */
static bool grow(struct px *px, u64 bytes)
{
	struct px_proposer *proposer = &px->proposer;
	struct px_value *old = proposer->pending_tail, *batch;
	u64 units = px_max(px_value_units(bytes), 2 * (u64)proposer->tail_units);

	units = px_min(units, px_value_units(px->value_bytes_max));
	if (!px_room_for_command(px, units))
		return false;
	batch = px_memory_take(&px->memory, units);
	if (!batch)
		return false;
	memcpy(batch, old, offsetof(struct px_value, data) + old->bytes);
	*proposer->pending_link = batch;
	proposer->pending_tail = batch;
	px_memory_give(&px->memory, old, proposer->tail_units);
	proposer->tail_units = (u32)units;
	return true;
}

static bool fits_open_batch(const struct px *px, u64 bytes)
{
	const struct px_proposer *proposer = &px->proposer;

	return proposer->pending_tail && proposer->tail_commands < PX_BATCH_COMMANDS_MAX &&
	       proposer->pending_tail->bytes + bytes <= px->value_bytes_max;
}

/**
 * px_batch_add() - a command to be proposed
 * @px: the core
 * @command: its bytes
 * @bytes: how many; a batch can hold them
 *
 * Return: PX_OK; PX_DROP_NO_MEMORY, and then nothing has changed.
 */
int px_batch_add(struct px *px, const u8 *command, u32 bytes)
{
	struct px_proposer *proposer = &px->proposer;
	u64 more = (u64)PX_COMMAND_HEADER_BYTES + bytes;
	struct px_value *batch;
	u8 *at;

	if (fits_open_batch(px, more)) {
		if (px_value_units(proposer->pending_tail->bytes + more) > proposer->tail_units &&
		    !grow(px, proposer->pending_tail->bytes + more))
			return PX_DROP_NO_MEMORY;
	} else {
		if (!px_room_for_command(px, px_value_units(PX_BATCH_HEADER_BYTES + more)))
			return PX_DROP_NO_MEMORY;
		if (proposer->pending_tail)
			finish(px);
		if (!begin(px, (u32)(PX_BATCH_HEADER_BYTES + more)))
			return PX_DROP_NO_MEMORY;
	}
	batch = proposer->pending_tail;
	px_memory_show(batch, (size_t)proposer->tail_units * PX_UNIT_BYTES);
	at = px_body_header_write(batch->data + batch->bytes, bytes);
	memcpy(at, command, bytes);
	batch->bytes += (u32)more;
	write_header(batch->data, ++proposer->tail_commands);
	proposer->pending_count++;
	proposer->pending_bytes += more;
	return PX_OK;
}

/**
 * px_batch_pop() - the next batch to be proposed
 * @px: the core; something is pending
 *
 * Return: the batch, with its checksum; the caller has the reference.
 */
struct px_value *px_batch_pop(struct px *px)
{
	struct px_proposer *proposer = &px->proposer;
	struct px_value *batch = proposer->pending;

	if (batch == proposer->pending_tail) {
		finish(px);
		proposer->pending_tail = NULL;
	}
	proposer->pending = batch->next;
	if (proposer->pending_link == &batch->next)
		proposer->pending_link = &proposer->pending;
	batch->next = NULL;
	proposer->pending_count -= px_read_be32(batch->data + 1);
	proposer->pending_bytes -= batch->bytes - PX_BATCH_HEADER_BYTES;
	batch->crc = px_crc32(0, batch->data, batch->bytes);
	return batch;
}

/**
 * px_batch_clear() - forget what waits: its clients will ask again
 * @px: the core
 */
void px_batch_clear(struct px *px)
{
	struct px_proposer *proposer = &px->proposer;

	if (proposer->pending_tail)
		finish(px);
	while (proposer->pending) {
		struct px_value *batch = proposer->pending;

		proposer->pending = batch->next;
		px_value_put(&px->memory, batch);
	}
	proposer->pending_tail = NULL;
	proposer->pending_count = 0;
	proposer->pending_bytes = 0;
}

/**
 * px_batch_noop() - the value for a slot that nobody proposed for
 * @px: the core
 *
 * Return: the empty batch; NULL without memory.
 */
struct px_value *px_batch_noop(struct px *px)
{
	struct px_value *noop = px_value_take(&px->memory, PX_BATCH_HEADER_BYTES);

	if (!noop)
		return NULL;
	write_header(noop->data, 0);
	noop->crc = px_crc32(0, noop->data, noop->bytes);
	return noop;
}
