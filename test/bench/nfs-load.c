/*
 * Load generator for the NFS bench: keeps DEPTH calls of one procedure outstanding on one TCP connection.
 *
 *   nfs-load HOST NFSPORT MOUNTPORT EXPORT DIRECTORY FILE OPERATION DEPTH SECONDS
 *
 * OPERATION is getattr, lookup (FILE in DIRECTORY), read4k (random places), read64k or read1m (in sequence).
 * Prints: operations, data bytes, seconds, median latency in microseconds. Ends with 1 at any unexpected reply.
 */
#include "nfs-client.h"

#define KEEP 256
#define MOST_DEPTH 64
#define MOST_SAMPLES 4000000

static struct handle look_up(int fd, const struct handle *directory, const char *name) {
  struct xdr x;
  begin(&x, 100003, 3);
  put_opaque(&x, directory->bytes, directory->length);
  put_opaque(&x, name, strlen(name));
  return take_handle(ask(fd, &x));
}

struct load {
  int fd;
  const char *operation;
  struct handle target;
  struct handle directory;
  const char *name;
  uint64_t size;
  uint64_t offset;
  uint32_t length;
  uint32_t depth;
};

static void build(struct load *load, struct xdr *x) {
  if (!strcmp(load->operation, "getattr")) {
    begin(x, 100003, 1);
    put_opaque(x, load->target.bytes, load->target.length);
  } else if (!strcmp(load->operation, "lookup")) {
    begin(x, 100003, 3);
    put_opaque(x, load->directory.bytes, load->directory.length);
    put_opaque(x, load->name, strlen(load->name));
  } else {
    begin(x, 100003, 6);
    put_opaque(x, load->target.bytes, load->target.length);
    if (load->length == 4096) load->offset = (uint64_t)(random() % (load->size / 4096)) * 4096;
    put(x, load->offset >> 32);
    put(x, (uint32_t)load->offset);
    put(x, load->length);
    load->offset = load->offset + 2 * load->length > load->size ? 0 : load->offset + load->length;
  }
  end(x);
}

/* Latency: replies of one connection come in the order of the calls nearly always, so times are kept in a ring. */
static float *samples;
static size_t sample_count;
static int by_value(const void *a, const void *b) {
  float x = *(const float *)a, y = *(const float *)b;
  return x < y ? -1 : x > y;
}

static void run(struct load *load, double seconds) {
  static uint8_t in[1 << 20], out[MOST_DEPTH * 512], head[KEEP];
  double sent[MOST_DEPTH];
  uint64_t operations = 0, bytes = 0, first = 0;
  size_t kept = 0, mark_bytes = 0, remaining = 0;
  uint8_t mark[4];
  struct xdr x;
  size_t length = 0;
  for (uint32_t i = 0; i < load->depth; i++) {
    build(load, &x);
    memcpy(out + length, x.bytes, x.at);
    length += x.at;
  }
  double start = now(), stop = start + seconds;
  for (uint32_t i = 0; i < load->depth; i++) sent[i] = start;
  write_all(load->fd, out, length);
  for (;;) {
    ssize_t got = read(load->fd, in, sizeof in);
    if (got <= 0) fail("connection ended");
    double time = now();
    length = 0;
    for (ssize_t at = 0; at < got;) {
      if (remaining == 0) {
        mark[mark_bytes++] = in[at++];
        if (mark_bytes < 4) continue;
        mark_bytes = kept = 0;
        remaining = get(mark) & 0x7fffffff;
        continue;
      }
      size_t take = remaining < (size_t)(got - at) ? remaining : (size_t)(got - at);
      size_t keep = take < KEEP - kept ? take : KEEP - kept;
      memcpy(head + kept, in + at, keep);
      kept += keep;
      at += take;
      remaining -= take;
      if (remaining > 0) continue;
      if (get(head + 8) != 0 || get(head + 20) != 0 || get(head + 24) != 0) fail("call refused");
      if (load->length > 0) {
        size_t counted = 28 + (get(head + 28) ? 88 : 4);
        if (get(head + counted) != load->length) fail("short read");
        bytes += load->length;
      }
      operations++;
      if (sample_count < MOST_SAMPLES) samples[sample_count++] = time - sent[first % load->depth];
      sent[first++ % load->depth] = time;
      build(load, &x);
      memcpy(out + length, x.bytes, x.at);
      length += x.at;
    }
    if (time >= stop) break;
    if (length > 0) write_all(load->fd, out, length);
  }
  double took = now() - start;
  qsort(samples, sample_count, sizeof *samples, by_value);
  double median = sample_count > 0 ? samples[sample_count / 2] * 1e6 : 0;
  printf("%llu %llu %.6f %.3f\n", (unsigned long long)operations, (unsigned long long)bytes, took, median);
}

int main(int argc, char **argv) {
  if (argc != 10) fail("wrong number of arguments");
  const char *host = argv[1], *operation = argv[7];
  struct load load = {.operation = operation, .name = argv[6], .depth = atoi(argv[8])};
  struct xdr x;
  if (load.depth < 1 || load.depth > MOST_DEPTH) fail("bad depth");
  samples = malloc(MOST_SAMPLES * sizeof *samples);
  int mount = open_connection(host, atoi(argv[3]));
  begin(&x, 100005, 1);
  put_opaque(&x, argv[4], strlen(argv[4]));
  struct handle root = take_handle(ask(mount, &x));
  load.fd = open_connection(host, atoi(argv[2]));
  load.directory = look_up(load.fd, &root, argv[5]);
  load.target = look_up(load.fd, &load.directory, load.name);
  begin(&x, 100003, 1);
  put_opaque(&x, load.target.bytes, load.target.length);
  const uint8_t *attributes = ask(load.fd, &x);
  load.size = ((uint64_t)get(attributes + 20) << 32) | get(attributes + 24);
  if (!strcmp(operation, "read4k")) load.length = 4096;
  else if (!strcmp(operation, "read64k")) load.length = 65536;
  else if (!strcmp(operation, "read1m")) load.length = 1 << 20;
  else if (strcmp(operation, "getattr") && strcmp(operation, "lookup")) fail("unknown operation");
  run(&load, atof(argv[9]));
  return 0;
}
