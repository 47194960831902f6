/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Where kernels differ. The module is written for the newest, and this makes up for
 * what older ones lack; nothing else asks for a version.
 */
#ifndef PX_COMPAT_H
#define PX_COMPAT_H

#include <linux/hrtimer.h>
#include <linux/version.h>

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 13, 0)
static inline void hrtimer_setup(struct hrtimer *timer,
				 enum hrtimer_restart (*function)(struct hrtimer *),
				 clockid_t clock, enum hrtimer_mode mode)
{
	hrtimer_init(timer, clock, mode);
	timer->function = function;
}
#endif

#endif
