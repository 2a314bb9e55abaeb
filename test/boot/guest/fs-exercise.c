/*
 * Does what programs do on a file system, in DIRECTORY, and prints a line for each call.   fs-exercise DIRECTORY FILES
 *
 * Left out is what NFSv3 cannot do and says so (extended attributes, fallocate, SEEK_HOLE, times before 1970 or after
 * 2106), and what a silly rename shows: the name `.nfs…` of an open file that was removed.
 */
#include "fs-report.h"
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <sys/un.h>

static void creation(void) {
  TRY(open("f", O_CREAT | O_EXCL | O_WRONLY, 0640));
  TRY(open("f", O_CREAT | O_EXCL | O_WRONLY, 0600));
  show("f");
  put("f", "some text");
  TRY(open("f", O_CREAT | O_WRONLY, 0600));
  show("f");
  TRY(open("f", O_WRONLY | O_TRUNC));
  show("f");
  TRY(open("none/f", O_CREAT | O_WRONLY, 0600));
  TRY(open("f/g", O_CREAT | O_WRONLY, 0600));
  TRY(open("none", O_RDONLY));
  DO(mkdir("d", 0751));
  show("d");
  DO(mkdir("d", 0751));
  DO(mkdir("none/d", 0751));
  DO(mkdir("f/d", 0751));
  TRY(open("d", O_CREAT | O_WRONLY, 0600));
  TRY(open("d", O_WRONLY));
  TRY(open("f", O_DIRECTORY));
  umask(077);
  TRY(open("masked", O_CREAT | O_WRONLY, 0777));
  DO(mkdir("masked-d", 0777));
  umask(022);
  TRY(open("read-only", O_CREAT | O_EXCL | O_RDWR, 0));
  TRY(open("special", O_CREAT | O_EXCL | O_RDWR, 06755));
  EACH(show, "masked", "masked-d", "read-only", "special");
  list(".");
}

static void removal(void) {
  char text[16] = "";
  put("f", "old");
  int fd = OPEN(open("f", O_RDWR));
  DO(unlink("f"));
  TRY(open("f", O_RDONLY));
  DO(pwrite(fd, "written", 7, 3));
  DO(pread(fd, text, sizeof text, 0));
  printf("%s: of the removed file \"%s\"\n", section, text);
  put("f", "another");
  show_text("f");
  DO(fsync(fd));
  DO(close(fd));
  list(".");
  DO(mkdir("d", 0755));
  put("d/f", "x");
  DO(rmdir("d"));
  DO(unlink("d"));
  DO(rmdir("f"));
  DO(rmdir("none"));
  DO(unlink("none"));
  DO(unlink("f/x"));
  DO(rmdir("d/."));
  DO(rmdir("d/.."));
  DO(unlink("d/f"));
  DO(chdir("d"));
  DO(rmdir("../d"));
  TRY(open("new", O_CREAT | O_WRONLY, 0644));
  DO(chdir(".."));
  show("d");
  show(".");
}

static void renaming(void) {
  char text[16] = "";
  EACH(put_name, "a", "b", "c");
  DO(rename("a", "a2"));
  DO(rename("none", "x"));
  int fd = OPEN(open("b", O_RDWR));
  DO(rename("a2", "b"));
  DO(read(fd, text, sizeof text));
  DO(write(fd, "more", 4));
  DO(close(fd));
  printf("%s: of the replaced file \"%s\"\n", section, text);
  show_text("b");
  fd = OPEN(open("b", O_RDWR));
  DO(rename("b", "moved"));
  DO(pwrite(fd, "A", 1, 0));
  DO(close(fd));
  show_text("moved");
  EACH(make_directory, "d", "e", "full", "full/sub");
  put("full/f", "inside");
  DO(rename("d", "full"));
  DO(rename("d", "c"));
  DO(rename("c", "d"));
  DO(rename("full", "full/sub/x"));
  DO(rename("full/sub", "full"));
  DO(rename("full", "full"));
  DO(rename("full/.", "x"));
  DO(rename("full", "e"));
  show_text("e/f");
  fd = OPEN(open("e/f", O_RDONLY));
  DO(rename("e/sub", "d"));
  DO(rename("e", "d/below"));
  DO(read(fd, text, sizeof text));
  DO(close(fd));
  show("d");
  show("d/below");
  DO(link("moved", "same"));
  DO(rename("moved", "same"));
  DO(rename("moved", "d/below/same"));
  DO(rename("same/", "x"));
  DO(symlink("nowhere", "link"));
  DO(rename("link", "moved-link"));
  show("moved-link");
  list(".");
  list("d/below");
  show(".");
}

static void linking(void) {
  static char target[4097];
  put("f", "text");
  DO(link("f", "g"));
  DO(link("f", "g"));
  DO(link("none", "x"));
  DO(mkdir("d", 0755));
  DO(link("d", "x"));
  DO(link("f", "d/h"));
  put("g", "changed by another name");
  show_text("d/h");
  show("f");
  DO(unlink("f"));
  show("d/h");
  DO(symlink("g", "link"));
  DO(symlink("x", "link"));
  DO(symlink("", "empty"));
  show("link");
  show_text("link");
  DO(link("link", "link-too"));
  show("link-too");
  DO(symlink("loop", "loop"));
  TRY(open("loop", O_RDONLY));
  DO(symlink("made-by-link", "dangling"));
  TRY(open("dangling", O_CREAT | O_EXCL | O_WRONLY, 0644));
  TRY(open("dangling", O_CREAT | O_WRONLY, 0644));
  TRY(open("link", O_NOFOLLOW | O_RDONLY));
  show("made-by-link");
  DO(lchown("link", 7, 8));
  show("link");
  show("g");
  memset(target, 'x', 4096);
  DO(symlink(target, "too-long"));
  target[4095] = 0;
  DO(symlink(target, "long"));
  DO(readlink("long", target, sizeof target));
  DO(readlink("g", target, sizeof target));
  list(".");
}

static void special_files(void) {
  char text[8] = "";
  DO(mkfifo("fifo", 0620));
  DO(mkfifo("fifo", 0620));
  DO(mknod("null", S_IFCHR | 0666, makedev(1, 3)));
  DO(mknod("block", S_IFBLK | 0600, makedev(7, 1000)));
  DO(mknod("far", S_IFCHR | 0600, makedev(4095, 1048575)));
  DO(mknod("socket", S_IFSOCK | 0700, 0));
  DO(mknod("plain", S_IFREG | 0604, 0));
  EACH(show, "fifo", "null", "block", "far", "socket", "plain");
  int fd = OPEN(open("fifo", O_RDWR));
  DO(write(fd, "piped", 5));
  DO(read(fd, text, sizeof text));
  close(fd);
  fd = OPEN(open("null", O_RDWR));
  DO(write(fd, "gone", 4));
  DO(read(fd, text, sizeof text));
  close(fd);
  TRY(open("far", O_RDONLY));
  TRY(open("socket", O_RDONLY));
  struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "bound"};
  int server = socket(AF_UNIX, SOCK_STREAM, 0), client = socket(AF_UNIX, SOCK_STREAM, 0);
  DO(bind(server, (struct sockaddr *)&address, sizeof address));
  DO(listen(server, 1));
  DO(connect(client, (struct sockaddr *)&address, sizeof address));
  int other = socket(AF_UNIX, SOCK_STREAM, 0);
  DO(bind(other, (struct sockaddr *)&address, sizeof address));
  show("bound");
  for (int open_one = 3; open_one < 16; open_one++) close(open_one);
  DO(unlink("bound"));
  DO(rename("fifo", "null"));
  show("null");
  list(".");
}

/* As user 1000. */
static void strangers_modes(int index) {
  (void)index;
  DO(chmod("roots", 0777));
  DO(chown("roots", 1000, -1));
  DO(chown("mine", 1001, -1));
  DO(chown("mine", -1, 50));
  DO(chown("mine", -1, 51));
  DO(chmod("mine", 02755));
  show("mine");
  DO(chmod("others-group", 02755));
  show("others-group");
  TRY(open("secret", O_RDONLY));
  TRY(open("secret", O_CREAT | O_WRONLY, 0600));
  TRY(open("readable", O_RDONLY));
  TRY(open("readable", O_WRONLY));
  TRY(open("readable", O_RDONLY | O_TRUNC));
  DO(truncate("readable", 0));
  TRY(open("group-50", O_RDWR));
  DO(access("secret", R_OK));
  DO(access("readable", R_OK));
  DO(access("readable", W_OK));
  TRY(open("closed/f", O_RDONLY));
  list("closed");
  TRY(open("listable/f", O_RDONLY));
  TRY(open("new", O_CREAT | O_WRONLY, 0644));
  DO(unlink("readable"));
  DO(unlink("sticky/roots"));
  DO(rename("sticky/roots", "sticky/x"));
  put("sticky/own", "x");
  DO(unlink("sticky/own"));
  DO(mknod("sticky/device", S_IFCHR | 0600, makedev(1, 3)));
  DO(mkfifo("sticky/fifo", 0600));
  DO(link("mine", "sticky/hard"));
  int fd = OPEN(open("mine", O_RDWR));
  DO(chmod("mine", 0));
  DO(write(fd, "through", 7));
  DO(fsync(fd));
  TRY(open("mine", O_RDONLY));
  fd = OPEN(open("set-id", O_WRONLY));
  DO(write(fd, "x", 1));
  DO(close(fd));
  show("set-id");
  DO(truncate("set-id-2", 1));
  show("set-id-2");
  struct timespec chosen[2] = {{1, 2}, {3, 4}};
  DO(utimensat(AT_FDCWD, "readable", chosen, 0));
  DO(utimensat(AT_FDCWD, "readable", 0, 0));
  DO(utimensat(AT_FDCWD, "group-50", chosen, 0));
  DO(utimensat(AT_FDCWD, "group-50", 0, 0));
  execl("./runs-as-1002", "runs-as-1002", "whoami", (char *)0);
  say("execl", -1);
}

static void modes(void) {
  put("f", "x");
  for (int mode = 0; mode <= 07777; mode = mode * 2 + 1) {
    DO(chmod("f", mode));
    show("f");
  }
  DO(chown("f", 4000000000u, 4000000001u));
  show("f");
  DO(chmod("f", 02644));
  DO(chown("f", 5, -1));
  show("f");
  DO(chmod("none", 0644));
  DO(mkdir("shared", 0755));
  DO(chown("shared", 0, 50));
  DO(chmod("shared", 02775));
  DO(mkdir("shared/sub", 0700));
  put("shared/file", "x");
  EACH(show, "shared", "shared/sub", "shared/file");
  struct { const char *path; unsigned mode, uid, gid; } files[] = {
    {"roots", 0600, 0, 0}, {"mine", 0644, 1000, 100}, {"others-group", 0644, 1000, 77}, {"secret", 0600, 0, 0},
    {"readable", 0644, 0, 0}, {"group-50", 0660, 0, 50}, {"set-id", 06777, 0, 0}, {"set-id-2", 06777, 0, 0}};
  for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
    put(files[i].path, "content");
    if (chown(files[i].path, files[i].uid, files[i].gid) || chmod(files[i].path, files[i].mode)) say(files[i].path, -1);
  }
  mkdir("closed", 0700), put("closed/f", "x");
  mkdir("listable", 0744), put("listable/f", "x");
  mkdir("sticky", 0), chmod("sticky", 01777), put("sticky/roots", "x");
  struct stat program;
  int from = open("/proc/self/exe", O_RDONLY), to = open("runs-as-1002", O_CREAT | O_WRONLY, 0700);
  fstat(from, &program);
  say("copy of a program is whole", sendfile(to, from, 0, program.st_size) == program.st_size);
  close(to);
  DO(chown("runs-as-1002", 1002, 0));
  DO(chmod("runs-as-1002", 04711));
  run_as(1000, 1, strangers_modes);
  list("sticky");
}

static struct stat seen;
/* Which times of an object are others than when it was looked at last. */
static void changed(const char *what, const char *path) {
  struct stat s;
  if (stat(path, &s) != 0) return say(path, -1);
  int mtime = memcmp(&s.st_mtim, &seen.st_mtim, sizeof s.st_mtim) != 0;
  int ctime = memcmp(&s.st_ctim, &seen.st_ctim, sizeof s.st_ctim) != 0;
  printf("%s: %s changes of %s:%s%s\n", section, what, path, mtime ? " mtime" : "", ctime ? " ctime" : "");
  seen = s;
  usleep(20000);
}

static void times(void) {
  put("f", "x");
  mkdir("d", 0755);
  struct timespec sets[][2] = {{{1, 999999999}, {2, 1}}, {{2147483648, 5}, {4294967294, 999999998}},
                               {{0, UTIME_OMIT}, {1234567890, 123456789}}, {{1000000000, 1}, {0, UTIME_OMIT}}};
  for (size_t i = 0; i < 4; i++) {
    DO(utimensat(AT_FDCWD, "f", sets[i], 0));
    stat("f", &seen);
    printf("%s: %ld.%09ld %ld.%09ld\n", section, seen.st_atim.tv_sec, seen.st_atim.tv_nsec,
           seen.st_mtim.tv_sec, seen.st_mtim.tv_nsec);
  }
  usleep(20000);
  put("f", "content");
  changed("a write", "f");
  DO(chmod("f", 0600));
  changed("chmod", "f");
  DO(link("f", "g"));
  changed("link", "f");
  DO(rename("g", "h"));
  changed("rename", "f");
  DO(truncate("f", 2));
  changed("truncate", "f");
  DO(utimensat(AT_FDCWD, "f", 0, 0));
  changed("utimens", "f");
  TRY(open("f", O_RDONLY));
  changed("open", "f");
  stat("d", &seen);
  put("d/f", "x");
  changed("creation", "d");
  put("d/f", "y");
  changed("a write in it", "d");
  DO(rename("d/f", "d/g"));
  changed("rename", "d");
  DO(unlink("d/g"));
  changed("unlink", "d");
  DO(mkdir("d/e", 0755));
  changed("mkdir", "d");
  DO(symlink("to", "link"));
  DO(utimensat(AT_FDCWD, "link", sets[0], AT_SYMLINK_NOFOLLOW));
  lstat("link", &seen);
  printf("%s: link %ld.%09ld\n", section, seen.st_mtim.tv_sec, seen.st_mtim.tv_nsec);
}

#include "fs-exercise-data.h"

int main(int argc, char **argv) {
  if (argc == 2 && !strcmp(argv[1], "whoami")) {
    printf("modes: the program runs as %u for %u\n", geteuid(), getuid());
    return 0;
  }
  struct { const char *name; void (*run)(void); } sections[] = {
    {"creation", creation}, {"removal", removal}, {"renaming", renaming}, {"linking", linking},
    {"special", special_files}, {"modes", modes}, {"times", times}, {"data", data}, {"sparse", sparse},
    {"names", names}, {"tree", tree}, {"many", many}, {"together", together}, {"locks", locks}};
  if (argc != 3 || chdir(argv[1]) != 0) return 2;
  many_files = atoi(argv[2]);
  umask(022);
  for (size_t i = 0; i < sizeof sections / sizeof *sections; i++) {
    section = sections[i].name;
    if (mkdir(section, 0755) || chdir(section)) say("its directory", -1);
    sections[i].run();
    if (chdir("..")) say("..", -1);
  }
  section = "end";
  list(".");
  return 0;
}
