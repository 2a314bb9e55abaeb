/*
 * Load generator for the bench of /persist: does COUNT operations in the root of an export, DEPTH at a time, on one TCP
 * connection.
 *
 *   nfs-write-load HOST NFSPORT MOUNTPORT EXPORT OPERATION DEPTH COUNT
 *
 * OPERATION is write1m (1 MiB in sequence, UNSTABLE, and one COMMIT at the end), sync4k (4 KiB at random places of 64 MiB,
 * FILE_SYNC) or create (a file made, and 1 KiB written to it FILE_SYNC). Prints: operations, data bytes, seconds, median
 * latency in microseconds. What it made it removes. Ends with 1 at any unexpected reply.
 */
#include "nfs-client.h"

#define MOST_DEPTH 64
#define NAME 64
#define SPREAD 16384
enum { UNSTABLE = 0, FILE_SYNC = 2 };
enum { CREATE = 8, WRITE = 7, REMOVE = 12, COMMIT = 21 };

static uint8_t data[1 << 20];
static float *samples;
static uint32_t sample_count;
static int by_value(const void *a, const void *b) {
  float x = *(const float *)a, y = *(const float *)b;
  return x < y ? -1 : x > y;
}

struct load {
  int fd;
  int creates;
  struct handle root;
  struct handle file;
  uint32_t length;
  uint32_t stable;
  uint32_t started;
};
/* One operation under way. */
struct slot {
  uint32_t xid;
  double began;
  struct handle file;
  int written;
};

static void build_create(struct xdr *x, const struct handle *directory, const char *name) {
  begin(x, 100003, CREATE);
  put_opaque(x, directory->bytes, directory->length);
  put_opaque(x, name, strlen(name));
  put(x, 1); /* GUARDED: mode 0644, the rest as the server likes */
  put(x, 1);
  put(x, 0644);
  for (int none = 0; none < 5; none++) put(x, 0);
}
/* CREATE's results: whether there is a handle, the handle. */
static struct handle created(const uint8_t *results) {
  if (get(results) != 1) fail("no handle of a new file");
  return take_handle(results + 4);
}
static void send_write(const struct load *load, struct xdr *x, const struct handle *file, uint64_t offset) {
  begin(x, 100003, WRITE);
  put_opaque(x, file->bytes, file->length);
  put(x, offset >> 32);
  put(x, (uint32_t)offset);
  put(x, load->length);
  put(x, load->stable);
  put(x, load->length);
  uint32_t mark = htonl(0x80000000u | (uint32_t)(x->at - 4 + load->length));
  memcpy(x->bytes, &mark, 4);
  write_all(load->fd, x->bytes, x->at);
  write_all(load->fd, data, load->length);
}
static void file_name(char *name, uint32_t number) { snprintf(name, NAME, "load-%d-%u", getpid(), number); }

static void start(struct load *load, struct slot *slot) {
  struct xdr x;
  char name[NAME];
  uint64_t place = load->stable == UNSTABLE ? load->started : (uint64_t)random() % SPREAD;
  slot->began = now();
  slot->written = !load->creates;
  if (load->creates) {
    file_name(name, load->started);
    build_create(&x, &load->root, name);
    end(&x);
    write_all(load->fd, x.bytes, x.at);
  } else send_write(load, &x, &load->file, place * load->length);
  slot->xid = get(x.bytes + 4);
  load->started++;
}

/* Reads one reply; gives its results behind the status of the call. */
static const uint8_t *receive(int fd, uint32_t *xid) {
  static uint8_t reply[4096];
  read_all(fd, reply, 4);
  uint32_t length = get(reply) & 0x7fffffff;
  if (length > sizeof reply || length < 28) fail("odd reply");
  read_all(fd, reply, length);
  if (get(reply + 8) != 0 || get(reply + 20) != 0 || get(reply + 24) != 0) fail("call refused");
  *xid = get(reply);
  return reply + 28;
}

/* WRITE's results: wcc_data, count, committed. */
static void check_written(const struct load *load, const uint8_t *results) {
  results += get(results) ? 28 : 4;
  results += get(results) ? 88 : 4;
  if (get(results) != load->length || get(results + 4) < load->stable) fail("short write, or not synced");
}

static void run(struct load *load, uint32_t depth, uint32_t count) {
  struct slot slots[MOST_DEPTH];
  uint32_t xid;
  for (uint32_t i = 0; i < depth; i++) start(load, &slots[i]);
  for (uint32_t done = 0; done < count;) {
    const uint8_t *results = receive(load->fd, &xid);
    struct slot *slot = slots;
    while (slot->xid != xid)
      if (++slot == slots + depth) fail("unknown reply");
    if (!slot->written) {
      struct xdr x;
      slot->file = created(results);
      send_write(load, &x, &slot->file, 0);
      slot->xid = get(x.bytes + 4);
      slot->written = 1;
      continue;
    }
    check_written(load, results);
    samples[sample_count++] = now() - slot->began;
    done++;
    slot->xid = 0;
    if (load->started < count) start(load, slot);
  }
  if (load->stable == UNSTABLE) {
    struct xdr x;
    begin(&x, 100003, COMMIT);
    put_opaque(&x, load->file.bytes, load->file.length);
    for (int whole = 0; whole < 3; whole++) put(&x, 0);
    ask(load->fd, &x);
  }
}

static void remove_file(const struct load *load, uint32_t number) {
  struct xdr x;
  char name[NAME];
  file_name(name, number);
  begin(&x, 100003, REMOVE);
  put_opaque(&x, load->root.bytes, load->root.length);
  put_opaque(&x, name, strlen(name));
  ask(load->fd, &x);
}

int main(int argc, char **argv) {
  if (argc != 8) fail("wrong number of arguments");
  const char *host = argv[1], *operation = argv[5];
  uint32_t depth = atoi(argv[6]), count = atoi(argv[7]);
  struct load load = {.creates = !strcmp(operation, "create"), .stable = FILE_SYNC};
  struct xdr x;
  if (depth < 1 || depth > MOST_DEPTH || depth > count) fail("bad depth");
  if (!strcmp(operation, "write1m")) load.length = 1 << 20, load.stable = UNSTABLE;
  else if (!strcmp(operation, "sync4k")) load.length = 4096;
  else if (load.creates) load.length = 1024;
  else fail("unknown operation");
  samples = malloc(count * sizeof *samples);
  for (size_t i = 0; i < sizeof data; i++) data[i] = (uint8_t)random();
  int mount = open_connection(host, atoi(argv[3]));
  begin(&x, 100005, 1);
  put_opaque(&x, argv[4], strlen(argv[4]));
  load.root = take_handle(ask(mount, &x));
  load.fd = open_connection(host, atoi(argv[2]));
  if (!load.creates) {
    char name[NAME];
    file_name(name, 0);
    build_create(&x, &load.root, name);
    load.file = created(ask(load.fd, &x));
  }
  double began = now();
  run(&load, depth, count);
  double took = now() - began;
  for (uint32_t number = 0; number < (load.creates ? count : 1); number++) remove_file(&load, number);
  qsort(samples, sample_count, sizeof *samples, by_value);
  double median = samples[sample_count / 2] * 1e6;
  printf("%u %llu %.6f %.3f\n", count, (unsigned long long)count * load.length, took, median);
  return 0;
}
