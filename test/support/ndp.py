"""A node's side of IPv6 neighbour discovery (RFC 4861), honest and not. Runs in the node's network namespace.

ndp.py solicit IFACE  asks for routers with the kernel's own link-local address until one answers; prints the answer in hex
ndp.py forge IFACE    sends frames that a node may not send, and some it may, each with its name in angle brackets
ndp.py hear IFACE     prints "ready", then the name of every frame of `forge` that comes, and "advertisement" for others'
"""
import re
import socket
import struct
import sys

ROUTER_SOLICIT, ROUTER_ADVERT, NEIGHBOUR_SOLICIT, REDIRECT = 133, 134, 135, 137
ICMPV6, UDP, HOP_BY_HOP, FRAGMENT, DESTINATION_OPTIONS = 58, 17, 0, 44, 60
ALL_NODES, ALL_ROUTERS = 'ff02::1', 'ff02::2'
SERVER = 'fe80::c0ff:fea8:9801'
STRANGER = 'fe80::bad'
ALL_FRAMES = 3


def address(text):
    return socket.inet_pton(socket.AF_INET6, text)


def checksum(source, target, protocol, payload):
    data = address(source) + address(target) + struct.pack('!II', len(payload), protocol) + payload
    data += b'\0' * (len(data) % 2)
    total = sum(struct.unpack('!%dH' % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def labelled(name):
    """An option of an experimental type (RFC 4727) that holds the frame's name."""
    text = b'<%s>' % name.encode()
    length = -(-(len(text) + 2) // 8)
    return struct.pack('!BB', 253, length) + text.ljust(length * 8 - 2, b'\0')


def icmp(source, target, kind, body):
    message = struct.pack('!BBH', kind, 0, 0) + body
    return message[:2] + struct.pack('!H', checksum(source, target, ICMPV6, message)) + message[4:]


def udp(source, target, ports, name):
    text = b'<%s>' % name.encode()
    message = struct.pack('!HHHH', *ports, 8 + len(text), 0) + text
    return message[:6] + struct.pack('!H', checksum(source, target, UDP, message)) + message[8:]


def ip(source, target, protocol, payload):
    return struct.pack('!IHBB', 6 << 28, len(payload), protocol, 255) + address(source) + address(target) + payload


def forge(interface):
    link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    link.bind((interface, 0))
    mac = link.getsockname()[4]
    own = socket.inet_ntop(
        socket.AF_INET6, address('fe80::')[:8] + bytes([mac[0] ^ 2]) + mac[1:3] + b'\xff\xfe' + mac[3:]
    )

    def send(protocol, payload, target=ALL_NODES, source=own, tag=b''):
        multicast = b'\x33\x33' + address(target)[-4:]
        link.send(multicast + mac + tag + b'\x86\xdd' + ip(source, target, protocol, payload))

    def advert(name):
        return icmp(own, ALL_NODES, ROUTER_ADVERT, struct.pack('!BBHII', 64, 0, 1800, 0, 0) + labelled(name))

    def fragment(next_header, offset, more, payload):
        return struct.pack('!BBHI', next_header, 0, offset << 3 | more, 7) + payload

    filler = b'\1\4\0\0\0\0'
    send(ICMPV6, advert('advertisement'))
    send(HOP_BY_HOP, struct.pack('!BB', ICMPV6, 0) + filler + advert('behind options'))
    send(ICMPV6, advert('priority tag'), tag=b'\x81\0\x20\0')
    send(ICMPV6, advert('service tag'), tag=b'\x88\xa8\0\0')
    send(FRAGMENT, fragment(ICMPV6, 0, 0, advert('one fragment')))
    send(FRAGMENT, fragment(DESTINATION_OPTIONS, 0, 1, struct.pack('!BB', ICMPV6, 0) + filler))
    send(FRAGMENT, fragment(DESTINATION_OPTIONS, 1, 0, advert('second fragment')))
    send(ICMPV6, icmp(own, ALL_NODES, REDIRECT, bytes(36) + labelled('redirect')))
    send(UDP, udp(own, ALL_NODES, (547, 546), 'address server'))
    # for the server, whose neighbour table a node must not fill
    stranger = icmp(STRANGER, SERVER, NEIGHBOUR_SOLICIT, bytes(4) + address(SERVER) + struct.pack('!BB', 1, 1) + mac)
    send(ICMPV6, stranger, SERVER, STRANGER)
    link.send(b'\x02\0\xc0\xa8\x98\x01' + mac + b'\x86\xdd' + ip(STRANGER, SERVER, ICMPV6, stranger))
    send(ICMPV6, advert('other network'), tag=b'\x81\0\0\x05')
    send(UDP, udp(own, ALL_NODES, (9999, 9999), 'message'))
    send(UDP, udp(own, ALL_NODES, (9999, 9999), 'last'))


def hear(interface):
    link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ALL_FRAMES))
    link.bind((interface, ALL_FRAMES))
    print('ready', flush=True)
    while True:
        frame, (_, _, direction, *_) = link.recvfrom(2000)
        name = re.search(rb'<([a-z ]+)>', frame)
        if direction == socket.PACKET_OUTGOING:
            continue
        if name:
            print(name[1].decode(), flush=True)
            if name[1] == b'last':
                return
        elif frame[12:14] == b'\x86\xdd' and frame[20] == ICMPV6 and frame[54] == ROUTER_ADVERT:
            print('advertisement', flush=True)


def solicit(interface):
    raw = socket.socket(socket.AF_INET6, socket.SOCK_RAW, ICMPV6)
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode())
    raw.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
    raw.settimeout(0.5)
    scope = socket.if_nametoindex(interface)
    for _ in range(60):
        raw.sendto(struct.pack('!BBHI', ROUTER_SOLICIT, 0, 0, 0), (ALL_ROUTERS, 0, 0, scope))
        try:
            while True:
                message, (router, *_) = raw.recvfrom(2000)
                if message[0] == ROUTER_ADVERT:
                    print(router.split('%')[0], message.hex())
                    return
        except TimeoutError:
            pass
    sys.exit('no router has answered')


{'solicit': solicit, 'forge': forge, 'hear': hear}[sys.argv[1]](sys.argv[2])
