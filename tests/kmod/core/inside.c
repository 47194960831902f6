// SPDX-License-Identifier: GPL-2.0 OR MIT
/* What the tests do to the inside of a core: take its memory away, and look for what was lost. */
#include "core.h"

/* Units taken away, one by one, each with a link to the one before. */
static void *stolen;

__attribute__((visibility("default"))) u32 test_free_units(const struct px *px)
{
	return px->memory.free_units;
}

__attribute__((visibility("default"))) u32 test_reserve(const struct px *px)
{
	return px->reserve;
}

/* Take memory away until only so many units are free. */
__attribute__((visibility("default"))) void test_steal(struct px *px, u32 leave)
{
	while (px->memory.free_units > leave) {
		void **unit = px_memory_take(&px->memory, 1);

		*unit = stolen;
		stolen = unit;
	}
}

/* Give it back; that it was away asks for no snapshot. */
__attribute__((visibility("default"))) void test_give_back(struct px *px)
{
	while (stolen) {
		void **unit = stolen;

		stolen = *unit;
		px_memory_give(&px->memory, unit, 1);
	}
	px->starved = false;
}

static void put(struct px *px, struct px_value *value)
{
	if (value)
		px_value_put(&px->memory, value);
}

static void free_notes(struct px *px, struct px_notes *notes)
{
	struct px_note *note;

	while ((note = px_note_pop(notes)))
		px_note_free(px, note);
}

static void free_tables(struct px *px)
{
	struct px_learner *learner = &px->learner;

	for (u64 i = 0; i <= learner->log_mask; i++)
		put(px, learner->log[i].value);
	for (u64 i = 0; i <= learner->ahead_mask; i++)
		put(px, learner->ahead[i]);
	for (u64 i = 0; i <= px->acceptor.mask; i++)
		put(px, px->acceptor.ring[i].value);
	if (px->acceptor.ring != px->acceptor.ring_first)
		px_memory_give(&px->memory, px->acceptor.ring,
			       px_units(((u64)px->acceptor.mask + 1) * sizeof(struct px_vote)));
}

/* Free all that the core knows of; how many units are still missing. The core is gone then. */
__attribute__((visibility("default"))) s64 test_lost_units(struct px *px)
{
	struct px_outbox *outbox = &px->outbox;
	struct px_message message;
	struct px_record record;
	struct px_event event;

	px->poisoned = 0;
	px_proposer_stop(px);
	px_outbox_take(px);
	px_rewind(px, true);
	while (px_next_message(px, &message) || px_next_record(px, &record) ||
	       px_next_event(px, &event))
		;
	free_notes(px, &outbox->gated);
	free_notes(px, &outbox->to_self);
	free_tables(px);
	put(px, px->noop);
	return (s64)px->memory.units - px->memory.free_units;
}
