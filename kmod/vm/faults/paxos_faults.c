// SPDX-License-Identifier: GPL-2.0
/*
 * Faults on demand, to prove that the test harness finds them:
 *
 *	echo warn >/sys/module/paxos_faults/parameters/fault
 */
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

static DEFINE_SPINLOCK(fault_spinlock);
static DEFINE_MUTEX(fault_mutex);

static void fault_warn(void)
{
	WARN(1, "a fault on demand\n");
}

static void fault_oops(void)
{
	*(volatile int *)8 = 1;
}

static void fault_leak(void)
{
	void *block = kmalloc(4096, GFP_KERNEL);

	if (block)
		memset(block, 1, 4096);
}

/* One byte beyond a block: only KASAN sees it. */
static void fault_overflow(void)
{
	char *block = kmalloc(100, GFP_KERNEL);

	if (!block)
		return;
	OPTIMIZER_HIDE_VAR(block);
	block[100] = 1;
	kfree(block);
}

/* A mutex under a spinlock: only lockdep and DEBUG_ATOMIC_SLEEP see it. */
static void fault_atomic(void)
{
	spin_lock(&fault_spinlock);
	mutex_lock(&fault_mutex);
	mutex_unlock(&fault_mutex);
	spin_unlock(&fault_spinlock);
}

/* In D state for ever. */
static void fault_hang(void)
{
	for (;;) {
		set_current_state(TASK_UNINTERRUPTIBLE);
		schedule();
	}
}

/* Nobody gives this reference back: the module cannot be removed. */
static void fault_busy(void)
{
	__module_get(THIS_MODULE);
}

static const struct {
	const char *name;
	void (*act)(void);
} faults[] = {
	{ "warn", fault_warn },	    { "oops", fault_oops },	{ "leak", fault_leak },
	{ "overflow", fault_overflow }, { "atomic", fault_atomic }, { "hang", fault_hang },
	{ "busy", fault_busy },
};

static int fault_set(const char *name, const struct kernel_param *param)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(faults); i++) {
		if (sysfs_streq(name, faults[i].name)) {
			faults[i].act();
			return 0;
		}
	}
	return -EINVAL;
}

static const struct kernel_param_ops fault_ops = { .set = fault_set };
module_param_cb(fault, &fault_ops, NULL, 0200);
MODULE_PARM_DESC(fault, "warn, oops, leak, overflow, atomic, hang or busy: happens when written");

static int __init faults_init(void)
{
	return 0;
}
module_init(faults_init);

/* Without an exit a module cannot be unloaded at all. */
static void __exit faults_exit(void)
{
}
module_exit(faults_exit);

MODULE_DESCRIPTION("Faults on demand, for the tests of the test harness");
MODULE_LICENSE("GPL");
