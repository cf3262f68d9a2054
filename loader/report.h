/*
 * Refusals on their way to krtld_ops.report. Private to loader/; error.c makes a line of them.
 */
#ifndef HOTINLINE_LOADER_REPORT_H
#define HOTINLINE_LOADER_REPORT_H

#include "loader/krtld.h"

/* Reports, and returns false. */
static inline bool krtld_refuse(const struct krtld *krtld, const struct krtld_error *error)
{
	krtld->ops->report(krtld->ctx, error);
	return false;
}

/* The same with the fields written out: REFUSE(krtld, module's name, reason, .what = …). */
#define REFUSE(krtld, name, ...)                                                                   \
	krtld_refuse(krtld, &(struct krtld_error){.module = (name), .reason = __VA_ARGS__})

#endif
