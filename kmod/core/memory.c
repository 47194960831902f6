// SPDX-License-Identifier: GPL-2.0 OR MIT
/* A buddy allocator within one block. Free blocks hold their own links; tags say where they are. */
#include "memory.h"

static u32 log2_floor(u32 number)
{
	return 31 - (u32)__builtin_clz(number);
}

static u8 *unit_at(const struct px_memory *memory, u32 unit)
{
	return memory->base + (size_t)unit * PX_UNIT_BYTES;
}

static void block_link(struct px_memory *memory, u32 unit, u32 order)
{
	struct px_free *block = (struct px_free *)(void *)unit_at(memory, unit);

	px_memory_show(block, sizeof(*block));
	block->prev = NULL;
	block->next = memory->blocks[order];
	if (block->next)
		block->next->prev = block;
	memory->blocks[order] = block;
	memory->orders |= 1u << order;
	memory->tags[unit] = (u8)(order + 1);
}

static void block_unlink(struct px_memory *memory, u32 unit, u32 order)
{
	struct px_free *block = (struct px_free *)(void *)unit_at(memory, unit);

	if (block->next)
		block->next->prev = block->prev;
	if (block->prev)
		block->prev->next = block->next;
	else
		memory->blocks[order] = block->next;
	if (!memory->blocks[order])
		memory->orders &= ~(1u << order);
	memory->tags[unit] = 0;
}

/* A block is free: with its buddy, if that is free as a whole, it makes a larger one. */
static void block_give(struct px_memory *memory, u32 unit, u32 order)
{
	while (order + 1 < PX_ORDERS) {
		u32 buddy = unit ^ 1u << order;

		if (buddy >= memory->units || memory->tags[buddy] != order + 1)
			break;
		block_unlink(memory, buddy, order);
		unit &= ~(1u << order);
		order++;
	}
	block_link(memory, unit, order);
}

/* Any run of units, as the fewest aligned blocks. */
static void run_give(struct px_memory *memory, u32 unit, u32 count)
{
	while (count) {
		u32 order = log2_floor(count);

		if (unit && (u32)__builtin_ctz(unit) < order)
			order = (u32)__builtin_ctz(unit);
		block_give(memory, unit, order);
		unit += 1u << order;
		count -= 1u << order;
	}
}

static void *block_take(struct px_memory *memory, u32 count)
{
	u32 order = count > 1 ? log2_floor(count - 1) + 1 : 0;
	u32 fit = order < PX_ORDERS ? memory->orders >> order : 0;
	u32 from, unit;

	if (!fit)
		return NULL;
	from = order + (u32)__builtin_ctz(fit);
	unit = (u32)((size_t)((u8 *)memory->blocks[from] - memory->base) / PX_UNIT_BYTES);
	block_unlink(memory, unit, from);
	while (from > order) {
		from--;
		block_link(memory, unit + (1u << from), from);
	}
	run_give(memory, unit + count, (1u << order) - count);
	return unit_at(memory, unit);
}

/* Let the units that were kept apart grow together again. */
static void spare_give(struct px_memory *memory)
{
	while (memory->spare) {
		struct px_free *unit = memory->spare;

		memory->spare = unit->next;
		block_give(memory, (u32)((size_t)((u8 *)unit - memory->base) / PX_UNIT_BYTES), 0);
	}
	memory->spare_units = 0;
}

/**
 * px_memory_overhead() - what a block needs beside its units
 * @units: how many units it is to have
 *
 * Return: bytes, for the tags and for alignment.
 */
u64 px_memory_overhead(u64 units)
{
	return units + 2 * PX_UNIT_BYTES;
}

/**
 * px_memory_init() - share out a block
 * @memory: to be filled in
 * @block: the memory; what it holds does not matter
 * @bytes: its length, more than px_memory_overhead(1)
 */
void px_memory_init(struct px_memory *memory, u8 *block, u64 bytes)
{
	u64 units = (bytes - PX_UNIT_BYTES) / (PX_UNIT_BYTES + 1);
	size_t skip;

	if (units > 0x7fffffff)
		units = 0x7fffffff;
	memset(memory, 0, sizeof(*memory));
	memory->tags = block;
	memory->units = memory->free_units = (u32)units;
	memset(memory->tags, 0, (size_t)units);
	skip = (size_t)units + (size_t)(-(uintptr_t)(block + units) & (PX_UNIT_BYTES - 1));
	memory->base = block + skip;
	run_give(memory, 0, memory->units);
	for (u32 order = 0; order < PX_ORDERS; order++)
		if (memory->blocks[order])
			px_memory_hide((u8 *)memory->blocks[order] + sizeof(struct px_free),
				       ((size_t)PX_UNIT_BYTES << order) - sizeof(struct px_free));
}

/**
 * px_memory_take() - a run of units
 * @memory: where from
 * @units: how many, at least 1
 *
 * Return: the memory, aligned to a unit, its content undefined; NULL if no free
 * block is large enough. A single unit is had whenever free_units is not 0.
 */
void *px_memory_take(struct px_memory *memory, u64 units)
{
	void *at;

	if (units > memory->free_units)
		return NULL;
	at = block_take(memory, (u32)units);
	if (!at && memory->spare) {
		spare_give(memory);
		at = block_take(memory, (u32)units);
	}
	if (!at)
		return NULL;
	memory->free_units -= (u32)units;
	px_memory_show(at, (size_t)units * PX_UNIT_BYTES);
	return at;
}

/**
 * px_memory_give() - give back units
 * @memory: where they came from
 * @at: the first of them: all of a run, or its end
 * @units: how many
 */
void px_memory_give(struct px_memory *memory, void *at, u64 units)
{
	u32 unit = (u32)((size_t)((u8 *)at - memory->base) / PX_UNIT_BYTES);

	if (!units)
		return;
	for (u64 i = 0; i < units; i++)
		px_memory_hide((u8 *)at + i * PX_UNIT_BYTES + sizeof(struct px_free),
			       PX_UNIT_BYTES - sizeof(struct px_free));
	memory->free_units += (u32)units;
	run_give(memory, unit, (u32)units);
}

/**
 * px_value_take() - room for a value that is yet to be written
 * @memory: where from
 * @bytes: its length
 *
 * Return: a value with one reference, its bytes and crc undefined; NULL if there
 * is no room.
 */
struct px_value *px_value_take(struct px_memory *memory, u64 bytes)
{
	u64 units = px_value_units(bytes);
	struct px_value *value = units == 1 ? px_unit_take(memory) : px_memory_take(memory, units);

	if (!value)
		return NULL;
	value->next = NULL;
	value->refs = 1;
	value->bytes = (u32)bytes;
	px_memory_hide(value->data + bytes,
		       (size_t)(units * PX_UNIT_BYTES - offsetof(struct px_value, data) - bytes));
	return value;
}

/**
 * px_value_make() - a value that holds a copy of bytes
 * @memory: where from
 * @data: the bytes
 * @bytes: how many
 * @crc: their checksum
 *
 * Return: a value with one reference; NULL if there is no room.
 */
struct px_value *px_value_make(struct px_memory *memory, const u8 *data, u32 bytes, u32 crc)
{
	struct px_value *value = px_value_take(memory, bytes);

	if (!value)
		return NULL;
	value->crc = crc;
	memcpy(value->data, data, bytes);
	return value;
}

/**
 * px_value_free() - the last reference is gone
 * @memory: where it came from
 * @value: to be freed
 */
void px_value_free(struct px_memory *memory, struct px_value *value)
{
	u64 units = px_value_units(value->bytes);

	if (units == 1)
		px_unit_give(memory, value);
	else
		px_memory_give(memory, value, units);
}

/**
 * px_value_is() - whether a value holds just these bytes
 * @value: the value
 * @data: the bytes
 * @bytes: how many
 * @crc: their checksum
 */
bool px_value_is(const struct px_value *value, const u8 *data, u32 bytes, u32 crc)
{
	return value->crc == crc && value->bytes == bytes && !memcmp(value->data, data, bytes);
}
