// SPDX-License-Identifier: GPL-2.0
/*
 * /dev/paxos. Opening it gives an endpoint, as opening /dev/net/tun does; uapi/paxos.h
 * says what is read and written.
 */
#include <linux/miscdevice.h>
#include <linux/module.h>

#include "chardev.h"
#include "endpoint.h"

static struct miscdevice paxos_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "paxos",
	.fops = &paxos_file_operations,
	.mode = 0660,
};

static int __init paxos_init(void)
{
	int err = paxos_endpoints_init();

	if (err)
		return err;
	err = misc_register(&paxos_device);
	if (err)
		paxos_endpoints_exit();
	return err;
}

static void __exit paxos_exit(void)
{
	misc_deregister(&paxos_device);
	paxos_endpoints_exit();
}

module_init(paxos_init);
module_exit(paxos_exit);

MODULE_DESCRIPTION("Paxos below the system call: frames, an echo, or a replica in the kernel");
MODULE_AUTHOR("The pluggable-paxos project");
MODULE_LICENSE("GPL");
MODULE_VERSION("0.1.0");
