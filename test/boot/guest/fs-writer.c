/*
 * Writes to a file system and says what is done for good; and looks afterwards whether all that is there.
 *
 *   fs-writer write DIRECTORY WRITERS COUNT       COUNT items each; prints "writer item" when one is done
 *   fs-writer verify DIRECTORY WRITER ITEM        whether items 0 to ITEM are whole; prints what is not
 *
 * An item is, in turn: a file made and written; a record appended; a file written under another name and renamed; a
 * block written over and a file removed. Each is synced before it counts.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define BLOCK 4096
#define BLOCKS 16
#define LARGEST 60000
static uint8_t content[LARGEST], found[LARGEST + 1];

static void fail(const char *what) {
  perror(what);
  exit(1);
}
/* The bytes of an item: another number of them, and others, for each. */
static size_t fill(int item) {
  uint32_t state = item * 2654435761u + 1;
  size_t length = 1 + state % LARGEST;
  for (size_t i = 0; i < length; i++) content[i] = (uint8_t)((state = state * 1664525 + 1013904223) >> 24);
  return length;
}
static const char *name_of(const char *prefix, int item) {
  static char names[2][32];
  static int next;
  next = !next;
  snprintf(names[next], sizeof names[next], "%s-%d", prefix, item);
  return names[next];
}

static void put(const char *path, int flags, const void *data, size_t length, off_t at) {
  int fd = open(path, O_WRONLY | O_CREAT | flags, 0644);
  if (fd < 0) fail(path);
  ssize_t done = flags & O_APPEND ? write(fd, data, length) : pwrite(fd, data, length, at);
  if (done != (ssize_t)length || fsync(fd) || close(fd)) fail(path);
}

static void write_item(int item) {
  uint8_t block[BLOCK];
  size_t length = fill(item);
  switch (item % 4) {
  case 0:
    return put(name_of("item", item), O_EXCL, content, length, 0);
  case 1:
    memset(block, 0, 64);
    snprintf((char *)block, 64, "record of %d", item);
    return put("journal", O_APPEND, block, 64, 0);
  case 2:
    put(name_of("new", item), O_TRUNC, content, length, 0);
    if (rename(name_of("new", item), name_of("item", item))) fail("rename");
    return;
  default:
    memset(block, item, BLOCK);
    memcpy(block, &item, sizeof item);
    put("blocks", 0, block, BLOCK, (off_t)(item / 4 % BLOCKS) * BLOCK);
    if (item % 8 == 3 && unlink(name_of("item", item - 3))) fail("unlink");
  }
}

static int is_whole(int item) {
  const char *path = name_of("item", item);
  int fd = open(path, O_RDONLY);
  size_t length = fill(item);
  ssize_t got = fd < 0 ? -1 : read(fd, found, sizeof found);
  if (fd >= 0) close(fd);
  return got == (ssize_t)length && memcmp(found, content, length) == 0;
}
static int has_record(int journal, int item) {
  char record[64], wanted[64] = "";
  snprintf(wanted, sizeof wanted, "record of %d", item);
  return pread(journal, record, 64, (off_t)(item / 4) * 64) == 64 && memcmp(record, wanted, 64) == 0;
}
/* A block holds what was written last, or what came after that and was not told of any more. */
static int has_block(int blocks, int item, int last) {
  uint8_t block[BLOCK], wanted[BLOCK];
  int number;
  if (item + 4 * BLOCKS <= last) return 1;
  if (pread(blocks, block, BLOCK, (off_t)(item / 4 % BLOCKS) * BLOCK) != BLOCK) return 0;
  memcpy(&number, block, sizeof number);
  memset(wanted, number, BLOCK);
  memcpy(wanted, &number, sizeof number);
  return (number == item || number == item + 4 * BLOCKS) && memcmp(block, wanted, BLOCK) == 0;
}

static void verify(int last) {
  int journal = open("journal", O_RDONLY), blocks = open("blocks", O_RDONLY);
  for (int item = 0; item <= last; item++) {
    int good = 1;
    if (item % 4 == 1) good = has_record(journal, item);
    else if (item % 4 == 3) good = has_block(blocks, item, last);
    else if (item % 8 == 0 && item + 3 <= last) good = access(name_of("item", item), F_OK) != 0;
    // Who removes the next file may have done so without being able to tell.
    else if (item % 8 != 0 || access(name_of("item", item), F_OK) == 0) good = is_whole(item);
    if (!good) printf("item %d is lost\n", item);
  }
  printf("verified %d\n", last);
}

int main(int argc, char **argv) {
  if (argc != 5) return 2;
  int number = atoi(argv[3]), count = atoi(argv[4]);
  char folder[16];
  if (!strcmp(argv[1], "verify")) {
    snprintf(folder, sizeof folder, "w%d", number);
    if (chdir(argv[2]) || chdir(folder)) fail(argv[2]);
    verify(count);
    return 0;
  }
  if (mkdir(argv[2], 0755) || chdir(argv[2])) fail(argv[2]);
  for (int writer = 0; writer < number; writer++) {
    if (fork() != 0) continue;
    snprintf(folder, sizeof folder, "w%d", writer);
    if (mkdir(folder, 0755) || chdir(folder)) fail(folder);
    for (int item = 0; item < count; item++) {
      write_item(item);
      dprintf(1, "%d %d\n", writer, item);
    }
    _exit(0);
  }
  int status, bad = 0;
  while (wait(&status) > 0) bad |= status;
  return bad != 0;
}
