/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * The caller's block, shared out: units of 128 bytes, and values in them.
 *
 * Everything small fits one unit, and any free memory at all can be cut into
 * units, so "there are n units left" means that n small things can be had. That
 * is what lets an input be refused before anything has changed. Larger things
 * are runs of units, from power-of-two blocks whose unused end goes back.
 */
#ifndef PX_MEMORY_H
#define PX_MEMORY_H

#include <px_deps.h>

#ifndef px_memory_hide
#define px_memory_hide(at, bytes) do { } while (0)
#define px_memory_show(at, bytes) do { } while (0)
#endif

#define PX_UNIT_BYTES	128u
#define PX_ORDERS	32u
#define PX_SPARE_MAX	512u	/* single units kept apart, ready to be taken again */

struct px_free {
	struct px_free *next;
	struct px_free *prev;
};

struct px_memory {
	u8 *base;
	u8 *tags;		/* per unit: 1 + order where a free block begins, else 0 */
	u32 units;
	u32 free_units;		/* the spare ones among them */
	u32 orders;		/* a bit per order of which a block is free */
	u32 spare_units;
	struct px_free *spare;
	struct px_free *blocks[PX_ORDERS];
};

/* A value: bytes that do not change, kept once, freed with the last who refers to it. */
struct px_value {
	struct px_value *next;	/* in a queue of batches; else unused */
	u32 refs;
	u32 bytes;
	u32 crc;
	u8 data[];
};

u64 px_memory_overhead(u64 units);
void px_memory_init(struct px_memory *memory, u8 *block, u64 bytes);
void *px_memory_take(struct px_memory *memory, u64 units);
void px_memory_give(struct px_memory *memory, void *at, u64 units);

struct px_value *px_value_take(struct px_memory *memory, u64 bytes);
struct px_value *px_value_make(struct px_memory *memory, const u8 *data, u32 bytes, u32 crc);
void px_value_free(struct px_memory *memory, struct px_value *value);
bool px_value_is(const struct px_value *value, const u8 *data, u32 bytes, u32 crc);

/* How many units `bytes` take. */
static inline u64 px_units(u64 bytes)
{
	return (bytes + PX_UNIT_BYTES - 1) / PX_UNIT_BYTES;
}

/* How many units a value of `bytes` takes. */
static inline u64 px_value_units(u64 bytes)
{
	return px_units(offsetof(struct px_value, data) + bytes);
}

/* One unit; NULL if none is left. */
static inline void *px_unit_take(struct px_memory *memory)
{
	struct px_free *unit = memory->spare;

	if (!unit)
		return px_memory_take(memory, 1);
	memory->spare = unit->next;
	memory->spare_units--;
	memory->free_units--;
	px_memory_show(unit, PX_UNIT_BYTES);
	return unit;
}

/* Give one unit back. */
static inline void px_unit_give(struct px_memory *memory, void *at)
{
	struct px_free *unit = at;

	if (memory->spare_units >= PX_SPARE_MAX) {
		px_memory_give(memory, at, 1);
		return;
	}
	unit->next = memory->spare;
	memory->spare = unit;
	memory->spare_units++;
	memory->free_units++;
	px_memory_hide((u8 *)at + sizeof(*unit), PX_UNIT_BYTES - sizeof(*unit));
}

static inline struct px_value *px_value_get(struct px_value *value)
{
	value->refs++;
	return value;
}

static inline void px_value_put(struct px_memory *memory, struct px_value *value)
{
	if (--value->refs == 0)
		px_value_free(memory, value);
}

/* Whether two values have the same checksum and the same bytes. */
static inline bool px_value_equal(const struct px_value *one, const struct px_value *other)
{
	return one == other || px_value_is(one, other->data, other->bytes, other->crc);
}

#endif
