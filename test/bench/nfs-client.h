/* What both load generators of the NFS bench need: calls in XDR, and one connection. A failure ends the program. */
#include <arpa/inet.h>
#include <endian.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static void fail(const char *why) {
  fprintf(stderr, "nfs-load: %s\n", why);
  exit(1);
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec / 1e9;
}

/* One request being built, or the first bytes of one reply. */
struct xdr {
  uint8_t bytes[4096];
  size_t at;
};
static void put(struct xdr *x, uint32_t value) {
  value = htonl(value);
  memcpy(x->bytes + x->at, &value, 4);
  x->at += 4;
}
static void put_opaque(struct xdr *x, const void *data, uint32_t length) {
  put(x, length);
  memset(x->bytes + x->at + (length & ~3u), 0, 4);
  memcpy(x->bytes + x->at, data, length);
  x->at += (length + 3) & ~3u;
}
static uint32_t get(const uint8_t *from) {
  uint32_t value;
  memcpy(&value, from, 4);
  return ntohl(value);
}

static void begin(struct xdr *x, uint32_t program, uint32_t procedure) {
  static uint32_t xid;
  x->at = 4;
  put(x, ++xid);
  put(x, 0);
  put(x, 2);
  put(x, program);
  put(x, 3);
  put(x, procedure);
  put(x, 1); /* AUTH_SYS: stamp, machine name "load", uid 0, gid 0, no groups */
  put(x, 24);
  put(x, 0);
  put_opaque(x, "load", 4);
  put(x, 0);
  put(x, 0);
  put(x, 0);
  put(x, 0);
  put(x, 0);
}
static void end(struct xdr *x) {
  uint32_t mark = htonl(0x80000000u | (uint32_t)(x->at - 4));
  memcpy(x->bytes, &mark, 4);
}

static int open_connection(const char *host, int port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
  int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
  inet_pton(AF_INET, host, &address.sin_addr);
  if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0) fail("cannot connect");
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  return fd;
}
static void write_all(int fd, const uint8_t *bytes, size_t length) {
  while (length > 0) {
    ssize_t done = write(fd, bytes, length);
    if (done <= 0) fail("write");
    bytes += done;
    length -= done;
  }
}
static void read_all(int fd, uint8_t *bytes, size_t length) {
  while (length > 0) {
    ssize_t done = read(fd, bytes, length);
    if (done <= 0) fail("read");
    bytes += done;
    length -= done;
  }
}

/* Sends one small call and gives the results behind the status. */
static const uint8_t *ask(int fd, struct xdr *x) {
  static uint8_t reply[65536];
  end(x);
  write_all(fd, x->bytes, x->at);
  read_all(fd, reply, 4);
  uint32_t length = get(reply) & 0x7fffffff;
  if (length > sizeof reply) fail("setup reply too long");
  read_all(fd, reply, length);
  if (get(reply + 8) != 0 || get(reply + 20) != 0 || get(reply + 24) != 0) fail("setup call refused");
  return reply + 28;
}

struct handle {
  uint32_t length;
  uint8_t bytes[64];
};
static struct handle take_handle(const uint8_t *from) {
  struct handle h = {.length = get(from)};
  if (h.length > 64) fail("bad handle");
  memcpy(h.bytes, from + 4, h.length);
  return h;
}
