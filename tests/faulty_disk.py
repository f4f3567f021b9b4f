"""A disk that fills up, and processes that die between two of its operations; for an ordinary user, who may not mount one."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

# what a file takes is its size; a write that does not fit fails as a whole
_SOURCE = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static __thread off_t used;

static int add(const char *path, const struct stat *about, int kind, struct FTW *place)
{
    if (kind == FTW_F) used += about->st_size;
    return 0;
}

static int inside(const char *path)
{
    const char *folder = getenv("FAULTY_DISK");
    size_t prefix = folder ? strlen(folder) : 0;
    return prefix && !strncmp(path, folder, prefix) && path[prefix] == '/';
}

static int done;

int operations(void) { return done; }

/* another operation on the disk; the process dies before the one that KILL_AT says */
static void operation(void)
{
    const char *last = getenv("KILL_AT");
    if (++done == (last ? atoi(last) : 0)) kill(getpid(), SIGKILL);
}

/* whether a file of the folder cannot grow to an end */
static int full(int file, off_t end)
{
    const char *size = getenv("FULL_DISK_BYTES");
    char link[64], path[PATH_MAX] = "";
    struct stat about;
    if (!getenv("FAULTY_DISK") || fstat(file, &about) || !S_ISREG(about.st_mode)) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    if (readlink(link, path, sizeof path - 1) < 0 || !inside(path)) return 0;
    operation();
    if (!size || end <= about.st_size) return 0;
    used = 0;
    nftw(getenv("FAULTY_DISK"), add, 16, FTW_PHYS);
    if (used + end - about.st_size <= atoll(size)) return 0;
    errno = ENOSPC;
    return 1;
}

static off_t position(int file)
{
    struct stat about;
    if (fcntl(file, F_GETFL) & O_APPEND) return fstat(file, &about) ? 0 : about.st_size;
    return lseek(file, 0, SEEK_CUR);
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t write(int file, const void *data, size_t n)
{
    return full(file, position(file) + n) ? -1 : NEXT(write)(file, data, n);
}

ssize_t pwrite(int file, const void *data, size_t n, off_t at)
{
    return full(file, at + n) ? -1 : NEXT(pwrite)(file, data, n, at);
}

ssize_t pwrite64(int file, const void *data, size_t n, off64_t at)
{
    return full(file, at + n) ? -1 : NEXT(pwrite64)(file, data, n, at);
}

ssize_t copy_file_range(int source, off64_t *from, int target, off64_t *to, size_t n, unsigned flags)
{
    return full(target, (to ? *to : position(target)) + n) ? -1 : NEXT(copy_file_range)(source, from, target, to, n, flags);
}

int rename(const char *from, const char *to)
{
    if (inside(to)) operation();
    return NEXT(rename)(from, to);
}

int unlink(const char *path)
{
    if (inside(path)) operation();
    return NEXT(unlink)(path);
}
"""


def _environment(work: Path, folder: Path) -> dict[str, str]:
    library = work / "faulty_disk.so"
    line = ["g++", "-x", "c", "-", "-shared", "-fPIC", "-O1", "-o", str(library), "-ldl"]
    subprocess.run(line, input=_SOURCE, text=True, check=True)
    return {"LD_PRELOAD": str(library), "FAULTY_DISK": os.path.realpath(folder)}


def full_disk(work: Path, folder: Path, size: int) -> dict[str, str]:
    """Variables of the environment with which a process finds no room in a folder.

    Parameters
    ----------
    work : Path
        Where the library goes that its writes pass through.
    folder : Path
        What of it counts, with all below it.
    size : int
        Bytes that all of its files may have together.

    Returns
    -------
    dict
    """
    return {**_environment(work, folder), "FULL_DISK_BYTES": str(size)}


def disk_operations(work: Path, folder: Path) -> dict[str, str]:
    """Variables with which a process counts what it does to files of a folder, and dies where ``KILL_AT`` says.

    Parameters
    ----------
    work : Path
        Where the library goes; its function ``operations`` tells the number of writes, renames and removals so far.
    folder : Path

    Returns
    -------
    dict
    """
    return _environment(work, folder)
