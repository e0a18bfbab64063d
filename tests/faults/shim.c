/* Preloaded into offhook by tests.faults.injected: it counts the calls by which a process changes
 * a disk or talks over a socket, and at one of them kills the process, or lets the call fail.
 *
 * What is to happen stands in a page that is shared with whoever forked the process, so that the
 * count outlives it. Every call that changes something below `root` is also written to a log, from
 * which tests.faults.powercut works out what a power cut would have left.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { WRITES = 1, SYNCS = 2, NAMES = 4, NET = 8 };
enum { COUNT, KILL_BEFORE, KILL_AFTER, TORN, FAIL, FAIL_ON };

/* As tests.faults.injected.Page has it. */
struct page {
  uint64_t count, at;   /* calls of `classes` so far; the one at which it happens */
  int64_t clock_ns;     /* what is added to the time of day */
  uint32_t mode, classes;
  int32_t error, log;   /* errno; the log's descriptor, or -1 */
  uint32_t hit;         /* how often it happened */
  char call[20];        /* at which call it happened first */
  char root[200];
};
static struct page *page;

void offhook_arm(void *shared) { page = shared; }

#define REAL(name) \
  static __typeof__(&name) real; \
  if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

static void die(void) {
  for (;;) kill(getpid(), SIGKILL);
}

static int ours(const char *path) {
  return page && page->root[0] && !strncmp(path, page->root, strlen(page->root));
}

/* The path of a descriptor, in `into`; whether it is a file or folder of ours. */
static int ours_fd(int fd, char into[PATH_MAX]) {
  char link[40];
  if (!page || fd < 3) return 0;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t size = readlink(link, into, PATH_MAX - 1);
  if (size <= 0) return 0;
  into[size] = 0;
  return ours(into);
}

static int whole(int folder, const char *path, char into[PATH_MAX]) {
  if (path[0] == '/' || folder == AT_FDCWD) {
    snprintf(into, PATH_MAX, "%s", path);
    return ours(into);
  }
  if (!ours_fd(folder, into)) return 0;
  size_t size = strlen(into);
  snprintf(into + size, PATH_MAX - size, "/%s", path);
  return 1;
}

static void note(const char *what, const char *path, const char *other, int64_t at, int64_t size) {
  char line[2 * PATH_MAX + 64];
  if (page->log < 0) return;
  int said = snprintf(line, sizeof line, "%s\t%s\t%s\t%lld\t%lld\n", what, path, other,
                      (long long)at, (long long)size);
  syscall(SYS_write, page->log, line, said);
}

/* Counts a call; what is to be done with it: nothing (0), or one of the modes. */
static int meet(int class, const char *call) {
  if (!page || !(page->classes & class)) return 0;
  uint64_t count = __atomic_add_fetch(&page->count, 1, __ATOMIC_SEQ_CST);
  if (page->mode == COUNT || count < page->at) return 0;
  if (count > page->at && page->mode != FAIL_ON) return 0;
  if (__atomic_add_fetch(&page->hit, 1, __ATOMIC_SEQ_CST) == 1)
    snprintf(page->call, sizeof page->call, "%s", call);
  if (page->mode == KILL_BEFORE) die();
  return page->mode;
}

#define FAILS(met) ((met) == FAIL || (met) == FAIL_ON)
#define REFUSE(met) \
  if (FAILS(met)) { errno = page->error; return -1; }
#define DIE_AFTER(met) \
  if ((met) == KILL_AFTER || (met) == TORN) die();

/* -- bytes ----------------------------------------------------------------------------------- */

#define WRITE(name, args, call, off) \
  ssize_t name args { \
    REAL(name); \
    char path[PATH_MAX]; \
    if (!ours_fd(fd, path)) return real call; \
    int met = meet(WRITES, #name); \
    REFUSE(met) \
    if (met == TORN) size /= 2; \
    int64_t at = off; \
    char before[24]; \
    struct stat status; \
    snprintf(before, sizeof before, "%lld", fstat(fd, &status) ? 0LL : (long long)status.st_size); \
    ssize_t done = real call; \
    if (done > 0) note("W", path, before, at, done); \
    DIE_AFTER(met) \
    return done; \
  }
WRITE(write, (int fd, const void *data, size_t size), (fd, data, size), lseek(fd, 0, SEEK_CUR))
WRITE(pwrite, (int fd, const void *data, size_t size, off_t offset), (fd, data, size, offset), offset)
WRITE(pwrite64, (int fd, const void *data, size_t size, off64_t offset), (fd, data, size, offset), offset)

#define TRUNCATE(name, type) \
  int name(int fd, type size) { \
    REAL(name); \
    char path[PATH_MAX]; \
    if (!ours_fd(fd, path)) return real(fd, size); \
    int met = meet(WRITES, #name); \
    REFUSE(met) \
    int done = real(fd, size); \
    if (!done) note("T", path, "", 0, size); \
    DIE_AFTER(met) \
    return done; \
  }
TRUNCATE(ftruncate, off_t)
TRUNCATE(ftruncate64, off64_t)

#define SYNC(name) \
  int name(int fd) { \
    REAL(name); \
    char path[PATH_MAX]; \
    if (!ours_fd(fd, path)) return real(fd); \
    int met = meet(SYNCS, #name); \
    REFUSE(met) \
    int done = real(fd); \
    if (!done) note(!strcmp(#name, "syncfs") ? "F" : "S", path, "", 0, 0); \
    DIE_AFTER(met) \
    return done; \
  }
SYNC(fsync)
SYNC(fdatasync)
SYNC(syncfs)

/* -- names ----------------------------------------------------------------------------------- */

static int opened(const char *path, int flags, int met, int fd, int new) {
  if (fd >= 0 && new) note("O", path, "", 0, 0);
  if (fd >= 0 && !new && (flags & O_TRUNC)) note("T", path, "", 0, 0);
  DIE_AFTER(met)
  return fd;
}

#define OPEN(name, before, pass, folder) \
  int name(before const char *path, int flags, ...) { \
    REAL(name); \
    va_list rest; \
    va_start(rest, flags); \
    mode_t mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(rest, mode_t) : 0; \
    va_end(rest); \
    char full[PATH_MAX]; \
    if (!(flags & (O_CREAT | O_TRUNC)) || !whole(folder, path, full)) return real(pass path, flags, mode); \
    int new = (flags & O_CREAT) && access(full, F_OK); \
    /* One that is there needs no room. */ \
    int met = meet(new || (flags & O_TRUNC) ? NAMES | WRITES : NAMES, #name); \
    REFUSE(met) \
    return opened(full, flags, met, real(pass path, flags, mode), new); \
  }
OPEN(open, , , AT_FDCWD)
OPEN(open64, , , AT_FDCWD)
#define FOLDER int folder,
#define PASS folder,
OPEN(openat, FOLDER, PASS, folder)
OPEN(openat64, FOLDER, PASS, folder)

#define NAME(letter, name, args, call, from, a, class) \
  int name args { \
    REAL(name); \
    char path[PATH_MAX]; \
    if (!whole(from, a, path)) return real call; \
    int met = meet(class, #name); \
    REFUSE(met) \
    int done = real call; \
    if (!done) note(letter, path, "", 0, 0); \
    DIE_AFTER(met) \
    return done; \
  }
NAME("U", unlink, (const char *path_), (path_), AT_FDCWD, path_, NAMES)
NAME("U", unlinkat, (int dir, const char *path_, int flags), (dir, path_, flags), dir, path_, NAMES)
NAME("D", rmdir, (const char *path_), (path_), AT_FDCWD, path_, NAMES)
NAME("M", mkdir, (const char *path_, mode_t mode), (path_, mode), AT_FDCWD, path_, NAMES | WRITES)
NAME("M", mkdirat, (int dir, const char *path_, mode_t mode), (dir, path_, mode), dir, path_, NAMES | WRITES)

#define TWO(letter, name, args, call, from, a, to, b) \
  int name args { \
    REAL(name); \
    char path[PATH_MAX], other[PATH_MAX]; \
    if (!whole(from, a, path) || !whole(to, b, other)) return real call; \
    int met = meet(NAMES | WRITES, #name); \
    REFUSE(met) \
    int done = real call; \
    if (!done) note(letter, path, other, 0, 0); \
    DIE_AFTER(met) \
    return done; \
  }
TWO("L", link, (const char *a, const char *b), (a, b), AT_FDCWD, a, AT_FDCWD, b)
TWO("L", linkat, (int d, const char *a, int e, const char *b, int flags), (d, a, e, b, flags), d, a, e, b)
TWO("R", rename, (const char *a, const char *b), (a, b), AT_FDCWD, a, AT_FDCWD, b)
TWO("R", renameat, (int d, const char *a, int e, const char *b), (d, a, e, b), d, a, e, b)

#define OTHER(name, args, call, fd) \
  int name args { \
    REAL(name); \
    char path[PATH_MAX]; \
    if (!ours_fd(fd, path)) return real call; \
    int met = meet(WRITES, #name); \
    REFUSE(met) \
    int done = real call; \
    DIE_AFTER(met) \
    return done; \
  }
OTHER(fchmod, (int fd, mode_t mode), (fd, mode), fd)
OTHER(futimens, (int fd, const struct timespec times[2]), (fd, times), fd)

/* -- the link -------------------------------------------------------------------------------- */

#define TALK(name, args, call) \
  ssize_t name args { \
    REAL(name); \
    int met = meet(NET, #name); \
    REFUSE(met) \
    ssize_t done = real call; \
    DIE_AFTER(met) \
    return done; \
  }
TALK(send, (int fd, const void *data, size_t size, int flags), (fd, data, size, flags))
TALK(sendmsg, (int fd, const struct msghdr *said, int flags), (fd, said, flags))
TALK(recv, (int fd, void *data, size_t size, int flags), (fd, data, size, flags))

/* -- the clock ------------------------------------------------------------------------------- */

int clock_gettime(clockid_t which, struct timespec *now) {
  int done = syscall(SYS_clock_gettime, which, now);
  if (!done && page && which == CLOCK_REALTIME && page->clock_ns) {
    int64_t ns = now->tv_sec * 1000000000LL + now->tv_nsec + page->clock_ns;
    now->tv_sec = ns / 1000000000;
    now->tv_nsec = ns % 1000000000;
  }
  return done;
}
