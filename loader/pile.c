/*
 * Piles: arrays that grow while it is not known how many items there will be. They double, so that
 * an item is copied twice at most, and are scratch memory; what stays is settled in the end.
 * Called by sites.c.
 */
#include "loader/load.h"

void krtld_drop_pile(struct krtld *krtld, struct krtld_pile *pile, size_t size)
{
	if (pile->items)
		krtld_unscratch(krtld, pile->items, pile->room * size);
	*pile = (struct krtld_pile){NULL, 0, 0};
}

bool krtld_make_room(struct krtld *krtld, const struct krtld_module *module,
		     struct krtld_pile *pile, uint32_t n, size_t size)
{
	struct krtld_pile larger = {NULL, pile->n, pile->room ? 2 * pile->room : KRTLD_QUEUE};

	if (pile->room - pile->n >= n)
		return true;
	larger.items = krtld_scratch(krtld, module, larger.room * size);
	if (!larger.items)
		return false;
	if (pile->n)
		memcpy(larger.items, pile->items, pile->n * size);
	krtld_drop_pile(krtld, pile, size);
	*pile = larger;
	return true;
}

void *krtld_settle(struct krtld *krtld, struct krtld_module *module, const struct krtld_pile *pile,
		   size_t size)
{
	void *items = krtld_meta(krtld, module, pile->n, size);

	if (items && pile->n)
		memcpy(items, pile->items, pile->n * size);
	return items;
}
