/* SPDX-License-Identifier: (GPL-2.0 WITH Linux-syscall-note) OR MIT */
/*
 * What the module reflux_reclaim and user space share. Kernel and user space include this same file.
 *
 * Numbers here are a prototype's: nothing of it is in Linux.
 */
#ifndef REFLUX_RECLAIM_H
#define REFLUX_RECLAIM_H

#include <linux/ioctl.h>

/*
 * Flag of preadv2(2) and pwritev2(2), as proposed in 2019 ("[PATCH] ext4: Fix deadlock on page reclaim"): the
 * call runs with PF_MEMALLOC_NOFS, so that no reclaim that it enters calls a filesystem. Linux counts its own
 * RWF_ bits from below; 7.2 has nine. Without the module, or on a file without read_iter or write_iter:
 * EOPNOTSUPP. Without CAP_SYS_RESOURCE in the first user namespace: EPERM. io_uring and aio know nothing of
 * it.
 */
#define RWF_NOFSRECLAIM 0x40000000

#define REFLUX_RECLAIM_MODULE "reflux_reclaim"
#define REFLUX_SCOPE_DEVICE "/dev/reflux_scope"
/* Counters, a number a file; see the attributes in reflux_reclaim.c. */
#define REFLUX_SCOPE_COUNTERS "/sys/class/misc/reflux_scope"

/* Scopes of a thread; may be or-ed. */
#define REFLUX_SCOPE_NOFS 1     /* PF_MEMALLOC_NOFS: reclaim calls no filesystem */
#define REFLUX_SCOPE_NOIO 2     /* PF_MEMALLOC_NOIO: nor starts I/O */
#define REFLUX_SCOPE_MEMALLOC 4 /* PF_MEMALLOC: no reclaim at all, allocations take from the reserves */

/*
 * All of these need CAP_SYS_RESOURCE in the first user namespace (EPERM). The argument is a value, no
 * pointer.
 *
 * ENTER puts the calling thread into the scopes of the argument. A scope does not nest in itself: EBUSY when
 * the thread has entered one of them already by this device; different ones nest in any order. ENOSPC: too
 * many threads are in scopes.
 *
 * LEAVE ends the scopes of the argument; EINVAL when the thread has not entered all of them. Where the thread
 * had the flag before ENTER, from another source (PR_SET_IO_FLUSHER sets PF_MEMALLOC_NOIO), it keeps it.
 *
 * A scope belongs to the thread and not to the descriptor: it outlives close(), and any descriptor of the
 * device ends it. It ends with the thread. The module cannot be unloaded while a thread is in a scope.
 * execve() keeps it; a thread that is cloned in a scope gets a copy of the flags (copy_process()) which
 * nothing ends: do not clone in one.
 */
#define REFLUX_SCOPE_ENTER _IO('R', 0xf1)
#define REFLUX_SCOPE_LEAVE _IO('R', 0xf2)

/*
 * MASK takes __GFP_FS out of the allocation mask of the page cache of the file whose descriptor is the
 * argument, for everybody who uses it, until UNMASK or the last close() of the device's descriptor, which
 * also holds the file. One file for each open of the device: EBUSY for a second one. EALREADY: the mask has
 * no __GFP_FS (the filesystem's own doing, or another's who holds it). EINVAL: no regular file, or UNMASK
 * without MASK.
 */
#define REFLUX_MAPPING_MASK _IO('R', 0xf3)
#define REFLUX_MAPPING_UNMASK _IO('R', 0xf4)
/* Returns 1 where the page cache of that file may be allocated with __GFP_FS, 0 where not. */
#define REFLUX_MAPPING_HAS_FS _IO('R', 0xf5)

#endif
