// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The learner: the chosen log, in order and without gaps.
 *
 * A value is learnt once it is known to be chosen, whoever said so. It is
 * delivered when every slot below it is, and while the log has room: a full one
 * waits for px_compact(). Values were checked against their checksums when they
 * came into the block, so they are not checked again here.
 */
#include "core.h"

/**
 * px_entry_at() - a slot's place in the log
 * @px: the core
 * @slot: any slot; whether it is in the log is not looked at
 */
struct px_entry *px_entry_at(const struct px *px, u64 slot)
{
	return &px->learner.log[slot & px->learner.log_mask];
}

/**
 * px_hear_watermark() - somebody knows every slot below a watermark
 * @px: the core
 * @watermark: theirs
 */
void px_hear_watermark(struct px *px, u64 watermark)
{
	px->learner.known_chosen = px_max(px->learner.known_chosen, watermark);
}

/**
 * px_log_at() - the chosen value of a slot
 * @px: the core
 * @slot: any slot
 *
 * Return: the value; NULL if the slot is not in the log.
 */
struct px_value *px_log_at(const struct px *px, u64 slot)
{
	if (slot < px->learner.first_slot || slot >= px->learner.watermark)
		return NULL;
	return px_entry_at(px, slot)->value;
}

/**
 * px_ahead_at() - the value of a slot that is chosen, but not next in order
 * @px: the core
 * @slot: any slot
 *
 * Return: the value; NULL if it is not known.
 */
struct px_value *px_ahead_at(const struct px *px, u64 slot)
{
	if (!px_learns(px, slot))
		return NULL;
	return px->learner.ahead[slot & px->learner.ahead_mask];
}

/**
 * px_learns() - whether a chosen value for a slot would be kept
 * @px: the core
 * @slot: any slot
 */
bool px_learns(const struct px *px, u64 slot)
{
	return px_within(slot, px->learner.watermark, px->config.vote_slots_max);
}

/**
 * px_learn() - a value is chosen for a slot
 * @px: the core
 * @slot: the slot
 * @value: the value; a reference of its own is taken if it is kept
 */
void px_learn(struct px *px, u64 slot, struct px_value *value)
{
	struct px_learner *learner = &px->learner;
	struct px_value **place = &learner->ahead[slot & learner->ahead_mask];

	if (!px_learns(px, slot))
		return;
	if (*place) {
		px_holds(px, (*place)->crc == value->crc, PX_POISON_TWO_VALUES);
		return;
	}
	*place = px_value_get(value);
	learner->ahead_count++;
}

/**
 * px_learner_has_next() - whether the next value in order is known, and there is room for it
 * @px: the core
 */
bool px_learner_has_next(const struct px *px)
{
	const struct px_learner *learner = &px->learner;

	return learner->ahead[learner->watermark & learner->ahead_mask] &&
	       learner->watermark - learner->first_slot <= learner->log_mask;
}

/**
 * px_learner_deliver_next() - move the watermark over the next value
 * @px: the core, of which px_learner_has_next()
 *
 * Return: the value's entry in the log.
 */
struct px_entry *px_learner_deliver_next(struct px *px)
{
	struct px_learner *learner = &px->learner;
	struct px_value **place = &learner->ahead[learner->watermark & learner->ahead_mask];
	struct px_entry *entry = px_entry_at(px, learner->watermark);

	entry->value = *place;
	entry->unrecorded = false;
	*place = NULL;
	learner->ahead_count--;
	learner->log_bytes += PX_ENTRY_OVERHEAD_BYTES + entry->value->bytes;
	learner->watermark++;
	learner->known_chosen = px_max(learner->known_chosen, learner->watermark);
	return entry;
}

static void entry_drop(struct px *px, struct px_entry *entry)
{
	px->learner.log_bytes -= PX_ENTRY_OVERHEAD_BYTES + entry->value->bytes;
	px_value_put(&px->memory, entry->value);
	entry->value = NULL;
	entry->unrecorded = false;
}

/**
 * px_learner_trim() - forget the log below a slot
 * @px: the core
 * @first_slot: the slot, at most the watermark
 */
void px_learner_trim(struct px *px, u64 first_slot)
{
	struct px_learner *learner = &px->learner;

	for (; learner->first_slot < first_slot; learner->first_slot++)
		entry_drop(px, px_entry_at(px, learner->first_slot));
}

/**
 * px_learner_restart() - begin again: a snapshot covers everything below a slot
 * @px: the core
 * @slot: the slot, above the watermark
 */
void px_learner_restart(struct px *px, u64 slot)
{
	struct px_learner *learner = &px->learner;
	u64 at = learner->watermark;

	if (!px_holds(px, slot > learner->watermark, PX_POISON_WATERMARK))
		return;
	px_learner_trim(px, learner->watermark);
	for (u32 i = 0; i <= learner->ahead_mask && at < slot && learner->ahead_count; i++, at++) {
		struct px_value **place = &learner->ahead[at & learner->ahead_mask];

		if (!*place)
			continue;
		px_value_put(&px->memory, *place);
		*place = NULL;
		learner->ahead_count--;
	}
	learner->first_slot = learner->watermark = slot;
	learner->known_chosen = px_max(learner->known_chosen, slot);
}
