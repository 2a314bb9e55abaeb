#define _GNU_SOURCE
/*
 * Load generator for the HTTP bench: GETs one path again and again over one connection.
 *
 *   http-load HOST PORT PATH SECONDS
 *
 * Prints: requests, body bytes, seconds. Ends with 1 at any unexpected answer.
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

static void fail(const char *why) {
  fprintf(stderr, "http-load: %s\n", why);
  exit(1);
}
static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec / 1e9;
}

/* Reads one answer; returns the length of its body. */
static long long answer(int fd) {
  static char in[1 << 20];
  size_t got = 0;
  char *body;
  do {
    ssize_t more = read(fd, in + got, sizeof in - 1 - got);
    if (more <= 0) fail("connection ended");
    got += more;
    in[got] = 0;
  } while ((body = strstr(in, "\r\n\r\n")) == NULL);
  if (strncmp(in, "HTTP/1.1 200", 12) != 0) fail("not 200");
  *body = 0;
  char *field = strcasestr(in, "\r\ncontent-length:");
  if (field == NULL) fail("no length");
  long long length = atoll(field + 17), left = length - (long long)(got - (body + 4 - in));
  while (left > 0) {
    ssize_t more = read(fd, in, left < (long long)sizeof in ? (size_t)left : sizeof in);
    if (more <= 0) fail("connection ended in a body");
    left -= more;
  }
  return length;
}

int main(int argc, char **argv) {
  if (argc != 5) fail("wrong number of arguments");
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[2]))};
  int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
  inet_pton(AF_INET, argv[1], &address.sin_addr);
  if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0) fail("cannot connect");
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  char request[1024];
  int length = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: bench\r\n\r\n", argv[3]);
  long long requests = 0, bytes = 0;
  double start = now(), stop = start + atof(argv[4]), time;
  do {
    if (write(fd, request, length) != length) fail("write");
    bytes += answer(fd);
    requests++;
    time = now();
  } while (time < stop);
  printf("%lld %lld %.6f\n", requests, bytes, time - start);
  return 0;
}
