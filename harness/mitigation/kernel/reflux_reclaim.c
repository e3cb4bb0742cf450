// SPDX-License-Identifier: GPL-2.0
/*
 * Prototype of the remedies against filesystem recursion of user-space storage daemons that
 * the list discussed in 2019 ("[PATCH] ext4: Fix deadlock on page reclaim"), for kernels as
 * distributions ship them:
 *
 * - RWF_NOFSRECLAIM for preadv2() and pwritev2();
 * - NOFS, NOIO and MEMALLOC scopes for a thread, on request (the "big hammer", and a prctl
 *   like PF_MEMALLOC);
 * - a page cache of a file without __GFP_FS (what the patch did for all of ext4).
 *
 * The interface is described in reflux_reclaim.h.
 *
 * Return probe: do_iter_readv_writev(filp, iter, ppos, type, flags) is where both calls hand
 * their flags to kiocb_set_rw_flags(), which refuses unknown ones. The entry handler takes the
 * flag away before that and enters the scope, the return handler leaves it. A kernel whose
 * compiler has inlined or cloned the function (.isra, .constprop) has no such symbol: the
 * module refuses to load.
 *
 * Unloading: unregister_kretprobe() takes the handler of returns away at once, and those who
 * are in the function return without it (rethook_free(), rethook_trampoline_handler()): they
 * would keep PF_MEMALLOC_NOFS for good. So each call inside holds a reference to the module,
 * and each thread in a scope another: rmmod says "in use" until the last has left. Handlers
 * that have put their reference but not returned run with preemption disabled, and both
 * unregister functions wait for these (synchronize_rcu()). A task that dies inside (an oops)
 * keeps its reference: the module stays, which harms nobody.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/atomic.h>
#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/hashtable.h>
#include <linux/kprobes.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/pagemap.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/sysfs.h>
#include <linux/user_namespace.h>

#include "reflux_reclaim.h"

#if !defined(CONFIG_X86_64)
#error "reflux_reclaim changes an argument in its register, and knows only those of x86-64"
#endif
#if !defined(CONFIG_KRETPROBES)
#error "reflux_reclaim needs a kernel with CONFIG_KRETPROBES"
#endif

#define RW_FUNCTION "do_iter_readv_writev"

static atomic_long_t rwf_calls;
static atomic_long_t rwf_refused;
static atomic_long_t rwf_in_flight;
static atomic_long_t scope_enters;
static atomic_long_t scope_threads;
static atomic_long_t mapping_masks;
static atomic_long_t mappings_masked;

/* Without a word in the audit log, and in handlers without sleeping. */
static bool may(void)
{
	return ns_capable_noaudit(&init_user_ns, CAP_SYS_RESOURCE);
}

/* RWF_NOFSRECLAIM */

struct rw_call {
	unsigned int saved;
	bool refused;
};

/* The fifth argument; rwf_t is an int. */
static unsigned long *rw_flags(struct pt_regs *regs)
{
	return &regs->r8;
}

/*
 * Not 0: the call goes on without the return handler. A refused call keeps the flag, so that
 * the kernel itself fails it with EOPNOTSUPP before anything is done.
 */
static int rw_entry(struct kretprobe_instance *instance, struct pt_regs *regs)
{
	struct rw_call *call = (struct rw_call *)instance->data;

	if (likely(!(*rw_flags(regs) & RWF_NOFSRECLAIM)))
		return 1;
	if (!try_module_get(THIS_MODULE))
		return 1;
	call->refused = !may();
	if (call->refused) {
		atomic_long_inc(&rwf_refused);
		return 0;
	}
	*rw_flags(regs) &= ~(unsigned long)RWF_NOFSRECLAIM;
	call->saved = memalloc_nofs_save();
	atomic_long_inc(&rwf_calls);
	atomic_long_inc(&rwf_in_flight);
	return 0;
}

static int rw_return(struct kretprobe_instance *instance, struct pt_regs *regs)
{
	struct rw_call *call = (struct rw_call *)instance->data;

	if (!call->refused) {
		memalloc_nofs_restore(call->saved);
		atomic_long_dec(&rwf_in_flight);
	} else if ((long)regs_return_value(regs) == -EOPNOTSUPP) {
		/* The trampoline loads the register from here. */
		regs_set_return_value(regs, -EPERM);
	}
	module_put(THIS_MODULE);
	return 0;
}

static struct kretprobe rw_probe = {
	.kp.symbol_name = RW_FUNCTION,
	.entry_handler = rw_entry,
	.handler = rw_return,
	.data_size = sizeof(struct rw_call),
	/* Calls at the same time. One more has no instance, keeps the flag and fails. */
	.maxactive = 1024,
};

/* Scopes */

/*
 * Threads in scopes. Nothing is allocated when a scope is entered: the caller may be in the
 * way of memory being freed. An entry is of its task alone, which removes it at the latest in
 * do_exit(), so that the pointer is never stale.
 */
#define MOST_SCOPE_THREADS 1024

struct scope {
	struct hlist_node node;
	struct task_struct *task;
	unsigned int entered;	/* REFLUX_SCOPE_* */
	unsigned int set;	/* PF_* that the task had not before */
};

static struct scope scope_pool[MOST_SCOPE_THREADS];
static HLIST_HEAD(scope_free);
static DEFINE_HASHTABLE(scopes, 8);
static DEFINE_RAW_SPINLOCK(scope_lock);

static const struct {
	unsigned int scope;
	unsigned int flag;
} scope_flags[] = {
	{ REFLUX_SCOPE_NOFS, PF_MEMALLOC_NOFS },
	{ REFLUX_SCOPE_NOIO, PF_MEMALLOC_NOIO },
	{ REFLUX_SCOPE_MEMALLOC, PF_MEMALLOC },
};

#define ALL_SCOPES (REFLUX_SCOPE_NOFS | REFLUX_SCOPE_NOIO | REFLUX_SCOPE_MEMALLOC)

static unsigned int flags_of(unsigned int wanted)
{
	unsigned int flags = 0;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(scope_flags); i++)
		if (wanted & scope_flags[i].scope)
			flags |= scope_flags[i].flag;
	return flags;
}

/* Of the calling task; NULL: it is in none. Under scope_lock. */
static struct scope *find_scope(void)
{
	struct scope *scope;

	hash_for_each_possible(scopes, scope, node, (unsigned long)current)
		if (scope->task == current)
			return scope;
	return NULL;
}

/* NULL: there are too many. Under scope_lock, in an ioctl, whose open file holds the module. */
static struct scope *new_scope(void)
{
	struct scope *scope;

	if (hlist_empty(&scope_free))
		return NULL;
	scope = hlist_entry(scope_free.first, struct scope, node);
	hlist_del(&scope->node);
	scope->task = current;
	scope->entered = 0;
	scope->set = 0;
	hash_add(scopes, &scope->node, (unsigned long)current);
	__module_get(THIS_MODULE);
	atomic_long_inc(&scope_threads);
	return scope;
}

/* Under scope_lock; the reference to the module is the caller's to put, after that. */
static void remove_scope(struct scope *scope)
{
	hash_del(&scope->node);
	hlist_add_head(&scope->node, &scope_free);
	atomic_long_dec(&scope_threads);
}

static long enter_scope(unsigned int wanted)
{
	struct scope *scope;
	unsigned int set;
	long error = 0;

	raw_spin_lock(&scope_lock);
	scope = find_scope();
	if (scope && (scope->entered & wanted)) {
		error = -EBUSY;
		goto out;
	}
	if (!scope)
		scope = new_scope();
	if (!scope) {
		error = -ENOSPC;
		goto out;
	}
	set = flags_of(wanted) & ~current->flags;
	scope->entered |= wanted;
	scope->set |= set;
	current->flags |= set;
	atomic_long_inc(&scope_enters);
out:
	raw_spin_unlock(&scope_lock);
	return error;
}

static long leave_scope(unsigned int wanted)
{
	struct scope *scope;
	unsigned int ended;
	bool last;

	raw_spin_lock(&scope_lock);
	scope = find_scope();
	if (!scope || (scope->entered & wanted) != wanted) {
		raw_spin_unlock(&scope_lock);
		return -EINVAL;
	}
	ended = flags_of(wanted) & scope->set;
	current->flags &= ~ended;
	scope->set &= ~ended;
	scope->entered &= ~wanted;
	last = !scope->entered;
	if (last)
		remove_scope(scope);
	raw_spin_unlock(&scope_lock);
	if (last)
		module_put(THIS_MODULE);
	return 0;
}

/* A thread that ends in a scope. */
static int thread_exits(struct kprobe *probe, struct pt_regs *regs)
{
	struct scope *scope;

	if (likely(!atomic_long_read(&scope_threads)))
		return 0;
	raw_spin_lock(&scope_lock);
	scope = find_scope();
	if (scope)
		remove_scope(scope);
	raw_spin_unlock(&scope_lock);
	if (scope)
		module_put(THIS_MODULE);
	return 0;
}

static struct kprobe exit_probe = {
	.symbol_name = "do_exit",
	.pre_handler = thread_exits,
};

/* Masked mappings: one for each open of the device. */

struct handle {
	struct mutex lock;
	struct file *masked;	/* ours; NULL: none */
};

/* Between files of one inode. */
static DEFINE_MUTEX(mapping_lock);

static void unmask(struct handle *handle)
{
	struct address_space *mapping = handle->masked->f_mapping;

	mutex_lock(&mapping_lock);
	mapping_set_gfp_mask(mapping, mapping_gfp_mask(mapping) | __GFP_FS);
	mutex_unlock(&mapping_lock);
	fput(handle->masked);
	handle->masked = NULL;
	atomic_long_dec(&mappings_masked);
}

static long mask_mapping(struct handle *handle, struct file *file)
{
	struct address_space *mapping = file->f_mapping;
	gfp_t gfp;

	if (!S_ISREG(file_inode(file)->i_mode))
		return -EINVAL;
	if (handle->masked)
		return -EBUSY;
	mutex_lock(&mapping_lock);
	gfp = mapping_gfp_mask(mapping);
	/* A plain store: an allocation that has read the mask before goes on with that. */
	if (gfp & __GFP_FS)
		mapping_set_gfp_mask(mapping, gfp & ~__GFP_FS);
	mutex_unlock(&mapping_lock);
	if (!(gfp & __GFP_FS))
		return -EALREADY;
	/* The file, and not the inode: that would let its filesystem be unmounted. */
	handle->masked = get_file(file);
	atomic_long_inc(&mapping_masks);
	atomic_long_inc(&mappings_masked);
	return 0;
}

static long unmask_mapping(struct handle *handle, struct file *file)
{
	if (!handle->masked || handle->masked->f_mapping != file->f_mapping)
		return -EINVAL;
	unmask(handle);
	return 0;
}

static long mapping_ioctl(struct handle *handle, unsigned int command, int fd)
{
	struct file *file = fget(fd);
	long result;

	if (!file)
		return -EBADF;
	mutex_lock(&handle->lock);
	switch (command) {
	case REFLUX_MAPPING_MASK:
		result = mask_mapping(handle, file);
		break;
	case REFLUX_MAPPING_UNMASK:
		result = unmask_mapping(handle, file);
		break;
	default:
		result = !!(mapping_gfp_mask(file->f_mapping) & __GFP_FS);
		break;
	}
	mutex_unlock(&handle->lock);
	fput(file);
	return result;
}

/* The device */

static int scope_open(struct inode *inode, struct file *file)
{
	struct handle *handle = kzalloc(sizeof(*handle), GFP_KERNEL);

	if (!handle)
		return -ENOMEM;
	mutex_init(&handle->lock);
	file->private_data = handle;
	return 0;
}

static int scope_release(struct inode *inode, struct file *file)
{
	struct handle *handle = file->private_data;

	if (handle->masked)
		unmask(handle);
	kfree(handle);
	return 0;
}

static long scope_ioctl(struct file *file, unsigned int command, unsigned long argument)
{
	if (!may())
		return -EPERM;
	switch (command) {
	case REFLUX_SCOPE_ENTER:
	case REFLUX_SCOPE_LEAVE:
		if (!argument || (argument & ~(unsigned long)ALL_SCOPES))
			return -EINVAL;
		if (command == REFLUX_SCOPE_ENTER)
			return enter_scope(argument);
		return leave_scope(argument);
	case REFLUX_MAPPING_MASK:
	case REFLUX_MAPPING_UNMASK:
	case REFLUX_MAPPING_HAS_FS:
		return mapping_ioctl(file->private_data, command, argument);
	default:
		return -ENOTTY;
	}
}

static const struct file_operations scope_operations = {
	.owner = THIS_MODULE,
	.open = scope_open,
	.release = scope_release,
	.unlocked_ioctl = scope_ioctl,
};

#define COUNTER(name, value)                                                                      \
	static ssize_t name##_show(struct device *device, struct device_attribute *attribute,      \
				   char *buffer)                                                   \
	{                                                                                          \
		return sysfs_emit(buffer, "%ld\n", (long)(value));                                 \
	}                                                                                          \
	static DEVICE_ATTR_RO(name)

/* Since the module was loaded, but for those that are marked "now". */
COUNTER(rwf_calls, atomic_long_read(&rwf_calls));		/* ran in the scope */
COUNTER(rwf_refused, atomic_long_read(&rwf_refused));		/* EPERM */
COUNTER(rwf_in_flight, atomic_long_read(&rwf_in_flight));	/* now */
COUNTER(rwf_missed, rw_probe.nmissed);				/* had no instance */
COUNTER(scope_enters, atomic_long_read(&scope_enters));
COUNTER(scope_threads, atomic_long_read(&scope_threads));	/* now */
COUNTER(mapping_masks, atomic_long_read(&mapping_masks));
COUNTER(mappings_masked, atomic_long_read(&mappings_masked));	/* now */

static struct attribute *scope_attrs[] = {
	&dev_attr_rwf_calls.attr,
	&dev_attr_rwf_refused.attr,
	&dev_attr_rwf_in_flight.attr,
	&dev_attr_rwf_missed.attr,
	&dev_attr_scope_enters.attr,
	&dev_attr_scope_threads.attr,
	&dev_attr_mapping_masks.attr,
	&dev_attr_mappings_masked.attr,
	NULL,
};
ATTRIBUTE_GROUPS(scope);

static struct miscdevice scope_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "reflux_scope",
	.mode = 0600,
	.fops = &scope_operations,
	.groups = scope_groups,
};

static int __init reflux_reclaim_init(void)
{
	size_t i;
	int error;

	for (i = 0; i < ARRAY_SIZE(scope_pool); i++)
		hlist_add_head(&scope_pool[i].node, &scope_free);
	error = register_kretprobe(&rw_probe);
	if (error) {
		pr_err("cannot probe " RW_FUNCTION " (%d): was it inlined or cloned?\n",
		       error);
		return error;
	}
	error = register_kprobe(&exit_probe);
	if (error) {
		pr_err("cannot probe do_exit (%d)\n", error);
		goto no_exit_probe;
	}
	error = misc_register(&scope_device);
	if (error)
		goto no_device;
	return 0;

no_device:
	unregister_kprobe(&exit_probe);
no_exit_probe:
	unregister_kretprobe(&rw_probe);
	return error;
}

static void __exit reflux_reclaim_exit(void)
{
	misc_deregister(&scope_device);
	unregister_kprobe(&exit_probe);
	unregister_kretprobe(&rw_probe);
}

module_init(reflux_reclaim_init);
module_exit(reflux_reclaim_exit);
MODULE_DESCRIPTION("Prototype of RWF_NOFSRECLAIM and of memory allocation scopes for user space");
MODULE_LICENSE("GPL");
