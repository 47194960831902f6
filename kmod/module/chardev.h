/* SPDX-License-Identifier: GPL-2.0 */
#ifndef PAXOS_CHARDEV_H
#define PAXOS_CHARDEV_H

#include <linux/fs.h>

extern const struct file_operations paxos_file_operations;

#endif
