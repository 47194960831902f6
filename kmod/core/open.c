// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * What is open at the proposer, by slot: while it prepares, the votes that promises
 * showed; when it leads, its proposals. Never both, so they share a ring.
 */
#include "core.h"

/**
 * px_open_at() - what is open for a slot
 * @px: the core
 * @slot: any slot
 *
 * Return: the entry; NULL if there is none.
 */
struct px_open *px_open_at(const struct px *px, u64 slot)
{
	struct px_open *open = &px->proposer.ring[slot & px->proposer.mask];

	return open->value && open->slot == slot ? open : NULL;
}

static void ring_give(struct px *px)
{
	struct px_proposer *proposer = &px->proposer;

	if (proposer->ring != proposer->ring_first)
		px_memory_give(&px->memory, proposer->ring,
			       px_units(((u64)proposer->mask + 1) * sizeof(*proposer->ring)));
}

/**
 * px_open_reserve() - make room for a span of slots
 * @px: the core
 * @slots: how many, from the lowest to the highest
 *
 * Return: false without memory, and then nothing has changed.
 */
bool px_open_reserve(struct px *px, u64 slots)
{
	struct px_proposer *proposer = &px->proposer;
	u64 size = (u64)proposer->mask + 1, units;
	struct px_open *ring = NULL;

	if (slots <= size)
		return true;
	while (size < slots)
		size *= 2;
	units = px_units(size * sizeof(*ring));
	if (px_room(px, units))
		ring = px_memory_take(&px->memory, units);
	if (!ring)
		return false;
	memset(ring, 0, (size_t)size * sizeof(*ring));
	for (u64 i = 0; i <= proposer->mask; i++)
		if (proposer->ring[i].value)
			ring[proposer->ring[i].slot & (size - 1)] = proposer->ring[i];
	ring_give(px);
	proposer->ring = ring;
	proposer->mask = (u32)(size - 1);
	return true;
}

/**
 * px_open_put() - open a slot
 * @px: the core
 * @slot: the slot; another in its place is far below, and of no more use
 * @value: its value; the entry takes over the reference
 *
 * Return: the entry, all else in it zero.
 */
struct px_open *px_open_put(struct px *px, u64 slot, struct px_value *value)
{
	struct px_proposer *proposer = &px->proposer;
	struct px_open *open = &proposer->ring[slot & proposer->mask];

	if (open->value)
		px_open_drop(px, open);
	memset(open, 0, sizeof(*open));
	open->slot = slot;
	open->value = value;
	if (!proposer->count || slot < proposer->first)
		proposer->first = slot;
	if (!proposer->count || slot >= proposer->end)
		proposer->end = slot == PX_U64_MAX ? slot : slot + 1;
	proposer->count++;
	return open;
}

/**
 * px_open_drop() - close a slot
 * @px: the core
 * @open: its entry
 */
void px_open_drop(struct px *px, struct px_open *open)
{
	px_value_put(&px->memory, open->value);
	open->value = NULL;
	px->proposer.count--;
}

/**
 * px_open_clear() - close all slots
 * @px: the core
 */
void px_open_clear(struct px *px)
{
	struct px_proposer *proposer = &px->proposer;
	u64 slot = proposer->first;

	for (u64 i = 0; i <= proposer->mask && proposer->count; i++, slot++) {
		struct px_open *open = &proposer->ring[slot & proposer->mask];

		if (open->value)
			px_open_drop(px, open);
	}
	proposer->first = proposer->end = 0;
	if (proposer->ring == proposer->ring_first)
		return;
	ring_give(px);
	proposer->ring = proposer->ring_first;
	proposer->mask = proposer->mask_first;
	memset(proposer->ring, 0, ((size_t)proposer->mask + 1) * sizeof(*proposer->ring));
}
