/*
 * walt-xattrs: lists and sets extended attributes in nodes, whose busybox cannot. Needs no library, so that it runs on
 * any image. What it keeps: user.*, trusted.* and security.*, but not what belongs to an overlay (trusted.overlay.*) or
 * to the security policy of one machine (SELinux, Smack, AppArmor, IMA, EVM).
 *
 *   walt-xattrs list   reads paths, each ended by a NUL; writes the attributes of those that have some
 *   walt-xattrs set    reads such a list; gives each path in it these attributes and no others that it keeps
 *
 * A list is lines, bytes in lower-case hex (an attribute may have no v, or several for a long value):
 *   f PATH
 *   n NAME
 *   v UP TO 4096 BYTES OF THE VALUE
 *
 * What could not be set is written to standard output, as a list, and said on standard error.
 * Exit code: 0; 1 when some attribute could not be read or set; 2 for a wrong use or list.
 * Limits: Linux's own (PATH_MAX; linux/limits.h: XATTR_NAME_MAX, XATTR_SIZE_MAX, XATTR_LIST_MAX).
 */
#define PATH_BYTES 4096
#define NAME_BYTES 256
#define VALUE_BYTES 65536
#define LIST_BYTES 65536
#define PIECE 4096
#define SHOWN 10

#define ENOENT 2
#define ENOSPC 28
#define E2BIG 7
#define EPERM 1
#define ENODATA 61
#define EOPNOTSUPP 95

typedef unsigned char byte;

#if defined(__x86_64__)
enum { READ = 0, WRITE = 1, SETXATTR = 189, GETXATTR = 192, LISTXATTR = 195, REMOVEXATTR = 198, EXIT = 231 };
__asm__(".globl _start\n_start: xor %ebp,%ebp\n mov %rsp,%rdi\n and $-16,%rsp\n call start\n");
static long call(long number, long a, long b, long c, long d, long e) {
  register long r10 __asm__("r10") = d;
  register long r8 __asm__("r8") = e;
  long result;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8)
                   : "rcx", "r11", "memory");
  return result;
}
#elif defined(__aarch64__)
enum { SETXATTR = 6, GETXATTR = 9, LISTXATTR = 12, REMOVEXATTR = 15, READ = 63, WRITE = 64, EXIT = 94 };
__asm__(".globl _start\n_start: mov x29, #0\n mov x0, sp\n bl start\n");
static long call(long number, long a, long b, long c, long d, long e) {
  register long x8 __asm__("x8") = number;
  register long x0 __asm__("x0") = a;
  register long x1 __asm__("x1") = b;
  register long x2 __asm__("x2") = c;
  register long x3 __asm__("x3") = d;
  register long x4 __asm__("x4") = e;
  __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4) : "memory");
  return x0;
}
#else
#error "walt-xattrs: this processor's system calls are missing"
#endif

static byte input[65536], output[65536], value[VALUE_BYTES], line[2 + 2 * PATH_BYTES + 1];
static char path[PATH_BYTES], name[NAME_BYTES], names[LIST_BYTES];
static long input_at, input_end, output_end, value_length, failures;
static int has_path, has_name;

static void finish(int code) {
  for (;;) call(EXIT, code, 0, 0, 0, 0);
}

static void write_all(int fd, const void *bytes, long length) {
  const byte *at = bytes;
  while (length > 0) {
    long count = call(WRITE, fd, (long)at, length, 0, 0);
    if (count == -4) continue; /* EINTR */
    if (count <= 0) finish(2);
    at += count, length -= count;
  }
}

static long length_of(const char *text) {
  long length = 0;
  while (text[length]) length++;
  return length;
}

static void say(const char *text) { write_all(2, text, length_of(text)); }

static void refuse(const char *why) {
  say("walt-xattrs: "), say(why), say("\n");
  finish(2);
}

static void flush(void) {
  write_all(1, output, output_end);
  output_end = 0;
}

static void put(byte one) {
  if (output_end == sizeof output) flush();
  output[output_end++] = one;
}

static void put_line(char tag, const void *bytes, long length) {
  const byte *at = bytes;
  put(tag), put(' ');
  for (long i = 0; i < length; i++) put("0123456789abcdef"[at[i] >> 4]), put("0123456789abcdef"[at[i] & 15]);
  put('\n');
}

static void put_attribute(void) {
  put_line('n', name, length_of(name));
  for (long at = 0; at < value_length; at += PIECE)
    put_line('v', value + at, value_length - at < PIECE ? value_length - at : PIECE);
}

/* The next byte of standard input, or -1 at its end. */
static int get(void) {
  if (input_at == input_end) {
    long count;
    do count = call(READ, 0, (long)input, sizeof input, 0, 0);
    while (count == -4);
    if (count < 0) refuse("standard input cannot be read");
    if (count == 0) return -1;
    input_at = 0, input_end = count;
  }
  return input[input_at++];
}

static int starts(const char *text, const char *with) {
  while (*with)
    if (*text++ != *with++) return 0;
  return 1;
}

static int is_kept(const char *attribute) {
  static const char *const others[] = {"trusted.overlay.", "security.selinux", "security.SMACK64",
                                       "security.apparmor", "security.ima",    "security.evm"};
  for (unsigned i = 0; i < sizeof others / sizeof *others; i++)
    if (starts(attribute, others[i])) return 0;
  return starts(attribute, "user.") || starts(attribute, "trusted.") || starts(attribute, "security.");
}

static void say_number(long number) {
  char digits[24], *at = digits + sizeof digits;
  *--at = 0;
  do *--at = '0' + number % 10;
  while (number /= 10);
  say(at);
}

static void failed(const char *attribute, const char *doing, long error) {
  if (++failures > SHOWN) return;
  say("Note: the extended attribute "), say(attribute), say(" of "), say(path), say(" could not be "), say(doing);
  say(": ");
  switch (-error) {
    case EOPNOTSUPP: say("the file system does not support it"); break;
    case ENOSPC: case E2BIG: say("the file system has no room for it"); break;
    case EPERM: say("this kind of file cannot have it"); break;
    case ENOENT: say("there is no such file"); break;
    default: say("error "), say_number(-error);
  }
  say("\n");
}

static int end_of_work(void) {
  flush();
  if (failures > SHOWN) say("Note: the same goes for "), say_number(failures - SHOWN), say(" others.\n");
  return failures > 0;
}

static long list_names(void) {
  long length = call(LISTXATTR, (long)path, (long)names, sizeof names, 0, 0);
  if (length >= 0) return length;
  /* Files that went away meanwhile have none, like those of a file system without them. */
  if (length != -ENOENT && length != -EOPNOTSUPP) failed("list", "read", length);
  return 0;
}

static void list_path(void) {
  long length = list_names();
  int is_first = 1;
  for (char *at = names; at < names + length; at += length_of(at) + 1) {
    long size = length_of(at);
    if (size >= NAME_BYTES || !is_kept(at)) continue;
    value_length = call(GETXATTR, (long)path, (long)at, (long)value, sizeof value, 0);
    if (value_length < 0) {
      if (value_length != -ENODATA && value_length != -ENOENT) failed(at, "read", value_length);
      continue;
    }
    for (long i = 0; i <= size; i++) name[i] = at[i];
    if (is_first) put_line('f', path, length_of(path));
    is_first = 0;
    put_attribute();
  }
}

static void list(void) {
  long length = 0;
  for (int next; (next = get()) >= 0;) {
    if (length == PATH_BYTES) refuse("a path is longer than 4095 bytes");
    path[length++] = next;
    if (next) continue;
    list_path();
    length = 0;
  }
  if (length > 0) refuse("the last path has no end");
}

/* Sets the attribute that has been read. What cannot be is written down. */
static void set_attribute(void) {
  static char last[PATH_BYTES];
  long error;
  if (!has_name) return;
  has_name = 0;
  if (!is_kept(name)) refuse("an attribute is none that may be set");
  error = call(SETXATTR, (long)path, (long)name, (long)value, value_length, 0);
  if (error == 0) return;
  failed(name, "set", error);
  if (length_of(last) != length_of(path) || !starts(last, path)) put_line('f', path, length_of(path));
  for (long i = 0; i <= length_of(path); i++) last[i] = path[i];
  put_attribute();
}

static void clear_path(void) {
  long length = list_names();
  for (char *at = names; at < names + length; at += length_of(at) + 1) {
    long error = is_kept(at) ? call(REMOVEXATTR, (long)path, (long)at, 0, 0, 0) : 0;
    if (error < 0 && error != -ENODATA) failed(at, "removed", error);
  }
}

static int digit(byte one) {
  if (one >= '0' && one <= '9') return one - '0';
  if (one >= 'a' && one <= 'f') return one - 'a' + 10;
  refuse("a line is not in hex");
  return 0;
}

/* The bytes that a line of `end` characters has in hex. */
static long decode(long end, void *into, long room) {
  byte *to = into;
  long length = (end - 2) / 2;
  if (end % 2) refuse("a line is not in hex");
  if (length > room) refuse("a line is longer than it may be");
  for (long i = 0; i < length; i++) to[i] = digit(line[2 + 2 * i]) << 4 | digit(line[3 + 2 * i]);
  return length;
}

/* A text without NULs, and with one at its end. */
static void decode_text(long end, char *into, long room) {
  long length = decode(end, into, room - 1);
  into[length] = 0;
  if (length == 0 || length_of(into) != length) refuse("a path or name is empty or has a NUL");
}

static void set_line(long end) {
  if (end < 2 || line[1] != ' ') refuse("a line is not as it should be");
  switch (line[0]) {
    case 'f':
      set_attribute();
      decode_text(end, path, PATH_BYTES);
      has_path = 1;
      clear_path();
      return;
    case 'n':
      set_attribute();
      if (!has_path) refuse("an attribute comes before its file");
      decode_text(end, name, NAME_BYTES);
      has_name = 1, value_length = 0;
      return;
    case 'v':
      if (!has_name) refuse("a value comes before its name");
      value_length += decode(end, value + value_length, VALUE_BYTES - value_length);
      return;
    default: refuse("a line is not as it should be");
  }
}

static void set(void) {
  long length = 0;
  for (int next; (next = get()) >= 0;) {
    if (next == '\n') {
      set_line(length);
      length = 0;
    } else {
      if (length == sizeof line) refuse("a line is longer than it may be");
      line[length++] = next;
    }
  }
  if (length > 0) refuse("the last line has no end");
  set_attribute();
}

__attribute__((noreturn, used)) void start(long *stack) {
  char **arguments = (char **)(stack + 1);
  const char *verb = stack[0] == 2 ? arguments[1] : "";
  if (starts(verb, "list") && !verb[4]) list();
  else if (starts(verb, "set") && !verb[3]) set();
  else refuse("use: walt-xattrs list <paths, or walt-xattrs set <list");
  finish(end_of_work());
  __builtin_unreachable();
}
