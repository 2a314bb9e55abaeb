// Reads one file by TFTP as fast as the server sends it (RFC 7440 client):   tftp-load ADDRESS PORT FILE BLOCKSIZE WINDOW
// Prints bytes, seconds and how often it had to ask again.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { DATA = 3, ACK = 4, ERROR = 5, OACK = 6 };

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec / 1e9;
}

static int option(char *at, const char *name, int value) {
  int length = sprintf(at, "%s", name) + 1;
  return length + sprintf(at + length, "%d", value) + 1;
}

static void acknowledge(int s, unsigned block, const struct sockaddr_in *to) {
  unsigned char packet[4] = {0, ACK, block >> 8, block};
  sendto(s, packet, sizeof packet, 0, (const struct sockaddr *)to, sizeof *to);
}

int main(int argc, char **argv) {
  if (argc != 6) return 2;
  int block_size = atoi(argv[4]), window = atoi(argv[5]);
  struct sockaddr_in server = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[2]))}, from = server;
  inet_pton(AF_INET, argv[1], &server.sin_addr);
  int s = socket(AF_INET, SOCK_DGRAM, 0), room = 4 << 20;
  if (setsockopt(s, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room)) setsockopt(s, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
  struct timeval patience = {.tv_usec = 200000};
  setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);

  static char packet[70000];
  packet[1] = 1;
  int length = 2 + sprintf(packet + 2, "%s", argv[3]) + 1;
  length += sprintf(packet + length, "octet") + 1;
  length += option(packet + length, "blksize", block_size);
  if (window > 1) length += option(packet + length, "windowsize", window);
  double start = now();
  sendto(s, packet, length, 0, (struct sockaddr *)&server, sizeof server);

  long bytes = 0;
  unsigned expected = 1;
  int in_window = 0, repeats = 0, silent = 0, in_gap = 0, begun = 0;
  for (;;) {
    socklen_t size = sizeof from;
    int got = recvfrom(s, packet, sizeof packet, 0, (struct sockaddr *)&from, &size);
    if (got < 4) {
      if (++silent > 50) return 1;
      repeats++;
      if (begun) acknowledge(s, expected - 1, &from);
      continue;
    }
    silent = 0;
    if (packet[1] == ERROR) return 1;
    begun = 1;
    if (packet[1] == OACK) {
      char *answer = memmem(packet, got, "windowsize", 11);
      window = answer ? atoi(answer + 11) : 1;
      acknowledge(s, 0, &from);
      continue;
    }
    unsigned block = (unsigned char)packet[2] << 8 | (unsigned char)packet[3];
    if (block != (expected & 0xffff)) {
      if (!in_gap) acknowledge(s, expected - 1, &from);
      if (!in_gap) repeats++;
      in_gap = 1;
      in_window = 0;
      continue;
    }
    in_gap = 0;
    bytes += got - 4;
    expected++;
    int is_last = got - 4 < block_size;
    if (++in_window >= window || is_last) {
      acknowledge(s, expected - 1, &from);
      in_window = 0;
    }
    if (is_last) break;
  }
  printf("%ld %.6f %d\n", bytes, now() - start, repeats);
  return 0;
}
