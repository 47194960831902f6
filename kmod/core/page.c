// SPDX-License-Identifier: GPL-2.0 OR MIT
/* The votes of a Promise, while it waits to be sent or heard. */
#include "core.h"

/**
 * px_page_add() - one more vote
 * @px: the core
 * @tail: the last part so far, *NULL for none; moved to the last part
 * @vote: the vote, whose value gets one more reference
 *
 * Return: the last part; NULL without memory, and then nothing has changed.
 */
struct px_page *px_page_add(struct px *px, struct px_page **tail, const struct px_vote *vote)
{
	struct px_page *page = *tail;

	if (!page || page->count == PX_PAGE_VOTES) {
		page = px_unit_take(&px->memory);
		if (!page)
			return NULL;
		page->next = NULL;
		page->count = 0;
		if (*tail)
			(*tail)->next = page;
		*tail = page;
	}
	page->vote[page->count] = *vote;
	px_value_get(vote->value);
	page->count++;
	return page;
}

/**
 * px_pages_free() - the votes of a Promise are not needed any more
 * @px: the core
 * @page: the first part, or NULL
 */
void px_pages_free(struct px *px, struct px_page *page)
{
	while (page) {
		struct px_page *next = page->next;

		for (u32 i = 0; i < page->count; i++)
			px_value_put(&px->memory, page->vote[i].value);
		px_unit_give(&px->memory, page);
		page = next;
	}
}
