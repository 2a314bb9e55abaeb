/*
 * Load generator for the NBD bench: keeps DEPTH requests outstanding on one connection.
 *
 *   nbd-load HOST PORT EXPORT OPERATION DEPTH BYTES SECONDS
 *
 * OPERATION is read1m or write1m (in sequence), read4k or write4k (random places), within the export's first BYTES. With
 * SECONDS 0 it goes once over them. Prints: operations, data bytes, seconds, median latency in microseconds. Ends with 1
 * at any unexpected reply. Replies are simple ones; they may come in any order.
 */
#include <arpa/inet.h>
#include <endian.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define MOST_DEPTH 64
#define MOST_SAMPLES 4000000
#define LONGEST (1 << 20)

static void fail(const char *why) {
  fprintf(stderr, "nbd-load: %s\n", why);
  exit(1);
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec / 1e9;
}

struct request {
  uint32_t magic;
  uint16_t flags, command;
  uint64_t cookie, offset;
  uint32_t length;
} __attribute__((packed));
struct reply {
  uint32_t magic, error;
  uint64_t cookie;
} __attribute__((packed));

static void write_all(int fd, const void *bytes, size_t length) {
  for (const uint8_t *at = bytes; length > 0;) {
    ssize_t done = write(fd, at, length);
    if (done <= 0) fail("write");
    at += done;
    length -= done;
  }
}
static void read_all(int fd, void *bytes, size_t length) {
  for (uint8_t *at = bytes; length > 0;) {
    ssize_t done = read(fd, at, length);
    if (done <= 0) fail("read");
    at += done;
    length -= done;
  }
}

static int open_export(const char *host, int port, const char *name) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
  int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
  uint8_t bytes[18];
  inet_pton(AF_INET, host, &address.sin_addr);
  if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0) fail("cannot connect");
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  read_all(fd, bytes, 18);
  uint32_t flags = htonl(3), option[2] = {htonl(1), htonl(strlen(name))};
  write_all(fd, &flags, 4);
  write_all(fd, "IHAVEOPT", 8);
  write_all(fd, option, 8);
  write_all(fd, name, strlen(name));
  read_all(fd, bytes, 10);
  return fd;
}

struct load {
  int fd, is_write;
  uint32_t length;
  uint64_t range, offset, begun;
};
static uint8_t data[LONGEST];
static double sent[MOST_DEPTH];

/* Sends the next request; its cookie is the place among those outstanding. */
static void ask(struct load *load, uint32_t place) {
  struct request request = {.magic = htonl(0x25609513), .cookie = htobe64(place)};
  if (load->length == 4096) load->offset = (uint64_t)(random() % (load->range / 4096)) * 4096;
  request.command = htons(load->is_write);
  request.offset = htobe64(load->offset);
  request.length = htonl(load->length);
  load->offset = load->offset + 2 * load->length > load->range ? 0 : load->offset + load->length;
  load->begun++;
  sent[place] = now();
  struct iovec parts[2] = {{&request, sizeof request}, {data, load->is_write ? load->length : 0}};
  size_t whole = sizeof request + parts[1].iov_len;
  ssize_t done = writev(load->fd, parts, 2);
  if (done < (ssize_t)sizeof request) fail("write");
  write_all(load->fd, data + (done - sizeof request), whole - done);
}

/* The next reply's place; its data has been read. Small replies are read many at a time. */
static uint32_t take_reply(struct load *load) {
  static uint8_t in[1 << 18];
  static size_t start, end;
  size_t small = sizeof(struct reply);
  while (end - start < small) {
    memmove(in, in + start, end - start);
    end -= start;
    start = 0;
    ssize_t got = read(load->fd, in + end, sizeof in - end);
    if (got <= 0) fail("connection ended");
    end += got;
  }
  struct reply *reply = (struct reply *)(in + start);
  uint32_t place = be64toh(reply->cookie);
  if (ntohl(reply->magic) != 0x67446698 || reply->error != 0 || place >= MOST_DEPTH) fail("bad reply");
  start += small;
  if (load->is_write) return place;
  size_t here = end - start < load->length ? end - start : load->length;
  memcpy(data, in + start, here);
  start += here;
  read_all(load->fd, data + here, load->length - here);
  return place;
}

static int by_value(const void *a, const void *b) {
  float x = *(const float *)a, y = *(const float *)b;
  return x < y ? -1 : x > y;
}

int main(int argc, char **argv) {
  if (argc != 8) fail("wrong number of arguments");
  const char *operation = argv[4];
  uint32_t depth = atoi(argv[5]);
  double seconds = atof(argv[7]);
  struct load load = {.is_write = operation[0] == 'w', .range = strtoull(argv[6], NULL, 10)};
  load.length = strstr(operation, "4k") ? 4096 : LONGEST;
  if (depth < 1 || depth > MOST_DEPTH) fail("bad depth");
  uint64_t goal = seconds > 0 ? UINT64_MAX : load.range / load.length, operations = 0;
  float *samples = malloc(MOST_SAMPLES * sizeof *samples);
  size_t sample_count = 0;
  memset(data, 0x5a, sizeof data);
  load.fd = open_export(argv[1], atoi(argv[2]), argv[3]);
  double start = now(), time = start;
  for (uint32_t place = 0; place < depth && load.begun < goal; place++) ask(&load, place);
  while (operations < load.begun) {
    uint32_t place = take_reply(&load);
    operations++;
    time = now();
    if (sample_count < MOST_SAMPLES) samples[sample_count++] = time - sent[place];
    if (seconds > 0 ? time < start + seconds : load.begun < goal) ask(&load, place);
  }
  qsort(samples, sample_count, sizeof *samples, by_value);
  double median = sample_count > 0 ? samples[sample_count / 2] * 1e6 : 0;
  printf("%llu %llu %.6f %.3f\n", (unsigned long long)operations, (unsigned long long)(operations * load.length),
         time - start, median);
  return 0;
}
