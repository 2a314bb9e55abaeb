/* What the programs of this folder print: one line per call, alike on every file system that behaves alike. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const char *section = "";

static void say(const char *what, long result) {
  if (result < 0) printf("%s: %s = %s\n", section, what, strerrorname_np(errno));
  else printf("%s: %s = %ld\n", section, what, result);
  fflush(stdout);
}
/* The call as it is written here, and its result or the name of its error. */
#define DO(call) say(#call, (long)(call))
/* The same of a call that gives a descriptor, whose number does not matter. */
#define OPEN(call) said_fd(#call, call)
static int said_fd(const char *what, int fd) {
  say(what, fd < 0 ? -1 : 0);
  return fd;
}
/* The same of a call whose descriptor nobody wants. */
#define TRY(call) tried(#call, call)
static void tried(const char *what, int fd) {
  say(what, fd < 0 ? -1 : 0);
  if (fd >= 0) close(fd);
}

/* All that lstat tells and that does not depend on where and when: a directory's size does. */
static void show(const char *path) {
  struct stat s;
  if (lstat(path, &s) != 0) return say(path, -1);
  long size = S_ISDIR(s.st_mode) ? -1 : (long)s.st_size;
  printf("%s: %s: mode %o nlink %lu owner %u:%u size %ld device %u:%u\n", section, path, s.st_mode,
         (unsigned long)s.st_nlink, s.st_uid, s.st_gid, size, major(s.st_rdev), minor(s.st_rdev));
  fflush(stdout);
}

/* The first bytes of a file. */
static void show_text(const char *path) {
  char text[64];
  int fd = open(path, O_RDONLY);
  ssize_t length = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
  if (length < 0) say(path, -1);
  else {
    text[length] = 0;
    printf("%s: %s holds \"%s\"\n", section, path, text);
    fflush(stdout);
  }
  if (fd >= 0) close(fd);
}

static void put(const char *path, const char *text) {
  int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
  if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text)) say(path, -1);
  if (fd >= 0) close(fd);
}

static void put_name(const char *path) { put(path, path); }
static void make_directory(const char *path) {
  if (mkdir(path, 0755) != 0) say(path, -1);
}
/* Does something with each of several names. */
#define EACH(act, ...) \
  for (const char *const *at = (const char *const[]){__VA_ARGS__, 0}; *at; at++) act(*at)

static int by_text(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

/* The names in a directory in order, in hexadecimal where they are not plain; and that numbers of entries are right. */
static void list(const char *path) {
  char *names[4096];
  size_t count = 0;
  DIR *directory = opendir(path);
  if (!directory) return say(path, -1);
  for (struct dirent *entry; count < 4096 && (entry = readdir(directory));) {
    struct stat s;
    if (fstatat(dirfd(directory), entry->d_name, &s, AT_SYMLINK_NOFOLLOW) != 0) say("an entry", -1);
    else if (s.st_ino != entry->d_ino) say("number of an entry is another one", 0);
    names[count++] = strdup(entry->d_name);
  }
  closedir(directory);
  qsort(names, count, sizeof *names, by_text);
  printf("%s: %s lists", section, path);
  for (size_t i = 0; i < count; i++) {
    putchar(' ');
    for (const char *at = names[i]; *at; at++)
      printf(*at > ' ' && *at < 127 ? "%c" : "\\%02x", (unsigned char)*at);
    free(names[i]);
  }
  printf("\n");
  fflush(stdout);
}

/* Runs `work` in `count` processes at once, as somebody else if `uid` is not 0 (group 100, and 50 beside it). */
static void run_as(unsigned uid, int count, void (*work)(int)) {
  for (int i = 0; i < count; i++) {
    if (fork() != 0) continue;
    gid_t more = 50;
    if (uid && (setgroups(1, &more) || setresgid(100, 100, 100) || setresuid(uid, uid, uid))) _exit(1);
    work(i);
    fflush(stdout);
    _exit(0);
  }
  int status, bad = 0;
  while (wait(&status) > 0) bad += status != 0;
  if (bad) say("processes that failed", bad);
}
