/*
 * Open files of processes: devices, which modules register, and files of the boot archive, which
 * can be read. Called by syscall.c.
 */
#include "kernel/arch/amd64/amd64.h"
#include "kernel/process.h"

static struct device *devices = &console_device;

static struct device *find_device(const char *name)
{
	struct device *device = devices;

	while (device && strcmp(device->name, name) != 0)
		device = device->next;
	return device;
}

int device_register(struct device *device)
{
	bool on = interrupts_off();
	int error = find_device(device->name) ? -EEXIST : 0;

	if (!error) {
		device->users = 0;
		device->next = devices;
		devices = device;
	}
	interrupts_restore(on);
	return error;
}

int device_unregister(struct device *device)
{
	struct device **link = &devices;
	bool on = interrupts_off();
	int error = device->users ? -EBUSY : 0;

	while (!error && *link && *link != device)
		link = &(*link)->next;
	if (!error && *link)
		*link = device->next;
	interrupts_restore(on);
	return error;
}

/* NULL: there is no such open file. */
static struct file *get(int number)
{
	struct file *file =
	    number >= 0 && number < NFILES ? &current->process->files[number] : NULL;

	return file && file->open ? file : NULL;
}

static void release(struct device *device)
{
	__atomic_sub_fetch(&device->users, 1, __ATOMIC_RELAXED);
}

static int open_device(struct file *file, const char *name)
{
	bool on = interrupts_off();
	struct device *device = find_device(name);
	int error = 0;

	if (device)
		device->users++;
	interrupts_restore(on);
	if (!device)
		return -ENODEV;
	if (device->open)
		error = device->open();
	if (error)
		release(device);
	else
		*file = (struct file){.device = device, .open = true};
	return error;
}

static int open_content(struct file *file, const char *path)
{
	while (*path == '/')
		path++;
	if (!archive_find(path, &file->content))
		return -ENOENT;
	file->device = NULL;
	file->position = 0;
	file->open = true;
	return 0;
}

int file_open(const char *path)
{
	int number = 0, error;

	while (number < NFILES && get(number))
		number++;
	if (number == NFILES)
		return -EMFILE;
	if (strncmp(path, "/dev/", 5) == 0)
		error = open_device(&current->process->files[number], path + 5);
	else
		error = open_content(&current->process->files[number], path);
	return error ? error : number;
}

static void close_file(struct file *file)
{
	file->open = false;
	if (!file->device || file->device == &console_device)
		return;
	if (file->device->close)
		file->device->close();
	release(file->device);
}

int file_close(int number)
{
	struct file *file = get(number);

	if (!file)
		return -EBADF;
	close_file(file);
	return 0;
}

void files_close(struct process *process)
{
	for (unsigned i = 0; i < NFILES; i++)
		if (process->files[i].open)
			close_file(&process->files[i]);
}

static long read_content(struct file *file, uint64_t to, size_t n)
{
	size_t left = file->content.size - file->position;
	int error;

	if (n > left)
		n = left;
	error = copyout(file->content.bytes + file->position, to, n);
	if (error)
		return error;
	file->position += n;
	return (long)n;
}

long file_read(int number, uint64_t to, size_t n)
{
	struct file *file = get(number);

	if (!file)
		return -EBADF;
	if (!user_range(to, n))
		return -EFAULT;
	if (!file->device)
		return read_content(file, to, n);
	return file->device->read ? file->device->read(to, n) : -EINVAL;
}

long file_write(int number, uint64_t from, size_t n)
{
	struct file *file = get(number);

	if (!file || !file->device)
		return -EBADF;
	if (!user_range(from, n))
		return -EFAULT;
	return file->device->write ? file->device->write(from, n) : -EINVAL;
}

long file_ioctl(int number, unsigned command, uint64_t argument)
{
	struct file *file = get(number);

	if (!file)
		return -EBADF;
	return file->device && file->device->ioctl ? file->device->ioctl(command, argument)
						   : -ENOTTY;
}
