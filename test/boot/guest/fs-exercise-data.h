/* The sections of fs-exercise.c about contents, many names, and processes that work at once. */
#define MIB (1 << 20)
static int many_files;

static uint32_t checksum(int fd, off_t from, size_t length) {
  static uint8_t buffer[MIB];
  uint32_t sum = 1;
  while (length > 0) {
    ssize_t got = pread(fd, buffer, length < sizeof buffer ? length : sizeof buffer, from);
    if (got <= 0) return 0;
    for (ssize_t i = 0; i < got; i++) sum = sum * 31 + buffer[i];
    from += got;
    length -= got;
  }
  return sum;
}

static void data(void) {
  static uint8_t block[8 * MIB];
  char text[32] = "";
  for (size_t i = 0; i < sizeof block; i++) block[i] = (uint8_t)(i * 2654435761u >> 13);
  int fd = OPEN(open("f", O_CREAT | O_RDWR, 0644));
  DO(write(fd, block, sizeof block));
  DO(fsync(fd));
  say("checksum", checksum(fd, 0, sizeof block));
  DO(pwrite(fd, block, 100001, 12345));
  DO(pwrite(fd, block, 3, 4095));
  say("checksum", checksum(fd, 0, sizeof block));
  DO(pread(fd, text, 8, sizeof block));
  DO(pread(fd, text, 8, sizeof block - 3));
  DO(lseek(fd, -5, SEEK_END));
  DO(read(fd, text, 8));
  DO(ftruncate(fd, 5000));
  DO(ftruncate(fd, 9000));
  say("checksum", checksum(fd, 0, 9000));
  DO(ftruncate(fd, -1));
  DO(truncate("none", 1));
  DO(truncate(".", 1));
  int log = OPEN(open("f", O_WRONLY | O_APPEND)), log2 = OPEN(open("f", O_WRONLY | O_APPEND));
  DO(write(log, "one", 3));
  DO(write(log2, "two", 3));
  DO(pwrite(log, "three", 5, 0));
  DO(write(log2, "four", 4));
  DO(pread(fd, text, sizeof text, 9000));
  printf("%s: appended \"%.*s\"\n", section, 15, text);
  DO(read(log, text, 1));
  DO(write(open("f", O_RDONLY), "x", 1));
  TRY(open("f", O_WRONLY | O_TRUNC));
  DO(write(log, "after", 5));
  show_text("f");
  DO(ftruncate(fd, 3 * 4096));
  char *mapped = mmap(0, 3 * 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  memcpy(mapped + 4090, "across a page", 13);
  DO(msync(mapped, 3 * 4096, MS_SYNC));
  DO(munmap(mapped, 3 * 4096));
  DO(pread(fd, text, 13, 4090));
  printf("%s: mapped \"%.*s\"\n", section, 13, text);
  int synced = OPEN(open("synced", O_CREAT | O_WRONLY | O_SYNC, 0644));
  DO(write(synced, block, 300000));
  DO(fdatasync(synced));
  show("synced");
  int direct = OPEN(open("f", O_RDONLY)), copy = OPEN(open("copy", O_CREAT | O_RDWR, 0644));
  DO(sendfile(copy, direct, 0, 3 * 4096));
  say("checksum", checksum(copy, 0, 3 * 4096));
  for (int open_one = 3; open_one < 32; open_one++) close(open_one);
}

static void sparse(void) {
  const off_t gib = 1 << 30;
  char text[8] = "";
  struct stat s;
  int fd = OPEN(open("f", O_CREAT | O_RDWR, 0644));
  DO(pwrite(fd, "far", 3, 5 * gib));
  DO(pwrite(fd, "end", 3, 5 * gib + 100 * MIB));
  DO(fsync(fd));
  DO(close(fd));
  show("f");
  stat("f", &s);
  say("takes less than a MiB", s.st_blocks < 2048);
  fd = OPEN(open("f", O_RDWR));
  DO(pread(fd, text, 3, 5 * gib));
  printf("%s: \"%s\"\n", section, text);
  say("checksum of a hole", checksum(fd, 3 * gib, 3 * MIB));
  DO(ftruncate(fd, 5 * gib + 1));
  DO(ftruncate(fd, 6 * gib));
  say("checksum", checksum(fd, 5 * gib - 10, 100));
  DO(ftruncate(fd, 0));
  DO(ftruncate(fd, (1LL << 44) - 4096));
  DO(ftruncate(fd, (1LL << 44) - 4095));
  DO(pwrite(fd, "x", 1, (1LL << 44) - 4096));
  DO(pwrite(fd, "x", 1, (1LL << 44) - 4097));
  DO(fsync(fd));
  DO(close(fd));
  show("f");
}

static void names(void) {
  char name[300];
  for (int length = 254; length <= 256; length++) {
    memset(name, 'n', length);
    name[length] = 0;
    DO(mkdir(name, 0755));
    TRY(open(name, O_RDONLY));
    DO(rename(name, "other"));
    DO(rename("other", name));
  }
  for (int byte = 1; byte < 256; byte++) {
    const char *const path = (char[]){'b', (char)byte, 0};
    if (byte != '/') put(path, "x");
  }
  EACH(put_name, "\xff\xfe\x80", "\xc3\xa9", "e\xcc\x81", "case", "CASE", "...", " ", "two\nlines", "*", "-rf");
  show_text("\xff\xfe\x80");
  show_text("CASE");
  show_text("\xc3\xa9");
  DO(unlink("\xff\xfe\x80"));
  list(".");
  TRY(open("", O_RDONLY));
  struct statvfs fs;
  statvfs(".", &fs);
  say("longest name", (long)fs.f_namemax);
}

static void tree(void) {
  const int depth = 200;
  int bad = 0;
  for (int level = 0; level < depth; level++) {
    put("f", "x");
    bad += mkdir("a-directory-in-a-directory", 0755) || chdir("a-directory-in-a-directory");
  }
  put("deepest", "down here");
  for (int level = 0; level < depth; level++) bad += chdir("..") != 0;
  say("failures on the way", bad);
  list(".");
  DO(mkdir("branch", 0755));
  DO(rename("a-directory-in-a-directory/a-directory-in-a-directory", "branch/moved"));
  show("a-directory-in-a-directory");
  bad = chdir("branch/moved");
  for (int level = 2; level < depth; level++) bad += chdir("a-directory-in-a-directory") != 0;
  show_text("deepest");
  DO(unlink("deepest"));
  for (int level = 2; level < depth; level++) bad += chdir("..") || rmdir("a-directory-in-a-directory") || unlink("f");
  say("failures on the way back", bad);
  DO(chdir("../.."));
  list("branch/moved");
}

static void many(void) {
  char path[32], text[32];
  int bad = 0, seen = 0;
  for (int file = 0; file < many_files; file++) {
    snprintf(path, sizeof path, "file-%d", file);
    put(path, path);
  }
  DIR *directory = opendir(".");
  for (struct dirent *entry; (entry = readdir(directory)); seen++) {
    if (entry->d_name[0] == '.') continue;
    int fd = open(entry->d_name, O_RDONLY);
    ssize_t length = read(fd, text, sizeof text);
    bad += length != (ssize_t)strlen(entry->d_name) || memcmp(text, entry->d_name, length) != 0;
    close(fd);
  }
  say("entries", seen);
  say("of other content", bad);
  rewinddir(directory);
  seen = 0;
  for (struct dirent *entry; (entry = readdir(directory)); seen++)
    if (entry->d_name[0] != '.' && entry->d_name[strlen(entry->d_name) - 1] % 2)
      bad += unlink(entry->d_name) != 0;
  say("entries while half of them go", seen);
  rewinddir(directory);
  for (seen = 0; readdir(directory); seen++) {}
  say("entries after that", seen);
  say("failures", bad);
  closedir(directory);
  show(".");
}

#define WORKERS 4
#define ROUNDS 60
static void work_together(int index) {
  char text[64];
  int log = open("log", O_WRONLY | O_CREAT | O_APPEND, 0644), bad = 0;
  for (int round = 0; round < ROUNDS; round++) {
    int length = snprintf(text, sizeof text, "%d of worker %d\n", round, index);
    bad += write(log, text, length) != length;
    snprintf(text, sizeof text, "won-%d", round);
    int fd = open(text, O_CREAT | O_EXCL | O_WRONLY, 0644);
    if (fd >= 0) bad += write(log, "won\n", 4) != 4 || close(fd);
    else bad += errno != EEXIST;
    snprintf(text, sizeof text, "own-%d", index);
    put(text, "temporary");
    bad += rename(text, "taken-by-one") != 0;
    snprintf(text, sizeof text, "dir-%d", round % 5);
    if (mkdir(text, 0755) && errno != EEXIST) bad++;
    if (rmdir(text) && errno != ENOENT && errno != ENOTEMPTY) bad++;
  }
  _exit(bad || close(log));
}

static void together(void) {
  char line[64];
  int next[WORKERS] = {0}, won = 0, bad = 0;
  run_as(0, WORKERS, work_together);
  FILE *log = fopen("log", "r");
  while (fgets(line, sizeof line, log)) {
    int round, index;
    if (!strcmp(line, "won\n")) won++;
    else if (sscanf(line, "%d of worker %d", &round, &index) != 2 || index < 0 || index >= WORKERS) bad++;
    else bad += next[index]++ != round;
  }
  fclose(log);
  say("lines out of order or torn", bad);
  for (int index = 0; index < WORKERS; index++) say("lines of a worker", next[index]);
  say("exclusive creations", won);
  show("taken-by-one");
  show_text("taken-by-one");
  list(".");
}

static void count_with_lock(int index) {
  char text[16] = "";
  for (int round = 0; round < ROUNDS; round++) {
    int fd = open("counter", O_RDWR);
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (index % 2 ? flock(fd, LOCK_EX) : fcntl(fd, F_SETLKW, &lock)) _exit(1);
    char *file = index % 2 ? "by-flock" : "by-fcntl";
    int counter = open(file, O_RDWR | O_CREAT, 0644);
    ssize_t length = read(counter, text, sizeof text - 1);
    text[length < 0 ? 0 : length] = 0;
    length = snprintf(text, sizeof text, "%d", atoi(text) + 1);
    if (pwrite(counter, text, length, 0) != length) _exit(1);
    close(counter);
    close(fd);
  }
}
static void meet_lock(int index) {
  struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 10};
  int fd = open("held", O_RDWR);
  (void)index;
  DO(fcntl(fd, F_SETLK, &lock));
  DO(fcntl(fd, F_GETLK, &lock));
  say("type of the lock in the way", lock.l_type);
  lock = (struct flock){.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 10};
  DO(fcntl(fd, F_SETLK, &lock));
  DO(flock(open("held-2", O_RDWR), LOCK_EX | LOCK_NB));
}
static void locks(void) {
  put("counter", "");
  run_as(0, WORKERS, count_with_lock);
  show_text("by-flock");
  show_text("by-fcntl");
  put("held", "");
  put("held-2", "");
  struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 10};
  DO(fcntl(open("held", O_RDWR), F_SETLK, &lock));
  DO(flock(open("held-2", O_RDWR), LOCK_EX));
  run_as(0, 1, meet_lock);
}
