# Writes all packets of a network interface to a capture file (pcap-savefile(5)), up to a limit in bytes:
#   perl capture.pl INTERFACE BYTES FILE
# A kept process: it ends with its interface, at its limit, or by SIGTERM when it has taken what has come. The programs that
# others use for this give up root's rights first, which no process in a lab can, or come with a hundred megabytes.
#
# Packets come by a ring of blocks that the kernel fills (Documentation/networking/packet_mmap.rst, TPACKET_V3): a socket's own
# buffer is small, and only root of the host can make it larger. Perl reads the ring's memory by unpack 'P', and gives a block
# back by a read(2) of four zeros into its status.
use strict;
use warnings;
use POSIX ();

# linux/if_packet.h, linux/sockios.h, asm-generic/socket.h
my ($AF_PACKET, $SOCK_RAW, $SOL_PACKET) = (17, 3, 263);
my ($PACKET_RX_RING, $PACKET_STATISTICS, $PACKET_VERSION, $TPACKET_V3, $TP_STATUS_USER) = (5, 6, 10, 2, 1);
my ($SOL_SOCKET, $SO_ERROR, $SIOCGIFINDEX, $ETH_P_ALL, $ENETDOWN) = (1, 4, 0x8933, 3, 100);
my %calls = (x86_64 => { mmap => 9, read => 0 }, aarch64 => { mmap => 222, read => 63 });
my ($BLOCK, $BLOCKS, $FRAME, $RETIRE_MS) = (256 << 10, 64, 2048, 20);
my ($SNAPLEN, $LAST_LOOK) = (262_144, 0.2);

my ($interface, $most, $file) = @ARGV;
$| = 1;
sub fail { print "$_[0]: $!\n"; exit 1 }
my $call = $calls{ (POSIX::uname())[4] } // fail('unknown processor');

# Takes nothing until it is bound, or it would have packets of other interfaces.
socket(my $socket, $AF_PACKET, $SOCK_RAW, 0) or fail('no packet socket can be made');
sub index_of {
    my $request = pack('a16 x24', $interface);
    return ioctl($socket, $SIOCGIFINDEX, $request) ? unpack('x16 i', $request) : undef;
}
my $index = index_of() // fail("there is no interface $interface");
my $ring = pack('L7', $BLOCK, $BLOCKS, $FRAME, $BLOCK / $FRAME * $BLOCKS, $RETIRE_MS, 0, 0);
setsockopt($socket, $SOL_PACKET, $PACKET_VERSION, pack('i', $TPACKET_V3)) or fail('no ring of packets');
setsockopt($socket, $SOL_PACKET, $PACKET_RX_RING, $ring) or fail('no memory for packets');
my $memory = syscall($call->{mmap}, 0, $BLOCK * $BLOCKS, 3, 1, fileno($socket), 0);
fail('no memory of packets') if $memory == -1;
open(my $zeros, '<', '/dev/zero') or fail('/dev/zero');
umask 077;
open(my $out, '>:raw', $file) or fail("$file cannot be written");
my $written = 0;

# False when the file has reached its limit.
sub keep {
    my ($bytes) = @_;
    my $room = $most - $written;
    my $part = length($bytes) > $room ? substr($bytes, 0, $room) : $bytes;
    defined(syswrite($out, $part)) or fail("$file cannot be written");
    $written += length $part;
    return $written < $most;
}
sub at { my ($address, $length) = @_; return unpack("P$length", pack('J', $address)) }

# All that a block has, in one write.
sub records {
    my ($block) = @_;
    my ($count, $offset, $length) = unpack('x12 L L L', at($block, 48));
    my ($bytes, $records) = (at($block, $length), '');
    for (1 .. $count) {
        my ($next, $seconds, $nanos, $kept, $size, undef, $mac) = unpack("x$offset L6 S", $bytes);
        $records .= pack('V4', $seconds, int($nanos / 1000), $kept, $size) . substr($bytes, $offset + $mac, $kept);
        $offset += $next;
    }
    return $records;
}

my $ending = 0;
$SIG{TERM} = sub { $ending = 1 };
my $more = keep(pack('V v v V4', 0xa1b2c3d4, 2, 4, 0, 0, $SNAPLEN, 1));
bind($socket, pack('S n i S C C a8', $AF_PACKET, $ETH_P_ALL, $index, 0, 0, 0, '')) or fail($interface);
print "listening\n";

my $current = 0;
while ($more) {
    my $block = $memory + $current * $BLOCK;
    if (unpack('x8 L', at($block, 12)) & $TP_STATUS_USER) {
        $more = keep(records($block));
        syscall($call->{read}, fileno($zeros), $block + 8, 4) == 4 or fail('the ring');
        $current = ($current + 1) % $BLOCKS;
        next;
    }
    my $bits = '';
    vec($bits, fileno($socket), 1) = 1;
    my $last_look = $ending;
    next if select($bits, undef, undef, $last_look ? $LAST_LOOK : 1) > 0 && !trouble();
    last if $last_look && !(unpack('x8 L', at($block, 12)) & $TP_STATUS_USER);
}

# A cable that was pulled may be put in again; one that is gone ends the capture.
sub trouble {
    my $error = unpack('i', getsockopt($socket, $SOL_SOCKET, $SO_ERROR));
    return 0 if $error == 0;
    $! = $error;
    fail($interface) if $error != $ENETDOWN;
    $ending = 1 if !defined index_of();
    return 1;
}
my $statistics = getsockopt($socket, $SOL_PACKET, $PACKET_STATISTICS) // pack('L L', 0, 0);
print 'missed ', (unpack 'L L', $statistics)[1], "\n";
